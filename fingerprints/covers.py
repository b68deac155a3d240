"""The rule that would let a difference from a profile pass, as the profile would spell it.

A suggestion for a person who has looked at the recording and knows that the client is right.
"""

from __future__ import annotations

import re

from fingerprints.compare.shape import covering, shape, spelled
from fingerprints.difference import Change, Difference, Layer
from fingerprints.matchers import as_text
from fingerprints.serial import loads

_MASKED = "⟨"
_WORD = 40
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def cover(difference: Difference) -> str:
    """The rule, "" where a profile has no word for it: the case of a header, JSON that is spelled
    in another way, a broken body."""
    path = difference.path
    match difference.layer, difference.kind:
        case Layer.REQUEST_LINE, Change.VALUE:
            name = "http" if path == "http_version" else path
            return f"requests: {name}: […, {as_text(difference.actual)}]"
        case Layer.REQUEST_LINE, Change.UNKNOWN:
            return "requests: a new kind, learned from this recording"
        case ((Layer.HEADER_SET | Layer.MEMBER_PRESENCE), Change.ADDED):
            value = _matcher(difference.actual)
            return f"{{name: {_name(path)}, value: {value}, presence: sometimes}}"
        case ((Layer.HEADER_SET | Layer.MEMBER_PRESENCE), Change.REMOVED):
            return f"{path}: presence: sometimes"
        case Layer.HEADER_ORDER, _:
            return f"requests: unordered: [[{_name(path)}, …]]"
        case Layer.MEMBER_ORDER, _:
            return f"{path.rpartition('.')[0] or path.partition(':')[0]}: order: free"
        case Layer.VALUE, (Change.VALUE | Change.TYPE):
            return f"{path}: {{any_of: [{difference.expected}, {_matcher(difference.actual)}]}}"
        case Layer.EQUALITY, _:
            return f"{path}: equal: false"
        case Layer.ENCODING, Change.VALUE if "encodings" in difference.rule:
            return f"{difference.rule}: {path.removeprefix('body: ')}: {difference.actual}"
        case _:
            return ""


def _name(path: str) -> str:
    return path.partition(":")[2].rpartition(".")[2] or path


def _matcher(actual: str) -> str:
    """A matcher that accepts what was seen, of which only the text is known."""
    if _MASKED in actual or "…" in actual:
        return "text"
    try:
        value = loads(actual)
    except ValueError:
        value = actual
    if isinstance(value, dict | list):
        return "opaque"
    found = _UUID.fullmatch(actual)
    if found is not None:
        return spelled(covering([f"{actual[:-1]}0", f"{actual[:-1]}1"]))
    if len(actual) > _WORD or "‹" in shape(actual):
        return "text"
    return spelled(covering([value]))
