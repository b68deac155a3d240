"""What only HTTP/1.1 upstreams do to attempts: bytes out of place, and connections that fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from addons.providers.contract import Ended
from replay.child import free_port
from tests.stream.behaviours import refuse, succeed
from tests.stream.conftest import Clock, MakeUpstream, Proxy, running_proxy, until
from tests.stream.drivers import Block, Target
from tests.stream.upstreams import Behaviour, Http1Received, Received

CLIENTS = pytest.mark.parametrize("client_kind", ["h1", "h2"])


@pytest.fixture
def dead_port() -> int:
    return free_port()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port whose connections never come to be: its queue is full, so SYNs are dropped."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        yield int(deaf.getsockname()[1])
        for filler in fillers:
            filler.close()


@pytest.fixture
async def mute_port() -> AsyncIterator[int]:
    """A port that accepts and then says nothing: a TLS handshake that never ends."""
    over = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    over.set()
    server.close()


def raw(*pieces: bytes, then: str = "wait") -> Behaviour:
    """These bytes, as they are; then wait until the peer leaves, or close."""

    async def behave(received: Received) -> None:
        assert isinstance(received, Http1Received)
        for piece in pieces:
            await received.raw(piece)
        if then == "close":
            await received.close()
        await received.gone.wait()

    return behave


@CLIENTS
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_failed_connect(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, dead_port: int, scheme: str
) -> None:
    upstream = await make_upstream("h1")
    proxy.wishes.targets = [Target(scheme, dead_port), Target("http", upstream.port)]
    client = await proxy.client(client_kind)
    for _ in range(3):  # an old connect error is not the answer to a later request
        answer = await client.ask()
        assert (answer.status, answer.broken) == (200, "")
        driver = proxy.gateway.drivers[-1]
        assert driver.judged[0].ended is Ended.BROKEN
        assert "Connect call failed" in driver.judged[0].error
        assert driver.attempts == 2
    # The port comes to life: the first attempt is really made.
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", dead_port)
    try:
        assert (await client.ask()).status == 200
        assert "Connect call failed" not in proxy.gateway.drivers[-1].judged[0].error
    finally:
        server.close()


@CLIENTS
async def test_every_connect_fails(proxy: Proxy, client_kind: str, dead_port: int) -> None:
    proxy.wishes.targets = [Target("http", dead_port)]
    proxy.wishes.max_attempts = 100
    client = await proxy.client(client_kind)
    for _ in range(2):
        answer = await client.ask()
        assert (answer.status, answer.body, answer.broken) == (503, b"none is left", "")
        assert len(proxy.gateway.drivers[-1].judged) == 100


@CLIENTS
async def test_failed_tls(confdir: Path, make_upstream: MakeUpstream, client_kind: str) -> None:
    """A certificate that nobody trusts: the connection fails after TCP was there."""
    untrusted, plain = await make_upstream("h2"), await make_upstream("h1")
    async with running_proxy(confdir, ssl_insecure=False) as proxy:
        proxy.aim(untrusted, untrusted, plain)
        client = await proxy.client(client_kind)
        for number in range(1, 4):
            answer = await client.ask()
            assert (answer.status, answer.broken) == (200, "")
            driver = proxy.gateway.drivers[-1]
            assert "ertificate" in driver.judged[0].error
            tries = [origin for origin in proxy.gateway.origins if origin[1] == untrusted.port]
            assert len(tries) == 2 * number, "each attempt is really made"
        assert not untrusted.seen


@CLIENTS
async def test_connection_that_never_comes(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, deaf_port: int
) -> None:
    upstream = await make_upstream("h1")
    proxy.wishes.targets = [Target("http", deaf_port), Target("http", upstream.port)]
    proxy.wishes.late = {1: 0.1}
    client = await proxy.client(client_kind)
    for _ in range(2):
        assert (await client.ask()).status == 200
        judged = proxy.gateway.drivers[-1].judged[0]
        assert (judged.ended, judged.status) == (Ended.BROKEN, None)
        assert "0.1 s" in judged.error


@CLIENTS
async def test_connection_that_never_comes_when_its_turn_has_come(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, deaf_port: int
) -> None:
    """Until mitmproxy begins to open it, nothing is late; from then on it may be."""
    upstream = await make_upstream("h1")
    proxy.wishes.targets = [Target("http", deaf_port), Target("http", upstream.port)]
    proxy.wishes.late = {1: 0.1}
    block = Block("server_connect")
    proxy.master.addons.add(block)
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    await asyncio.wait_for(block.reached.wait(), 3)
    await asyncio.sleep(0.15)
    assert not proxy.gateway.drivers[0].judged
    block.release.set()
    assert (await call.answer()).status == 200
    assert "0.1 s" in proxy.gateway.drivers[0].judged[0].error


@CLIENTS
async def test_connections_that_never_come(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, deaf_port: int
) -> None:
    upstream = await make_upstream("h1")
    proxy.wishes.targets = [
        Target("http", deaf_port, "a"),
        Target("http", deaf_port, "b"),
        Target("http", upstream.port),
    ]
    proxy.wishes.late = {1: 0.1, 2: 0.1}
    client = await proxy.client(client_kind)
    count = 3 if client_kind == "h2" else 1
    answers = await asyncio.gather(*(client.ask(f"/{number}") for number in range(count)))
    assert [answer.status for answer in answers] == [200] * count


@CLIENTS
async def test_handshake_that_never_ends(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, mute_port: int
) -> None:
    upstream = await make_upstream("h1")
    proxy.wishes.targets = [Target("https", mute_port), Target("http", upstream.port)]
    proxy.wishes.late = {1: 0.1}
    client = await proxy.client(client_kind)
    for _ in range(2):
        assert (await client.ask()).status == 200
        assert "0.1 s" in proxy.gateway.drivers[-1].judged[0].error


@CLIENTS
@pytest.mark.parametrize(
    "pieces",
    [
        [b"this is not HTTP\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nbad header: 1\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"zz\r\nnot a chunk\r\n"],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"2\r\nab\r\n", b"zz\r\n"],
        [b"HTTP/1.1 2"],
    ],
    ids=["words", "two lengths", "bad name", "bad length", "no chunk", "a chunk", "cut head"],
)
@pytest.mark.parametrize("then", ["wait", "close"])
async def test_answers_that_are_no_http(
    proxy: Proxy,
    make_upstream: MakeUpstream,
    client_kind: str,
    pieces: list[bytes],
    then: str,
) -> None:
    """A broken answer ends its attempt only; its late bytes and its end do not reach the next."""
    if pieces == [b"HTTP/1.1 2"] and then == "wait":
        proxy.wishes.late = {1: 0.1}
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    upstream.answers(raw(*pieces, then=then), succeed(b"output", b" and", b" more", gap=0.003))
    client = await proxy.client(client_kind)
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")
    assert len(upstream.seen) == 2
    assert (await client.ask()).status == 200


@CLIENTS
@pytest.mark.parametrize("at_once", [False, True])
async def test_bytes_behind_a_refused_answer(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, at_once: bool
) -> None:
    """In the same TCP segment: the connection is not used again, the bytes go nowhere."""
    proxy.wishes.at_once = at_once
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    refused = b"HTTP/1.1 429 No\r\ncontent-length: 5\r\n\r\nquota"
    stray = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nothers"
    upstream.answers(raw(refused + stray), succeed(b"output", b" and", b" more", gap=0.003))
    client = await proxy.client(client_kind)
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")
    assert upstream.accepted == 2


@CLIENTS
async def test_refused_body_that_closes_late(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str
) -> None:
    """The given up connection's own end comes while the next attempt is under way."""
    proxy.wishes.at_once = True
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    gone = asyncio.Event()

    async def good(received: Received) -> None:
        await received.head(200)
        await received.data(b"output ")
        await gone.wait()
        await asyncio.sleep(0.02)
        await received.data(b"and more")
        await received.end()

    async def refused(received: Received) -> None:
        await received.head(429, framing="length", length=100)
        await received.data(b"part")
        await received.gone.wait()
        gone.set()

    upstream.answers(refused, good)
    client = await proxy.client(client_kind)
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")


