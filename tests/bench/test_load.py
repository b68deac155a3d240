"""The load generator over real sockets, against the bench's own upstream and bad servers."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from replay.bench import load
from replay.bench.answers import HEADERS, events
from replay.bench.load import Generator, Order, Outcome
from replay.bench.upstream.http1 import Http1Server
from replay.bench.upstream.script import Script, http1_head

ORDER = Order(
    port=0,
    path="/v1/responses",
    protocol="responses",
    model="m",
    size=8192,
    deltas=3,
    concurrency=4,
    seconds=60,
    requests=40,
)
ANSWER = b"".join(events(3, "m"))
WHOLE = http1_head(200, [*HEADERS, ("content-length", str(len(ANSWER)))]) + ANSWER
TO_THE_CLOSE = http1_head(200, HEADERS) + ANSWER


@contextlib.asynccontextmanager
async def serving(make: Callable[[], asyncio.Protocol]) -> AsyncIterator[tuple[Generator, Order]]:
    """A server, a load generator, and an order for that server."""
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    generator = Generator()
    async with server:
        try:
            yield generator, replace(ORDER, port=server.sockets[0].getsockname()[1])
        finally:
            generator.close()  # the server waits for its connections' end


class Canned(asyncio.Protocol):
    """Answers every whole request with the same bytes; ``close``: and closes."""

    def __init__(self, answer: bytes, *, close: bool = False) -> None:
        self._answer = answer
        self._close = close
        self._buffer = b""
        self.keys: list[bytes] = []
        self.sizes: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        announced = re.search(rb"Content-Length: (\d+)\r\n", self._buffer)
        if end >= 0 and announced and len(self._buffer) >= end + 4 + int(announced[1]):
            assert len(self._buffer) == end + 4 + int(announced[1])
            place = self._buffer.find(b"0199be9c-")
            self.keys.append(self._buffer[place : place + 36])
            self.sizes.append(int(announced[1]))
            self._buffer = b""
            self._transport.write(self._answer)
            if self._close:
                self._transport.close()


async def run(make: Callable[[], asyncio.Protocol], **changes: Any) -> Outcome:
    async with serving(make) as (generator, order):
        return await generator.carry_out(replace(order, **changes))


@pytest.mark.parametrize("one_write", [True, False])
@pytest.mark.parametrize("size", [8192, 262_144])
async def test_all_answers_of_the_upstream_are_right(one_write: bool, size: int):
    script = Script(marker=b"", model="m")
    script.prepare(3, one_write)
    outcome = await run(lambda: Http1Server(script), size=size)
    assert (len(outcome.latencies), outcome.failed, outcome.reconnects) == (40, 0, 0)
    assert script.counters() == {"asked": 40, "refused": 0}
    assert outcome.elapsed > 0
    assert all(0 < f <= t for f, t in zip(outcome.first, outcome.latencies, strict=True))


async def test_connections_are_kept_between_orders():
    servers: list[Canned] = []

    def make() -> Canned:
        servers.append(Canned(WHOLE))
        return servers[-1]

    async with serving(make) as (generator, order):
        for _ in range(3):
            outcome = await generator.carry_out(order)
            assert len(outcome.latencies) == 40
    assert len(servers) == 4
    for server in servers:
        assert len(set(server.keys)) == 1
    assert len({server.keys[0] for server in servers}) == 4


async def test_a_conversation_ends_after_its_requests():
    server = Canned(WHOLE)
    await run(lambda: server, concurrency=1, requests=9, conversation=3)
    keys = server.keys
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [3, 3, 3]


async def test_a_conversation_grows_and_another_begins_small():
    server = Canned(WHOLE)
    changes = {"size": 40_000, "growing": 3, "conversation": 4, "concurrency": 1, "requests": 8}
    outcome = await run(lambda: server, **changes)
    assert outcome.failed == 0
    assert server.keys == [*[server.keys[0]] * 4, *[server.keys[4]] * 4]
    assert server.keys[0] != server.keys[4]
    assert server.sizes[:4] == server.sizes[4:]
    small, middle, *last = server.sizes[:4]
    assert small < middle < last[0]
    assert last == [40_000, 40_000]


async def test_time_ends_an_order():
    outcome = await run(lambda: Canned(WHOLE), requests=0, seconds=0.1)
    assert outcome.latencies
    assert outcome.failed == 0
    assert outcome.elapsed >= 0.1


async def test_answers_that_close_the_connection_are_answers():
    outcome = await run(lambda: Canned(TO_THE_CLOSE, close=True))
    assert (len(outcome.latencies), outcome.failed) == (40, 0)
    assert 36 <= outcome.reconnects <= 40


@pytest.mark.parametrize(
    ("answer", "close", "reason"),
    [
        (http1_head(429, [("content-length", "2")]) + b"{}", False, "status 429"),
        (WHOLE[:-20], True, "closed before the answer's end"),
        (WHOLE + b"x", False, "after the end"),
        (b"nonsense\r\n\r\n", False, "malformed"),
        (b"", True, "closed before the answer's end"),
        (http1_head(200, HEADERS) + ANSWER[:-60], True, "mid-event"),
    ],
)
async def test_wrong_answers_are_counted_and_told(answer: bytes, close: bool, reason: str):
    outcome = await run(lambda: Canned(answer, close=close), requests=8)
    assert (outcome.failed, outcome.latencies) == (8, [])
    assert any(reason in told for told in outcome.reasons), outcome.reasons


async def test_a_broken_target_is_given_up():
    outcome = await run(lambda: Canned(b"", close=True), requests=0)
    assert load.MOST_FAILURES <= outcome.failed <= load.MOST_FAILURES + ORDER.concurrency
    assert outcome.latencies == []


async def test_a_silent_target_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load, "ANSWER_LIMIT", 0.05)
    monkeypatch.setattr(load, "_WATCH_EVERY", 0.05)
    outcome = await run(lambda: Canned(WHOLE[:-1]), concurrency=2, requests=2)
    assert outcome.failed == 2
    assert outcome.reasons == ["no complete answer within 0 s"]


async def test_nobody_listens():
    async with serving(lambda: Canned(b"")) as (_, order):
        pass
    with pytest.raises(OSError, match=str(order.port)):
        await Generator().carry_out(order)


async def test_a_target_that_dies_in_an_order():
    """What was under way fails, nothing can connect any more, and the order ends all the same."""
    alive: list[Canned] = []

    def make() -> Canned:
        alive.append(Canned(WHOLE))
        return alive[-1]

    def die() -> None:
        server.close()
        for each in alive:
            each.abort()

    generator = Generator()
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asyncio.get_running_loop().call_later(0.1, die)
    outcome = await generator.carry_out(replace(ORDER, port=port, requests=0))
    assert outcome.latencies
    assert load.MOST_FAILURES <= outcome.failed <= load.MOST_FAILURES + ORDER.concurrency
    assert any("closed before the answer's end" in reason for reason in outcome.reasons)
    assert any("cannot connect" in reason for reason in outcome.reasons)
