"""The HTTP/2 side of the bench's upstream."""

from __future__ import annotations

import asyncio
from collections import deque

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes

from replay.bench.answers import HEADERS, REFUSAL, REFUSAL_HEADERS
from replay.bench.upstream.script import Script, is_model_request

_WINDOW = 2**24


class Http2Server(asyncio.Protocol):
    """Any number of streams; a DATA frame per event, a write per frame."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._h2 = H2Connection(H2Configuration(client_side=False, validate_inbound_headers=False))
        self._transport: asyncio.Transport | None = None
        self._heads: dict[int, list[tuple[bytes, bytes]]] = {}
        self._due: dict[int, deque[bytes]] = {}
        """Body pieces that the client's flow-control window has no room for yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW})
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            match event:
                case RequestReceived(stream_id=int(number), headers=list(headers)):
                    self._heads[number] = headers
                case DataReceived(stream_id=int(number), flow_controlled_length=int(length)):
                    self._h2.acknowledge_received_data(length, number)
                case StreamEnded(stream_id=int(number)):
                    self._answer(number, self._heads.pop(number))
                case StreamReset(stream_id=int(number)):
                    self._heads.pop(number, None)
                    self._due.pop(number, None)
                case WindowUpdated():
                    for number in list(self._due):
                        self._send(number)
        self._flush()

    def _answer(self, number: int, headers: list[tuple[bytes, bytes]]) -> None:
        names = dict(headers)
        method, path = names[b":method"].decode(), names[b":path"].decode()
        script = self._script
        if not is_model_request(method, path):
            status, body = script.side(method, path)
            self._start(number, status, [("content-type", "application/json")], [body])
        elif script.take(b"\n".join(name + b": " + value for name, value in headers)):
            pieces = [b"".join(script.events)] if script.one_write else script.events
            self._start(number, 200, HEADERS, pieces)
        else:
            self._start(number, 429, REFUSAL_HEADERS, [REFUSAL])

    def _start(
        self,
        number: int,
        status: int,
        headers: tuple[tuple[str, str], ...] | list[tuple[str, str]],
        pieces: list[bytes],
    ) -> None:
        self._h2.send_headers(number, [(":status", str(status)), *headers])
        limit = self._h2.max_outbound_frame_size
        self._due[number] = deque(
            piece[at : at + limit] for piece in pieces for at in range(0, len(piece), limit)
        )
        self._send(number)

    def _send(self, number: int) -> None:
        due = self._due[number]
        try:
            while due and len(due[0]) <= self._h2.local_flow_control_window(number):
                self._h2.send_data(number, due.popleft(), end_stream=not due)
                self._flush()
        except StreamClosedError:  # reset by the client, in the same packet perhaps
            due.clear()
        if not due:
            del self._due[number]

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)
