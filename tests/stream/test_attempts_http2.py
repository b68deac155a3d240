"""What only HTTP/2 upstreams do to attempts: many streams on one connection, and late frames."""

from __future__ import annotations

import asyncio

import h2.errors
import pytest

from addons.providers.contract import Ended
from tests.stream.behaviours import refuse, reset, silence, stall, succeed
from tests.stream.conftest import Clock, MakeUpstream, Proxy, until
from tests.stream.drivers import Block
from tests.stream.upstreams import Http2Received, Received

CLIENTS = pytest.mark.parametrize("client_kind", ["h1", "h2"])


def numbered(received: Received) -> list[bytes]:
    """An answer that tells for whom it is."""
    return [b"output for ", received.path.encode(), b" and ", received.body[:10]]


@pytest.mark.parametrize("refusal", ["quota", "stalled", "reset", "overloaded"])
@pytest.mark.parametrize("at_once", [False, True])
async def test_ten_failovers_at_once_on_one_connection(
    proxy: Proxy, make_upstream: MakeUpstream, refusal: str, at_once: bool
) -> None:
    proxy.wishes.at_once = at_once
    proxy.wishes.hold_seconds = 0.2
    upstream = await make_upstream("h2")
    proxy.aim(upstream)
    refusals = {
        "quota": refuse(),
        "stalled": stall(b"part", status=429),
        "reset": reset(),
        "overloaded": stall(b"overloaded"),
    }
    everybody = asyncio.Barrier(10)

    async def together(received: Received) -> None:
        await everybody.wait()
        await refusals[refusal](received)

    upstream.script = lambda received: (
        together if received.attempt == 1 else succeed(*numbered(received), gap=0.005)
    )
    client = await proxy.client("h2")
    bodies = {f"/{number}": bytes([65 + number]) * 30_000 for number in range(10)}
    answers = await asyncio.gather(*(client.ask(path, body) for path, body in bodies.items()))
    for (path, body), answer in zip(bodies.items(), answers, strict=True):
        expected = b"output for " + path.encode() + b" and " + body[:10]
        assert (answer.status, answer.body, answer.broken) == (200, expected, "")
    assert upstream.accepted == 1
    assert len(upstream.seen) == 20
    assert all(seen.body == bodies[seen.path] for seen in upstream.seen)


@CLIENTS
async def test_go_away_before_headers(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str
) -> None:
    upstream = await make_upstream("h2")
    proxy.aim(upstream)

    async def go_away(received: Received) -> None:
        assert isinstance(received, Http2Received)
        await received.go_away()

    upstream.answers(go_away, succeed())
    client = await proxy.client(client_kind)
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")
    assert [seen.connection for seen in upstream.seen] == [0, 1]
    assert (await client.ask()).status == 200
    assert upstream.accepted == 2


async def test_connection_lost_under_ten_streams(proxy: Proxy, make_upstream: MakeUpstream) -> None:
    upstream = await make_upstream("h2")
    proxy.aim(upstream)
    everybody = asyncio.Barrier(10)

    async def lose(received: Received) -> None:
        await everybody.wait()
        await received.close()

    upstream.script = lambda received: (
        lose if received.attempt == 1 else succeed(*numbered(received))
    )
    client = await proxy.client("h2")
    answers = await asyncio.gather(*(client.ask(f"/{n}", b"%d" % n) for n in range(10)))
    for number, answer in enumerate(answers):
        assert answer.body == b"output for /%d and %d" % (number, number)
        assert not answer.broken
    assert upstream.accepted == 2


def send_unaware(received: Http2Received, what: str) -> None:
    """Send a frame as a peer does that has not read our reset yet."""
    encoder = received.side.h2.encoder
    match what:
        case "headers":
            frame, payload = b"\x01\x04", encoder.encode([(":status", "429")])
        case "trailers":
            frame, payload = b"\x01\x05", encoder.encode([("x-late", "1")])
        case "data":
            frame, payload = b"\x00\x00", b"late"
        case "end":
            frame, payload = b"\x00\x01", b"late"
        case _:
            frame, payload = b"\x03\x00", bytes(4)
    received.side.writer.write(
        len(payload).to_bytes(3) + frame + received.stream.to_bytes(4) + payload
    )


