"""A trace from what was seen on the wire, whoever saw it.

A recorder (the mitmproxy addon, the readers of HAR, flow files and cassettes) fills a
:class:`Recording` for each request, and gives it to a :class:`Capture` once it is over. The capture
decompresses, reads, redacts, and gives the trace of all that was added; recordings may come in any
order.

Pure. A capture is not to be used by two threads at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fingerprints.compression import Decoder, decode
from fingerprints.event_stream import EventReader, ServerEvent
from fingerprints.redaction import Redactor
from fingerprints.serial import dumps_text, loads, untidy
from fingerprints.trace import (
    Answer,
    Conditions,
    Exchange,
    Message,
    Origin,
    Payload,
    Sender,
    Trace,
)
from fingerprints.trace_redaction import redacted_again, renumbered

MAX_SPELLING = 4 * 1024 * 1024
"""Characters of JSON whose spelling is looked at."""

MAX_MESSAGES = 32 * 1024 * 1024
"""Bytes of a WebSocket's messages that are kept while it lives."""

type Pairs = Sequence[tuple[str, str]]
type HttpVersion = Literal["HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3"]


@dataclass(slots=True)
class RawMessage:
    """A WebSocket message.

    Attributes:
        at: seconds on the recorder's clock.
        text: a text message, not a binary one.
    """

    sender: Sender
    at: float
    data: bytes
    text: bool = True


@dataclass(slots=True)
class RawAnswer:
    """What came back, as it was on the wire.

    Attributes:
        at: first byte of the head, seconds on the recorder's clock.
        chunks: pieces of the body, each with its time; still compressed.
        ended: as in :class:`fingerprints.trace.Answer`.
    """

    at: float
    status: int
    headers: Pairs = ()
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    ended: Literal["complete", "cut", "closed"] = "complete"
    close_code: int | None = None
    closed_by: Sender | None = None


@dataclass(slots=True)
class Recording:
    """One request and what came of it, as it was on the wire.

    Attributes:
        id: any text that is this recording's own.
        at: its beginning, seconds on the recorder's clock (any, the same for all).
        connection: any text that is the connection's own.
        headers: in order, with letter case, no pseudo headers.
        body: as sent, still compressed; None when there is none, or it was not kept.
        of: with ``side="upstream"``: ``id`` of the client's.
        decoded: the bodies are decompressed already, whatever the headers say (HAR).
    """

    id: str
    at: float
    method: str
    authority: str
    path: str
    headers: Pairs
    connection: str = ""
    scheme: Literal["https", "http"] = "https"
    http_version: HttpVersion = "HTTP/1.1"
    body: bytes | None = None
    messages: list[RawMessage] = field(default_factory=list)
    answer: RawAnswer | None = None
    side: Literal["", "client", "upstream"] = ""
    of: str = ""
    attempt: int | None = None
    notes: list[str] = field(default_factory=list)
    decoded: bool = False
    said: int = 0
    """Bytes of messages."""

    def say(self, message: RawMessage) -> None:
        """Adds a message, as long as there is room: a socket may live for days."""
        before, self.said = self.said, self.said + len(message.data)
        if self.said <= MAX_MESSAGES:
            self.messages.append(message)
        elif before <= MAX_MESSAGES:
            self.notes.append(f"messages after {MAX_MESSAGES} bytes of them are not kept")

    def header(self, name: str) -> str:
        """First value of a header, by lower-case name; "" when it is not there."""
        return _header(self.headers, name)


@dataclass(slots=True)
class _Kept:
    """An exchange that has been redacted, with what its numbers are made of."""

    at: float
    id: str
    connection: str
    of: str
    exchange: Exchange
    learned: int


