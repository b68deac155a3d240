"""What is counted, for Prometheus: the families, their names and their labels.

Every label has few values: names of providers, protocols and outcomes, the labels that people gave
their accounts, and reasons, of which only the first :data:`MAX_REASONS` words are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase

from fingerprints.quoting import quoted

PREFIX: Final = "floway_"

MAX_REASONS: Final = 64
"""Different reasons; every further one is counted as ``other``."""

QUICK: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0)
"""Buckets, in seconds, for what floway itself takes."""

SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
"""Buckets, in seconds, for whole requests."""

_REASON = re.compile(r"[^A-Za-z0-9_ .-]+")

# Those are a series more for each, and say no more than when the process started.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All families of one process.

    Attributes:
        registry: of these and nothing else.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._reasons: set[str] = set()
        make = _Maker(self.registry)
        self.requests = make.counter(
            "requests",
            "Client requests that came to an end, by how they ended; a WebSocket counts as one.",
            *("provider", "protocol", "kind", "outcome"),
        )
        self.request_seconds = make.histogram(
            "request_seconds",
            "Time from a request's head to the end of its answer, WebSockets left out.",
            SLOW,
            *("provider", "outcome"),
        )
        self.attempts = make.counter(
            "attempts",
            "Requests sent upstream, by what was made of the answer "
            "(commit, next_account, same_account, refresh, fail, none).",
            *("provider", "account", "result"),
        )
        self.failovers = make.counter(
            "failovers",
            "Attempts with another account than the one before, by what was wrong with that one.",
            *("provider", "reason"),
        )
        self.cooldowns_begun = make.counter(
            "cooldowns",
            "Cooldowns that began or were prolonged, by reason.",
            *("provider", "account", "reason"),
        )
        self.refreshes = make.counter(
            "refreshes",
            "Sign-ins that were asked to be renewed (renewed, failed, over).",
            *("provider", "account", "result"),
        )
        self.tokens = {
            kind: make.counter(f"{kind}_tokens", told, "provider", "account")
            for kind, told in (
                ("input", "Input tokens, as upstreams reported them."),
                ("eligible", "Input tokens that a prompt cache could have read, where known."),
                ("cached", "Input tokens that were read from the upstream's prompt cache."),
                ("output", "Output tokens."),
            )
        }
        self.added_seconds = make.histogram(
            "added_seconds",
            "Latency that floway added: plan (from the whole request to its first sending) and "
            "hold (from the head of the answer to letting it through).",
            QUICK,
            "stage",
        )
        self.open_requests = make.gauge(
            "open_requests", "Requests that are being served, WebSockets left out.", "provider"
        )
        self.open_streams = make.gauge(
            "open_streams", "Answers that are being streamed to their clients.", "provider"
        )
        self.websockets = make.gauge(
            "websocket_connections", "WebSockets that are open.", "provider"
        )
        # Read from the pools when Prometheus asks; see exposition.py.
        self.accounts = make.gauge("accounts", "Accounts by state.", "provider", "state")
        self.cooling = make.gauge(
            "cooldowns_open",
            "Cooldowns that are open, by reason.",
            *("provider", "account", "reason"),
        )
        self.quota_used = make.gauge(
            "quota_used_ratio",
            "Used share of an account's limit, 0 to 1, as last seen.",
            *("provider", "account", "limit", "window"),
        )
        self.quota_resets = make.gauge(
            "quota_resets_timestamp_seconds",
            "When the limit's window ends, unix seconds.",
            *("provider", "account", "limit", "window"),
        )
        self.info = make.gauge("info", "Always 1; the version that runs.", "version")
        self.families: list[Family] = make.made

    def reason(self, text: str) -> str:
        """A reason as a label: its first words, no secrets, and only so many different ones."""
        said = quoted(text).partition(":")[0]
        word = " ".join(_REASON.sub(" ", said).split())[:60] or "unknown"
        if word in self._reasons:
            return word
        if len(self._reasons) >= MAX_REASONS:
            return "other"
        self._reasons.add(word)
        return word


@dataclass(frozen=True, slots=True)
class Family:
    """A family as the README lists it. ``name``: as it is exposed."""

    name: str
    kind: str
    labels: tuple[str, ...]
    told: str


class _Maker:
    """Makes families in one registry, with floway's prefix, and remembers them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.made: list[Family] = []

    def counter(self, name: str, told: str, *labels: str) -> Counter:
        counter = Counter(PREFIX + name, told, labels, registry=self._registry)
        self.made.append(Family(f"{PREFIX}{name}_total", "counter", labels, told))
        return counter

    def gauge(self, name: str, told: str, *labels: str) -> Gauge:
        gauge = Gauge(PREFIX + name, told, labels, registry=self._registry)
        self.made.append(Family(PREFIX + name, "gauge", labels, told))
        return gauge

    def histogram(
        self, name: str, told: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        histogram = Histogram(PREFIX + name, told, labels, buckets=buckets, registry=self._registry)
        self.made.append(Family(PREFIX + name, "histogram", labels, told))
        return histogram


def children[M: MetricWrapperBase](family: M) -> Callable[..., M]:
    """``family.labels``, remembered: it is asked for the same few children for every request."""
    known: dict[tuple[str, ...], M] = {}

    def child(*values: str) -> M:
        found = known.get(values)
        if found is None:
            found = known[values] = family.labels(*values)
        return found

    return child
