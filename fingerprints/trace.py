"""The trace: what one run of a client put on the wire, without what must not be kept.

A trace has one exchange per request, in the order in which they began. It is written as JSON that a
person can read in a diff (:mod:`fingerprints.trace_file`), and it holds no secret and no long text
of others: at capture (:mod:`fingerprints.redaction`) these become **placeholders**, which keep what
a comparison needs.

======================== ===========================================================================
``⟨text:21542:1f2e3d4c⟩`` a text of more than 200 characters: length in characters, and the first
                          8 hex digits of the SHA-256 of its UTF-8
``⟨binary:512:1f2e3d4c⟩`` bytes that are no text: length and SHA-256
``⟨jwt:1⟩``, ``⟨secret:2⟩`` a token; equal tokens of one trace have equal numbers. What stands
                          before it and tells its type stays: ``Bearer ⟨jwt:1⟩``,
                          ``sk-⟨secret:1⟩``
``⟨account:1⟩``           an account's id
``⟨path:1⟩``              a path of the machine
``⟨email:1⟩``, ``⟨remote:1⟩`` an e-mail address, a git remote
======================== ===========================================================================

Pure data: no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
"""Version of the format. A reader refuses others."""

type Headers = tuple[tuple[str, str], ...]
"""Name and value, in wire order, names with their letter case, without HTTP/2 pseudo headers."""

type Sender = Literal["client", "server"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Coding(_Part):
    """How a body was compressed on the wire.

    Attributes:
        name: as in ``content-encoding``.
        length: bytes on the wire.
        level: zstd: the level that makes the same bytes again; None when none does.
        content_size: zstd: the frame says how long its content is.
        checksum: zstd: the frame ends with a checksum.
        window: zstd: window that the frame asks for, bytes.
        rest: bytes after the first frame.
    """

    name: str
    length: int = Field(ge=0)
    level: int | None = None
    content_size: bool | None = None
    checksum: bool | None = None
    window: int | None = None
    rest: int = 0


class Payload(_Part):
    """A body or a message, decompressed.

    Attributes:
        form: ``json``; ``text`` for other text; ``binary``.
        length: bytes before redaction, decompressed.
        data: ``json``: the value, members in order. ``text`` and ``binary``: the redacted text, or
            a placeholder.
        spelling: ``json``: how the text departs from compact UTF-8 JSON
            (:func:`fingerprints.serial.untidy`); empty for compact.
        coding: how it was compressed; None for not at all.
        problem: why it could not be read as what it said it was.
    """

    form: Literal["json", "text", "binary"]
    length: int = Field(ge=0)
    data: Any = None
    spelling: tuple[str, ...] = ()
    coding: Coding | None = None
    problem: str = ""


class Message(_Part):
    """A WebSocket message, a server-sent event, or a frame of a stream.

    Attributes:
        sender: who sent it.
        at: seconds since its exchange began.
        event: server-sent event: its ``event`` field.
        payload: what it holds.
    """

    sender: Sender
    at: float
    event: str = ""
    payload: Payload


class Answer(_Part):
    """What came back.

    Attributes:
        at: seconds from the exchange's beginning to the first byte of the head.
        status: HTTP status; 101 for an accepted upgrade.
        headers: as of a request.
        body: the whole body; None where there is none or it is a stream of events.
        events: events of a server-sent stream.
        ended: ``complete``; ``cut`` when the stream broke off; ``closed`` for a WebSocket.
        close_code: of a WebSocket.
        closed_by: of a WebSocket.
    """

    at: float = 0.0
    status: int
    headers: Headers = ()
    body: Payload | None = None
    events: tuple[Message, ...] = ()
    ended: Literal["complete", "cut", "closed"] = "complete"
    close_code: int | None = None
    closed_by: Sender | None = None


class Exchange(_Part):
    """One request and what came of it.

    Attributes:
        number: from 1, in the order in which the requests began.
        at: seconds since the trace began.
        connection: number of the client's connection, from 1.
        side: with a proxy that rewrites: ``client`` as the client sent it, ``upstream`` as it left
            the proxy; ``""`` where there is one side only.
        of: with ``side="upstream"``: number of the client's exchange that it was made for.
        attempt: with ``side="upstream"``: 1 for the first one of its exchange.
        http_version: ``HTTP/1.1`` or ``HTTP/2.0``.
        method, path: as sent; the path with its query, or ``host:port`` of a CONNECT.
        scheme: ``https`` or ``http``.
        authority: host, and port where it is not the scheme's own.
        headers: as sent.
        body: None when there is none.
        messages: of a WebSocket, both directions in order.
        answer: None when none came.
        notes: what the recorder wants to say.
    """

    number: int = Field(ge=1)
    at: float = 0.0
    connection: int = Field(default=1, ge=1)
    side: Literal["", "client", "upstream"] = ""
    of: int | None = None
    attempt: int | None = None
    http_version: Literal["HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3"] = "HTTP/1.1"
    method: str
    scheme: Literal["https", "http"] = "https"
    authority: str
    path: str
    headers: Headers
    body: Payload | None = None
    messages: tuple[Message, ...] = ()
    answer: Answer | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket."""
        return (self.header("upgrade") or "").lower() == "websocket"

    def header(self, name: str) -> str | None:
        """First value of a header, by lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def host(self) -> str:
        """The authority without its port."""
        return host_of(self.authority)

    def sent(self) -> Iterator[Message]:
        """The client's messages."""
        return (message for message in self.messages if message.sender == "client")


