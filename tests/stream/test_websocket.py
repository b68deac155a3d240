"""WebSocket upgrades as attempts, and the relay between the two ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import wsproto.events
from mitmproxy import http

from tests.stream.behaviours import (
    close,
    refuse,
    refuse_without_end,
    reset,
    silence,
    stall,
    succeed,
)
from tests.stream.conftest import Clock, MakeUpstream, Proxy, until
from tests.stream.drivers import Target
from tests.stream.sockets import End, accept, dial
from tests.stream.upstreams import Behaviour, Upstream

DEFLATE = "permessage-deflate"


class Line:
    """Opens sockets through the proxy, and closes what is still open at the end."""

    def __init__(self, proxy: Proxy, upstream: Upstream) -> None:
        self.proxy = proxy
        self.upstream = upstream
        self.accepted: asyncio.Queue[End] = asyncio.Queue()
        self.ends: list[End] = []

    async def open(
        self, offer: str = "", accepted: str = "", *before: Behaviour, first: bytes = b""
    ) -> tuple[End, End]:
        """The client's and the upstream's end of one socket."""
        self.upstream.answers(*before, accept(self.accepted, accepted, first))
        head, client = await dial(self.proxy.port, offer)
        assert head.startswith(b"HTTP/1.1 101 "), head
        server = await asyncio.wait_for(self.accepted.get(), 5)
        self.ends += [client, server]
        return client, server

    def flow(self) -> http.HTTPFlow:
        return self.proxy.gateway.flows[-1]


@pytest.fixture(params=["h1", "both"], ids=["plain", "TLS"])
async def line(
    proxy: Proxy, make_upstream: MakeUpstream, request: pytest.FixtureRequest
) -> AsyncIterator[Line]:
    upstream = await make_upstream(request.param)
    proxy.wishes.targets = [Target(upstream.scheme, upstream.port, "a", http2=False)]
    line = Line(proxy, upstream)
    yield line
    for end in line.ends:
        end.abort()


async def test_messages_both_ways(line: Line) -> None:
    client, server = await line.open()
    client.text("to the upstream")
    assert (await server.message()).data == "to the upstream"
    server.send(wsproto.events.BytesMessage(b"\x00to the client\xff"))
    assert (await client.message()).data == b"\x00to the client\xff"
    assert [seen.http2 for seen in line.upstream.seen] == [False], "ALPN would have given h2"
    names = line.proxy.gateway.names(line.flow())
    assert names[:5] == [
        "requestheaders",
        "request",
        "responseheaders",
        "response",
        "websocket_start",
    ]


async def test_message_that_comes_with_the_upgrade(line: Line) -> None:
    client, _ = await line.open(first=b"at once")
    assert (await client.message()).data == "at once"


@pytest.mark.parametrize(
    "refusal",
    [
        refuse(429),
        refuse(503, framing="chunked"),
        refuse(403, framing="headers-only"),
        refuse(401, framing="until-close"),
        refuse_without_end(),
        reset(),
        close(),
    ],
    ids=["429", "chunked", "no body", "until close", "endless", "reset", "closed"],
)
async def test_refused_upgrade_then_another(line: Line, refusal: Behaviour) -> None:
    client, server = await line.open("", "", refusal, refusal)
    client.text("hello")
    assert (await server.message()).data == "hello"
    server.text("hello yourself")
    assert (await client.message()).data == "hello yourself"
    assert [seen.attempt for seen in line.upstream.seen] == [1, 2, 3]
    assert all(seen.header("upgrade") == "websocket" for seen in line.upstream.seen)


async def test_every_upgrade_refused(line: Line) -> None:
    line.upstream.answers(refuse(429))
    head, client = await dial(line.proxy.port)
    line.ends.append(client)
    assert head.startswith(b"HTTP/1.1 503 ")
    assert len(line.upstream.seen) == 4


async def test_upgrade_answered_by_an_ordinary_response(line: Line) -> None:
    line.upstream.answers(succeed(b"output"))
    head, client = await dial(line.proxy.port)
    line.ends.append(client)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"output" in await client.read()


@pytest.mark.parametrize("line", ["both"], indirect=True)
async def test_upgrade_after_requests_over_http2(line: Line) -> None:
    """The same client connection and lane: HTTP/2 for requests, HTTP/1.1 for the socket."""
    line.proxy.wishes.targets = [Target("https", line.upstream.port, "a", http2=True)]
    client = await line.proxy.client("h1")
    assert (await client.ask()).status == 200
    line.proxy.wishes.targets = [Target("https", line.upstream.port, "a", http2=False)]
    await line.open()
    assert [seen.http2 for seen in line.upstream.seen] == [True, False]


# --- endings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("deflate", ["", DEFLATE])
async def test_upstream_that_vanishes(line: Line, deflate: str) -> None:
    """No close frame came, so none is made up; least of all one that says that all is well."""
    line.proxy.wishes.extensions = (deflate, deflate)
    client, server = await line.open(deflate, deflate)
    server.text("last")
    await client.message()
    sent = len(client.raw)
    server.abort()
    await client.gone()
    assert client.closed is None
    assert len(client.raw) == sent, "nothing but the end of the connection"
    await line.proxy.gateway.hook("websocket_end")
    socket = line.flow().websocket
    assert socket is not None
    assert (socket.close_code, socket.closed_by_client) == (1006, False)


async def test_upstream_that_vanishes_in_mid_message(line: Line) -> None:
    client, server = await line.open()
    server.send(wsproto.events.TextMessage("begun", message_finished=False))
    server.write(b"\x81\x7e\x10")  # the beginning of a frame's head
    await asyncio.sleep(0.02)
    server.abort()
    await client.gone()
    assert client.closed is None


async def test_client_that_vanishes(line: Line) -> None:
    client, server = await line.open()
    client.text("last")
    await server.message()
    client.abort()
    await server.gone()
    assert server.closed is None
    await line.proxy.gateway.hook("websocket_end")
    socket = line.flow().websocket
    assert socket is not None
    assert (socket.close_code, socket.closed_by_client) == (1006, True)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013, 4321])
@pytest.mark.parametrize("by_client", [True, False], ids=["client", "upstream"])
async def test_close_codes(line: Line, code: int, by_client: bool) -> None:
    client, server = await line.open()
    near, far = (client, server) if by_client else (server, client)
    near.send(wsproto.events.CloseConnection(code, "the reason"))
    await far.gone()
    await near.gone()
    assert far.closed == (code, "the reason")
    assert near.closed == (code, "the reason")
    await line.proxy.gateway.hook("websocket_end")
    socket = line.flow().websocket
    assert socket is not None
    assert (socket.close_code, socket.close_reason) == (code, "the reason")
    assert socket.closed_by_client is by_client


@pytest.mark.parametrize("by_client", [True, False], ids=["client", "upstream"])
async def test_broken_frame(line: Line, by_client: bool) -> None:
    """A protocol error is told to both ends with its own code."""
    client, server = await line.open()
    near, far = (client, server) if by_client else (server, client)
    near.write(b"\xf1\x00\x00\x00\x00\x00")  # reserved bits that nobody has agreed on
    await far.gone()
    assert far.closed is not None
    assert far.closed[0] == 1002


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to_client", "to_upstream"),
    [("", ""), ("", DEFLATE), (DEFLATE, ""), (DEFLATE, DEFLATE)],
)
async def test_each_side_has_its_own_compression(
    line: Line, to_client: str, to_upstream: str
) -> None:
    line.proxy.wishes.extensions = (to_client, to_upstream)

    class Agree:
        """What the gateway does: tell the client what was agreed with *it*."""

        def responseheaders(self, flow: http.HTTPFlow) -> None:
            assert flow.response is not None
            flow.response.headers.pop("sec-websocket-extensions", None)
            if to_client:
                flow.response.headers["sec-websocket-extensions"] = to_client

    line.proxy.master.addons.add(Agree())
    client, server = await line.open(to_client, to_upstream)
    for word in ("many " * 500, "more " * 500):
        client.text(word)
        assert (await server.message()).data == word
        server.text(word)
        assert (await client.message()).data == word
    assert client.compressed is bool(to_client)
    assert server.compressed is bool(to_upstream)


@pytest.mark.parametrize(
    "parameters",
    ["; server_no_context_takeover", "; client_no_context_takeover", "; server_max_window_bits=10"],
)
async def test_compression_parameters(line: Line, parameters: str) -> None:
    accepted = DEFLATE + parameters
    line.proxy.wishes.extensions = (accepted, accepted)
    client, server = await line.open(DEFLATE, accepted)
    for word in ("again and again " * 500,) * 3:
        client.text(word)
        assert (await server.message()).data == word
        server.text(word)
        assert (await client.message()).data == word


@pytest.mark.parametrize("parameter", ["server_max_window_bits=many", "client_max_window_bits"])
async def test_compression_that_nobody_can_read(line: Line, parameter: str) -> None:
    """Parameters that make no sense: as if nothing had been agreed."""
    nonsense = f"{DEFLATE}; {parameter}"
    line.proxy.wishes.extensions = ("", nonsense)
    line.upstream.answers(accept(line.accepted, ""))
    head, client = await dial(line.proxy.port)
    assert head.startswith(b"HTTP/1.1 101 ")
    server = await asyncio.wait_for(line.accepted.get(), 5)
    line.ends += [client, server]
    server.text("uncompressed all the same")
    assert (await client.message()).data == "uncompressed all the same"


@pytest.mark.parametrize("deflate", ["", DEFLATE])
async def test_changed_message_leaves_in_one_frame(line: Line, deflate: str) -> None:
    line.proxy.wishes.extensions = (deflate, deflate)

    def change(flow: http.HTTPFlow) -> None:
        assert flow.websocket is not None
        message = flow.websocket.messages[-1]
        message.content = message.content + b", changed"

    line.proxy.gateway.on_message = change
    client, server = await line.open(deflate, deflate)
    large = "0123456789" * 100_000
    client.text(large)
    message = await server.message()
    assert message.data == large + ", changed"
    assert message.frames == [1_000_009]
    server.text(large)
    message = await client.message()
    assert message.data == large + ", changed"
    assert message.frames == [1_000_009]


async def test_unchanged_message_keeps_its_frames(line: Line) -> None:
    client, server = await line.open()
    client.send(wsproto.events.TextMessage("one ", message_finished=False))
    client.send(wsproto.events.TextMessage("two ", message_finished=False))
    client.send(wsproto.events.TextMessage("three", message_finished=True))
    message = await server.message()
    assert (message.data, message.frames) == ("one two three", [4, 4, 5])


async def test_large_message_byte_by_byte(line: Line) -> None:
    client, server = await line.open()
    frame = client.connection.send(wsproto.events.TextMessage("slow" * 50))
    for place in range(len(frame)):
        client.write(frame[place : place + 1])
        await asyncio.sleep(0)
    assert (await server.message()).data == "slow" * 50


async def test_ping_and_pong(line: Line) -> None:
    client, server = await line.open()
    client.send(wsproto.events.Ping(b"are you there"))
    assert await asyncio.wait_for(server.pings.get(), 5) == b"are you there"
    server.send(wsproto.events.Pong(b"are you there"))
    assert await asyncio.wait_for(client.pongs.get(), 5) == b"are you there"
    server.send(wsproto.events.Ping(b""))
    assert await asyncio.wait_for(client.pings.get(), 5) == b""


@pytest.mark.parametrize("before", [(), (refuse(429),)], ids=["first attempt", "second attempt"])
async def test_injected_messages(line: Line, before: tuple[Behaviour, ...]) -> None:
    """Other addons' and mitmweb's own messages find the stream under its attempt's id."""
    client, server = await line.open("", "", *before)
    inject = line.proxy.master.commands.call
    inject("inject.websocket", line.flow(), True, b"for the client", True)
    assert (await client.message()).data == "for the client"
    inject("inject.websocket", line.flow(), False, b"for the upstream", True)
    assert (await server.message()).data == "for the upstream"


