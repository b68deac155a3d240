"""Which account cools for which model, until when, and why. Pure: clocks come in as arguments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from addons.errors import ClientError

LONGEST_BACKOFF = 30 * 60.0
"""Seconds; the last step of a backoff."""

FORGET_AFTER = 3600.0
"""Seconds after its end at which a cooldown, and with it the backoff's level, is forgotten."""


SKEW = 5.0
"""Seconds by which a refusal may lie in the future: clocks of two processes, say."""


class Source(StrEnum):
    """Who said for how long."""

    UPSTREAM = "upstream"  # Retry-After, a reset time, a used-up window
    BACKOFF = "backoff"  # nobody; longer each time
    FIXED = "fixed"  # nobody; as long as this kind of refusal is worth
    RULE = "rule"  # the user's settings


@dataclass(frozen=True, slots=True)
class Cooldown:
    """One span of time in which an account is not asked.

    Attributes:
        model: None: for all models.
        until: unix seconds.
        since: unix seconds of the refusal that set it.
        level: steps of backoff so far; 0 when the time was said.
        source: see :class:`Source`.
        error: what a client would have been told at the time.
    """

    handle: str
    model: str | None
    until: float
    since: float
    reason: str
    level: int = 0
    source: Source = Source.UPSTREAM
    error: ClientError | None = field(default=None, compare=False)

    def at(self, now: float) -> Cooldown:
        """As it holds at ``now``: never longer than when it was set.

        A refusal in the future means that the clock was put back; without this, an account that
        was refused before that would cool for as long as the clock was wrong.
        """
        if self.since <= now + SKEW:
            return self
        return replace(self, since=now, until=now + (self.until - self.since))


type Changed = Callable[[str, str | None, Cooldown | None], None]
"""Told of an account's and a model's (None: all models) cooldown; None: it is forgotten."""


class Cooldowns:
    """All cooldowns, by (account, model).

    Args:
        jitter: a number in [0, 1) that spreads the ends of backoffs.
        limit: entries kept; models are clients' words, so their number is bounded.

    Attributes:
        changed: called after each change, except those by :meth:`restore` and :meth:`forget`.
    """

    def __init__(self, jitter: Callable[[], float] = random.random, limit: int = 10_000) -> None:
        self._jitter = jitter
        self._limit = limit
        self._entries: dict[str, dict[str | None, Cooldown]] = {}
        self._count = 0
        self.changed: Changed = lambda _handle, _model, _cooldown: None

    def __iter__(self) -> Iterator[Cooldown]:
        return iter([entry for own in self._entries.values() for entry in own.values()])

    def of(self, handle: str, model: str, now: float) -> Cooldown | None:
        """The open cooldown that keeps an account from serving a model; the later of two."""
        own = self._entries.get(handle)
        if own is None:
            return None
        whole, mine = self._known(handle, None, now), self._known(handle, model, now)
        if whole is not None and whole.until > now:
            return mine if mine is not None and mine.until > whole.until else whole
        return mine if mine is not None and mine.until > now else None

    def set(
        self,
        handle: str,
        model: str | None,
        until: float,
        reason: str,
        *,
        now: float,
        source: Source = Source.UPSTREAM,
        error: ClientError | None = None,
    ) -> Cooldown:
        """Cool until a time that is known; an open, longer one stays."""
        known = self._known(handle, model, now)
        if known is not None and known.until >= until:
            return known
        return self._keep(Cooldown(handle, model, until, now, reason, 0, source, error), now)

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
        known = self._known(handle, model, now)
        if known is not None and known.until > now:
            return known
        fresh = known is not None and known.until + FORGET_AFTER > now
        level = known.level + 1 if known is not None and fresh else 1
        wait = min(first * 2.0 ** min(level - 1, 32), longest)
        wait += wait * 0.1 * self._jitter()
        return self._keep(
            Cooldown(handle, model, now + wait, now, reason, level, Source.BACKOFF, error), now
        )

    def succeeded(self, handle: str, model: str, started: float, now: float) -> None:
        """Forget the backoff's level after a success.

        Only of cooldowns that are over and were set before the successful attempt began: a late
        success of an older attempt proves nothing against a newer refusal.
        """
        for scope in (None, model):
            known = self._known(handle, scope, now)
            if known is not None and known.until <= now and known.since < started:
                self._drop(handle, scope)
                self.changed(handle, scope, None)

    def clear(self, handle: str, model: str | None = None, *, all_models: bool = False) -> None:
        """End a cooldown by hand."""
        scopes = list(self._entries.get(handle, ())) if all_models else [model]
        for scope in scopes:
            self._drop(handle, scope)
            self.changed(handle, scope, None)

    def restore(self, cooldown: Cooldown) -> None:
        """Put a stored one, or one of another process, in the place of a shorter one."""
        known = self._entries.get(cooldown.handle, {}).get(cooldown.model)
        if known is None or known.until < cooldown.until:
            self._put(cooldown)

    def forget(self, handle: str, model: str | None, at: float) -> None:
        """Another process has ended, at ``at``, what was set before."""
        known = self._entries.get(handle, {}).get(model)
        if known is not None and known.since < at:
            self._drop(handle, model)

    def _known(self, handle: str, model: str | None, now: float) -> Cooldown | None:
        """The entry as it holds now; see :meth:`Cooldown.at`."""
        own = self._entries.get(handle)
        known = own.get(model) if own is not None else None
        if known is None or known.since <= now + SKEW:
            return known
        moved = known.at(now)
        self._put(moved)
        self.changed(handle, model, moved)
        return moved

    def _keep(self, cooldown: Cooldown, now: float) -> Cooldown:
        self._put(cooldown)
        if self._count > self._limit:
            self._shrink(now)
        self.changed(cooldown.handle, cooldown.model, cooldown)
        return cooldown

    def _put(self, cooldown: Cooldown) -> None:
        own = self._entries.setdefault(cooldown.handle, {})
        self._count += cooldown.model not in own
        own[cooldown.model] = cooldown

    def _drop(self, handle: str, model: str | None) -> None:
        own = self._entries.get(handle)
        if own is None or model not in own:
            return
        del own[model]
        self._count -= 1
        if not own:
            del self._entries[handle]

    def _shrink(self, now: float) -> None:
        for entry in self:
            if entry.until + FORGET_AFTER <= now:
                self._drop(entry.handle, entry.model)
        # Those for one model go before those for a whole account, the first to end first.
        surplus = self._count - self._limit
        if surplus > 0:
            order = sorted(self, key=lambda entry: (entry.model is None, entry.until))
            for entry in order[:surplus]:
                self._drop(entry.handle, entry.model)
