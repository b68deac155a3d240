"""A trace's exchange as the checker sees requests: bytes again, from what was kept.

A trace holds a body as data and says how it was written and compressed; the checker reads bytes.
Here the bytes are made again, so that the checker comes to the same verdict as it would on the
wire:

* a body is written compact (:func:`fingerprints.serial.dumps`) and then spoiled again in the ways
  that ``spelling`` names; compressed again as ``coding`` says;
* the bytes are shorter than they were (texts became placeholders), so a ``content-length`` that was
  right is right again, and one that was wrong is wrong by as many bytes;
* what bytes cannot show again, an unknown coding or a zstd frame that no level makes, is told in
  words (:attr:`~fingerprints.observed.Observed.faults`);
* a placeholder inside JSON text is escaped as the rest of that text would be.

Pure: no I/O.
"""

from __future__ import annotations

import copy
import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from fingerprints.encoding import compress
from fingerprints.observed import Observed
from fingerprints.profile import Encoding
from fingerprints.serial import dumps, loads, untidy
from fingerprints.trace import Coding, Exchange, Payload

_PLACEHOLDER = re.compile(r"⟨[a-z]+:[0-9a-f:]+⟩")
_TWICE = re.compile(r"member '(.+)' stands twice")
_DOUBLE = "⟨twice⟩"
_DEFLATE_LEVEL = 6


def observed(exchange: Exchange) -> Observed:
    """The request, or the upgrade, of an exchange."""
    raw = b"" if exchange.body is None else written(exchange.body)
    faults: tuple[str, ...] = ()
    level = None
    if exchange.body is not None and exchange.body.coding is not None:
        coding = exchange.body.coding
        level = coding.level
        raw, faults = _compressed(coding, raw)
    headers = [(name, _escaped(value)) for name, value in exchange.headers]
    return Observed(
        exchange.method,
        exchange.path,
        [
            (name, _length(value, exchange.body, len(raw)) if _is_length(name) else value)
            for name, value in headers
        ],
        raw,
        exchange.http_version,
        "websocket" if exchange.is_upgrade else "http",
        level,
        faults,
    )


def frames(exchange: Exchange) -> list[str]:
    """The client's WebSocket messages, in order, as text."""
    return [
        written(message.payload).decode("utf-8", "surrogatepass") for message in exchange.sent()
    ]


def written(payload: Payload) -> bytes:
    """A payload's bytes before compression; those of a placeholder where there is no JSON."""
    if payload.form != "json":
        return str(payload.data or "").encode("utf-8", "surrogatepass")
    return _spoiled(_with_escapes(payload.data), payload.spelling)


# --- how it was written --------------------------------------------------------------------------


def _spoiled(data: Any, spelling: Sequence[str]) -> bytes:
    """Compact JSON with the faults that ``spelling`` names, each at the first place that can have
    it."""
    if not spelling:
        return dumps(data)
    doubled = [match[1] for fault in spelling if (match := _TWICE.fullmatch(fault))]
    for name in doubled:
        data = copy.deepcopy(data)
        _double(data, name)
    text = dumps(data).decode()
    for name in doubled:
        text = text.replace(dumps(_DOUBLE + name).decode(), dumps(name).decode(), 1)
    for fault in spelling:
        if fault.startswith("white space"):
            text += " "
        elif fault.startswith("a character escaped"):
            text = re.sub(r'"(?=[^"\\])(.)', _needless_escape, text, count=1)
    return text.encode()


def _needless_escape(match: re.Match[str]) -> str:
    return f'"\\u{ord(match[1]):04X}'


def _double(data: Any, name: str) -> bool:
    """Puts a member beside the first one of that name, to be renamed in the text."""
    if isinstance(data, dict):
        if name in data:
            pairs = list(data.items())
            data.clear()
            for key, value in pairs:
                data[key] = value
                if key == name:
                    data[_DOUBLE + name] = value
            return True
        return any(_double(value, name) for value in data.values())
    return isinstance(data, list) and any(_double(value, name) for value in data)


def _with_escapes(data: Any) -> Any:
    """The same with the placeholders inside JSON texts escaped."""
    match data:
        case dict():
            return {name: _with_escapes(value) for name, value in data.items()}
        case list():
            return [_with_escapes(value) for value in data]
        case str():
            return _escaped(data)
        case _:
            return data


def _escaped(text: str) -> str:
    """A JSON text whose placeholders are escaped; any other text as it is."""
    if "⟨" not in text or text[:1] not in ("{", "["):
        return text
    try:
        loads(text)
    except ValueError:
        return text
    if untidy(_PLACEHOLDER.sub("", text), ascii_only=True):
        return text  # it was not written that way in the first place
    return _PLACEHOLDER.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\u27e8{match[0][1:-1]}\\u27e9"


# --- how it was sent -----------------------------------------------------------------------------


def _compressed(coding: Coding, raw: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The bytes compressed as ``coding`` says, and what they cannot show."""
    if coding.name == "zstd":
        faults: tuple[str, ...] = ()
        if coding.level is None:
            faults = ("zstd: no level makes the recorded frame again",)
        settings = Encoding(
            name="zstd",
            level=coding.level or 3,
            content_size=bool(coding.content_size),
            checksum=bool(coding.checksum),
            window=coding.window or 1,
        )
        return compress(settings, raw) + b"\0" * coding.rest, faults
    others: dict[str, Callable[[bytes], bytes]] = {
        "gzip": lambda data: gzip.compress(data, mtime=0),
        "deflate": lambda data: zlib.compress(data, _DEFLATE_LEVEL),
    }
    make = others.get(coding.name)
    return (make(raw) if make else raw), (f"compressed with {coding.name or 'an unknown coding'}",)


def _is_length(name: str) -> bool:
    return name.lower() == "content-length"


def _length(value: str, body: Payload | None, now: int) -> str:
    """A content-length as right, or as wrong, as it was on the wire."""
    if not value.isascii() or not value.isdigit():
        return value
    then = 0
    if body is not None:
        then = body.length if body.coding is None else body.coding.length
    return str(max(0, now + int(value) - then)) if int(value) != then else str(now)
