"""What floway keeps between requests and restarts: small JSON records and leases.

The one interface for affinity, identities, cooldowns and credentials. Nothing above it knows the
engine behind it. All methods may be called from any task of one event loop; an operation is atomic,
also against other processes that share the same store.

Times are in seconds since the epoch, by the clock that the store was opened with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from addons.errors import FlowayError

type JsonValue = bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None
type JsonLike = bool | int | float | str | Sequence[JsonLike] | Mapping[str, JsonLike] | None
"""What a caller may give; what it gets back is :data:`JsonValue`."""
type Clock = Callable[[], float]

MAX_NAME: Final = 512
"""Longest namespace, key, lease name or holder, in characters."""

MAX_VALUE_BYTES: Final = 16 * 1024 * 1024
"""Largest value, as JSON text in UTF-8."""

MAX_SCAN: Final = 1000
"""Most records that one ``scan`` returns."""

NO_RECORD: Final = 0
"""The version to give ``compare_and_set`` for "there is no such record yet"."""


class StoreError(FlowayError):
    """The store cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Record:
    """One value.

    Attributes:
        version: changes with every write and never comes back, not even after a deletion.
        expires_at: from this time on the record does not exist; None: never.
    """

    namespace: str
    key: str
    value: JsonValue
    version: int
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to be written by ``put_many``.

    Attributes:
        ttl: seconds until it expires; None: never.
    """

    namespace: str
    key: str
    value: JsonLike
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The sole right to do something until ``expires_at``.

    Attributes:
        token: larger for every later holder of the same name; unchanged by a renewal.
    """

    name: str
    holder: str
    token: int
    expires_at: float


class Store(Protocol):
    """Namespaced records with a time to live, compare-and-set, and leases.

    Every method raises :class:`StoreError` when the engine fails or the store is closed, and
    ``ValueError`` for arguments out of bounds.
    """

    async def get(self, namespace: str, key: str) -> Record | None:
        """The record, or None."""

    async def put(
        self, namespace: str, key: str, value: JsonLike, *, ttl: float | None = None
    ) -> Record:
        """Write whatever is there now. ``ttl``: seconds until it expires; None: never."""

    async def compare_and_set(
        self,
        namespace: str,
        key: str,
        value: JsonLike,
        *,
        version: int,
        ttl: float | None = None,
    ) -> Record | None:
        """Write only where the record still has ``version`` (:data:`NO_RECORD`: has none).

        Returns None, and changes nothing, where it has another.
        """

    async def put_many(self, entries: Sequence[Entry]) -> None:
        """Write many records at once, each as ``put`` does; the last one of a key counts.

        Cheaper than as many calls, and not atomic as a whole: after an error some may be written.
        The values must not be changed meanwhile, for they may be read on another thread.
        """

    async def delete(self, namespace: str, key: str, *, version: int | None = None) -> bool:
        """Remove the record; with ``version`` only while it has that. True when it did."""

    async def scan(
        self, namespace: str, prefix: str = "", *, after: str = "", limit: int = MAX_SCAN
    ) -> list[Record]:
        """Records whose key starts with ``prefix``, in order of code points.

        At most ``limit`` of them; the last key, given as ``after``, continues.
        """

    async def lease(self, name: str, holder: str, seconds: float) -> Lease | None:
        """Take the lease, or prolong it where ``holder`` has it. None: someone else has it.

        A lease ends by itself after ``seconds``, so that a dead process holds up nobody. The
        holder checks that it still has it before it writes what the lease protects.
        """

    async def release(self, name: str, holder: str) -> bool:
        """Give the lease back early; True when ``holder`` had it."""

    async def sweep(self) -> int:
        """Remove what has expired and return how many; the store does so by itself as well."""

    async def close(self) -> None:
        """Finish what is under way and let go of the engine. May be called twice."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exception: object) -> None: ...


# --- arguments, checked alike by every engine ----------------------------------------------------


def checked_name(value: str, what: str) -> str:
    """``value``, when it can be a namespace, key, lease name or holder."""
    if not 0 < len(value) <= MAX_NAME or "\0" in value:
        raise ValueError(f"{what} must have 1 to {MAX_NAME} characters and no NUL, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} must be valid Unicode, not {value!r}") from None
    return value


def checked_bound(value: str, what: str) -> str:
    """``value``, when it can bound a scan: a name or nothing."""
    return checked_name(value, what) if value else value


def checked_seconds(value: float, what: str) -> float:
    """``value``, when it is a positive, finite time."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{what} must be a positive number of seconds, not {value!r}")
    return value


def checked_limit(limit: int) -> int:
    """``limit``, when it can bound a scan."""
    if not 0 < limit <= MAX_SCAN:
        raise ValueError(f"limit must be 1 to {MAX_SCAN}, not {limit!r}")
    return limit


def encoded(value: JsonLike) -> str:
    """``value`` as JSON text.

    Raises:
        ValueError: it is not JSON, or longer than :data:`MAX_VALUE_BYTES`.
    """
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except TypeError as error:
        raise ValueError(f"value must be JSON: {error}") from None
    if len(text) > MAX_VALUE_BYTES:
        raise ValueError(f"value has {len(text)} bytes, more than the {MAX_VALUE_BYTES} allowed")
    return text


def decoded(text: str) -> JsonValue:
    """The value of :func:`encoded`'s text."""
    value: JsonValue = json.loads(text)
    return value


def prefix_end(prefix: str) -> str | None:
    """The smallest text above every text that starts with ``prefix``; None: there is no end."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index])
        if code < 0x10FFFF:
            following = 0xE000 if code == 0xD7FF else code + 1  # surrogates are no characters
            return prefix[:index] + chr(following)
    return None