async def test_dropped_message(line: Line) -> None:
    def drop(flow: http.HTTPFlow) -> None:
        assert flow.websocket is not None
        if b"secret" in flow.websocket.messages[-1].content:
            flow.websocket.messages[-1].drop()

    line.proxy.gateway.on_message = drop
    client, server = await line.open()
    client.text("secret")
    client.text("public")
    assert (await server.message()).data == "public"


async def test_timers_of_the_attempt_fire_into_the_tunnel(line: Line, clock: Clock) -> None:
    line.proxy.wishes.hold_seconds = 0.05
    client, server = await line.open("", "", stall(status=429))
    await clock.ticks()
    client.text("still here")
    assert (await server.message()).data == "still here"
    server.text("so am I")
    assert (await client.message()).data == "so am I"


async def test_client_that_leaves_before_the_upgrade(line: Line) -> None:
    line.upstream.answers(silence())
    client = await line.proxy.client("h1")
    await client.call(
        "/socket",
        method="GET",
        headers=[
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "c2l4dGVlbiBieXRlcyBvaw=="),
        ],
    )
    received = await line.upstream.arrival(1)
    await client.close()
    await asyncio.wait_for(received.gone.wait(), 3)
    await line.proxy.gateway.hook("error")
    await until(lambda: not line.proxy.handlers, "the client's connection is left")
