"""A client's request sent again: as one of a client, marked by what only this process knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.debug.client_side import CLIENT, ClientSide
from addons.debug.description import METADATA, REPLAYED
from addons.debug.replaying import HEADER, MOST, NOT_ASKED, REPLAY, Asked, Replays, asked_of
from tests.fakes import FakeProvider
from tests.proxies import SSE, STREAM, Proxy, ask, said
from tests.stream.behaviours import succeed
from tests.stream.upstreams import Upstream


@dataclass
class Place:
    """A proxy whose requests can be sent again."""

    proxy: Proxy
    upstream: Upstream
    replays: Replays
    provider: FakeProvider

    async def again(self, flow: http.HTTPFlow, account: str = "", profile: str = "") -> int:
        self.upstream.answers(succeed(STREAM, headers=SSE))
        return await self.replays.send(self.replays.prepare(flow, account, profile))


@pytest.fixture
async def place(
    proxy_confdir: Path, provider: FakeProvider, upstream: Upstream
) -> AsyncIterator[Place]:
    replays = Replays(lambda: f"127.0.0.1:{proxy.port}")
    addons = [replays, ClientSide(lambda: 100_000)]
    async with Proxy(proxy_confdir, provider, addons=addons) as proxy:
        proxy.aim(upstream)
        upstream.answers(succeed(STREAM, headers=SSE))
        yield Place(proxy, upstream, replays, provider)


async def test_it_goes_the_client_s_way_once_more(place: Place) -> None:
    body = said(note="mine")
    await ask(place.proxy, "/v1/responses?x=%20", body, x_own="1", authorization="Bearer k")
    await place.proxy.ended()
    assert await place.again(place.proxy.flow) == 200
    await place.proxy.ended(2)
    first, second = place.proxy.noting.flows
    one, two = place.provider.exchanges
    assert one is not two
    assert (two.method, two.path, two.principal) == (one.method, one.path, one.principal)
    assert (two.request, two.header("x-own")) == (one.request, "1")
    assert two.header(HEADER) is None
    assert [call for call in place.provider.calls if call == "plan"] == ["plan"] * 2
    assert second.metadata[CLIENT]["body"] == body
    assert HEADER not in str(second.metadata[CLIENT]["headers"]).lower()
    assert second.metadata[METADATA]["replay_of"] == first.id
    assert second.comment.startswith("replay")
    assert second.marked == REPLAYED
    assert "replay_of" not in first.metadata[METADATA]


async def test_what_is_wanted_of_it_reaches_the_provider(place: Place) -> None:
    await ask(place.proxy, body=said())
    await place.proxy.ended()
    await place.again(place.proxy.flow, "b", "codex@0.142.0")
    await place.proxy.ended(2)
    usual, wanted = place.provider.exchanges
    assert (usual.only_account, usual.profile) == ("", "")
    assert (wanted.only_account, wanted.profile) == ("b", "codex@0.142.0")


async def test_a_client_can_t_say_so_itself(place: Place) -> None:
    request = await ask(place.proxy, body=said(), x_floway_replay="made-up")
    assert request.status == 200
    await place.proxy.ended()
    (exchange,) = place.provider.exchanges
    assert exchange.header(HEADER) is None
    assert exchange.only_account == ""
    assert REPLAY not in place.proxy.flow.metadata
    assert asked_of(place.proxy.flow) == NOT_ASKED


async def test_the_mark_is_good_for_one_request(place: Place) -> None:
    await ask(place.proxy, body=said())
    await place.proxy.ended()
    request = place.replays.prepare(place.proxy.flow, "b")
    nonce = request.headers[HEADER]
    place.upstream.answers(succeed(STREAM, headers=SSE), succeed(STREAM, headers=SSE))
    await place.replays.send(request)
    await ask(place.proxy, body=said(), x_floway_replay=nonce)
    await place.proxy.ended(3)
    assert [each.only_account for each in place.provider.exchanges] == ["", "b", ""]


async def test_a_replay_can_be_replayed(place: Place) -> None:
    await ask(place.proxy, body=said())
    await place.again(place.proxy.noting.flows[0])
    await place.again(place.proxy.noting.flows[1])
    await place.proxy.ended(3)
    first, second, third = place.proxy.noting.flows
    assert second.metadata[METADATA]["replay_of"] == first.id
    assert third.metadata[METADATA]["replay_of"] == second.id


# --- what can't be sent --------------------------------------------------------------------------


def kept_flow() -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.metadata[CLIENT] = {
        "line": "GET /v1/models",
        "headers": [[":authority", "x"], ["Host", "x"], ["content-length", "9"], ["x-odd", "é"]],
        "body": b"",
        "left_out": 0,
    }
    return flow


def test_the_connection_s_own_headers_are_new() -> None:
    request = Replays(lambda: "127.0.0.1:8080").prepare(kept_flow())
    nonce = request.headers[HEADER]
    assert len(nonce) >= 32
    assert request.headers.raw == [
        (b"host", b"127.0.0.1:8080"),
        (b"x-odd", "é".encode()),
        (HEADER.encode(), nonce.encode()),
        (b"connection", b"close"),
    ]
    assert request.url == httpx.URL("http://127.0.0.1:8080/v1/models")


def test_why_it_can_t_be_sent() -> None:
    replays = Replays(lambda: "127.0.0.1:8080")
    with pytest.raises(ValueError, match="WebSocket can't be sent again"):
        replays.prepare(tflow.twebsocketflow())
    with pytest.raises(ValueError, match="was not kept"):
        replays.prepare(tflow.tflow())
    with pytest.raises(ValueError, match="does not listen"):
        Replays(lambda: "").prepare(kept_flow())


def test_those_that_never_come_in_are_forgotten() -> None:
    replays = Replays(lambda: "127.0.0.1:8080")
    nonces = {replays.prepare(kept_flow()).headers[HEADER] for _ in range(2 * MOST + 1)}
    assert len(nonces) == 2 * MOST + 1
    assert len(replays._awaited) == 1


def test_flows_that_are_only_shown_are_left_alone() -> None:
    flow = tflow.tflow()
    flow.live = False
    flow.metadata[REPLAY] = {"of": "x", "account": "", "profile": ""}
    Replays(lambda: "").requestheaders(flow)
    assert asked_of(flow) == Asked("x")
    flow.live = True
    Replays(lambda: "").requestheaders(flow)
    assert asked_of(flow) == NOT_ASKED, "a client's request read from a file is no replay"
