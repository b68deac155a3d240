"""The HTTP/2 edge, over a bare h2 connection."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes, Settings

from replay.sandbox import Sandbox

RESPONSES = b"/backend-api/codex/responses"


class Client:
    """An HTTP/2 client that shows headers, bodies and resets by stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.headers: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.terminated = False
        self.acknowledge = True

    def hello(self, window: int = 65535) -> None:
        values = {SettingCodes.INITIAL_WINDOW_SIZE: window}
        self.h2.local_settings = Settings(client=True, initial_values=values)
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def request(
        self, headers: list[tuple[bytes, bytes]], body: bytes = b"", *, stream: int | None = None
    ) -> int:
        stream = stream or self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=not body)
        self.flush()
        sent = 0
        while sent < len(body):
            window = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if window <= 0:
                await self.step()
                continue
            piece = body[sent : sent + window]
            sent += len(piece)
            self.h2.send_data(stream, piece, end_stream=sent == len(body))
            self.flush()
            await self.writer.drain()
        return stream

    async def step(self) -> None:
        data = await self.reader.read(1 << 20)
        if not data:
            raise ConnectionError("closed")
        for event in self.h2.receive_data(data):
            match event:
                case ResponseReceived():
                    self.headers[event.stream_id] = {
                        str(name): str(value) for name, value in event.headers
                    }
                case DataReceived():
                    body = self.bodies.get(event.stream_id, b"")
                    self.bodies[event.stream_id] = body + event.data
                    if self.acknowledge:
                        size = event.flow_controlled_length
                        self.h2.acknowledge_received_data(size, event.stream_id)
                case StreamEnded():
                    self.ended.add(event.stream_id)
                case StreamReset():
                    self.resets[event.stream_id] = int(event.error_code)
                case ConnectionTerminated():
                    self.terminated = True
        self.flush()

    async def whole(self, stream: int) -> tuple[dict[str, str], bytes]:
        while stream not in self.ended and stream not in self.resets:
            await self.step()
        return self.headers.get(stream, {}), self.bodies.get(stream, b"")


async def connected(sandbox: Sandbox, **hello: Any) -> Client:
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    context.set_alpn_protocols(["h2"])
    port = int(sandbox.https_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    client = Client(reader, writer)
    client.hello(**hello)
    return client


@pytest.fixture
async def client(sandbox: Sandbox) -> Any:
    made = await connected(sandbox)
    yield made
    made.writer.close()


def head(sandbox: Sandbox, path: bytes = RESPONSES, method: bytes = b"POST") -> Any:
    token = sandbox.accounts.access_token(sandbox.accounts[0])
    return [
        (b":method", method),
        (b":scheme", b"https"),
        (b":authority", b"sandbox"),
        (b":path", path),
        (b"zebra", b"1"),
        (b"authorization", f"Bearer {token}".encode()),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
    ]


def body(text: str, size: int = 0) -> bytes:
    value = {
        "model": "gpt-5.5",
        "instructions": "x" * size,
        "input": [{"type": "message", "role": "user", "content": text}],
        "store": False,
        "stream": True,
    }
    return json.dumps(value).encode()


async def test_order_of_pseudo_headers_and_headers_is_kept(
    client: Client, sandbox: Sandbox
) -> None:
    stream = await client.request(head(sandbox), body("hi"))
    headers, data = await client.whole(stream)
    assert headers[":status"] == "200"
    assert data.endswith(b"\n\n")
    entry = sandbox.services.recorder.entries()[-1].json()
    assert [name for name, _ in entry["pseudo_headers"]] == [
        ":method",
        ":scheme",
        ":authority",
        ":path",
    ]
    names = [name for name, _ in entry["headers"]]
    assert names == ["zebra", "authorization", "cookie", "cookie"]
    assert (entry["http_version"], entry["alpn"], entry["secure"]) == ("2", "h2", True)
    assert entry["request_line"] == ""


async def test_many_streams_at_once(client: Client, sandbox: Sandbox) -> None:
    streams = [
        await client.request(head(sandbox), body(f"number {number}")) for number in range(100)
    ]
    for number, stream in enumerate(streams):
        headers, data = await client.whole(stream)
        assert headers[":status"] == "200"
        assert f"number {number}\\n".encode() in data


async def test_flow_control_is_honoured_and_other_streams_go_on(sandbox: Sandbox) -> None:
    client = await connected(sandbox, window=1000)
    client.acknowledge = False
    slow = await client.request(head(sandbox), body("[[say 2000]]"))
    while len(client.bodies.get(slow, b"")) < 1000:
        await client.step()
    quick = await client.request(head(sandbox, b"/nowhere", b"GET"))
    await client.whole(quick)
    assert len(client.bodies[slow]) == 1000
    client.acknowledge = True
    client.h2.increment_flow_control_window(2**20)
    client.h2.increment_flow_control_window(2**20, slow)
    client.flush()
    _, data = await client.whole(slow)
    assert b"response.completed" in data
    client.writer.close()


async def test_bodies_of_many_megabytes(client: Client, sandbox: Sandbox) -> None:
    stream = await client.request(head(sandbox, b"/nowhere"), b"x" * (20 << 20))
    headers, _ = await client.whole(stream)
    assert headers[":status"] == "404"
    entry = sandbox.services.recorder.entries()[-1]
    assert entry.body_length == 20 << 20


async def test_too_large_a_body_resets_its_stream_only(start: Callable[..., Any]) -> None:
    sandbox = await start(max_body=1000)
    client = await connected(sandbox)
    large = await client.request(head(sandbox), b"x" * 3000)
    await client.whole(large)
    assert client.resets[large] == 11  # ENHANCE_YOUR_CALM
    small = await client.request(head(sandbox, b"/nowhere", b"GET"))
    assert (await client.whole(small))[0][":status"] == "404"
    client.writer.close()


async def test_a_stream_that_the_client_resets_ends_its_handler(
    client: Client, sandbox: Sandbox
) -> None:
    from replay.sandbox.faults import parse_rule

    rule = {"fault": {"kind": "stall", "seconds": 3000, "at": 0}}
    sandbox.services.faults.add(parse_rule(rule))
    stream = await client.request(head(sandbox), body("hi"))
    while stream not in client.headers:
        await client.step()
    registry = sandbox._registry
    assert registry is not None
    assert registry.tasks
    client.h2.reset_stream(stream, 8)
    client.flush()
    await asyncio.gather(*registry.tasks, return_exceptions=True)
    assert not registry.tasks
    other = await client.request(head(sandbox, b"/nowhere", b"GET"))
    assert (await client.whole(other))[0][":status"] == "404"


async def test_bytes_that_are_not_http2_end_the_connection(sandbox: Sandbox) -> None:
    client = await connected(sandbox)
    client.writer.write(b"\x00\x00\x04\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff")
    with pytest.raises(ConnectionError, match="closed"):
        await client.whole(1)
    assert client.terminated
