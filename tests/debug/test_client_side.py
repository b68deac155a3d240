"""The client's own request beside the upstream's, in a proxy that really serves it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from addons.debug.client_side import CLIENT, ClientSide, client_side, kept_whole
from tests.fakes import FakeProvider
from tests.proxies import SSE, STREAM, Proxy, ask, said
from tests.stream.behaviours import succeed
from tests.stream.upstreams import Upstream


@pytest.fixture
async def kept() -> list[int]:
    """Bytes of a body that are kept; a test may change it."""
    return [100_000]


@pytest.fixture
async def proxy(
    proxy_confdir: Path, provider: FakeProvider, upstream: Upstream, kept: list[int]
) -> AsyncIterator[Proxy]:
    async with Proxy(proxy_confdir, provider, addons=[ClientSide(lambda: kept[0])]) as proxy:
        proxy.aim(upstream)
        upstream.answers(succeed(STREAM, headers=SSE))
        yield proxy


async def test_it_stays_while_the_flow_s_request_becomes_the_upstream_s(
    proxy: Proxy, provider: FakeProvider
) -> None:
    provider.plans = [lambda exchange: provider.forward(exchange, path="/upstream")]
    body = said(note="mine")
    assert (await ask(proxy, body=body, x_own="1")).status == 200
    await proxy.ended()
    assert proxy.flow.request.path == "/upstream"
    side = client_side(proxy.flow)
    assert side is not None
    assert side.line == "POST /v1/responses"
    assert ("x-own", "1") in side.headers
    assert side.body == body
    assert side.data == json.loads(body)
    assert kept_whole(proxy.flow) == side


async def test_of_a_body_that_is_too_large_nothing_is_kept(proxy: Proxy, kept: list[int]) -> None:
    kept[0] = 10
    body = said()
    await ask(proxy, body=body)
    await proxy.ended()
    side = client_side(proxy.flow)
    assert side is not None
    assert side.body == b""
    with pytest.raises(ValueError, match=f"{len(body) - 10} bytes larger than what is kept"):
        kept_whole(proxy.flow)


async def test_nothing_is_kept_where_nobody_wants_it(proxy: Proxy, kept: list[int]) -> None:
    kept[0] = 0
    await ask(proxy, body=said())
    await ask(proxy, "/healthz", method="GET")
    await proxy.ended()
    assert all(CLIENT not in flow.metadata for flow in proxy.noting.flows)
    with pytest.raises(ValueError, match="client_keep_bytes is 0"):
        kept_whole(proxy.noting.flows[0])


@pytest.mark.parametrize(
    "odd", [None, 3, {}, {"line": 1}, {"line": "x", "headers": [1], "body": b""}]
)
def test_what_another_version_kept(odd: object) -> None:
    flow = tflow.tflow()
    flow.metadata[CLIENT] = odd
    assert client_side(flow) is None
    with pytest.raises(ValueError, match="was not kept"):
        kept_whole(flow)
