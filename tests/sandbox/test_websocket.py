"""The WebSocket edge: upgrade and frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, Request, TextMessage

from replay.sandbox import Sandbox

RESPONSES = "/backend-api/codex/responses"

type Connect = Callable[..., Any]


def prewarm(**members: Any) -> dict[str, Any]:
    return {
        "model": "gpt-5.5",
        "input": [],
        "store": False,
        "stream": True,
        "generate": False,
        **members,
    }


@pytest.mark.parametrize("tls", [False, True])
async def test_upgrade_over_both_listeners(connect: Connect, tls: bool) -> None:
    socket = await connect(tls=tls)
    assert socket.status == 101
    assert dict(socket.headers)[b"x-reasoning-included"] == b"true"
    frames = await socket.ask(**prewarm())
    assert frames[-1]["type"] == "response.completed"


async def test_compression_is_not_accepted_unless_configured(
    connect: Connect, start: Callable[..., Any]
) -> None:
    plain = await connect(deflate=True)
    assert plain.extensions == []
    sandbox: Sandbox = await start(deflate=True)
    packed = await connect(sandbox=sandbox, deflate=True)
    assert packed.extensions == ["permessage-deflate"]
    for socket in (plain, packed):
        assert (await socket.ask(**prewarm()))[-1]["type"] == "response.completed"


async def test_fragments_pings_and_split_bytes(connect: Connect) -> None:
    socket = await connect()
    text = json.dumps({"type": "response.create", **prewarm()})
    data = socket.connection.send(TextMessage(data=text[:10], message_finished=False))
    data += socket.connection.send(Ping(payload=b"between"))
    data += socket.connection.send(TextMessage(data=text[10:]))
    for start in range(0, len(data), 3):
        socket.writer.write(data[start : start + 3])
        await socket.writer.drain()
    assert (await socket.frames())[-1]["type"] == "response.completed"


async def test_bytes_behind_the_upgrade_request_are_frames(sandbox: Sandbox) -> None:
    # A client may not send them before it has seen the 101, but buffers may deliver them together.
    port = int(sandbox.http_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    token = sandbox.accounts.access_token(sandbox.accounts[0])
    client = WSConnection(ConnectionType.CLIENT)
    headers = [(b"authorization", f"Bearer {token}".encode())]
    upgrade = client.send(Request(host="x", target=RESPONSES, extra_headers=headers))
    text = json.dumps({"type": "response.create", **prewarm()})
    frames = Connection(ConnectionType.CLIENT)
    writer.write(upgrade + frames.send(TextMessage(data=text)))
    received = b""
    while b"response.completed" not in received:
        received += await reader.read(65536)
    assert received.startswith(b"HTTP/1.1 101")
    writer.close()


async def test_binary_messages_are_refused_with_1003(connect: Connect) -> None:
    socket = await connect()
    await socket.send_bytes(b"{}")
    await socket.frames()
    assert socket.close_code == 1003


async def test_what_breaks_the_protocol_is_closed_with_1002(connect: Connect) -> None:
    socket = await connect()
    socket.writer.write(b"\xf1\x80\x00\x00\x00\x00")
    await socket.frames()
    assert socket.close_code == 1002


async def test_too_large_a_message_is_closed_with_1009(
    connect: Connect, start: Callable[..., Any]
) -> None:
    sandbox: Sandbox = await start(max_body=5000)
    socket = await connect(sandbox=sandbox)
    await socket.send("x" * 6000)
    await socket.frames()
    assert socket.close_code == 1009


async def test_large_messages_both_ways(connect: Connect) -> None:
    socket = await connect()
    frames = await socket.ask(**prewarm(instructions="x" * (1 << 20)))
    assert len(frames[-1]["response"]["instructions"]) == 1 << 20


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ("", "sec-websocket-version must be 13"),
        ("Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: x\r\n", "must be 13"),
        ("Sec-WebSocket-Version: 13\r\n", "sec-websocket-key is missing"),
    ],
)
async def test_a_refused_upgrade_leaves_the_connection_usable(
    sandbox: Sandbox, headers: str, message: str
) -> None:
    port = int(sandbox.http_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET {RESPONSES} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n{headers}\r\n"
    for _ in range(2):
        writer.write(head.encode())
        answer = await reader.readuntil(b"}")
        assert answer.startswith(b"HTTP/1.1 400")
        assert message in answer.decode()
    writer.close()


async def test_unknown_paths_and_tokens_are_refused(connect: Connect, sandbox: Sandbox) -> None:
    assert (await connect(target="/elsewhere")).status == 404
    assert (await connect(headers={})).status == 401
    refused = await connect(headers={"authorization": "Bearer x.y.z"})
    assert refused.status == 401
    assert b"token_invalidated" in refused.refusal


async def test_the_client_closes(connect: Connect, sandbox: Sandbox) -> None:
    socket = await connect()
    socket.writer.write(socket.connection.send(CloseConnection(code=1000)))
    await socket.frames()
    assert socket.close_code == 1000
    assert await socket.reader.read() == b""
