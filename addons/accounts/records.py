"""Cooldowns as records that several processes write. Pure.

Records are merged, not overwritten: the cooldown that ends later counts, unless it was ended by
hand, or by a success, after it was set. So nobody undoes what another process knows better,
whoever writes last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from addons.accounts.cooldowns import FORGET_AFTER, SKEW, Cooldown, Source
from addons.errors import ClientError
from addons.store.contract import JsonLike, JsonValue, Record

COOLDOWNS: Final = "accounts.cooldowns"
"""Namespace of the records: one for each account and model."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record.

    Attributes:
        ended: unix seconds at which what was set before was ended; 0: never.
        cooldown: the one that counts; None: none does.
    """

    ended: float = 0.0
    cooldown: Cooldown | None = None

    def merged(self, other: Entry) -> Entry:
        """Both together, whichever came first.

        One case is given up: a short cooldown, set after the longer one was ended, is lost where
        the two meet before the end of the longer one is known.
        """
        ended = max(self.ended, other.ended)
        given = [
            each
            for each in (self.cooldown, other.cooldown)
            if each is not None and each.since >= ended
        ]
        return Entry(ended, max(given, key=lambda c: (c.until, c.since, c.level), default=None))

    def at(self, now: float) -> Entry:
        """Without times that lie in the future: the clock was put back (see Cooldown.at)."""
        ended = self.ended if self.ended <= now + SKEW else 0.0
        return Entry(ended, None if self.cooldown is None else self.cooldown.at(now))


def merge_of(
    own: Entry, handle: str, model: str | None, clock: Callable[[], float]
) -> Callable[[JsonValue], tuple[JsonLike, float] | None]:
    """Merges a change of ours with what the record holds; None when that says nothing new."""

    def merge(known: JsonValue) -> tuple[JsonLike, float] | None:
        now = clock()
        loaded = load(known)
        before = Entry() if loaded is None else loaded[2]
        merged = before.at(now).merged(own.at(now))
        if merged == before:
            return None
        until = merged.cooldown.until if merged.cooldown is not None else now
        return dump(handle, model, merged), max(until - now, 0.0) + FORGET_AFTER

    return merge


def open_cooldowns(records: Iterable[Record], now: float) -> list[Cooldown]:
    """Those of some records that have not ended, the longest first."""
    entries = [loaded[2].at(now) for each in records if (loaded := load(each.value)) is not None]
    found = [each.cooldown for each in entries if each.cooldown is not None]
    return sorted((each for each in found if each.until > now), key=lambda each: -each.until)


def cooldown_key(provider: str, handle: str, model: str | None) -> str:
    """Key of a record. Models are clients' words, of any length and characters, so hashed."""
    whole = f"{provider}:{handle}"
    if model is None:
        return whole
    return f"{whole}:{hashlib.sha256(model.encode('utf-8', 'replace')).hexdigest()[:16]}"


def dump(handle: str, model: str | None, entry: Entry) -> dict[str, JsonLike]:
    """A record's value."""
    cooldown = entry.cooldown
    return {
        "handle": handle,
        "model": model,
        "ended": entry.ended,
        "cooldown": None
        if cooldown is None
        else {
            "until": cooldown.until,
            "since": cooldown.since,
            "reason": cooldown.reason,
            "level": cooldown.level,
            "source": cooldown.source.value,
            "error": _dump_error(cooldown.error),
        },
    }


def load(value: JsonValue) -> tuple[str, str | None, Entry] | None:
    """Handle, model and entry of a record; None when another version has written it."""
    given: Any = value
    try:
        handle, model = str(given["handle"]), given["model"]
        cooldown = given["cooldown"]
        if cooldown is not None:
            cooldown = Cooldown(
                handle,
                None if model is None else str(model),
                float(cooldown["until"]),
                float(cooldown["since"]),
                str(cooldown["reason"]),
                int(cooldown["level"]),
                Source(cooldown["source"]),
                _load_error(cooldown["error"]),
            )
        return handle, model, Entry(float(given["ended"]), cooldown)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _dump_error(error: ClientError | None) -> JsonLike:
    """Errors of accounts hold no secret; see :class:`ClientError`."""
    if error is None:
        return None
    return {
        "status": error.status,
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "kind": error.kind,
        "retry_after": error.retry_after,
        "details": dict(error.details),
    }


def _load_error(given: Any) -> ClientError | None:
    if given is None:
        return None
    return ClientError(
        int(given["status"]),
        str(given["code"]),
        str(given["message"]),
        param=given["param"],
        kind=given["kind"],
        retry_after=given["retry_after"],
        details=dict(given["details"]),
    )
