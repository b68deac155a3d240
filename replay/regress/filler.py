"""Requests of a recording, with texts in the place of placeholders, the same every time.

A text becomes words of the same length that depend on its hash, so that equal texts stay equal and
a conversation's beginning stays the beginning of its next request. Tokens, paths and addresses
become made-up ones.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_PLACEHOLDER = re.compile(r"⟨([a-z]+):(\d+)(?::([0-9a-f]{8}))?⟩")
_WORDS = (
    *("the", "file", "of", "a", "test", "and", "its", "line", "says", "what", "was", "changed"),
    *("here", "for", "that", "reason", "so", "we", "read", "it", "again", "then", "write", "one"),
    *("more", "part", "with", "some", "care", "until", "all", "is", "done"),
)
_MOST = 4 * 1024 * 1024


def filled(value: Any) -> Any:
    """A JSON value with all placeholders filled; strings that are JSON texts stay JSON texts."""
    match value:
        case str():
            return _PLACEHOLDER.sub(_filling, value) if "⟨" in value else value
        case list():
            return [filled(item) for item in value]
        case dict():
            return {filled(name): filled(item) for name, item in value.items()}
        case _:
            return value


def _filling(match: re.Match[str]) -> str:
    kind, number, digest = match[1], int(match[2]), match[3] or ""
    if kind == "text":
        return text(min(number, _MOST), digest)
    if kind == "binary":
        return base64.b64encode(text(min(number, _MOST) * 3 // 4, digest).encode()).decode()
    return _KINDS.get(kind, _unknown)(number)


@lru_cache(maxsize=4096)
def text(length: int, digest: str) -> str:
    """Words of ``length`` characters that depend on ``digest``."""
    source = random.Random(f"{length}:{digest}")
    parts: list[str] = []
    size = 0
    while size < length:
        word = source.choice(_WORDS)
        parts.append(word)
        size += len(word) + 1
    return " ".join(parts)[:length].ljust(length, ".")


def _token(number: int) -> str:
    return hashlib.sha256(f"made-up token {number}".encode()).hexdigest()


def _jwt(number: int) -> str:
    def part(data: str) -> str:
        return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")

    return f"{part('{}')}.{part(f'{{"sub":"made-up-{number}"}}')}.made-up"


def _account(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _unknown(number: int) -> str:
    return f"made-up-{number}"


_KINDS: dict[str, Callable[[int], str]] = {
    "jwt": _jwt,
    "secret": _token,
    "account": _account,
    "path": lambda number: f"/made/up/{number}",
    "email": lambda number: f"person{number}@made-up.example",
    "remote": lambda number: f"https://made-up.example/repository{number}.git",
}
