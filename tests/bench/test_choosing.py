"""The measurement of choosing chooses as it says; how fast is not asserted."""

from __future__ import annotations

from addons.accounts.model import Account
from addons.accounts.strategies import STRATEGIES
from replay.bench.choosing import NOW, measure, pool_of, table


def test_all_but_one_cool_in_the_worst_case() -> None:
    for strategy in STRATEGIES:
        pool = pool_of(strategy, 20, 19)
        chosen = pool.choose("x", "model", NOW)
        assert isinstance(chosen, Account)
        assert chosen.label == "n19"


def test_there_is_a_row_for_each_strategy_and_case() -> None:
    lines = list(table(measure(10, 20), 10))
    assert len(lines) == 2 + 3 * len(STRATEGIES)
    assert all(strategy in "\n".join(lines) for strategy in STRATEGIES)
