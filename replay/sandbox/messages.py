"""What the protocol edges (HTTP/1.1, HTTP/2, WebSocket) and the application say to each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs

type HeaderList = list[tuple[bytes, bytes]]
"""In wire order, with the letter case of the wire."""


@dataclass(slots=True, eq=False)
class Request:
    """A complete request, exactly as received.

    Attributes:
        method, target: as in the request line or the pseudo headers; ``target`` has the query.
        http_version: ``1.0``, ``1.1`` or ``2``.
        request_line: raw first line of HTTP/1.x, empty for HTTP/2.
        pseudo_headers: HTTP/2 pseudo headers in wire order, empty for HTTP/1.x.
        headers: in wire order, with wire letter case, without pseudo headers.
        body: raw bytes, content coding untouched.
        connection: number of the connection, counted from the start of the sandbox.
        secure: received over TLS.
        alpn: protocol negotiated by ALPN, or "".
    """

    method: str
    target: str
    http_version: str
    headers: HeaderList
    request_line: bytes = b""
    pseudo_headers: HeaderList = field(default_factory=list)
    body: bytes = b""
    connection: int = 0
    secure: bool = False
    alpn: str = ""

    @property
    def path(self) -> str:
        """``target`` without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """Query members; the last value wins."""
        parsed = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return {name: values[-1] for name, values in parsed.items()}

    def header(self, name: str) -> str | None:
        """First value of a header, by lower-case name."""
        return header_value(self.headers, name)

    @property
    def upgrade(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.method == "GET" and "websocket" in (self.header("upgrade") or "").lower()


def header_value(headers: Iterable[tuple[bytes, bytes]], name: str) -> str | None:
    """First value of the header with this lower-case name."""
    wanted = name.encode()
    for key, value in headers:
        if key.lower() == wanted:
            return value.decode("utf-8", "replace")
    return None


def header_list(headers: dict[str, str]) -> HeaderList:
    """Ordered header list of a dict."""
    return [(name.encode(), value.encode("utf-8")) for name, value in headers.items()]


class ClientGone(Exception):
    """The client's connection or stream has ended; nothing more can be sent."""


class Reply(Protocol):
    """The answer to one HTTP request. Every method raises :class:`ClientGone` when it is too late.

    Head and first bytes are put into one write where that is possible.
    """

    started: bool
    """Whether the head has been given."""

    def start(self, status: int, headers: HeaderList) -> None:
        """Give status and headers; without ``content-length`` the body is delimited by framing."""

    async def write(self, data: bytes) -> None:
        """Send body bytes; waits while the client takes none. ``b""`` flushes the head."""

    async def finish(self) -> None:
        """End the body well."""

    def reset(self) -> None:
        """Break off: TCP RST over HTTP/1.1, RST_STREAM over HTTP/2."""


class Duplex(Reply, Protocol):
    """An HTTP/2 stream whose answer may begin before its request has ended."""

    async def read(self) -> bytes:
        """Bytes of the request's body as they come; ``b""``: it has ended."""

    def abort(self, code: int) -> None:
        """Break off with RST_STREAM and this error code."""

    def go_away(self, code: int) -> None:
        """Break the connection off with GOAWAY and this error code."""

    def set_window(self, size: int) -> None:
        """Change what a client may send ahead on each stream, those that are open too."""


class Socket(Protocol):
    """A WebSocket: first its upgrade, then its messages."""

    @property
    def problem(self) -> str:
        """Why the upgrade cannot be accepted, "" when it can."""

    async def accept(self, headers: HeaderList) -> None:
        """Answer the upgrade with 101 and these headers besides the protocol's own."""

    async def refuse(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Answer the upgrade with an ordinary HTTP answer."""

    async def receive(self) -> str | bytes | None:
        """Next message (text or binary); None when the client has closed."""

    async def send(self, text: str) -> None:
        """Send a text message; waits while the client takes none."""

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and end the connection."""

    def reset(self) -> None:
        """Break off with a TCP RST."""


class Application(Protocol):
    """What the edges call, once per request or upgrade."""

    async def http(self, request: Request, reply: Reply) -> None:
        """Give the whole answer, or reset it."""

    async def socket(self, request: Request, socket: Socket) -> None:
        """Accept or refuse the upgrade; the connection is closed when this returns."""


class DuplexApplication(Protocol):
    """What the HTTP/2 edge calls for requests whose answer may begin before they have ended."""

    def duplex_path(self, method: str, path: str) -> bool:
        """Whether it is such a request."""

    async def duplex(self, request: Request, stream: Duplex) -> None:
        """Give the whole answer, or reset it; the body is read from the stream."""
