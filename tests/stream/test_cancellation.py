"""The client leaves, at every point: work for it ends at once, and is accounted for once."""

from __future__ import annotations

import asyncio

import pytest
from mitmproxy import http

from tests.stream.behaviours import refuse, silence, stall, succeed
from tests.stream.clients import Call, Client
from tests.stream.conftest import Clock, MakeUpstream, Proxy, until
from tests.stream.drivers import Block, Target
from tests.stream.upstreams import Upstream

LEAVING = ["h1", "h2 stream", "h2 connection"]

pytestmark = [
    pytest.mark.parametrize("leaving", LEAVING),
    pytest.mark.parametrize("upstream_kind", ["h1", "h2"]),
]


@pytest.fixture
async def upstream(make_upstream: MakeUpstream, upstream_kind: str, proxy: Proxy) -> Upstream:
    made = await make_upstream("h2" if upstream_kind == "h2" else "h1")
    proxy.aim(made)
    return made


@pytest.fixture
async def client(proxy: Proxy, leaving: str) -> Client:
    return await proxy.client(leaving[:2])


async def leave(call: Call, client: Client, leaving: str) -> None:
    if leaving == "h2 stream":
        await call.leave()
    else:
        await client.close()


async def others_go_on(proxy: Proxy, client: Client, leaving: str, upstream: Upstream) -> None:
    """A reset stream concerns nobody else on its connection; later clients are served as well."""
    proxy.wishes.planning = proxy.wishes.replanning = None
    upstream.answers(succeed())
    if leaving != "h2 stream":
        client = await proxy.client(leaving[:2])
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")


async def test_while_the_request_body_is_sent(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str
) -> None:
    call = await client.call(body=b"begun", finish=False)
    await proxy.gateway.hook("requestheaders")
    await leave(call, client, leaving)
    await proxy.gateway.hook("error")
    assert not upstream.accepted
    await others_go_on(proxy, client, leaving, upstream)


async def test_while_the_request_is_planned(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str
) -> None:
    release = asyncio.Event()

    async def planning(_: http.HTTPFlow) -> None:
        await release.wait()

    proxy.wishes.planning = planning
    call = await client.call(body=b"x")
    await proxy.gateway.hook("request")
    await leave(call, client, leaving)
    if leaving != "h2 stream":
        await until(lambda: proxy.gateway.flows[0].client_conn.timestamp_end, "client is gone")
    else:
        await client.ask("/stock")  # the reset came before this on the same connection
    release.set()
    await proxy.gateway.hook("error")
    assert not [seen for seen in upstream.seen if seen.attempt], "nothing was sent for it"
    await others_go_on(proxy, client, leaving, upstream)


async def test_while_headers_are_awaited(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str
) -> None:
    upstream.answers(silence())
    call = await client.call(body=b"x")
    received = await upstream.arrival(1)
    await leave(call, client, leaving)
    await asyncio.wait_for(received.gone.wait(), 3)
    await proxy.gateway.hook("error")
    (driver,) = proxy.gateway.drivers
    assert not driver.judged, "the upstream is not blamed"
    await others_go_on(proxy, client, leaving, upstream)


async def test_late_timer_after_the_client_has_left(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str, clock: Clock
) -> None:
    """The deadline passes while the ``error`` hook runs: there is nothing to judge any more."""
    proxy.wishes.late = {1: 30.0}
    block = Block("error")
    proxy.master.addons.add(block)
    upstream.answers(silence())
    call = await client.call(body=b"x")
    await upstream.arrival(1)
    await leave(call, client, leaving)
    await asyncio.wait_for(block.reached.wait(), 3)
    clock.advance(31)
    await clock.ticks()
    block.release.set()
    await others_go_on(proxy, client, leaving, upstream)
    assert not proxy.gateway.drivers[0].judged


async def test_while_the_answer_is_held(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str
) -> None:
    upstream.answers(stall(b"created"))
    call = await client.call(body=b"x")
    received = await upstream.arrival(1)
    (driver,) = proxy.gateway.drivers
    await until(lambda: driver.judged and driver.judged[-1].body, "not held yet")
    judged = len(driver.judged)
    await leave(call, client, leaving)
    await asyncio.wait_for(received.gone.wait(), 3)
    await proxy.gateway.hook("error")
    assert len(driver.judged) == judged
    await others_go_on(proxy, client, leaving, upstream)


