"""The HTTP/1.1 edge, over bare sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from replay.sandbox import Sandbox


class Wire:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One answer with a content-length."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split(" ")[1]), headers, body


@pytest.fixture
async def wire(sandbox: Sandbox) -> Any:
    port = int(sandbox.http_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Wire(reader, writer)
    writer.close()


async def last_recorded(sandbox: Sandbox) -> dict[str, Any]:
    return sandbox.services.recorder.entries()[-1].json()


async def test_letter_case_order_and_repetitions_are_kept(wire: Wire, sandbox: Sandbox) -> None:
    wire.writer.write(
        b"POST /nowhere?q=1 HTTP/1.1\r\nHost: x\r\nX-ODD-Case: 1\r\naccept: b\r\n"
        b"ACCEPT: a\r\nContent-Length: 2\r\n\r\n{}"
    )
    status, _, body = await wire.answer()
    assert (status, json.loads(body)) == (404, {"detail": "Not Found"})
    entry = await last_recorded(sandbox)
    assert entry["request_line"] == "POST /nowhere?q=1 HTTP/1.1"
    assert entry["headers"] == [
        ["Host", "x"],
        ["X-ODD-Case", "1"],
        ["accept", "b"],
        ["ACCEPT", "a"],
        ["Content-Length", "2"],
    ]
    assert (entry["body_json"], entry["http_version"], entry["secure"]) == ({}, "1.1", False)


async def test_byte_by_byte_and_pipelined(wire: Wire) -> None:
    one = b"GET /_sandbox/cache HTTP/1.1\r\nHost: x\r\n\r\n"
    for byte in one:
        wire.writer.write(bytes([byte]))
        await wire.writer.drain()
        await asyncio.sleep(0)
    assert (await wire.answer())[0] == 200
    wire.writer.write(one * 3 + b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
    statuses = [(await wire.answer())[0] for _ in range(4)]
    assert statuses == [200, 200, 200, 404]


async def test_chunked_request_bodies(wire: Wire, sandbox: Sandbox) -> None:
    wire.writer.write(
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
    )
    await wire.answer()
    assert (await last_recorded(sandbox))["body_json"] == {"a": 1}


async def test_expect_continue(wire: Wire) -> None:
    wire.writer.write(
        b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    wire.writer.write(b"{}")
    assert (await wire.answer())[0] == 404


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"not http at all\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"y" * 300_000, 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ],
)
async def test_what_cannot_be_read_is_refused_and_closed(
    wire: Wire, data: bytes, status: int
) -> None:
    wire.writer.write(data)
    found, headers, _ = await wire.answer()
    assert found == status
    assert headers["connection"] == "close"
    assert await wire.reader.read() == b""


async def test_too_large_a_body_is_refused(start: Callable[..., Any]) -> None:
    sandbox: Sandbox = await start(max_body=1000, tls_port=None)
    port = int(sandbox.http_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"x" * 1001)
    status, _, body = await Wire(reader, writer).answer()
    assert status == 413
    assert b"larger than 1000 bytes" in body
    writer.close()


async def test_http_1_0_and_connection_close_end_the_connection(wire: Wire) -> None:
    wire.writer.write(b"GET /x HTTP/1.0\r\n\r\n")
    assert (await wire.answer())[0] == 404
    assert await wire.reader.read() == b""


async def test_head_has_no_body(wire: Wire) -> None:
    head = b"HEAD /backend-api/codex/responses HTTP/1.1\r\nHost: x\r\n\r\n"
    wire.writer.write(head * 2)
    for _ in range(2):
        raw = await wire.reader.readuntil(b"\r\n\r\n")
        assert raw.startswith(b"HTTP/1.1 405")


async def test_a_client_that_leaves_ends_its_handler(wire: Wire, sandbox: Sandbox) -> None:
    sandbox.services.faults.add(_rule({"kind": "delay", "delay": 3000}))
    wire.writer.write(_responses(sandbox))
    registry = sandbox._registry
    assert registry is not None
    async with asyncio.timeout(5):
        while not registry.tasks:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0)
        wire.writer.close()
        await asyncio.gather(*registry.tasks, return_exceptions=True)
    assert not registry.connections


def _rule(fault: dict[str, Any]) -> Any:
    from replay.sandbox.faults import parse_rule

    return parse_rule({"fault": fault})


def _responses(sandbox: Sandbox) -> bytes:
    token = sandbox.accounts.access_token(sandbox.accounts[0])
    return (
        "POST /backend-api/codex/responses HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 2\r\n\r\n{{}}"
    ).encode()
