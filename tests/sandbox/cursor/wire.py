"""Clients of the agent service for tests: a stream of HTTP/2 over a bare h2, and RunSSE."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

from addons.providers.cursor.proto import agent_pb2, aiserver_pb2
from replay.sandbox import Sandbox

RUN = "/agent.v1.AgentService/Run"
RUN_SSE = "/agent.v1.AgentService/RunSSE"
APPEND = "/aiserver.v1.BidiService/BidiAppend"


def headers_of(token: str, **more: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {token}",
        "content-type": "application/connect+proto",
        "connect-protocol-version": "1",
        "x-cursor-client-type": "cli",
        "x-cursor-client-version": "cli-2026.07.23-e383d2b",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def framed(payload: bytes, flags: int = 0) -> bytes:
    return bytes([flags]) + len(payload).to_bytes(4, "big") + payload


@dataclass
class Messages:
    """Cuts an answer into its messages; written apart from the code that the sandbox uses."""

    buffer: bytes = b""
    compressed: int = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        self.buffer += data
        found = []
        while len(self.buffer) >= 5:
            size = int.from_bytes(self.buffer[1:5], "big")
            if len(self.buffer) < 5 + size:
                break
            flags, payload = self.buffer[0], self.buffer[5 : 5 + size]
            self.buffer = self.buffer[5 + size :]
            if flags & 1:
                self.compressed += 1
                payload = gzip.decompress(payload)
            found.append((flags & 2, payload))
        return found


class Wire(Protocol):
    """One run."""

    status: int
    broken: str

    async def send(self, message: agent_pb2.AgentClientMessage) -> None: ...

    def receive(self) -> AsyncIterator[tuple[int, bytes]]:
        """Flags and payloads up to the end of the answer, or until it breaks (``broken``)."""
        ...

    async def close(self) -> None: ...


@dataclass
class Stream:
    """A run on an HTTP/2 connection of its own.

    Attributes:
        windows: INITIAL_WINDOW_SIZE values that the server has set.
    """

    sandbox: Sandbox
    headers: dict[str, str]
    path: str = RUN
    status: int = 0
    broken: str = ""
    windows: list[int] = field(default_factory=list)
    messages: Messages = field(default_factory=Messages)

    async def open(self) -> None:
        context = ssl.create_default_context(cafile=str(self.sandbox.ca_file))
        context.set_alpn_protocols(["h2"])
        port = int(self.sandbox.https_url.rpartition(":")[2])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(4 * 1024 * 1024)
        self.flush()
        wanted = self.sandbox.config.window
        while wanted not in self.windows:  # what may be sent is known only with its SETTINGS
            await self.step()
        self.id = self.h2.get_next_available_stream_id()
        pseudo = {":method": "POST", ":path": self.path, ":scheme": "https", ":authority": "x"}
        self.h2.send_headers(self.id, list({**pseudo, **self.headers}.items()))
        self.flush()
        self.due: list[tuple[int, bytes]] = []
        self.ended = False

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def step(self) -> None:
        data = await self.reader.read(65536)
        if not data:
            self.broken = self.broken or "closed"
        for event in self.h2.receive_data(data):
            match event:
                case RemoteSettingsChanged():
                    self.windows.append(self.h2.remote_settings.initial_window_size)
                case ResponseReceived():
                    self.status = int(dict(event.headers)[":status"])
                case DataReceived():
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    self.due += self.messages.feed(event.data)
                case StreamEnded():
                    self.ended = True
                case StreamReset():
                    self.broken = f"reset {int(event.error_code)}"
                case ConnectionTerminated():
                    self.broken = f"goaway {int(event.error_code or 0)}"
        self.flush()

    async def send(self, message: agent_pb2.AgentClientMessage) -> None:
        await self.send_raw(framed(message.SerializeToString()))

    async def send_raw(self, data: bytes) -> None:
        while data and not self.broken:
            window = self.h2.local_flow_control_window(self.id)
            if window <= 0:
                await self.step()
                continue
            part = data[: min(window, self.h2.max_outbound_frame_size)]
            self.h2.send_data(self.id, part)
            self.flush()
            data = data[len(part) :]

    def end_request(self) -> None:
        self.h2.end_stream(self.id)
        self.flush()

    async def receive(self) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            while self.due:
                yield self.due.pop(0)
            if self.ended or self.broken:
                return
            await self.step()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # a fault may have broken it off
            await self.writer.wait_closed()


@dataclass
class Appended:
    """A run by RunSSE and BidiAppend."""

    sandbox: Sandbox
    client: httpx.AsyncClient
    headers: dict[str, str]
    request_id: str
    status: int = 0
    broken: str = ""
    number: int = 0
    messages: Messages = field(default_factory=Messages)

    async def open(self) -> None:
        body = framed(aiserver_pb2.BidiRequestId(request_id=self.request_id).SerializeToString())
        request = self.client.build_request("POST", RUN_SSE, content=body, headers=self.headers)
        self.response = await self.client.send(request, stream=True)
        self.status = self.response.status_code

    async def send(self, message: agent_pb2.AgentClientMessage) -> None:
        number, self.number = self.number, self.number + 1
        answer = await self.append(message.SerializeToString(), number)
        assert answer.status_code == 200, answer.text

    async def append(self, data: bytes, number: int) -> httpx.Response:
        request = aiserver_pb2.BidiAppendRequest(
            data=data.hex(),
            request_id=aiserver_pb2.BidiRequestId(request_id=self.request_id),
            append_seqno=number,
        )
        head = {**self.headers, "content-type": "application/proto"}
        return await self.client.post(APPEND, content=request.SerializeToString(), headers=head)

    async def receive(self) -> AsyncIterator[tuple[int, bytes]]:
        try:
            async for data in self.response.aiter_raw():
                for message in self.messages.feed(data):
                    yield message
        except httpx.TransportError as error:
            self.broken = type(error).__name__

    async def close(self) -> None:
        await self.response.aclose()


def error_of(end: bytes) -> dict[str, Any]:
    """The error of a stream's end; empty when there is none."""
    found: dict[str, Any] = json.loads(end).get("error", {})
    return found


def details_of(error: dict[str, Any]) -> aiserver_pb2.ErrorDetails:
    """The ``ErrorDetails`` of an error."""
    value = error["details"][0]["value"]
    raw = base64.b64decode(value + "=" * (-len(value) % 4))
    return aiserver_pb2.ErrorDetails.FromString(raw)
