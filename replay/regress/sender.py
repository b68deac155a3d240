"""Recorded requests, sent again to a local port over HTTP/1.1."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import wsproto
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from fingerprints.serial import dumps, loads
from fingerprints.trace import Exchange
from fingerprints.trace_view import observed
from replay.regress.filler import filled

SECONDS = 30.0
"""How long an answer may take."""

SEALED = "encrypted_content"
"""Member that only the account that it was made for can read."""

_BY_CONNECTION = {"host", "content-length", "connection", "upgrade", "transfer-encoding"}
_ENDS = {"response.completed", "response.failed", "response.incomplete", "error"}


class SendFailed(Exception):
    """No answer, or one that refuses the request."""


@dataclass(slots=True)
class Sender:
    """Sends to one port.

    Attributes:
        port: of this machine.
        statuses: of all answers so far.
    """

    port: int
    statuses: list[int] = field(default_factory=list)
    _sealed: dict[str, str] = field(default_factory=dict)
    _received: list[str] = field(default_factory=list)

    def send(self, exchange: Exchange) -> None:
        """A request with its whole answer, or an upgrade with all its messages and their answers.

        Raises:
            SendFailed: see there.
        """
        if exchange.is_upgrade:
            self._socket(exchange)
        else:
            self._request(exchange)

    def _request(self, exchange: Exchange) -> None:
        made = _filled(exchange)
        if made.body is not None:
            data = self._unsealed(made.body.data)
            made = made.model_copy(update={"body": made.body.model_copy(update={"data": data})})
        body = observed(made).body
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with closing(connection):
            try:
                connection.putrequest(
                    exchange.method, exchange.path, skip_host=True, skip_accept_encoding=True
                )
                connection.putheader("Host", f"127.0.0.1:{self.port}")
                for name, value in _headers(made):
                    connection.putheader(name, value.encode("latin-1", "replace"))
                if body or exchange.method == "POST":
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body or None)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise SendFailed(f"{exchange.method} {exchange.path}: {error!r}") from error
        self.statuses.append(answer.status)
        if answer.status >= 400:
            raise SendFailed(
                f"{exchange.method} {exchange.path}: {answer.status} "
                f"{content[:300].decode('utf-8', 'replace')}"
            )
        for line in content.splitlines():
            if b"encrypted_content" in line:
                self._keep(loads(line.removeprefix(b"data:").strip()))

    def _socket(self, exchange: Exchange) -> None:
        made = _filled(exchange)
        with _WebSocket(self.port, exchange.path, _headers(made)) as channel:
            self.statuses.append(101)
            last = ""
            for message in made.sent():
                data = message.payload.data
                if isinstance(data, dict) and data.get("previous_response_id") and last:
                    data = {**data, "previous_response_id": last}
                data = self._unsealed(data)
                channel.send(dumps(data).decode() if isinstance(data, dict) else str(data))
                last = channel.answer(self._keep)

    # --- what only its account can read ---

    def _keep(self, event: Any) -> None:
        """Sealed content of an answer; it stands for what the recorded answer had."""
        for value in _sealed(event):
            if value not in self._received:
                self._received.append(value)

    def _unsealed(self, data: Any) -> Any:
        """The request with the sealed content of this run in the place of the recorded one."""
        if isinstance(data, list):
            return [self._unsealed(item) for item in data]
        if not isinstance(data, dict):
            return data
        return {
            name: self._instead(value)
            if name == SEALED and isinstance(value, str)
            else self._unsealed(value)
            for name, value in data.items()
        }

    def _instead(self, recorded: str) -> str:
        if recorded not in self._sealed and len(self._sealed) < len(self._received):
            self._sealed[recorded] = self._received[len(self._sealed)]
        return self._sealed.get(recorded, recorded)


def _sealed(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == SEALED and isinstance(item, str):
                yield item
            else:
                yield from _sealed(item)
    elif isinstance(value, list):
        for item in value:
            yield from _sealed(item)


class _WebSocket:
    """A client of a WebSocket, for one thread."""

    def __init__(self, port: int, path: str, headers: Sequence[tuple[str, str]]) -> None:
        self._path = path
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        extra = [
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in headers
            if not name.lower().startswith("sec-websocket-")
        ]
        opening = Request(host=f"127.0.0.1:{port}", target=path, extra_headers=extra)
        self._socket.sendall(self._protocol.send(opening))
        self._waiting: list[Any] = []
        try:
            event = self._next()
        except SendFailed:
            self._socket.close()
            raise
        if not isinstance(event, AcceptConnection):
            self._socket.close()
            raise SendFailed(f"WebSocket {path}: refused, {_status(event)}")

    def __enter__(self) -> _WebSocket:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._socket.sendall(self._protocol.send(CloseConnection(code=1000)))
        except (OSError, wsproto.utilities.LocalProtocolError):
            pass  # the other side was first; either way it is closed
        finally:
            self._socket.close()

    def send(self, text: str) -> None:
        self._socket.sendall(self._protocol.send(TextMessage(data=text)))

    def answer(self, see: Callable[[Any], None]) -> str:
        """Reads until the answer is over; gives the id of the response.

        Args:
            see: is given every event.

        Raises:
            SendFailed: the answer is an error, or the connection closes.
        """
        parts: list[str] = []
        while True:
            event = self._next()
            if isinstance(event, CloseConnection):
                raise SendFailed(f"WebSocket {self._path}: closed, {event.code} {event.reason}")
            if isinstance(event, Message):
                parts.append(str(event.data))
                if not event.message_finished:
                    continue
                data = loads("".join(parts))
                parts.clear()
                see(data)
                kind = data.get("type")
                if kind == "error":
                    raise SendFailed(f"WebSocket {self._path}: {str(data)[:300]}")
                if kind in _ENDS:
                    return str(data.get("response", {}).get("id", ""))

    def _next(self) -> Any:
        while not self._waiting:
            try:
                data = self._socket.recv(65536)
            except OSError as error:
                raise SendFailed(f"WebSocket {self._path}: {error!r}") from error
            self._protocol.receive_data(data or None)
            self._waiting += self._events()
        return self._waiting.pop(0)

    def _events(self) -> Iterator[Any]:
        for event in self._protocol.events():
            if isinstance(event, Ping):
                self._socket.sendall(self._protocol.send(event.response()))
            else:
                yield event


def _status(event: Any) -> str:
    return f"status {event.status_code}" if isinstance(event, RejectConnection) else repr(event)


def _filled(exchange: Exchange) -> Exchange:
    body = exchange.body
    if body is not None:
        body = body.model_copy(update={"data": filled(body.data)})
    messages = tuple(
        each.model_copy(
            update={"payload": each.payload.model_copy(update={"data": filled(each.payload.data)})}
        )
        for each in exchange.messages
    )
    headers = tuple((name, filled(value)) for name, value in exchange.headers)
    return exchange.model_copy(update={"body": body, "messages": messages, "headers": headers})


def _headers(exchange: Exchange) -> list[tuple[str, str]]:
    return [(name, value) for name, value in exchange.headers if name.lower() not in _BY_CONNECTION]
