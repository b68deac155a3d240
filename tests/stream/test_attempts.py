"""Attempts before commit, in all four combinations of client's and upstream's protocol."""

from __future__ import annotations

import asyncio

import pytest

from addons.providers.contract import Ended
from tests.stream.behaviours import (
    break_off,
    close,
    refuse,
    refuse_without_end,
    reset,
    silence,
    stall,
    succeed,
)
from tests.stream.clients import Answer, Client
from tests.stream.conftest import COMBINATIONS, Clock, MakeUpstream, Proxy, until
from tests.stream.upstreams import Framing, Http1Received, Received, Upstream

pytestmark = pytest.mark.parametrize(("client_kind", "upstream_kind"), COMBINATIONS)

GOOD = b"output and more"


def assert_clean(answer: Answer, body: bytes = GOOD) -> None:
    assert (answer.status, answer.body, answer.broken) == (200, body, "")


@pytest.fixture
async def upstream(make_upstream: MakeUpstream, upstream_kind: str, proxy: Proxy) -> Upstream:
    made = await make_upstream("h2" if upstream_kind == "h2" else "h1")
    proxy.aim(made)
    return made


@pytest.fixture
async def client(proxy: Proxy, client_kind: str) -> Client:
    return await proxy.client(client_kind)


def one_connection(client: Client, upstream: Upstream) -> bool:
    """mitmproxy uses an HTTP/1 upstream connection once when the client speaks HTTP/2."""
    return not client.http2 or upstream.kind == "h2"


