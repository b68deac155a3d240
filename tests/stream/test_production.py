"""Bodies that are produced while they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from addons.production import HIGH_WATER, Production
from tests.stream.behaviours import refuse
from tests.stream.clients import Http1Client, Http2Client
from tests.stream.conftest import MakeUpstream, Proxy, until

CLIENTS = pytest.mark.parametrize("client_kind", ["h1", "h2"])


class Source:
    """An async iterator that tells what happens to it."""

    def __init__(self, *chunks: bytes, then: str = "end") -> None:
        self.chunks = list(chunks)
        self.then = then
        self.given = 0
        self.waiting = asyncio.Event()
        self.closed = asyncio.Event()
        self.cancelled = False

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> bytes:
        if self.given < len(self.chunks):
            self.given += 1
            return self.chunks[self.given - 1]
        if self.then == "fail":
            raise ValueError("a secret of the provider's")
        if self.then == "wait":
            self.waiting.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed.set()


# --- alone ---------------------------------------------------------------------------------------


async def drain(production: Production) -> list[bytes]:
    taken = []
    while not production.ended:
        await production.wait()
        if production.ready:
            taken.append(production.take())
    return taken


async def test_ready_chunks_are_taken_together() -> None:
    source = Source(b"one ", b"", b"two ", b"three")
    assert await drain(Production(source)) == [b"one two three"]
    assert source.closed.is_set()


async def test_chunks_are_not_held_back() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield b"two"

    assert await drain(Production(slow())) == [b"one", b"two"]


async def test_producer_waits_for_room() -> None:
    source = Source(*[b"x" * 10_000] * 100)
    production = Production(source)
    await production.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    assert source.given * 10_000 <= HIGH_WATER + 2 * 10_000
    assert sum(map(len, await drain(production))) == 1_000_000
    assert production.error is None


async def test_error_comes_after_what_was_ready() -> None:
    production = Production(Source(b"one", then="fail"))
    assert await drain(production) == [b"one"]
    assert isinstance(production.error, ValueError)


async def test_cancel_while_waiting() -> None:
    source = Source(b"one", then="wait")
    production = Production(source)
    await production.wait()
    production.take()
    waiter = asyncio.create_task(production.wait())
    await source.waiting.wait()
    production.cancel()
    await waiter
    assert production.ended
    await source.closed.wait()
    assert source.cancelled
    assert production.error is None
    production.cancel()


@pytest.mark.parametrize("begun", [False, True])
async def test_cancel_before_the_first_chunk_closes_the_source(begun: bool) -> None:
    source = Source(b"one")
    production = Production(source)
    waiter = asyncio.create_task(production.wait()) if begun else None
    production.cancel()
    await source.closed.wait()
    assert production.ended
    if waiter is not None:
        await waiter
    await production.wait()
    assert not production.ready


async def test_cancel_does_not_wait_for_a_slow_end() -> None:
    release = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            await release.wait()

    production = Production(source())
    await production.wait()
    production.take()
    waiter = asyncio.create_task(production.wait())
    await asyncio.sleep(0)
    production.cancel()
    assert production.ended
    await asyncio.wait_for(waiter, 3)
    release.set()


async def test_source_that_fails_when_closed() -> None:
    class Failing(Source):
        async def aclose(self) -> None:
            raise OSError("cannot be closed")

    production = Production(Failing(b"one"))
    assert await drain(production) == [b"one"]
    assert isinstance(production.error, OSError)
    stopped = Production(Failing(b"one", then="wait"))
    await stopped.wait()
    stopped.cancel()
    await until(lambda: stopped.error is not None, "not closed")


# --- on the wire ---------------------------------------------------------------------------------


@CLIENTS
@pytest.mark.parametrize(
    "chunks", [[], [b"one"], [b"a" * 100_000] * 20], ids=["empty", "one", "2 MB"]
)
async def test_body(proxy: Proxy, client_kind: str, chunks: list[bytes]) -> None:
    proxy.wishes.produce = lambda: Source(*chunks)
    client = await proxy.client(client_kind)
    for _ in range(2):
        answer = await client.ask()
        assert (answer.status, answer.body, answer.broken) == (200, b"".join(chunks), "")
        assert answer.header("x-produced") == "1"
    assert proxy.gateway.names(proxy.gateway.flows[0]) == [
        "requestheaders",
        "request",
        "responseheaders",
        "response",
    ]


@pytest.mark.parametrize("stored", [False, True])
async def test_who_watches_sees_the_body_too(proxy: Proxy, stored: bool) -> None:
    proxy.master.options.update(store_streamed_bodies=stored)
    proxy.wishes.produce = lambda: Source(b"one ", b"two")
    client = await proxy.client("h1")
    assert (await client.ask()).body == b"one two"
    response = proxy.gateway.flows[0].response
    assert response is not None
    assert response.raw_content == (b"one two" if stored else b"")


@CLIENTS
async def test_chunks_arrive_one_by_one(proxy: Proxy, client_kind: str) -> None:
    steps = [asyncio.Event() for _ in range(3)]

    async def source() -> AsyncIterator[bytes]:
        for number, step in enumerate(steps):
            await step.wait()
            yield b"chunk %d\n" % number

    proxy.wishes.produce = source
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    assert await call.head() == 200
    for number, step in enumerate(steps):
        step.set()
        await call.until(b"chunk %d\n" % number)
    assert not (await call.answer()).broken


@CLIENTS
async def test_after_refused_attempts(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str
) -> None:
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    upstream.answers(refuse())
    proxy.wishes.max_attempts = 2
    proxy.wishes.produce_at_last = lambda: Source(b"produced")
    client = await proxy.client(client_kind)
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (200, b"produced", "")
    assert len(upstream.seen) == 2


@CLIENTS
async def test_head_request(proxy: Proxy, client_kind: str) -> None:
    """The head without a body; nothing is produced, but the source is closed."""
    source = Source(b"never sent")
    proxy.wishes.produce = lambda: source
    client = await proxy.client(client_kind)
    answer = await client.ask(method="HEAD", body=b"")
    assert (answer.status, answer.body, answer.broken) == (200, b"", "")
    await asyncio.wait_for(source.closed.wait(), 3)
    assert not source.given
    proxy.wishes.produce = lambda: Source(b"one")
    assert (await client.ask()).body == b"one"


@CLIENTS
@pytest.mark.parametrize("last_words", [b"event: error\n\n", b""])
async def test_failing_source(proxy: Proxy, client_kind: str, last_words: bytes) -> None:
    proxy.wishes.last_words = last_words
    proxy.wishes.produce = lambda: Source(b"one ", b"two ", then="fail")
    client = await proxy.client(client_kind)
    answer = await client.ask()
    assert (answer.status, answer.body) == (200, b"one two " + last_words)
    assert answer.broken
    (driver,) = proxy.gateway.drivers
    assert driver.cuts == ["the answer could not be completed: ValueError"]
    (flow,) = proxy.gateway.flows
    assert proxy.gateway.names(flow)[-1] == "error"
    assert flow.error is not None
    assert "secret" not in flow.error.msg
    if client_kind == "h2":
        proxy.wishes.produce = lambda: Source(b"good")
        assert (await client.ask()).body == b"good"


@CLIENTS
@pytest.mark.parametrize("begun", [False, True], ids=["before a chunk", "in mid-stream"])
async def test_client_that_leaves_cancels_the_source(
    proxy: Proxy, client_kind: str, begun: bool
) -> None:
    source = Source(*[b"one"] if begun else [], then="wait")
    proxy.wishes.produce = lambda: source
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    await call.head()
    if begun:
        await call.until(b"one")
    await asyncio.wait_for(source.waiting.wait(), 3)
    await call.leave()
    await asyncio.wait_for(source.closed.wait(), 3)
    assert source.cancelled
    await proxy.gateway.hook("error")
    if client_kind == "h2":
        proxy.wishes.produce = lambda: Source(b"good")
        assert (await client.ask()).body == b"good"


@CLIENTS
async def test_client_that_leaves_before_the_body_begins(proxy: Proxy, client_kind: str) -> None:
    """The source was made in the ``request`` hook, and is closed although nobody asked it."""
    source = Source(b"one")
    release, reached = asyncio.Event(), asyncio.Event()

    class Block:
        async def responseheaders(self, flow: object) -> None:
            reached.set()
            await asyncio.wait_for(release.wait(), 5)

    proxy.master.addons.add(Block())
    proxy.wishes.produce = lambda: source
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    await asyncio.wait_for(reached.wait(), 3)
    await call.leave()
    if client_kind == "h1":
        await until(lambda: proxy.gateway.flows[0].client_conn.timestamp_end, "client is gone")
    else:
        await asyncio.sleep(0.05)
    release.set()
    await proxy.gateway.hook("error")
    await asyncio.wait_for(source.closed.wait(), 3)
    assert not source.given


@CLIENTS
async def test_killed_flow(proxy: Proxy, client_kind: str) -> None:
    """A person kills the flow in mitmweb: the source is closed, the client sees a broken body."""
    go_on, closed = asyncio.Event(), asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await go_on.wait()
            yield b"two"
            await asyncio.Event().wait()
        finally:
            closed.set()

    proxy.wishes.produce = source
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    await call.until(b"one")
    proxy.gateway.flows[0].kill()
    go_on.set()
    await asyncio.wait_for(closed.wait(), 3)
    answer = await call.answer()
    assert answer.broken
    assert b"two" not in answer.body


class Endless(Source):
    """Gives 64 KiB pieces for as long as somebody takes them."""

    async def __anext__(self) -> bytes:
        self.given += 1
        await asyncio.sleep(0)
        return b"x" * 65_536

    async def stopped(self) -> int:
        """Wait until nothing is made any more: the sockets' own buffers are full as well."""
        before = -1
        for _ in range(30):
            if self.given == before:
                return before
            before = self.given
            await asyncio.sleep(0.1)
        raise AssertionError(f"{self.given * 65_536} bytes were made for a client that reads none")


