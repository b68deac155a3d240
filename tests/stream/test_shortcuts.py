"""What takes fewer steps here than in mitmproxy comes out the same."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Headers, Request
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    Http1Client,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
)
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.test.tflow import tclient_conn, tserver_conn

from addons.sending import joined
from tests.stream.behaviours import succeed
from tests.stream.conftest import MakeUpstream, Proxy
from tests.stream.upstreams import Http1Received, Received

CLIENTS = pytest.mark.parametrize("client_kind", ["h1", "h2"])


# --- a committed answer --------------------------------------------------------------------------


@CLIENTS
@pytest.mark.parametrize("stored", [False, True])
async def test_streamed_bodies_are_stored_when_mitmproxy_is_told_to(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, stored: bool
) -> None:
    proxy.master.options.update(store_streamed_bodies=stored)
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    parts = [b"output%d\n" % number for number in range(20)]
    upstream.answers(succeed(*parts))
    client = await proxy.client(client_kind)
    answer = await client.ask()
    assert (answer.status, answer.body, answer.broken) == (200, b"".join(parts), "")
    (flow,) = proxy.gateway.flows
    assert flow.response is not None
    assert flow.response.raw_content == (b"".join(parts) if stored else None)


@CLIENTS
@pytest.mark.parametrize("framing", ["chunked", "length"])
async def test_an_answer_may_be_streamed_in_other_pieces(
    proxy: Proxy, make_upstream: MakeUpstream, client_kind: str, framing: str
) -> None:
    """None, one or many for each piece of the upstream's; ``bytes`` stand for one."""

    def relayed(data: bytes) -> bytes | list[bytes]:
        if b"-" in data:
            return []
        return data.lower() if b"A" in data else [data[i : i + 2] for i in range(0, len(data), 2)]

    proxy.wishes.transform = relayed  # type: ignore[assignment]  # as mitmproxy allows
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    go_on = [asyncio.Event() for _ in range(3)]

    async def behave(received: Received) -> None:
        await received.head(200)
        for event, part in zip(go_on, [b"output", b"-", b"ABC"], strict=True):
            await received.data(part)
            await event.wait()
        await received.data(b"def")
        await received.end()

    upstream.answers(behave)
    client = await proxy.client(client_kind)
    call = await client.call(body=b"x")
    await call.until(b"output")
    go_on[0].set()
    await asyncio.sleep(0.02)
    go_on[1].set()
    await call.until(b"outputabc")
    go_on[2].set()
    assert (await call.answer()).body == b"outputabcdef"


# --- many chunks in one read ---------------------------------------------------------------------


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


async def test_chunks_of_one_read_are_relayed_together(
    proxy: Proxy, make_upstream: MakeUpstream
) -> None:
    seen: list[bytes] = []

    def relayed(data: bytes) -> list[bytes]:
        seen.append(data)
        return [data] if data else []

    async def behave(received: Received) -> None:
        assert isinstance(received, Http1Received)
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        await received.raw(head + chunked([b"output", *pieces]) + b"0\r\n\r\n")

    pieces = [b"%d." % number for number in range(50)]
    proxy.wishes.transform = relayed
    upstream = await make_upstream("h1")
    proxy.aim(upstream)
    upstream.answers(behave)
    answer = await (await proxy.client("h1")).ask()
    assert (answer.body, answer.broken) == (b"output" + b"".join(pieces), "")
    assert seen == [answer.body, b""]


def received(reads: list[bytes], *, together: bool) -> list[str]:
    """What an HTTP/1 client makes of an answer that comes in these reads, as far as it matters."""
    context = Context(tclient_conn(), Options())
    context.server = tserver_conn()
    layer = Http1Client(context)
    read_body = Http1Client.read_body
    if together:
        Http1Client.read_body = joined(read_body)  # type: ignore[assignment, method-assign]
    try:
        request = Request(
            "host", 80, b"GET", b"http", b"", b"/", b"HTTP/1.1", Headers(), b"", None, 0, 0
        )
        found: list[commands.Command] = [
            *layer.handle_event(events.Start()),
            *layer.handle_event(RequestHeaders(1, request, end_stream=True)),
            *layer.handle_event(RequestEndOfMessage(1)),
        ]
        for read in reads:
            before = len(found)
            found += layer.handle_event(events.DataReceived(context.server, read))
            data = [c for c in found[before:] if _is_data(c)]
            assert not together or len(data) <= 1
    finally:
        Http1Client.read_body = read_body  # type: ignore[method-assign]
    out, body = [], b""
    for command in found:
        if _is_data(command):
            assert isinstance(command, ReceiveHttp)
            assert isinstance(command.event, ResponseData)
            body += command.event.data
        else:
            out += [f"data {body!r}", _shown(command)]
            body = b""
    return [*out, f"data {body!r}"]


def _is_data(command: commands.Command) -> bool:
    return isinstance(command, ReceiveHttp) and isinstance(command.event, ResponseData)


def _shown(command: commands.Command) -> str:
    event = command.event if isinstance(command, ReceiveHttp) else command
    return f"{type(event).__name__} {getattr(event, 'message', '')}"


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=9), max_size=6),
    ends=st.sampled_from([b"0\r\n\r\n", b"", b"nonsense\r\n", b"0\r\n\r\nHTTP/1.1 200 OK\r\n"]),
    places=st.lists(st.integers(0, 200), max_size=5),
)
def test_what_is_read_together_is_what_came(
    pieces: list[bytes], ends: bytes, places: list[int]
) -> None:
    whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(pieces) + ends
    edges = sorted({0, len(whole), *(place for place in places if place < len(whole))})
    reads = [whole[start:end] for start, end in pairwise(edges)]
    assert received(reads, together=True) == received(reads, together=False)
