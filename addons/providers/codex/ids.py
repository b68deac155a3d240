"""Ids in the official form: UUIDv7 in lower case, minted from a clock or derived from a secret-free
digest.

The official client's session, thread, turn and context-window ids are UUIDv7; the installation id
is a UUIDv4 (codex-wire.md §1.4). A derived id has the same form, so that nothing but its origin
tells it from a minted one; its 48-bit time lies in a fixed window of the past, because a random one
would name a year far ahead.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from addons.sessions.naming import digest as digest

MAX_LENGTH = 256
"""Longest id that is taken from a caller, in characters."""

_EPOCH = "019b"
"""First of the three 16-bit words of a derived id's time in unix milliseconds: the 2^32 ms (about
50 days) from December 2025."""

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""A digit with its upper two bits set to those of RFC 9562's variant."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([1-8])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def official(value: str) -> str | None:
    """``value`` in lower case when it is a UUIDv7, else None."""
    lowered = value.lower()
    return lowered if version(lowered) == 7 else None


def official_installation(value: str) -> str | None:
    """``value`` in lower case when it is a UUIDv4, the form of an installation id, else None."""
    lowered = value.lower()
    return lowered if version(lowered) == 4 else None


def version(value: str) -> int:
    """Of a UUID in lower case; 0 for what is none."""
    found = _UUID.fullmatch(value)
    return int(found[1]) if found is not None else 0


def usable(value: str) -> bool:
    """Whether a caller's id of any form may be read: 1 to 256 printable characters."""
    return 0 < len(value) <= MAX_LENGTH and value.isprintable() and not value.isspace()


@lru_cache(maxsize=1024)  # each turn of a conversation asks for the same few ids
def derived(*parts: str) -> str:
    """A UUIDv7-shaped id that is a pure function of ``parts``; they can't be read back."""
    return of_digest(digest("uuid7", *parts))


def of_digest(raw: bytes) -> str:
    """The UUIDv7-shaped id of a digest of at least 14 bytes."""
    return of_hex_digest(raw.hex())


def of_hex_digest(text: str) -> str:
    """:func:`of_digest` for a digest in lower-case hex: one id per input item, so it is quick."""
    return (
        f"{_EPOCH}{text[:4]}-{text[4:8]}-7{text[9:12]}"
        f"-{_VARIANT[text[12]]}{text[13:16]}-{text[16:28]}"
    )


def at(milliseconds: int, text: str) -> str:
    """The UUIDv7 of a unix time and a digest in lower-case hex of at least 28 characters."""
    stamp = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{text[9:12]}-{_VARIANT[text[12]]}{text[13:16]}-{text[16:28]}"


@lru_cache(maxsize=256)
def named(thread_id: str, name: str) -> str:
    """The UUIDv5 of a name in a thread's own name space."""
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_OID, thread_id), name))


def derived_installation(*parts: str) -> str:
    """A UUIDv4-shaped id that is a pure function of ``parts``."""
    raw = digest("uuid4", *parts)[:16]
    return _hyphenated(raw, version=4)


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes fresh UUIDv7s.

    Attributes:
        clock: unix time in seconds.
        entropy: that many random bytes.
    """

    clock: Callable[[], float] = time.time
    entropy: Callable[[int], bytes] = secrets.token_bytes

    def __call__(self) -> str:
        return _layout(int(self.clock() * 1000), self.entropy(10))


def minted_at(value: str) -> float:
    """Unix seconds inside a UUIDv7.

    Raises:
        ValueError: ``value`` is not of the official form.
    """
    if official(value) is None:
        raise ValueError(f"not a UUIDv7: {value[:40]!r}")
    return int(value.replace("-", "")[:12], 16) / 1000


def _layout(milliseconds: int, rest: bytes) -> str:
    stamp = (milliseconds & 0xFFFF_FFFF_FFFF).to_bytes(6, "big")
    return _hyphenated(stamp + rest, version=7)


def _hyphenated(raw: bytes, *, version: int) -> str:
    octets = bytearray(raw)
    octets[6] = (octets[6] & 0x0F) | (version << 4)
    octets[8] = (octets[8] & 0x3F) | 0x80
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