def host_of(authority: str) -> str:
    """The host of an authority: ``[::1]`` of ``[::1]:8080``."""
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdigit() else authority


class Conditions(_Part):
    """Under which conditions a scenario ran; what a learner may explain differences with.

    Attributes:
        transport: what the upstream let the client use for model requests.
        sign_in: ``chatgpt`` or ``api_key``; "" for clients that have no such choice.
        surface: ``exec``, ``tui``, ``sdk``…
        model: model that was asked for, "" for the client's default.
        http: the newest HTTP version that the upstream offered.
        git: the working folder was a git repository.
    """

    transport: Literal["http", "websocket"] = "http"
    sign_in: Literal["chatgpt", "api_key", ""] = ""
    surface: str = ""
    model: str = ""
    http: Literal["HTTP/1.1", "HTTP/2.0"] = "HTTP/2.0"
    git: bool = False


class Origin(_Part):
    """Where a trace comes from.

    Attributes:
        tool: what recorded it: ``floway record 0.1.0``, ``HAR import``.
        on: day, ``2026-11-21``.
        system: ``linux x86_64``.
        run: which of several equal runs, from 1.
    """

    tool: str
    on: str
    system: str = ""
    run: int = 1


class Trace(_Part):
    """One run of one scenario.

    Attributes:
        client: ``codex``, ``opencode``, …
        release: of the client; "" where it is not known.
        scenario: ``turn``, ``resume``, … as ``floway record`` names them.
        conditions: under which it ran.
        origin: where it comes from.
        exchanges: by number.
    """

    format: Literal[1] = 1
    client: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    release: str = ""
    scenario: str = ""
    conditions: Conditions = Conditions()
    origin: Origin
    exchanges: tuple[Exchange, ...] = ()

    @property
    def name(self) -> str:
        """``codex@0.169.0/turn-http-chatgpt-gpt-5.5#2``: unique among the traces of a recording."""
        parts = [self.scenario, self.conditions.surface, self.conditions.transport]
        parts += [self.conditions.sign_in, self.conditions.model]
        if self.conditions.http == "HTTP/1.1":
            parts.append("http1")
        if self.conditions.git:
            parts.append("git")
        label = "-".join(part for part in parts if part) or "trace"
        release = f"@{self.release}" if self.release else ""
        return f"{self.client}{release}/{label}#{self.origin.run}"

    def upstream(self) -> Sequence[Exchange]:
        """What reached the upstream: all exchanges, or those that left a rewriting proxy."""
        return [each for each in self.exchanges if each.side != "client"]