@CLIENTS
@pytest.mark.parametrize("late", ["headers", "data", "end", "reset", "trailers"])
async def test_late_frames_of_a_given_up_stream(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, late: str, clock: Clock
) -> None:
    """They cross our reset on the wire, while the next attempt's answer is coming."""
    proxy.wishes.at_once = True
    proxy.wishes.late = {1: 30.0}
    upstream = await make_upstream("h2")
    proxy.aim(upstream)
    given_up: list[Http2Received] = []

    async def refused(received: Received) -> None:
        assert isinstance(received, Http2Received)
        given_up.append(received)
        if late == "headers":
            await received.gone.wait()
        else:
            await received.head(429)
            await received.gone.wait()

    async def good(received: Received) -> None:
        await received.head(200)
        send_unaware(given_up[0], late)
        await received.data(b"output ")
        if late in ("headers", "data"):
            send_unaware(given_up[0], late)
        await received.data(b"and more")
        await received.end()

    upstream.answers(refused, good)
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    await upstream.arrival(1)
    if late == "headers":
        clock.advance(31)
    answer = await call.answer()
    assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")
    upstream.answers(succeed())
    assert (await client.ask()).status == 200
    assert upstream.accepted == 1, "the connection stays in use"


@CLIENTS
async def test_two_answers_in_one_segment(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str
) -> None:
    """Headers, data and end of a refused answer in one write, given up at the headers."""
    proxy.wishes.at_once = True
    upstream = await make_upstream("h2")
    proxy.aim(upstream)

    async def refused(received: Received) -> None:
        assert isinstance(received, Http2Received)
        received.side.h2.send_headers(received.stream, [(":status", "429")])
        received.side.h2.send_data(received.stream, b"quota")
        received.side.h2.send_data(received.stream, b"output, but not yours", end_stream=True)
        received.side.flush()

    upstream.answers(refused, refused, succeed())
    client = await proxy.client(client_kind)
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")
    assert upstream.accepted == 1


@CLIENTS
async def test_empty_data_frames(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str
) -> None:
    """They are allowed, and must not end a chunked body."""
    upstream = await make_upstream("h2")
    proxy.aim(upstream)

    async def answer(received: Received) -> None:
        assert isinstance(received, Http2Received)
        await received.head(200)
        for part in (b"", b"output", b"", b" and", b"", b" more", b""):
            received.side.h2.send_data(received.stream, part)
            received.side.flush()
            await asyncio.sleep(0.005)
        await received.end()

    upstream.answers(answer)
    client = await proxy.client(client_kind)
    given = await client.ask()
    assert (given.status, given.body, given.broken) == (200, b"output and more", "")


@CLIENTS
@pytest.mark.parametrize("collect", [False, True])
async def test_trailers(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, collect: bool
) -> None:
    """HTTP/2 clients get them; for HTTP/1.1 clients mitmproxy has no way to send them."""
    proxy.wishes.collect = collect
    upstream = await make_upstream("h2")
    proxy.aim(upstream)

    async def answer(received: Received) -> None:
        assert isinstance(received, Http2Received)
        await received.head(200)
        await received.data(b"output")
        received.side.h2.send_headers(received.stream, [("x-sum", "1")], end_stream=True)
        received.side.flush()

    upstream.answers(refuse(), answer)
    client = await proxy.client(client_kind)
    given = await client.ask()
    assert (given.status, given.body, given.broken) == (200, b"output", "")
    upstream.answers(succeed())
    assert (await client.ask()).status == 200


