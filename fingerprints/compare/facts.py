"""An exchange taken apart: what the client sent, as paths with values, and orders apart from them.

Paths are those of the checker (:class:`fingerprints.difference.Difference`), and go as deep as the
data: ``header:session-id``, ``header:x-codex-turn-metadata.turn_id`` (JSON text is opened),
``body:input[0].content[1].text``, ``query:limit``. A header that stands twice is ``header:a`` and
``header:a#2``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from fingerprints.compare.lists import keys
from fingerprints.difference import Layer
from fingerprints.roles import Json
from fingerprints.serial import loads, untidy
from fingerprints.trace import Exchange, Payload, Trace

_DISCRIMINATORS = ("type", "kind", "request_kind", "subagent_kind", "method", "generate", "op")
"""Names of members that say which kind of request it is, in the body, in an object in it, and in
JSON texts."""

_PLACEHOLDER_OPEN = "⟨"


@dataclass(frozen=True, slots=True)
class Container:
    """Stands at the path of an object or a list: what is inside has paths of its own."""

    type: str


type Value = Json | Container


@dataclass(slots=True)
class Facts:
    """What is compared.

    Attributes:
        line: facts of the request line: method, path, http_version, scheme.
        values: path to value: headers, queries, members, items; containers among them.
        parents: path of what is inside an object or a list to the path of that.
        orders: path of a header list, an object or a query to the names in it, in order.
        spelled: header name to its letter case.
        encoding: facts of how bytes were written: path to value.
    """

    line: dict[str, Json] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    orders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    spelled: dict[str, Json] = field(default_factory=dict)
    encoding: dict[str, Json] = field(default_factory=dict)


class Unit:
    """One thing that a client sent: a request, an upgrade, or a message on a WebSocket.

    Attributes:
        exchange: the exchange that it belongs to.
        message: for a message of a WebSocket: which of the client's, from 1; else None.
        payload: the body or the message.
    """

    def __init__(self, exchange: Exchange, message: int | None, payload: Payload | None) -> None:
        self.exchange = exchange
        self.message = message
        self.payload = payload

    @property
    def name(self) -> str:
        """``3``, or ``3.1`` for the first message of exchange 3."""
        number = str(self.exchange.number)
        return number if self.message is None else f"{number}.{self.message}"

    @cached_property
    def title(self) -> str:
        """``POST /v1/responses``, ``message: response.create``."""
        path = self.exchange.path.partition("?")[0]
        if self.message is not None:
            return f"message {self.message} on {path}"
        upgrade = " (WebSocket)" if self.exchange.is_upgrade else ""
        return f"{self.exchange.method} {path}{upgrade}"

    @cached_property
    def kind(self) -> str:
        """What the body says of its kind, ``response.create turn``; "" when it says nothing."""
        data = self.payload.data if self.payload and self.payload.form == "json" else None
        found = list(_kinds(data, 2))
        for name, value in self.exchange.headers if self.message is None else ():
            if value[:1] == "{" and not name.startswith(":"):
                found += _kinds(_opened(value), 1)
        return " ".join(dict.fromkeys(found))

    @property
    def query(self) -> str:
        """What follows the path; "" for a message."""
        return self.exchange.path.partition("?")[2] if self.message is None else ""

    @cached_property
    def place(self) -> tuple[str, ...]:
        """What two units must share to be compared in any case."""
        path = self.exchange.path.partition("?")[0]
        if self.message is not None:
            return ("message", path)
        over = "websocket" if self.exchange.is_upgrade else "http"
        return (self.exchange.method, path, over)

    def facts(self, reference: Unit | None = None) -> Facts:
        """Taken apart; items of lists are numbered as in ``reference``."""
        facts = Facts()
        theirs = reference.payload if reference else None
        if self.message is None:
            _add_line(facts, self.exchange)
            _add_headers(facts, self.exchange, reference.exchange if reference else None)
        _add_payload(facts, self.payload, theirs)
        return facts

    @cached_property
    def look(self) -> frozenset[tuple[str, str]]:
        """Names and short values; for telling how alike two units are."""
        facts = self.facts()
        out = {("line", f"{name}={value}") for name, value in facts.line.items()}
        for path, value in facts.values.items():
            out.add(("path", path))
            if isinstance(value, str | int | bool | None) and len(str(value)) <= 40:
                out.add((path, str(value)))
        return frozenset(out)


def units(trace: Trace) -> list[Unit]:
    """What the client sent, in order: requests and upgrades, each upgrade with its messages."""
    out = []
    for exchange in trace.upstream():
        if exchange.method == "CONNECT":
            continue
        out.append(Unit(exchange, None, exchange.body))
        out += [
            Unit(exchange, index, message.payload)
            for index, message in enumerate(exchange.sent(), 1)
        ]
    return out


def layer_of(path: str) -> Layer:
    """The layer in which the presence of a path counts."""
    surface, _, rest = path.partition(":")
    if surface == "query":
        return Layer.REQUEST_LINE
    if surface == "header" and "." not in rest:
        return Layer.HEADER_SET
    return Layer.MEMBER_PRESENCE


# --- the parts -----------------------------------------------------------------------------------


def _kinds(data: Any, depth: int) -> Iterator[str]:
    if isinstance(data, str) and data[:1] == "{":
        data = _opened(data)
    if not isinstance(data, Mapping):
        return
    for name in _DISCRIMINATORS:
        if isinstance(value := data.get(name), str):
            yield value
        elif isinstance(value, bool):
            yield f"{name}={value}".lower()
    for name, value in data.items():
        # Objects of the caller's content say nothing of the request.
        inside = isinstance(value, str) and value[:1] == "{"
        if depth and (inside or (isinstance(value, Mapping) and "metadata" in name)):
            yield from _kinds(value, depth - 1)


def _opened(text: str) -> Any:
    """The value of a JSON text; None when it is none."""
    try:
        return loads(text)
    except ValueError:
        return None


def _add_line(facts: Facts, exchange: Exchange) -> None:
    path, mark, query = exchange.path.partition("?")
    facts.line = {"method": exchange.method, "path": path, "http_version": exchange.http_version}
    pairs = parse_qsl(query, keep_blank_values=True) if mark else []
    names = _numbered([name for name, _ in pairs])
    if names:
        facts.orders["query:"] = tuple(names)
    for name, (_, value) in zip(names, pairs, strict=True):
        facts.values[f"query:{name}"] = value


def _add_headers(facts: Facts, exchange: Exchange, reference: Exchange | None) -> None:
    kept = [(name, value) for name, value in exchange.headers if not name.startswith(":")]
    names = _numbered([name.lower() for name, _ in kept])
    facts.orders["header:"] = tuple(names)
    for name, (spelled, value) in zip(names, kept, strict=True):
        path = f"header:{name}"
        facts.spelled[name] = spelled
        if name == "content-length":
            facts.values[path] = _length(exchange, value)
        elif name == "host":
            facts.values[path] = value
        else:
            theirs = reference.header(name) if reference else None
            _add_text(facts, path, value, theirs)


def _length(exchange: Exchange, value: str) -> Json:
    """A content-length is right or wrong; which number it is depends on the texts."""
    body = exchange.body
    length = 0 if body is None else body.coding.length if body.coding else body.length
    return "the body's length" if value == str(length) else f"{value}, not the body's length"


def _add_payload(facts: Facts, payload: Payload | None, reference: Payload | None) -> None:
    facts.encoding["body"] = "none" if payload is None else payload.form
    if payload is None:
        return
    coding = payload.coding
    facts.encoding["body: coding"] = coding.name if coding else "none"
    if coding is not None and coding.name == "zstd":
        facts.encoding["body: zstd level"] = coding.level
        facts.encoding["body: content size in the zstd frame"] = coding.content_size
        facts.encoding["body: zstd checksum"] = coding.checksum
        facts.encoding["body: zstd window"] = coding.window
        facts.encoding["body: bytes after the zstd frame"] = coding.rest
    if payload.problem:
        facts.encoding["body: problem"] = payload.problem
    if payload.form == "json":
        facts.encoding["body: spelling"] = ", ".join(payload.spelling) or "compact"
        theirs = reference.data if reference and reference.form == "json" else None
        _add_value(facts, "body:", payload.data, theirs)
    else:
        facts.values["body:"] = payload.data


def _add_text(facts: Facts, path: str, text: str, reference: Any) -> None:
    """A string; JSON text in it is opened."""
    inner = _opened(text) if text[:1] in ("{", "[") else None
    if not isinstance(inner, dict | list):
        facts.values[path] = text
        return
    facts.encoding[f"{path}: spelling"] = _spelling(text)
    theirs = _opened(reference) if isinstance(reference, str) and reference[:1] in "{[" else None
    _add_value(facts, path, inner, theirs)


def _spelling(text: str) -> str:
    if _PLACEHOLDER_OPEN in text:
        text = text.replace("⟨", "").replace("⟩", "")
    ascii_faults, faults = untidy(text, ascii_only=True), untidy(text, ascii_only=False)
    if not ascii_faults:
        return "compact"
    return "compact, not escaped" if not faults else ", ".join(ascii_faults)


def _add_value(facts: Facts, path: str, value: Any, reference: Any) -> None:
    if isinstance(value, dict):
        facts.values[path] = Container("object")
        facts.orders[path] = tuple(value)
        for name, item in value.items():
            theirs = reference.get(name) if isinstance(reference, dict) else None
            inner = member(path, name)
            facts.parents[inner] = path
            _add_value(facts, inner, item, theirs)
    elif isinstance(value, list):
        facts.values[path] = Container("array")
        items = reference if isinstance(reference, list) else value
        for key, item in keys(items, value):
            number = key[1:-1]
            known = number.isdigit() and int(number) < len(items)
            facts.parents[f"{path}{key}"] = path
            _add_value(facts, f"{path}{key}", item, items[int(number)] if known else None)
    elif isinstance(value, str):
        _add_text(facts, path, value, reference)
    else:
        facts.values[path] = value


def member(path: str, name: str) -> str:
    """Path of a member: ``body:a``, ``body:a.b``."""
    return f"{path}{name}" if path.endswith(":") else f"{path}.{name}"


def _numbered(names: Sequence[str]) -> list[str]:
    """Names made unique: the second ``a`` is ``a#2``."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return out