class Capture:
    """Collects recordings of one run."""

    def __init__(
        self,
        *,
        client: str,
        origin: Origin,
        release: str = "",
        scenario: str = "",
        conditions: Conditions | None = None,
    ) -> None:
        self.client = client
        self.release = release
        self.scenario = scenario
        self.conditions = conditions or Conditions()
        self.origin = origin
        self._redactor = Redactor()
        self._kept: list[_Kept] = []

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, recording: Recording) -> None:
        """A request that is over."""
        exchange = self._exchange(recording)
        self._kept.append(
            _Kept(
                recording.at,
                recording.id,
                recording.connection,
                recording.of,
                exchange,
                self._redactor.learned,
            )
        )

    def trace(self) -> Trace:
        """All that was added, numbered by beginning; can be asked for again and again."""
        kept = sorted(self._kept, key=lambda each: (each.at, each.exchange.attempt or 0))
        for each in kept:
            self._relearn(each)
        begin = kept[0].at if kept else 0.0
        numbers = {each.id: index for index, each in enumerate(kept, 1)}
        connections: dict[str, int] = {}
        exchanges = []
        for each in kept:
            connection = connections.setdefault(each.connection, len(connections) + 1)
            update: dict[str, Any] = {
                "number": numbers[each.id],
                "at": _seconds(each.at - begin),
                "connection": connection,
                "of": numbers.get(each.of),
            }
            exchanges.append(each.exchange.model_copy(update=update))
        return renumbered(
            Trace(
                client=self.client,
                release=self.release,
                scenario=self.scenario,
                conditions=self.conditions,
                origin=self.origin,
                exchanges=tuple(exchanges),
            )
        )

    # --- one exchange ---

    def _exchange(self, raw: Recording) -> Exchange:
        redactor = self._redactor
        redactor.notes.clear()
        body = None
        if raw.body:
            encoding = "" if raw.decoded else raw.header("content-encoding")
            content, coding, problem = decode(raw.body, encoding)
            body = self._payload(content, problem, kind=raw.header("content-type"))
            body = body.model_copy(update={"coding": coding})
        headers = self._headers(raw.headers)
        messages = tuple(
            Message(
                sender=message.sender,
                at=_seconds(message.at - raw.at),
                payload=self._payload(message.data, binary=not message.text),
            )
            for message in raw.messages
        )
        answer = self._answer(raw, raw.answer) if raw.answer is not None else None
        path = redactor.text(raw.path)
        return Exchange(
            number=1,
            side=raw.side,
            attempt=raw.attempt,
            http_version=raw.http_version,
            method=raw.method,
            scheme=raw.scheme,
            authority=raw.authority,
            path=path,
            headers=headers,
            body=body,
            messages=messages,
            answer=answer,
            notes=(*raw.notes, *redactor.notes),
        )

    def _answer(self, raw: Recording, answer: RawAnswer) -> Answer:
        encoding = "" if raw.decoded else _header(answer.headers, "content-encoding")
        kind = _header(answer.headers, "content-type")
        body: Payload | None = None
        events: tuple[Message, ...] = ()
        if kind.partition(";")[0].strip().lower() == "text/event-stream":
            events, body = self._events(raw.at, answer.chunks, encoding)
        elif content := b"".join(data for _, data in answer.chunks):
            content, coding, problem = decode(content, encoding)
            body = self._payload(content, problem, kind=kind)
            body = body.model_copy(update={"coding": coding})
        return Answer(
            at=_seconds(answer.at - raw.at),
            status=answer.status,
            headers=self._headers(answer.headers),
            body=body,
            events=events,
            ended=answer.ended,
            close_code=answer.close_code,
            closed_by=answer.closed_by,
        )

    def _events(
        self, begin: float, chunks: list[tuple[float, bytes]], encoding: str
    ) -> tuple[tuple[Message, ...], Payload | None]:
        """The events, and what could not be read of the stream."""
        decoder, reader = Decoder(encoding), EventReader()
        out: list[Message] = []

        def take(at: float, events: list[ServerEvent]) -> None:
            for event in events:
                payload = self._payload(event.data)
                seconds = _seconds(at - begin)
                name = self._redactor.text(event.name)
                out.append(Message(sender="server", at=seconds, event=name, payload=payload))

        for at, chunk in chunks:
            take(at, reader.feed(decoder.feed(chunk)))
        take(chunks[-1][0] if chunks else begin, reader.close())
        if chunks:
            decoder.close()
        if not decoder.problem:
            return tuple(out), None
        size = sum(len(data) for _, data in chunks)
        return tuple(out), Payload(form="binary", length=size, data="", problem=decoder.problem)

    def _headers(self, pairs: Pairs) -> tuple[tuple[str, str], ...]:
        return tuple((name, self._redactor.header(name, value)) for name, value in pairs)

    def _payload(
        self, data: bytes, problem: str = "", *, kind: str = "", binary: bool = False
    ) -> Payload:
        text = None if binary else readable(data)
        if text is None:
            kept = self._redactor.binary(data) if data else ""
            return Payload(form="binary", length=len(data), data=kept, problem=problem)
        if "json" in kind or text.lstrip()[:1] in ("{", "["):
            try:
                value = _json(text)
            except ValueError as error:
                if "json" in kind and text and not problem:
                    problem = f"not JSON: {error}"
            else:
                return Payload(
                    form="json",
                    length=len(data),
                    data=self._redactor.redact(value),
                    spelling=_spelling(text, value),
                    problem=problem,
                )
        return Payload(
            form="text", length=len(data), data=self._redactor.text(text), problem=problem
        )

    def _relearn(self, each: _Kept) -> None:
        """Mask what was not known to be secret when the exchange was added."""
        while each.learned < self._redactor.learned:
            each.learned = self._redactor.learned
            each.exchange = redacted_again(each.exchange, self._redactor)


def named_by(user_agent: str) -> tuple[str, str]:
    """Client and release from the first word of a user agent: ``Name/1.2.3`` is ("name", "1.2.3").

    ("unknown", "") when it has no such word.
    """
    product = _PRODUCT.match(user_agent)
    if product is None:
        return "unknown", ""
    client = re.sub(r"[^a-z0-9]+", "-", product[1].lower()).strip("-")
    return client, product[2] or ""


_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,40})(?:/v?([0-9][A-Za-z0-9_.+-]{0,40}))?")


def readable(data: bytes) -> str | None:
    """Text, if the bytes are UTF-8 without control characters; else None."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f]")


def _json(text: str) -> Any:
    """
    Raises:
        ValueError: not JSON; ``NaN`` and its like are none.
    """
    value = loads(text)
    if "NaN" in text or "Infinity" in text:
        json.loads(text, parse_constant=_no_constant)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _spelling(text: str, value: Any) -> tuple[str, ...]:
    if dumps_text(value) == text:
        return ()  # the usual case, and much cheaper than a look at every token
    if len(text) > MAX_SPELLING:
        return ("too large to look at how it is written",)
    return tuple(untidy(text, ascii_only=False))


def _header(pairs: Pairs, name: str) -> str:
    return next((value for key, value in pairs if key.lower() == name), "")


def _seconds(value: float) -> float:
    """Milliseconds are enough, and fewer digits are easier to read."""
    return round(max(value, 0.0), 3)
