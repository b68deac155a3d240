"""What only one account can read: encrypted items and turn states. Pure; keeps digests only.

The upstream seals reasoning and compactions for the account that it gives them to, and refuses
them from another one with ``invalid_encrypted_content`` (codex-wire.md §8.2, §9 no. 5). When a
conversation goes on with another account, reasoning and compactions of the first are left out: the
rest of the history says all that was answered, and after a compaction the messages of the user
that its client has retained.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

type Json = dict[str, Any]

REFUSED = "invalid_encrypted_content"
"""Error code of a sealed value that the account can't read."""

SEALED = frozenset({"reasoning", "compaction"})
"""Types of items that hold a sealed value."""


class Seals:
    """Which account made a sealed value, and which ones were refused with it.

    Args:
        limit: values remembered; the one used longest ago goes first.
    """

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._readers: OrderedDict[bytes, tuple[str, frozenset[str]]] = OrderedDict()

    def made(self, value: str, handle: str) -> None:
        """The account's upstream gave this value."""
        self._put(_digest(value), handle, frozenset())

    def refused(self, values: Iterable[str], handle: str) -> bool:
        """The account could not read one of these values, nobody knows which one.

        Those that it made itself are believed to be good as long as there are others. False when
        there is no value at all.
        """
        digests = [_digest(value) for value in values]
        foreign = [digest for digest in digests if self._made_by(digest) != handle]
        for digest in foreign or digests:
            maker, refused = self._readers.get(digest, ("", frozenset()))
            self._put(digest, maker, refused | {handle})
        return bool(digests)

    def readable(self, value: str, handle: str) -> bool:
        """Whether the account may be sent the value; True for one that nobody knows."""
        maker, refused = self._readers.get(_digest(value), ("", frozenset()))
        return maker in ("", handle) and handle not in refused

    def _made_by(self, digest: bytes) -> str:
        return self._readers.get(digest, ("", frozenset()))[0]

    def _put(self, digest: bytes, maker: str, refused: frozenset[str]) -> None:
        self._readers[digest] = (maker, refused)
        self._readers.move_to_end(digest)
        if len(self._readers) > self._limit:
            self._readers.popitem(last=False)


def sealed_values(body: Mapping[str, Any]) -> list[str]:
    """The encrypted contents of a request's items."""
    return [content for item in _items(body) if (content := _sealed(item)) is not None]


def readable_body(body: Json, handle: str, seals: Seals) -> Json:
    """``body`` without items that the account can't read; itself when there are none."""
    items = _items(body)
    sealed = (item for item in items if type(item) is dict and item.get("type") in SEALED)
    if all(_is_readable(item, handle, seals) for item in sealed):  # as a rule
        return body
    return {**body, "input": [item for item in items if _is_readable(item, handle, seals)]}


def left_out(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Types of the items that :func:`readable_body` has left out, each once."""
    if before is after:
        return []
    kept = {id(item) for item in _items(after)}
    gone = (item["type"] for item in _items(before) if _sealed(item) and id(item) not in kept)
    return list(dict.fromkeys(gone))


def sealed_content(event: Mapping[str, Any]) -> str | None:
    """The encrypted content of an upstream's finished item; None when it has none."""
    item = event.get("item")
    content = item.get("encrypted_content") if isinstance(item, dict) else None
    return content if isinstance(content, str) and content else None


def _items(body: Mapping[str, Any]) -> list[Any]:
    items = body.get("input")
    return items if isinstance(items, list) else []


def _sealed(item: Any) -> str | None:
    if not isinstance(item, dict) or item.get("type") not in SEALED:
        return None
    content = item.get("encrypted_content")
    return content if isinstance(content, str) and content else None


def _is_readable(item: Any, handle: str, seals: Seals) -> bool:
    content = _sealed(item)
    return content is None or seals.readable(content, handle)


def _digest(value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).digest()