@CLIENTS
async def test_reset_behind_a_complete_answer(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str
) -> None:
    """RST_STREAM(NO_ERROR) after the end is how servers say that they need no more of a body."""
    upstream = await make_upstream("h2")
    proxy.aim(upstream)

    async def answer(received: Received) -> None:
        assert isinstance(received, Http2Received)
        received.side.h2.send_headers(received.stream, [(":status", "200")])
        received.side.h2.send_data(received.stream, b"output", end_stream=True)
        reset_frame = b"\x00\x00\x04\x03\x00" + received.stream.to_bytes(4) + bytes(4)
        received.side.writer.write(received.side.h2.data_to_send() + reset_frame)

    upstream.answers(answer)
    client = await proxy.client(client_kind)
    given = await client.ask()
    assert (given.status, given.body, given.broken) == (200, b"output", "")


@CLIENTS
async def test_reset_behind_an_early_answer(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str
) -> None:
    """The same while the request is still being sent, and the ``response`` hook runs."""
    upstream = await make_upstream("h2")
    proxy.aim(upstream)
    block = Block("response")
    proxy.master.addons.add(block)

    async def answer(received: Received) -> None:
        assert isinstance(received, Http2Received)
        await received.head(200, framing="length", length=6)
        await received.data(b"output")
        await received.end()
        await asyncio.wait_for(block.reached.wait(), 3)
        received.side.h2.reset_stream(received.stream, h2.errors.ErrorCodes.NO_ERROR)
        received.side.flush()

    upstream.early = answer
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x" * 1_000_000)
    await asyncio.wait_for(block.reached.wait(), 3)
    upstream.early = None
    await asyncio.sleep(0.05)
    block.release.set()
    given = await call.answer()
    assert (given.status, given.body, given.broken) == (200, b"output", "")
    assert (await client.ask()).status == 200
    assert upstream.accepted == 1


async def test_few_streams_allowed(proxy: Proxy, make_upstream: MakeUpstream) -> None:
    """MAX_CONCURRENT_STREAMS = 2 and eight requests, each refused once."""
    upstream = await make_upstream("h2")
    upstream.max_concurrent = 2
    proxy.aim(upstream)
    upstream.script = lambda received: (
        refuse() if received.attempt == 1 else succeed(*numbered(received), gap=0.005)
    )
    client = await proxy.client("h2")
    assert (await client.ask("/first")).status == 200  # the settings are known from here on
    answers = await asyncio.gather(*(client.ask(f"/{n}", b"%d" % n) for n in range(8)))
    for number, answer in enumerate(answers):
        assert answer.body == b"output for /%d and %d" % (number, number)
    assert upstream.accepted == 1


async def test_waiting_for_a_free_stream_is_not_late(
    proxy: Proxy, make_upstream: MakeUpstream, clock: Clock
) -> None:
    upstream = await make_upstream("h2")
    upstream.max_concurrent = 1
    proxy.aim(upstream)
    proxy.wishes.late = {1: 30.0}
    go_on = asyncio.Event()

    async def slow(received: Received) -> None:
        await received.head(200)
        await received.data(b"output")
        await go_on.wait()
        await received.end()

    upstream.script = lambda received: slow if received.path == "/slow" else succeed()
    client = await proxy.client("h2")
    assert (await client.ask("/first")).status == 200
    slow_call = await client.call("/slow", b"x")
    await slow_call.until(b"output")
    waiting = await client.call("/waiting", b"x")
    await until(lambda: len(proxy.gateway.drivers) == 3, "the request has arrived")
    await until(lambda: proxy.gateway.drivers[-1].attempts == 1, "the request was planned")
    for _ in range(3):
        clock.advance(31)
        await clock.ticks()
    assert waiting.status is None
    go_on.set()
    assert (await slow_call.answer()).broken == ""
    assert (await waiting.answer()).body == b"output and more"
    assert proxy.gateway.drivers[-1].attempts == 1


