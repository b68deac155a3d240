"""The metrics in the text form that was asked for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from prometheus_client.exposition import choose_encoder

from addons.accounts.model import AccountState
from addons.operate.contract import Operated
from addons.operate.metrics import Metrics

MAX_WINDOWS: Final = 16
"""Windows shown of an account's limits; their names are an upstream's words."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """A body and its content type."""

    content_type: str
    body: bytes


class Exposition:
    """What Prometheus reads."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = asyncio.Lock()

    async def text(self, providers: Iterable[Operated], accept: str, now: float) -> Exposed:
        """All families. What is read from the pools is read on the loop, at one moment; the text
        is made in a thread."""
        encode, content_type = choose_encoder(accept)
        async with self._lock:  # another reader would clear what is just being written
            take(self._metrics, list(providers), now)
            return Exposed(content_type, await asyncio.to_thread(encode, self._metrics.registry))


def take(metrics: Metrics, providers: Sequence[Operated], now: float) -> None:
    """Bring the gauges that mirror the pools up to date."""
    for gauge in (metrics.accounts, metrics.cooling, metrics.quota_used, metrics.quota_resets):
        gauge.clear()
    metrics.info.labels(version("floway")).set(1)
    for operated in providers:
        provider, pool = operated.provider, operated.pool
        cooling = set()
        for cooldown in pool.cooldowns:
            account = pool.account(cooldown.handle)
            if account is None or cooldown.until <= now:
                continue
            if cooldown.model is None:
                cooling.add(cooldown.handle)
            reason = metrics.reason(cooldown.reason)
            metrics.cooling.labels(provider, account.label, reason).inc()
        states = Counter({state.value: 0 for state in AccountState} | {"cooling": 0})
        for account in pool.accounts:
            cools = account.state is AccountState.READY and account.handle in cooling
            states["cooling" if cools else account.state.value] += 1
            quota = account.quota.at(now) if account.quota is not None else None
            for window in quota.windows[:MAX_WINDOWS] if quota is not None else ():
                labels = (provider, account.label, window.limit, window.name)
                metrics.quota_used.labels(*labels).set(window.used_percent / 100)
                if window.resets_at is not None:
                    metrics.quota_resets.labels(*labels).set(window.resets_at)
        for state, count in states.items():
            metrics.accounts.labels(provider, state).set(count)
