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

    Raises:
        TypeError: the value is not JSON (a set, a non-string key, …).
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits and half surrogates are legal in what callers send.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


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
