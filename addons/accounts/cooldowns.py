"""Which account cools for which model, until when, and why. Pure: clocks come in as arguments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from addons.errors import ClientError

LONGEST_BACKOFF = 30 * 60.0
"""Seconds; the last step of a backoff."""

_FORGET_AFTER = 3600.0
"""Seconds after its end at which a cooldown, and with it the backoff's level, is forgotten."""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """One span of time in which an account is not asked.

    Attributes:
        model: None: for all models.
        until: unix seconds.
        since: unix seconds of the refusal that set it.
        level: steps of backoff so far; 0 when the upstream said the time.
        error: what a client would have been told at the time.
    """

    handle: str
    model: str | None
    until: float
    since: float
    reason: str
    level: int = 0
    error: ClientError | None = field(default=None, compare=False)


class Cooldowns:
    """All cooldowns, by (account, model).

    Args:
        jitter: a number in [0, 1) that spreads the ends of backoffs.
        limit: entries kept; models are clients' words, so their number is bounded.
    """

    def __init__(self, jitter: Callable[[], float] = random.random, limit: int = 10_000) -> None:
        self._jitter = jitter
        self._limit = limit
        self._entries: dict[tuple[str, str | None], Cooldown] = {}

    def __iter__(self) -> Iterator[Cooldown]:
        return iter(list(self._entries.values()))

    def of(self, handle: str, model: str, now: float) -> Cooldown | None:
        """The open cooldown that keeps an account from serving a model; the later of two."""
        whole = self._entries.get((handle, None))
        own = self._entries.get((handle, model))
        if whole is not None and whole.until <= now:
            whole = None
        if own is None or own.until <= now:
            return whole
        return own if whole is None or own.until > whole.until else whole

    def set(
        self,
        handle: str,
        model: str | None,
        until: float,
        reason: str,
        *,
        now: float,
        error: ClientError | None = None,
    ) -> Cooldown:
        """Cool until a time that the upstream named; an open, longer one stays."""
        known = self._entries.get((handle, model))
        if known is not None and known.until >= until:
            return known
        return self._keep(Cooldown(handle, model, until, now, reason, 0, error), now)

    def back_off(
        self,
        handle: str,
        model: str | None,
        first: float,
        reason: str,
        *,
        now: float,
        error: ClientError | None = None,
        longest: float = LONGEST_BACKOFF,
    ) -> Cooldown:
        """Cool for ``first`` seconds, doubled for each refusal in a row, up to ``longest``.

        At most one step per open window: several requests that were under way together and fail
        together are one refusal. Up to a tenth is added at random.
        """
        known = self._entries.get((handle, model))
        if known is not None and known.until > now:
            return known
        level = known.level + 1 if known is not None else 1
        wait = min(first * 2.0 ** min(level - 1, 32), longest)
        wait += wait * 0.1 * self._jitter()
        return self._keep(Cooldown(handle, model, now + wait, now, reason, level, error), now)

    def succeeded(self, handle: str, model: str, started: float, now: float) -> None:
        """Forget the backoff's level after a success.

        Only of cooldowns that are over and were set before the successful attempt began: a late
        success of an older attempt proves nothing against a newer refusal.
        """
        for key in ((handle, None), (handle, model)):
            known = self._entries.get(key)
            if known is not None and known.until <= now and known.since < started:
                del self._entries[key]

    def clear(self, handle: str, model: str | None = None, *, all_models: bool = False) -> None:
        """End a cooldown by hand."""
        self._entries.pop((handle, model), None)
        if all_models:
            for key in [key for key in self._entries if key[0] == handle]:
                del self._entries[key]

    def restore(self, cooldown: Cooldown) -> None:
        """Put a stored one back."""
        self._entries[cooldown.handle, cooldown.model] = cooldown

    def _keep(self, cooldown: Cooldown, now: float) -> Cooldown:
        self._entries[cooldown.handle, cooldown.model] = cooldown
        if len(self._entries) > self._limit:
            self._shrink(now)
        return cooldown

    def _shrink(self, now: float) -> None:
        for key, entry in list(self._entries.items()):
            if entry.until + _FORGET_AFTER <= now:
                del self._entries[key]
        # Those for one model go before those for a whole account, the first to end first.
        surplus = len(self._entries) - self._limit
        if surplus > 0:
            order = sorted(
                self._entries.items(), key=lambda item: (item[0][1] is None, item[1].until)
            )
            for key, _ in order[:surplus]:
                del self._entries[key]