async def test_stale_connection(proxy: Proxy, make_upstream: MakeUpstream) -> None:
    """The upstream closes a kept connection just when it is used again: one more attempt."""
    upstream = await make_upstream("h1")
    proxy.aim(upstream)

    async def close_after(received: Received) -> None:
        await succeed()(received)

    async def close_at_once(received: Received) -> None:
        await received.close()

    upstream.answers(close_after, close_at_once, succeed())
    client = await proxy.client("h1")
    assert (await client.ask()).status == 200
    assert (await client.ask()).status == 200
    assert [seen.attempt for seen in upstream.seen] == [1, 1, 2]
    assert [seen.connection for seen in upstream.seen] == [0, 0, 1]


async def test_six_failovers_wait_for_free_connections(
    proxy: Proxy, make_upstream: MakeUpstream, clock: Clock
) -> None:
    """mitmproxy opens five connections to one address at most; waiting for one is not late."""
    proxy.wishes.late = {2: 30.0}
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    go_on = asyncio.Event()

    async def slow(received: Received) -> None:
        await received.head(200)
        await received.data(b"output")
        await go_on.wait()
        await received.end()

    upstream.script = lambda received: refuse() if received.attempt == 1 else slow
    client = await proxy.client("h2")
    calls = [await client.call(f"/{number}", b"x") for number in range(8)]
    await upstream.arrival(8 + 5)
    await until(lambda: sum(b"output" in call.body for call in calls) == 5, "five are served")
    for _ in range(3):
        clock.advance(31)
        await clock.ticks()
    go_on.set()
    for call in calls:
        answer = await call.answer()
        assert (answer.status, answer.body, answer.broken) == (200, b"output", "")
    assert all(driver.attempts == 2 for driver in proxy.gateway.drivers)


async def test_expect_continue(proxy: Proxy, make_upstream: MakeUpstream) -> None:
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    upstream.answers(refuse(), succeed())
    client = await proxy.client("h1")
    answer = await client.ask(headers=[("Expect", "100-continue")])
    assert (answer.status, answer.broken) == (200, "")
    assert upstream.seen[1].header("expect") is None
