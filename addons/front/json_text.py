"""JSON text: pieces of streams, where the same head and tail surround every delta; arguments."""

from __future__ import annotations

import json
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any


def quoted(text: str) -> bytes:
    """A JSON string in UTF-8."""
    try:
        return encode_basestring(text).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8 form, but a JSON escape
        return encode_basestring_ascii(text).encode()


def compact(value: Any) -> bytes:
    """JSON without white space."""
    return json.dumps(value, separators=(",", ":")).encode()


def compact_text(value: Any) -> str:
    """JSON without white space and with its characters as they are, as models write arguments."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