async def test_while_the_next_attempt_is_planned(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str
) -> None:
    async def replanning(_: http.HTTPFlow) -> None:
        await asyncio.Event().wait()

    proxy.wishes.replanning = replanning
    upstream.answers(refuse())
    call = await client.call(body=b"x")
    await proxy.gateway.hook("floway_replan")
    await leave(call, client, leaving)
    await proxy.gateway.hook("error")
    assert proxy.gateway.drivers[0].asked_to_leave == 1
    assert len(upstream.seen) == upstream.accepted == 1
    await others_go_on(proxy, client, leaving, upstream)


async def test_while_the_answer_is_committed(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str
) -> None:
    block = Block("responseheaders")
    proxy.master.addons.add(block)
    upstream.answers(stall(b"output"))
    call = await client.call(body=b"x")
    await asyncio.wait_for(block.reached.wait(), 3)
    await leave(call, client, leaving)
    received = upstream.seen[0]
    if leaving != "h2 stream":
        await asyncio.wait_for(received.gone.wait(), 3)
    block.release.set()
    await proxy.gateway.hook("error")
    await asyncio.wait_for(received.gone.wait(), 3)
    await others_go_on(proxy, client, leaving, upstream)


@pytest.mark.parametrize("collect", [False, True])
async def test_in_mid_stream(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str, collect: bool
) -> None:
    proxy.wishes.collect = collect
    upstream.answers(stall(b"output"))
    call = await client.call(body=b"x")
    if collect:
        await proxy.gateway.hook("responseheaders")
    else:
        await call.until(b"output")
    await leave(call, client, leaving)
    await asyncio.wait_for(upstream.seen[0].gone.wait(), 3)
    await proxy.gateway.hook("error")
    (driver,) = proxy.gateway.drivers
    assert not driver.cuts, "it was not the upstream that broke off"
    assert not driver.replans
    proxy.wishes.collect = False
    await others_go_on(proxy, client, leaving, upstream)


async def test_while_the_answer_ends(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str
) -> None:
    """In the ``response`` hook: it was the end, so there is no ``error``."""
    block = Block("response")
    proxy.master.addons.add(block)
    call = await client.call(body=b"x")
    await asyncio.wait_for(block.reached.wait(), 3)
    await leave(call, client, leaving)
    if leaving != "h2 stream":
        await until(lambda: proxy.gateway.flows[0].client_conn.timestamp_end, "client is gone")
    block.release.set()
    await others_go_on(proxy, client, leaving, upstream)
    assert proxy.gateway.names(proxy.gateway.flows[0])[-1] == "response"


@pytest.mark.parametrize("attempt", [1, 2])
async def test_before_a_connection_is_opened(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str, attempt: int
) -> None:
    """The connection comes, but nothing is sent on it."""
    proxy.aim(upstream, upstream, lanes="ab")
    upstream.answers(refuse(), succeed())
    block = Block("server_connect", after=attempt - 1)
    proxy.master.addons.add(block)
    call = await client.call("/left", body=b"x")
    await asyncio.wait_for(block.reached.wait(), 3)
    await leave(call, client, leaving)
    if leaving == "h2 stream":
        await client.call("/aside", b"x")
        await proxy.gateway.hook("requestheaders", 2)  # so the reset has been read as well
    block.release.set()
    await proxy.gateway.hook("error")
    await others_go_on(proxy, client, leaving, upstream)
    assert len([seen for seen in upstream.seen if seen.path == "/left"]) == attempt - 1


async def test_while_a_connection_is_opened(
    proxy: Proxy, client: Client, upstream: Upstream, leaving: str
) -> None:
    """TCP is there, the TLS handshake is not answered."""
    release = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await asyncio.wait_for(release.wait(), 5)
        writer.close()

    reached = asyncio.Event()
    mute = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        proxy.wishes.targets.insert(0, Target("https", mute.sockets[0].getsockname()[1]))
        call = await client.call(body=b"x")
        await asyncio.wait_for(reached.wait(), 3)
        await leave(call, client, leaving)
        if leaving == "h2 stream":
            aside = await client.call("/aside", b"x")  # waits for the same connection
            await proxy.gateway.hook("request", 2)
            release.set()
            assert (await aside.answer()).status == 200
        await proxy.gateway.hook("error")
        driver = proxy.gateway.drivers[0]
        assert not driver.judged, "the upstream is not blamed"
        assert not driver.replans
    finally:
        release.set()
        mute.close()