async def test_client_that_leaves_before_a_stream_is_free(
    proxy: Proxy, make_upstream: MakeUpstream
) -> None:
    """What still waits in mitmproxy's queue is not sent for a client that is gone."""
    upstream = await make_upstream("h2")
    upstream.max_concurrent = 1
    proxy.aim(upstream)
    go_on = asyncio.Event()

    async def slow(received: Received) -> None:
        await received.head(200)
        await received.data(b"output")
        await go_on.wait()
        await received.end()

    upstream.script = lambda received: slow if received.path == "/slow" else succeed()
    client = await proxy.client("h2")
    await client.ask("/first")
    slow_call = await client.call("/slow", b"x")
    await slow_call.until(b"output")
    waiting = await client.call("/waiting", b"x")
    await until(lambda: len(proxy.gateway.drivers) == 3, "the request has arrived")
    await until(lambda: proxy.gateway.drivers[-1].attempts == 1, "the request was planned")
    block = Block("error")
    proxy.master.addons.add(block)
    await waiting.leave()
    await asyncio.wait_for(block.reached.wait(), 3)
    go_on.set()
    await slow_call.answer()
    block.release.set()
    assert (await client.ask("/last")).status == 200
    assert [seen.path for seen in upstream.seen] == ["/first", "/slow", "/last"]


@CLIENTS
async def test_stream_reset_tells_the_upstream_once(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, clock: Clock
) -> None:
    """A stalled answer is cancelled with CANCEL; the connection goes on."""
    proxy.wishes.late = {1: 30.0}
    upstream = await make_upstream("h2")
    proxy.aim(upstream)
    upstream.answers(silence(), succeed())
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    first = await upstream.arrival(1)
    clock.advance(31)
    assert (await call.answer()).status == 200
    assert isinstance(first, Http2Received)
    assert first.reset_code == h2.errors.ErrorCodes.CANCEL
    assert upstream.accepted == 1
    assert proxy.gateway.drivers[-1].judged[0].ended is Ended.BROKEN


@pytest.mark.parametrize("upstream_kind", ["h1", "h2"])
async def test_only_those_leave_who_leave(
    proxy: Proxy, make_upstream: MakeUpstream, upstream_kind: str
) -> None:
    """A client resets two of its streams; the others go on."""
    upstream = await make_upstream("h2" if upstream_kind == "h2" else "h1")
    proxy.aim(upstream)
    go_on = asyncio.Event()

    async def slow(received: Received) -> None:
        await received.head(200)
        await received.data(b"output ")
        await go_on.wait()
        if not received.gone.is_set():
            await received.data(b"for " + received.path.encode())
            await received.end()

    upstream.script = lambda _: slow
    client = await proxy.client("h2")
    calls = [await client.call(f"/{number}", b"x") for number in range(4)]
    for call in calls:
        await call.until(b"output")
    await calls[0].leave()
    await calls[2].leave()
    await proxy.gateway.hook("error", 2)
    go_on.set()
    for number in (1, 3):
        answer = await calls[number].answer()
        assert (answer.body, answer.broken) == (b"output for /%d" % number, "")


@pytest.mark.parametrize("lost", ["closed", "go away"])
async def test_queue_of_a_lost_connection(
    proxy: Proxy, make_upstream: MakeUpstream, lost: str, clock: Clock
) -> None:
    """mitmproxy tells a request that waits for a free stream nothing of its connection's end."""
    upstream = await make_upstream("h2")
    upstream.max_concurrent = 1
    proxy.aim(upstream)
    go_on = asyncio.Event()

    async def lose(received: Received) -> None:
        assert isinstance(received, Http2Received)
        await go_on.wait()
        await (received.close() if lost == "closed" else received.go_away())

    first = [succeed(), lose]
    upstream.script = lambda _: first.pop(0) if first else succeed()
    client = await proxy.client("h2")
    await client.ask("/first")
    calls = [await client.call(f"/{number}", b"x") for number in range(3)]
    await upstream.arrival(2)
    await until(lambda: len(proxy.gateway.drivers) == 4, "all have arrived")
    await until(lambda: proxy.gateway.drivers[-1].attempts == 1, "all were planned")
    upstream.max_concurrent = None  # until it knows better, mitmproxy sends ten at once
    go_on.set()
    for call in calls:
        answer = await call.answer()
        assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")
    assert upstream.accepted == 2
