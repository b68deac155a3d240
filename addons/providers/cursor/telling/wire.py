"""Protobuf's wire form, read without a schema. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

MAX_DEPTH: Final = 12
"""Messages inside messages that are looked into."""


def fields(data: bytes) -> list[bytes] | None:
    """The members of a message that are bytes: texts, blobs and inner messages; None: no message.

    Groups, which nobody has used for long, are not read.
    """
    found: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        if tag < 8:  # no number, or one below 1
            return None
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                if value < 0:
                    return None
            case 1:
                at += 8
            case 2:
                size, at = _varint(data, at)
                if size < 0 or at + size > end:
                    return None
                found.append(data[at : at + size])
                at += size
            case 5:
                at += 4
            case _:
                return None
    return found if at == end else None


def references(data: bytes, known: Collection[bytes], depth: int = MAX_DEPTH) -> Iterator[bytes]:
    """Those of the known values that a message has as members, at any depth.

    A text that happens to have the form of a message is looked into as well, which can find too
    much and never too little.
    """
    for value in fields(data) or ():
        if value in known:
            yield value
        elif depth and len(value) > 2:
            yield from references(value, known, depth - 1)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends; -1 where there is none."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return -1, at
