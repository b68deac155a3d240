"""Counts exchanges as they begin and end. Called by the edge, some ten microseconds for each."""

from __future__ import annotations

import time
from weakref import WeakSet

from prometheus_client import Gauge

from addons.accounts.cooldowns import Cooldown
from addons.exchange import Attempt, Exchange, Usage
from addons.operate.contract import Operated
from addons.operate.metrics import Metrics, children
from addons.providers.contract import (
    Commit,
    Fail,
    Hold,
    NextAccount,
    RefreshCredentials,
    SameAccount,
    Verdict,
)
from addons.sessions.records import Entry


class Observer:
    """Tells :class:`Metrics` what happens. Each exchange is counted once, whatever is called."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._open: WeakSet[Exchange] = WeakSet()
        self._streaming: WeakSet[Exchange] = WeakSet()
        self._requests = children(metrics.requests)
        self._seconds = children(metrics.request_seconds)
        self._attempts = children(metrics.attempts)
        self._failovers = children(metrics.failovers)
        self._open_requests = children(metrics.open_requests)
        self._open_streams = children(metrics.open_streams)
        self._websockets = children(metrics.websockets)
        self._tokens = {kind: children(family) for kind, family in metrics.tokens.items()}
        self._metered: set[str] = set()
        """Providers whose journals report tokens."""
        self._plan = metrics.added_seconds.labels("plan")
        self._hold = metrics.added_seconds.labels("hold")

    @property
    def open_requests(self) -> int:
        """Requests that are being served, WebSockets included."""
        return len(self._open)

    # --- exchanges ---------------------------------------------------------------------------

    def began(self, exchange: Exchange, waited: float | None) -> None:
        """A request was read and planned.

        Args:
            waited: seconds that this took; None where it is not sent now.
        """
        if exchange in self._open or exchange.outcome is not None:
            return
        self._open.add(exchange)
        if waited is not None:
            self._plan.observe(max(0.0, waited))
        if not exchange.websocket:
            self._open_requests(exchange.provider.name).inc()

    def committed(self, exchange: Exchange, held: float | None) -> None:
        """An answer goes to the client.

        Args:
            held: seconds since its head came; None where the provider makes it.
        """
        if exchange not in self._open or exchange in self._streaming:
            return
        if held is not None:
            self._hold.observe(max(0.0, held))
        if exchange.websocket or exchange.streaming:
            self._streaming.add(exchange)
            self._stream(exchange).inc()

    def ended(self, exchange: Exchange) -> None:
        """Its outcome is known."""
        if exchange not in self._open or exchange.outcome is None:
            return
        self._open.discard(exchange)
        provider, outcome = exchange.provider.name, exchange.outcome.value
        if exchange in self._streaming:
            self._streaming.discard(exchange)
            self._stream(exchange).dec()
        route = exchange.route
        self._requests(provider, route.protocol, route.kind, outcome).inc()
        if not exchange.websocket:
            self._open_requests(provider).dec()
            self._seconds(provider, outcome).observe(time.monotonic() - exchange.started)
        if exchange.usage is not None and provider not in self._metered and exchange.attempts:
            self._used(provider, exchange.attempts[-1].account, exchange.usage)
        before: Attempt | None = None
        for attempt in exchange.attempts:
            self._attempts(provider, attempt.account, result(attempt.verdict)).inc()
            if before is not None and before.account != attempt.account:
                self._failovers(provider, self.metrics.reason(before.reason)).inc()
            before = attempt

    def _used(self, provider: str, account: str, usage: Usage) -> None:
        """Tokens of a provider without a journal, which alone could say what was eligible."""
        self._tokens["input"](provider, account).inc(usage.input_tokens)
        self._tokens["cached"](provider, account).inc(usage.cached_tokens)
        self._tokens["output"](provider, account).inc(usage.output_tokens)

    def _stream(self, exchange: Exchange) -> Gauge:
        kind = self._websockets if exchange.websocket else self._open_streams
        return kind(exchange.provider.name)

    # --- what else happens -------------------------------------------------------------------

    def watch(self, operated: Operated) -> None:
        """Count what happens inside a provider: cooldowns, refreshes, tokens."""
        metrics, provider, pool = self.metrics, operated.provider, operated.pool
        first = pool.cooldowns.changed

        def cooled(handle: str, model: str | None, cooldown: Cooldown | None) -> None:
            first(handle, model, cooldown)
            account = pool.account(handle)
            if cooldown is not None and account is not None:
                reason = metrics.reason(cooldown.reason)
                metrics.cooldowns_begun.labels(provider, account.label, reason).inc()

        def refreshed(label: str, ended: str) -> None:
            metrics.refreshes.labels(provider, label, ended).inc()

        def counted(entry: Entry) -> None:
            for kind, child in self._tokens.items():
                child(provider, entry.account).inc(getattr(entry, kind))

        pool.cooldowns.changed = cooled
        if operated.keeper is not None:
            operated.keeper.refresher.told = refreshed
        if operated.journal is not None:
            operated.journal.counted = counted
            self._metered.add(provider)


def result(verdict: Verdict | None) -> str:
    """What was made of an attempt's answer, as a label."""
    match verdict:
        case None | Hold():
            return "none"
        case Commit():
            return "commit"
        case NextAccount():
            return "next_account"
        case SameAccount():
            return "same_account"
        case RefreshCredentials():
            return "refresh"
        case Fail():
            return "fail"
