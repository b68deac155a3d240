"""Requests that are too large, or that come in small pieces."""

from __future__ import annotations

import asyncio

import pytest
from mitmproxy import http

from addons.intake import HEAD_BYTES
from tests.stream.behaviours import refuse, succeed
from tests.stream.clients import Http1Client
from tests.stream.conftest import OVERSIZED, MakeUpstream, Proxy, until
from tests.stream.upstreams import Upstream

CLIENTS = pytest.mark.parametrize("client_kind", ["h1", "h2"])


@pytest.fixture
async def upstream(proxy: Proxy, make_upstream: MakeUpstream) -> Upstream:
    made = await make_upstream("h1")
    proxy.aim(made)
    return made


@CLIENTS
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "not announced"])
async def test_body_too_large(
    proxy: Proxy, upstream: Upstream, client_kind: str, chunked: bool
) -> None:
    proxy.wishes.max_request_bytes = 100_000
    client = await proxy.client(client_kind)
    answer = await client.ask(body=b"x" * 100_001, chunked=chunked)
    assert (answer.status, answer.body, answer.broken) == (413, b"too large", "")
    assert answer.header("x-own") == "1"
    assert not upstream.accepted
    assert proxy.gateway.names(proxy.gateway.flows[0]) == [
        "requestheaders",
        "responseheaders",
        "response",
    ]
    if client_kind == "h1":
        assert answer.header("connection") == "close"
        client = await proxy.client(client_kind)
    else:
        assert answer.header("connection") is None
    assert (await client.ask(body=b"x" * 100_000, chunked=chunked)).status == 200
    assert len(upstream.seen[-1].body) == 100_000


@CLIENTS
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "not announced"])
async def test_client_that_sends_on_gets_the_answer(
    proxy: Proxy, upstream: Upstream, client_kind: str, chunked: bool
) -> None:
    """The answer comes early, and is not lost because the client has not read it yet."""
    proxy.wishes.max_request_bytes = 1_000
    client = await proxy.client(client_kind)
    answer = await client.ask(body=b"x" * 4_000_000, chunked=chunked)
    assert (answer.status, answer.body, answer.broken) == (413, b"too large", "")


async def test_refused_before_the_body_is_sent(proxy: Proxy, upstream: Upstream) -> None:
    """``Expect: 100-continue`` exists for this: no ``100``, and no body."""
    proxy.wishes.max_request_bytes = 1_000
    client = await proxy.client("h1")
    assert isinstance(client, Http1Client)
    client.writer.write(
        b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2000\r\n\r\n"
    )
    await proxy.gateway.hook("response")
    await until(lambda: b"too large" in client.raw, "no answer")
    assert client.raw.startswith(b"HTTP/1.1 413 ")


async def test_refused_stream_leaves_the_others_alone(proxy: Proxy, upstream: Upstream) -> None:
    proxy.wishes.max_request_bytes = 50_000
    client = await proxy.client("h2")
    upstream.script = lambda received: refuse() if received.attempt == 1 else succeed()
    answers = await asyncio.gather(
        *(client.ask(body=b"x" * size, chunked=True) for size in (60_000, 1_000, 70_000, 2_000))
    )
    assert [answer.status for answer in answers] == [413, 200, 413, 200]
    assert not any(answer.broken for answer in answers)


async def test_client_that_resets_while_it_is_refused(proxy: Proxy, upstream: Upstream) -> None:
    """The refusal counts as the flow's response; there is no ``error`` behind it."""
    reached, release = asyncio.Event(), asyncio.Event()

    class Block:
        async def responseheaders(self, flow: http.HTTPFlow) -> None:
            reached.set()
            await asyncio.wait_for(release.wait(), 5)

    block = Block()
    proxy.master.addons.add(block)
    proxy.wishes.max_request_bytes = 1_000
    client = await proxy.client("h2")
    call = await client.call(body=b"x" * 2_000, chunked=True, finish=False)
    await asyncio.wait_for(reached.wait(), 3)
    await call.leave()
    proxy.master.addons.remove(block)
    assert (await client.ask(body=b"x")).status == 200
    release.set()
    await proxy.gateway.hook("response", 2)


# --- heads ---------------------------------------------------------------------------------------


async def raw_answer(proxy: Proxy, *pieces: bytes) -> bytes:
    """What comes for these bytes until the proxy closes its half."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    "filler",
    [b"x-filler: " + b"x" * 90 + b"\r\n", b"y" * 100],
    ids=["many headers", "one long line"],
)
@pytest.mark.parametrize("size", [HEAD_BYTES + 1_000, 3_000_000])
async def test_endless_head(proxy: Proxy, filler: bytes, size: int) -> None:
    start = b"POST / HTTP/1.1\r\nhost: x\r\n"
    assert await raw_answer(proxy, start, filler * (size // 100)) == OVERSIZED
    assert not proxy.gateway.flows


async def test_head_without_end_is_cut_at_last(proxy: Proxy) -> None:
    """Some more of it is read so that the client reads its answer, but not for ever."""
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"POST / HTTP/1.1\r\n")

    async def send_for_ever() -> None:
        while True:
            writer.write(b"x-filler: " + b"x" * 65_000 + b"\r\n")
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send_for_ever(), 5)
    writer.transport.abort()
    assert not proxy.gateway.flows


async def test_large_head_is_served(proxy: Proxy, upstream: Upstream) -> None:
    client = await proxy.client("h1")
    filler = "x" * 60_000
    answer = await client.ask(headers=[(f"x-{number}", filler) for number in range(4)])
    assert answer.status == 200
    assert upstream.seen[0].header("x-3") == filler


async def test_request_byte_by_byte(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answers(refuse(), succeed(framing="length"))
    request = (
        b"POST /slow HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    )
    pieces = [request[place : place + 1] for place in range(len(request))]
    answer = await raw_answer(proxy, *pieces)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\noutput and more")
    assert [seen.body for seen in upstream.seen] == [b"hello world"] * 2


async def test_client_that_closes_in_its_head(proxy: Proxy) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nx-unfi")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert not proxy.gateway.flows
