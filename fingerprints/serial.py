"""JSON text as the official client writes it.

Recorded from 0.142.0 and 0.169.0: bodies and WebSocket messages are compact, UTF-8, and escape
only what JSON must escape. JSON inside a header (and its copy in ``client_metadata``) is compact
too, but every character above U+007F is escaped as ``\\uxxxx`` in lower-case hex, in surrogate
pairs; U+007F itself stays as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON, members in the order of the dicts.

    Half surrogates, which no UTF-8 text can hold, become U+FFFD (what a browser's encoder does).
    A :class:`Text` stands for a value that was written before.

    Raises:
        TypeError: the value is not JSON (a set, bytes, …).
    """
    try:
        return orjson.dumps(value, default=_written)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits and half surrogates are legal in what callers send.
        text = _PATIENT.encode(value)
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


class Text:
    """A value that was written before, as a part of one that :func:`dumps` writes."""

    __slots__ = ("fragment", "json")

    def __init__(self, written: bytes) -> None:
        self.json = b"%b" % written  # a copy: the encoder leaves much room behind what it writes
        self.fragment = orjson.Fragment(self.json)


def _written(value: Any) -> orjson.Fragment:
    if type(value) is Text:
        return value.fragment
    raise TypeError


def _read_again(value: Any) -> Any:
    if type(value) is Text:
        return loads(value.json)
    raise TypeError(f"{type(value).__name__} is not JSON")


_PATIENT = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_read_again
)


def ascii_text(value: Any) -> str:
    """Compact JSON text for a header value: everything above U+007F escaped.

    Raises:
        TypeError: the value is not JSON.
    """
    text = dumps(value).decode()
    return text if text.isascii() else _BEYOND_ASCII.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def loads(text: bytes | str) -> Any:
    """JSON text as Python objects, half surrogates in escapes allowed.

    Raises:
        ValueError: not JSON, or nested too deeply.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def untidy(text: str, *, ascii_only: bool) -> list[str]:
    """How valid JSON text departs from what :func:`dumps` or :func:`ascii_text` writes.

    Numbers may be written in any way. Gives short phrases: white space, needless escapes,
    repeated members.
    """
    out = []
    write = ascii_text if ascii_only else dumps_text
    outside = _STRING.sub("", text)
    if re.search(r"\s", outside):
        out.append("white space between tokens")
    if any(write(json.loads(token)) != token for token in set(_STRING.findall(text))):
        out.append("a character escaped that need not be, or not escaped that must be")
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        repeated.extend(sorted({name for name in names if names.count(name) > 1}))

    json.loads(text, object_pairs_hook=look)
    return out + [f"member {name!r} stands twice" for name in repeated]


def dumps_text(value: Any) -> str:
    """:func:`dumps` as text."""
    return dumps(value).decode()


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
