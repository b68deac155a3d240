"""How exchanges end, and what is left of them: one end each, flows for the debugger, no memory."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.io import FlowReader, FlowWriter

from addons.attempts import ExchangeDriver
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.providers.contract import Refuse
from tests.fakes import FakeProvider, Mishap, answer_events, generated, wire
from tests.proxies import (
    BUSY,
    SSE,
    STREAM,
    Proxy,
    added,
    alive,
    ask,
    code,
    expected_errors,
    judge_by_status,
    said,
)
from tests.stream.behaviours import break_off, refuse, silence, stall, succeed
from tests.stream.conftest import until
from tests.stream.upstreams import Upstream

errors = pytest.fixture(autouse=True)(expected_errors)


# --- the end -------------------------------------------------------------------------------------


async def one_end(proxy: Proxy, outcome: str) -> None:
    await proxy.ended()
    await asyncio.sleep(0.01)
    assert proxy.provider.ends == [outcome]
    assert proxy.flow.metadata["floway"]["outcome"] == outcome


@pytest.mark.parametrize(
    ("behaviour", "stream", "outcome"),
    [
        (succeed(STREAM), True, "completed"),
        (succeed(STREAM), False, "completed"),
        (succeed(wire(answer_events("a", end="failed"))), True, "failed"),
        (succeed(wire(answer_events("a", end="failed"))), False, "failed"),
        (refuse(400, b"{}"), True, "failed"),
        (succeed(wire(answer_events("a", end=""))), True, "truncated"),
        (succeed(wire(answer_events("a", end=""))), False, "truncated"),
        (break_off(wire(answer_events("a", end=""))), True, "truncated"),
        (break_off(wire(answer_events("a", end=""))), False, "truncated"),
    ],
)
@pytest.mark.parametrize("kind", ["h1", "h2"])
async def test_every_exchange_has_one_end(
    proxy: Proxy, upstream: Upstream, behaviour: Any, stream: bool, outcome: str, kind: str
) -> None:
    upstream.answers(behaviour)
    told = await ask(proxy, body=said(stream=stream), kind=kind)
    assert told.status == (200 if stream and outcome != "failed" else told.status)
    await one_end(proxy, outcome)


async def test_a_refusal_is_an_end(proxy: Proxy) -> None:
    proxy.provider.plans = [Refuse(BUSY)]
    told = await ask(proxy, body=said())
    assert (told.status, told.header("retry-after")) == (429, "60")
    await one_end(proxy, "failed")


@pytest.mark.parametrize(
    ("user_agent", "header"), [("OpenAI/Python", "3600"), ("opencode/1", None)]
)
async def test_a_long_wait_is_told_to_those_who_do_not_sleep_through_it(
    proxy: Proxy, user_agent: str, header: str | None
) -> None:
    proxy.provider.plans = [Refuse(ClientError(429, "usage_limit_reached", "m", retry_after=3600))]
    told = await ask(proxy, body=said(), user_agent=user_agent)
    assert (told.status, told.header("retry-after")) == (429, header)


@pytest.mark.parametrize("kind", ["h1", "h2"])
async def test_a_client_leaves_while_it_is_answered(
    proxy: Proxy, upstream: Upstream, kind: str
) -> None:
    upstream.answers(stall(wire(answer_events("a", end=""))))
    client = await proxy.client(kind)
    call = await client.call("/v1/responses", said())
    await call.until(b"output_item.done")
    await call.leave()
    await one_end(proxy, "client_left")


async def test_a_client_leaves_at_the_last_event(proxy: Proxy, upstream: Upstream) -> None:
    """As the official client does: the answer was complete, and so is the exchange."""
    upstream.answers(stall(STREAM))
    client = await proxy.client()
    call = await client.call("/v1/responses", said())
    await call.until(b"response.completed")
    await call.leave()
    await one_end(proxy, "completed")


async def test_a_client_leaves_before_there_is_an_answer(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answers(silence())
    client = await proxy.client()
    call = await client.call("/v1/responses", said())
    await upstream.arrival(1)
    await call.leave()
    await one_end(proxy, "client_left")


async def test_a_client_leaves_while_it_is_planned_for(proxy: Proxy) -> None:
    planning = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(exchange: Exchange) -> Any:
        planning.set()
        await go_on.wait()
        return proxy.provider.forward(exchange)

    proxy.provider.plans = [slow]
    client = await proxy.client()
    call = await client.call("/v1/responses", said())
    await planning.wait()
    await call.leave()
    go_on.set()
    await one_end(proxy, "client_left")


async def test_a_client_leaves_while_a_produced_body_is_awaited(proxy: Proxy) -> None:
    async def body() -> Any:
        yield b"one"
        await asyncio.Event().wait()

    proxy.provider.plans = [replace(generated(), body=body())]
    client = await proxy.client()
    call = await client.call("/v1/models", method="GET")
    await call.until(b"one")
    await call.leave()
    await one_end(proxy, "client_left")


async def test_unloading_ends_produced_bodies(proxy: Proxy) -> None:
    async def body() -> Any:
        yield b"one"
        await asyncio.Event().wait()

    proxy.provider.plans = [replace(generated(), body=body())]
    client = await proxy.client()
    call = await client.call("/v1/models", method="GET")
    await call.until(b"one")
    proxy.gateway.done()
    await call.answer()


# --- the debugger's side -------------------------------------------------------------------------


async def test_flows_can_be_saved(proxy: Proxy, upstream: Upstream) -> None:
    proxy.provider.verdicts = [judge_by_status]
    upstream.answers(refuse(429, b"{}"), succeed(STREAM, headers=SSE))
    proxy.provider.plans = [
        lambda exchange: replace(
            proxy.provider.forward(exchange), summary={"odd": {1: {"a"}, "t": (1, None, Mishap())}}
        )
    ]
    await ask(proxy, body=said())
    await proxy.ended()
    flows = [flow for name, flow in proxy.noting.hooks if name == "requestheaders"]
    assert len(flows) == 2, "the client's, and the attempt that failed"
    file = io.BytesIO()
    for flow in flows:
        FlowWriter(file).add(flow)
    file.seek(0)
    loaded = list(FlowReader(file).stream())
    assert [flow.metadata["floway"]["exchange"] for flow in loaded] == [
        proxy.provider.exchanges[0].id
    ] * 2


async def test_a_replay_sends_the_rewritten_request_again_as_it_is(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.answers(succeed(STREAM, headers=SSE))
    await ask(proxy, body=said())
    await proxy.ended()
    flow = proxy.flow
    proxy.master.commands.call("replay.client", [flow])
    again = await upstream.arrival(2)
    await until(lambda: flow.response and flow.response.raw_content, "not replayed")
    first = upstream.seen[0]
    assert (again.path, again.body, again.header("x-account")) == (first.path, first.body, "a")
    assert flow.response is not None
    assert flow.response.raw_content == STREAM
    assert proxy.provider.calls.count("plan") == 1
    assert proxy.provider.ends == ["completed"]


async def test_a_flow_that_went_to_an_own_upstream_can_be_replayed(
    proxy_confdir: Any, provider: FakeProvider, upstream: Upstream
) -> None:
    ports = lambda: frozenset({upstream.port})  # noqa: E731
    upstream.answers(succeed(STREAM, headers=SSE))
    async with Proxy(proxy_confdir, provider, own_ports=ports) as proxy:
        proxy.aim(upstream)
        await ask(proxy, body=said())
        await proxy.ended()
        flow = proxy.flow
        proxy.master.commands.call("replay.client", [flow])
        await upstream.arrival(2)
        await until(lambda: flow.response, "not replayed")


async def test_nothing_of_an_exchange_stays_alive(proxy: Proxy, upstream: Upstream) -> None:
    proxy.provider.verdicts = [judge_by_status]
    upstream.script = lambda received: (
        refuse(429) if received.header("x-account") == "a" else succeed(STREAM, headers=SSE)
    )
    kinds = (ExchangeDriver, Exchange, http.HTTPFlow)
    before = alive(*kinds)
    for kind in ("h1", "h2"):
        client = await proxy.client(kind)
        for number in range(10):
            body = said(stream=number % 2 == 0)
            assert (await client.ask("/v1/responses", body)).status == 200
        await client.ask("/v1/nothing", b"")
        await client.close()
    await proxy.ended(20)
    await until(lambda: not proxy.server.connections, "connections are left")
    proxy.provider.exchanges.clear()
    proxy.noting.hooks.clear()
    # The tasks of connections that are over end a little later.
    await until(lambda: not added(before, *kinds), "something is still alive")


async def test_settings_of_a_running_gateway(proxy: Proxy, upstream: Upstream) -> None:
    assert proxy.gateway.service is not None
    upstream.answers(succeed(STREAM, headers=SSE))
    assert (await ask(proxy, "/healthz", method="GET")).status == 200
    earlier = proxy.gateway.service.earlier
    changed = proxy.settings.model_copy(update={"max_request_bytes": 10})
    proxy.gateway.service = proxy.gateway.service.with_settings(changed)
    assert proxy.gateway.service.earlier is earlier
    none = proxy.gateway.service.with_settings(changed.model_copy(update={"reuse_bytes": 0}))
    assert none.earlier is not earlier
    told = await ask(proxy, body=said())
    assert (told.status, code(told)) == (413, "request_too_large")