@pytest.mark.parametrize("kind", ["h1 socket", "h2 socket", "h2 window"])
async def test_slow_client_stops_the_producer(proxy: Proxy, kind: str) -> None:
    """What the client does not read stays unmade, not in memory."""
    source = Endless()
    proxy.wishes.produce = lambda: source
    client = await proxy.client(kind[:2])
    assert isinstance(client, Http1Client | Http2Client)
    call = await client.call(body=b"x")
    await call.head()
    if kind == "h2 window":
        assert isinstance(client, Http2Client)
        client.acknowledge = False
    else:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    before = await source.stopped()
    assert proxy.handlers, "the client is still there"
    if kind == "h2 window":
        assert source.given * 65_536 < 2_000_000
    if kind == "h2 window":
        client.acknowledge = True
        client.h2.increment_flow_control_window(1_000_000)  # type: ignore[union-attr]
        client.h2.increment_flow_control_window(1_000_000, call.stream)  # type: ignore
        client.flush()  # type: ignore[union-attr]
    else:
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    await until(lambda: source.given > before, "the producer does not go on")
    await call.leave()
    await asyncio.wait_for(source.closed.wait(), 3)
    await proxy.gateway.hook("error")


@CLIENTS
async def test_slow_client_that_leaves(proxy: Proxy, client_kind: str) -> None:
    source = Endless()
    proxy.wishes.produce = lambda: source
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    await call.head()
    if isinstance(client, Http2Client):
        client.acknowledge = False
    else:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await source.stopped()
    await call.leave()
    await asyncio.wait_for(source.closed.wait(), 3)
    await proxy.gateway.hook("error")


async def test_ten_bodies_at_once(proxy: Proxy) -> None:
    async def source() -> AsyncIterator[bytes]:
        for number in range(50):
            yield b"%d," % number
            await asyncio.sleep(0)

    proxy.wishes.produce = source
    client = await proxy.client("h2")
    answers = await asyncio.gather(*(client.ask() for _ in range(10)))
    expected = b"".join(b"%d," % number for number in range(50))
    assert [answer.body for answer in answers] == [expected] * 10
    assert not any(answer.broken for answer in answers)