async def test_first_attempt_is_enough(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    assert_clean(await client.ask("/path?q=1", b"body"))
    (seen,) = upstream.seen
    assert (seen.method, seen.path, seen.body, seen.attempt) == ("POST", "/path?q=1", b"body", 1)
    assert proxy.gateway.names(proxy.gateway.flows[-1]) == [
        "requestheaders",
        "request",
        "responseheaders",
        "response",
    ]


@pytest.mark.parametrize("framing", ["length", "chunked", "until-close", "headers-only"])
@pytest.mark.parametrize("at_once", [False, True], ids=["at the end", "at the headers"])
async def test_refused_then_success(
    proxy: Proxy, client: Client, upstream: Upstream, framing: Framing, at_once: bool
) -> None:
    proxy.wishes.at_once = at_once
    upstream.answers(refuse(429, b"quota", framing, [("retry-after", "7")]), succeed())
    answer = await client.ask(body=b"the request")
    assert_clean(answer)
    assert answer.header("retry-after") is None
    assert [seen.attempt for seen in upstream.seen] == [1, 2]
    assert [seen.body for seen in upstream.seen] == [b"the request"] * 2
    (driver,) = proxy.gateway.drivers
    assert driver.judged[0].status == 429
    assert driver.judged[-1].status == 200
    if not at_once:
        ((status, body, ended, error),) = driver.replans
        expected = b"" if framing == "headers-only" else b"quota"
        assert (status, body, ended, error) == (429, expected, Ended.COMPLETE, "")
        if one_connection(client, upstream) and (framing != "until-close" or client.http2):
            assert upstream.accepted == 1, "a connection whose answer has ended is used again"
    upstream.answers(succeed())
    assert_clean(await client.ask())


@pytest.mark.parametrize("kind", ["429 without end", "stalled 429", "reset", "closed", "overload"])
async def test_other_ways_to_refuse(
    proxy: Proxy, client: Client, upstream: Upstream, kind: str
) -> None:
    proxy.wishes.at_once = kind == "stalled 429"
    proxy.wishes.hold_bytes = 30_000
    behaviours = {
        "429 without end": refuse_without_end(),
        "stalled 429": stall(b"never ends", status=429),
        "reset": reset(),
        "closed": close(),
        "overload": stall(b"event: created\n\n", b"event: overloaded\n\n"),
    }
    upstream.answers(behaviours[kind], succeed())
    assert_clean(await client.ask(body=b"x" * 1000))
    first, second = upstream.seen
    assert (first.attempt, second.attempt) == (1, 2)
    await asyncio.wait_for(first.gone.wait(), 3)  # cancelled, not drained
    (driver,) = proxy.gateway.drivers
    ((_, body, ended, _),) = driver.replans
    assert ended is {
        "429 without end": Ended.WAITED,
        "reset": Ended.BROKEN,
        "closed": Ended.BROKEN,
    }.get(kind, Ended.OPEN)
    if kind == "429 without end":
        assert 30_000 <= len(body) < 200_000
    upstream.answers(succeed())
    assert_clean(await client.ask())


async def test_reset_after_headers(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    upstream.answers(break_off(b"event: created\n\n"), break_off(), succeed())
    assert_clean(await client.ask())
    (driver,) = proxy.gateway.drivers
    assert [(status, ended) for status, _, ended, _ in driver.replans] == [
        (200, Ended.BROKEN),
        (200, Ended.BROKEN),
    ]
    assert driver.replans[0][1] == b"event: created\n\n"
    assert driver.replans[0][3]


async def test_three_refusals_of_different_kinds(
    proxy: Proxy, client: Client, upstream: Upstream
) -> None:
    upstream.answers(refuse(503), reset(), stall(b"overloaded"), succeed())
    assert_clean(await client.ask(body=b"again"))
    assert [seen.attempt for seen in upstream.seen] == [1, 2, 3, 4]
    assert {seen.body for seen in upstream.seen} == {b"again"}


async def test_every_attempt_refused(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    proxy.wishes.max_attempts = 3
    upstream.answers(refuse(429))
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (503, b"none is left", "")
    assert answer.header("x-attempts") == "3"
    assert len(upstream.seen) == 3
    upstream.answers(succeed())
    assert_clean(await client.ask())


@pytest.mark.parametrize("size", [30_000, 1_000_000])
async def test_request_body_is_sent_again(
    proxy: Proxy, client: Client, upstream: Upstream, size: int
) -> None:
    body = bytes(range(256)) * (size // 256) + b"end"
    upstream.answers(refuse(), refuse(framing="chunked"), succeed())
    assert_clean(await client.ask(body=body))
    assert [seen.body == body for seen in upstream.seen] == [True] * 3


async def test_request_body_without_length(
    proxy: Proxy, client: Client, upstream: Upstream
) -> None:
    upstream.answers(refuse(), succeed())
    assert_clean(await client.ask(body=b"chunk" * 1000, chunked=True))
    assert [seen.body for seen in upstream.seen] == [b"chunk" * 1000] * 2


async def test_request_without_body(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    upstream.answers(refuse(framing="headers-only"), succeed())
    assert_clean(await client.ask(method="GET", body=b""))
    assert [(seen.method, seen.body) for seen in upstream.seen] == [("GET", b"")] * 2


async def test_answer_without_body(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    async def nothing(received: Received) -> None:
        await received.head(200, framing="headers-only")

    upstream.answers(refuse(), nothing)
    assert_clean(await client.ask(), b"")
    upstream.answers(succeed())
    assert_clean(await client.ask())


async def test_header_timeout(
    proxy: Proxy, client: Client, upstream: Upstream, clock: Clock
) -> None:
    proxy.wishes.late = {1: 30.0, 2: 30.0}
    upstream.answers(silence(), silence(), succeed())
    call = await client.call(body=b"x")
    for count in (1, 2):
        await upstream.arrival(count)
        clock.advance(29)
        await clock.ticks()
        assert len(upstream.seen) == count, "not late yet"
        clock.advance(2)
    assert_clean(await call.answer())
    for seen in upstream.seen[:2]:
        await asyncio.wait_for(seen.gone.wait(), 3)
    (driver,) = proxy.gateway.drivers
    assert [(j.ended, j.status) for j in driver.judged[:2]] == [(Ended.BROKEN, None)] * 2
    assert driver.judged[0].error == "no response headers within 30 s"


async def test_hold_until_output(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    go_on, committed = asyncio.Event(), asyncio.Event()

    async def answer(received: Received) -> None:
        await received.head(200, [("content-type", "text/event-stream")])
        await received.data(b"event: created\n\n")
        await received.data(b"event: in_progress\n\n")
        await go_on.wait()
        await received.data(b"event: output\n\n")
        await committed.wait()
        await received.data(b"event: rest\n\n")
        await received.end()

    upstream.answers(answer)
    call = await client.call(body=b"x")
    await upstream.arrival(1)
    await until(
        lambda: (
            bool(proxy.gateway.drivers[-1].judged)
            and b"in_progress" in proxy.gateway.drivers[-1].judged[-1].body
        ),
        "the beginning was not judged",
    )
    assert call.status is None, "the client has seen an answer that may still be given up"
    go_on.set()
    await call.until(b"output\n\n")
    committed.set()
    whole = await call.answer()
    assert_clean(
        whole,
        b"event: created\n\nevent: in_progress\n\nevent: output\n\nevent: rest\n\n",
    )
    (driver,) = proxy.gateway.drivers
    assert b"rest" not in driver.judged[-1].body, "nothing is judged after commit"


async def test_hold_limit_in_bytes(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    proxy.wishes.hold_bytes = 10_000
    upstream.answers(stall(b"a" * 6_000, b"b" * 6_000))
    call = await client.call(body=b"x")
    await call.until(b"a" * 6_000 + b"b" * 6_000)  # it was given although more may follow
    assert proxy.gateway.drivers[-1].judged[-1].ended is Ended.WAITED
    await call.leave()
    await asyncio.wait_for(upstream.seen[0].gone.wait(), 3)


async def test_hold_limit_in_seconds(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    proxy.wishes.hold_seconds = 0.05
    go_on = asyncio.Event()

    async def answer(received: Received) -> None:
        await received.head(200)
        await received.data(b"begun, ")
        await go_on.wait()
        await received.data(b"done")
        await received.end()

    upstream.answers(answer)
    call = await client.call(body=b"x")
    await call.until(b"begun, ")
    go_on.set()
    assert_clean(await call.answer(), b"begun, done")
    (driver,) = proxy.gateway.drivers
    assert driver.judged[-1].ended is Ended.WAITED


async def test_hold_limit_in_seconds_without_a_byte(
    proxy: Proxy, client: Client, upstream: Upstream
) -> None:
    """Headers alone are given as well, and the clock of a later attempt starts anew."""
    proxy.wishes.hold_seconds = 0.05
    upstream.answers(refuse(framing="headers-only"), stall())
    call = await client.call(body=b"x")
    assert await call.head() == 200
    await call.leave()


@pytest.mark.parametrize("length", [False, True], ids=["no length", "length"])
async def test_truncation_after_commit(
    proxy: Proxy, client: Client, upstream: Upstream, length: bool
) -> None:
    framing: Framing = "length" if length else "chunked"
    upstream.answers(break_off(b"output, ", b"then ", framing=framing, length=1000))
    answer = await client.ask()
    assert answer.status == 200
    assert answer.body == b"output, then event: error\n\n"
    if client.http2:
        assert answer.broken.startswith("reset")
    else:
        assert answer.broken  # h11: the peer closed without a complete body
        assert not client.raw.endswith(b"0\r\n\r\n")  # type: ignore[attr-defined]
    (driver,) = proxy.gateway.drivers
    assert len(driver.cuts) == 1
    assert proxy.gateway.names(driver.flow)[-1] == "error"


async def test_truncation_without_last_words(
    proxy: Proxy, client: Client, upstream: Upstream
) -> None:
    proxy.wishes.last_words = b""
    upstream.answers(break_off(b"output, "))
    answer = await client.ask()
    assert answer.body == b"output, "
    assert answer.broken


async def test_truncation_of_a_collected_answer(
    proxy: Proxy, client: Client, upstream: Upstream
) -> None:
    """The client has seen nothing yet: it gets a clean error of the driver's."""
    proxy.wishes.collect = True
    upstream.answers(refuse(), break_off(b"output, ", b"then "))
    answer = await client.ask()
    assert (answer.status, answer.broken) == (502, "")
    assert answer.body.startswith(b"broke off: ")
    (driver,) = proxy.gateway.drivers
    status, body, ended, _ = driver.replans[-1]
    assert (status, body, ended) == (200, b"output, then ", Ended.BROKEN)
    upstream.answers(succeed())
    assert_clean(await client.ask())


async def test_collected_answer(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    proxy.wishes.collect = True
    upstream.answers(refuse(), succeed(b"output ", b"a" * 100_000, b"b" * 100_000))
    assert_clean(await client.ask(), b"output " + b"a" * 100_000 + b"b" * 100_000)
    assert proxy.gateway.flows[-1].response is not None
    assert len(proxy.gateway.flows[-1].response.raw_content or b"") == 200_007


async def test_collected_answer_that_is_tried_again(
    proxy: Proxy, client: Client, upstream: Upstream
) -> None:
    """Nothing of the first, broken answer is in the second, which is held and judged anew."""
    proxy.wishes.collect = proxy.wishes.retry_collected = True
    proxy.wishes.late = {2: 0.1}
    proxy.wishes.max_attempts = 5
    upstream.answers(
        break_off(b"output that breaks off"), silence(), refuse(), stall(b"overloaded"), succeed()
    )
    assert_clean(await client.ask())
    assert len(upstream.seen) == 5


async def test_transformed_answer(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    """What was held comes to the transformer as one piece, and the end always comes."""
    chunks: list[bytes] = []

    def transform(chunk: bytes) -> list[bytes]:
        chunks.append(chunk)
        return [chunk.upper()] if chunk else [b", THE END"]

    proxy.wishes.transform = transform
    upstream.answers(succeed(b"held, ", b"held again, ", b"output"))
    assert_clean(await client.ask(), b"HELD, HELD AGAIN, OUTPUT, THE END")
    assert chunks[-1] == b""
    assert chunks[0] == b"held, held again, output"

    async def nothing(received: Received) -> None:
        await received.head(200, framing="headers-only")

    chunks.clear()
    upstream.answers(refuse(), nothing)
    assert_clean(await client.ask(), b", THE END")
    assert chunks == [b""]


async def test_long_answer_after_a_refusal(
    proxy: Proxy, client: Client, upstream: Upstream
) -> None:
    parts = [b"output%d\n" % number + b"." * 5_000 for number in range(100)]
    upstream.answers(refuse(), succeed(*parts))
    assert_clean(await client.ask(), b"".join(parts))


async def test_killed_by_another_addon(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    class Killer:
        def responseheaders(self, flow) -> None:  # type: ignore[no-untyped-def]
            flow.kill()

    killer = Killer()
    proxy.master.addons.add(killer)
    upstream.answers(stall(b"output"))
    call = await client.call(body=b"x")
    await upstream.arrival(1)
    await proxy.gateway.hook("error")
    await asyncio.wait_for(upstream.seen[0].gone.wait(), 3)
    async with call.news:
        await asyncio.wait_for(call.news.wait_for(lambda: call.over), 3)
    assert call.broken
    proxy.master.addons.remove(killer)
    if client.http2:
        upstream.answers(succeed())
        assert_clean(await client.ask())


@pytest.mark.parametrize("framing", ["length", "until-close"])
async def test_answer_before_the_request_was_read(
    proxy: Proxy, client: Client, upstream: Upstream, framing: Framing
) -> None:
    """Nobody reads the first request's body: the next one does not queue up behind it."""
    body = b"x" * 6_000_000
    upstream.early = refuse(429, b"quota", framing)

    async def release() -> None:
        await proxy.gateway.hook("floway_replan")
        upstream.early = None

    proxy.wishes.replanning = lambda _: release()
    assert_clean(await client.ask(body=body))
    first, second = upstream.seen
    assert second.body == body
    if isinstance(first, Http1Received):
        first.read_on()
    await asyncio.wait_for(first.gone.wait(), 3)
    proxy.wishes.replanning = None
    assert_clean(await client.ask(body=b"small"))


async def test_committed_answer_before_the_request_was_read(
    proxy: Proxy, client: Client, upstream: Upstream
) -> None:
    upstream.early = succeed(b"output", framing="length")
    assert_clean(await client.ask(body=b"x" * 6_000_000), b"output")
    (first,) = upstream.seen
    if isinstance(first, Http1Received):
        first.read_on()
    await asyncio.wait_for(first.gone.wait(), 3)
    upstream.early = None
    assert_clean(await client.ask(body=b"small"))


@pytest.mark.parametrize("collect", [False, True])
async def test_broken_answer_that_the_driver_gives(
    proxy: Proxy, client: Client, upstream: Upstream, collect: bool
) -> None:
    """A verdict on a broken answer may be that the client gets what there is of it."""
    proxy.wishes.give_broken = True
    proxy.wishes.collect = collect
    upstream.answers(break_off(b"all there is"), succeed())
    answer = await client.ask()
    if collect:
        assert (answer.status, answer.broken) == (502, "")
        assert proxy.gateway.drivers[0].replans[-1][1] == b"all there is"
    else:
        assert (answer.status, answer.body) == (200, b"all there isevent: error\n\n")
        assert answer.broken
    assert len(upstream.seen) == 1


async def test_nothing_to_give(proxy: Proxy, client: Client, upstream: Upstream) -> None:
    """A driver that wants to give an answer that never came is asked for another plan."""
    proxy.wishes.give_broken = True
    upstream.answers(reset(), succeed())
    assert_clean(await client.ask())
    assert len(upstream.seen) == 2
