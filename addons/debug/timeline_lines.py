"""The lines of a WebSocket's timeline: what was seen, as JSON that holds no secret. Pure.

Members of every line: ``t`` (seconds since the connection's request), ``event``, and of the first
one ``at`` (unix seconds). The events:

- ``request``: the client's upgrade: ``method``, ``path``, ``headers``; ``raw`` where nothing is
  masked;
- ``plan``: ``exchange``, ``conversation``, ``protocol``, ``provider``; again when one changes;
- ``attempt``: an upgrade sent upstream: ``attempt`` (from 1), ``account``, ``method``, ``url``,
  ``headers``;
- ``handshake``: an answer to an upgrade: ``side`` (``upstream`` or ``client``), ``status``,
  ``headers``; of a refusal ``attempt``, ``account``, ``reason``, ``body`` too;
- ``frame``: ``from`` (``client``, ``server`` or ``floway``), ``size`` (bytes), ``type``,
  ``response`` and ``previous`` (ids), ``body`` (JSON, or text) where it is not too large; ``error``
  true for an error; ``dropped`` true for one that was not passed on; ``passed``: what was passed on
  where that is something else, with ``size`` and ``body``;
- ``close``: ``code``, ``reason``, ``by`` (``client``, ``server``);
- ``broken``: the connection's end without a close: ``text``;
- ``full``: nothing more is written for this connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from fingerprints.redaction import Redactor

type Line = dict[str, Any]
type Pairs = list[tuple[str, str]]

MAX_PARSED: Final = 8 * 1024 * 1024
"""Bytes of a body that is looked into, for its type and ids."""

_ERRORS: Final = ("error", "response.failed")


@dataclass(slots=True)
class Seen:
    """Something that happened, as it was; made ready to be written by :class:`Lines`.

    Attributes:
        facts: members of the line, of which none is secret; ``text`` is masked.
        headers: None for no such member.
        path: with a query.
        body: of an answer or a frame.
        passed: the frame that was passed on in its place; None for the same.
    """

    facts: Line
    headers: Pairs | None = None
    path: str | None = None
    body: bytes | None = None
    passed: bytes | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = 500 + len(self.body or b"") + len(self.passed or b"")


class Lines:
    """
    Args:
        redactor: None for lines in which nothing is masked.
        most: bytes of a body that is kept.
    """

    def __init__(self, redactor: Redactor | None, most: int) -> None:
        self._redactor = redactor
        self._most = most

    def of(self, seen: Seen) -> Line:
        """One line; masked where anything in it has to be."""
        line = {name: self._fact(value) for name, value in seen.facts.items()}
        if seen.path is not None:
            line["path"] = self._text(seen.path)
        if seen.headers is not None:
            line["headers"] = [[name, self._header(name, value)] for name, value in seen.headers]
        if seen.body is not None:
            line |= self._body(seen.body)
            if line["event"] == "frame":
                line |= _told(seen.body)
        if seen.passed is not None:
            line["passed"] = self._body(seen.passed)
        return line

    def _fact(self, value: Any) -> Any:
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        return text if self._redactor is None else self._redactor.masked(text)

    def _header(self, name: str, value: str) -> str:
        return value if self._redactor is None else self._redactor.header(name, value)

    def _body(self, body: bytes) -> Line:
        line: Line = {"size": len(body)}
        if not body or len(body) > self._most:
            return line
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return line if self._redactor is None else {**line, "body": self._redactor.binary(body)}
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict | list):
            return {**line, "body": value if self._redactor is None else self._redact(value)}
        # A page of HTML, say: what is long is not kept.
        return {**line, "body": text if self._redactor is None else self._redactor.text(text)}

    def _redact(self, value: Any) -> Any:
        """Until nothing new is learned: a secret may stand before the member that says so."""
        assert self._redactor is not None
        while True:
            learned = self._redactor.learned
            value = self._redactor.redact(value)
            if self._redactor.learned == learned:
                return value


def _told(body: bytes) -> Line:
    """What a frame says of itself."""
    if len(body) > MAX_PARSED:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    response = value.get("response")
    inner = response if isinstance(response, dict) else {}
    found = {
        "type": value.get("type"),
        "response": inner.get("id") or value.get("response_id"),
        "previous": value.get("previous_response_id"),
        "error": value.get("type") in _ERRORS or None,
    }
    return {name: told for name, told in found.items() if isinstance(told, str | bool) and told}
