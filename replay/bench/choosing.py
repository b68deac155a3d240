"""What choosing an account costs: ``python -m replay.bench.choosing [ACCOUNTS]``.

Each strategy chooses for new conversations, while none, half, and all but one of the accounts
cool; the last is the worst case, in which every account is looked at.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.accounts.quota import Quota, Window
from addons.accounts.strategies import STRATEGIES

ACCOUNTS = 1000
CHOICES = 2000
NOW = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Row:
    """Microseconds for one choice."""

    strategy: str
    cooling: int
    median: float
    p99: float


def pool_of(strategy: str, count: int, cooling: int) -> Pool:
    """A pool in two priorities, with limits that differ, of which so many accounts cool."""
    accounts = [
        Account("made-up", f"n{n}", f"{n:016x}", None, weight=1.0 + n % 3, priority=n % 2)
        for n in range(count)
    ]
    pool = Pool(accounts, strategy=STRATEGIES[strategy])
    for number, account in enumerate(accounts):
        window = Window("made-up", "primary", number * 7 % 100, 300, NOW + 100_000 + number)
        pool.observed(account, Quota(NOW, (window,)))
    for number, account in enumerate(accounts[:cooling]):
        pool.cool(account, "model" if number % 2 else None, NOW + 1e6, "limit", now=NOW)
    return pool


def measure(count: int = ACCOUNTS, choices: int = CHOICES) -> Iterator[Row]:
    for strategy in STRATEGIES:
        for cooling in (0, count // 2, count - 1):
            pool = pool_of(strategy, count, cooling)
            taken = []
            for number in range(choices):
                started = time.perf_counter()
                pool.choose(f"conversation {number}", "model", NOW + number / 1000)
                taken.append((time.perf_counter() - started) * 1e6)
            yield Row(strategy, cooling, median(taken), sorted(taken)[int(choices * 0.99)])


def table(rows: Iterator[Row], count: int) -> Iterator[str]:
    yield f"Choosing among {count} accounts, microseconds"
    yield f"{'strategy':<12} {'cooling':>8} {'median':>8} {'p99':>8}"
    for row in rows:
        yield f"{row.strategy:<12} {row.cooling:>8} {row.median:>8.1f} {row.p99:>8.1f}"


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else ACCOUNTS
    for line in table(measure(wanted), wanted):
        sys.stdout.write(line + "\n")
