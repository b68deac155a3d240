"""Several providers behind one base URL, and attempts that a provider makes itself, by sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from addons.exchange import Exchange
from addons.front.routes import Route
from addons.generation import Feed, answer
from addons.providers.contract import Commit, Forward, Generated, NextAccount, Refuse, Tried
from tests.fakes import ROUTES, Event, FakeProvider, answer_events, events_of
from tests.proxies import BUSY, SSE, STREAM, Proxy, ask, code, expected_errors, said
from tests.stream.behaviours import succeed
from tests.stream.clients import Http1Client
from tests.stream.conftest import until
from tests.stream.upstreams import Upstream

errors = pytest.fixture(autouse=True)(expected_errors)

ONE_MODEL = Route(None, "GET", "/v1/models/*", "models", "responses", "fake")
OTHER = [
    Route(None, "POST", "/v1/responses", "model", "responses", "other"),
    Route(None, "POST", "/v1/chat/completions", "model", "chat", "other"),
    Route(None, "GET", "/v1/models", "models", "responses", "other"),
    Route(None, "GET", "/v1/models/*", "models", "responses", "other"),
]


@pytest.fixture
def other() -> FakeProvider:
    return FakeProvider(name="other", listed=("other/m",), served=OTHER)


@pytest.fixture
async def proxy(tmp_path: Path, upstream: Upstream, other: FakeProvider) -> AsyncIterator[Proxy]:
    provider = FakeProvider(listed=("m",), served=[*ROUTES, ONE_MODEL])
    async with Proxy(tmp_path, provider, more=[other]) as running:
        running.aim(upstream)
        yield running


async def produced(exchange: Exchange) -> Generated:
    return await answer(exchange, Feed(events_of(answer_events("Hel", "lo"))), "o")


async def test_each_model_goes_to_its_provider(
    proxy: Proxy, other: FakeProvider, upstream: Upstream
) -> None:
    other.plans = [produced]
    upstream.answers(succeed(STREAM, headers=SSE))
    first = await ask(proxy, body=said())
    assert (first.status, first.body) == (200, STREAM)
    second = await ask(proxy, body=said(model="other/m"))
    assert (second.status, second.body) == (200, STREAM)
    whole = await ask(proxy, body=said(model="other/m", stream=False))
    assert json.loads(whole.body)["output"][0]["content"][0]["text"] == "Hello"
    await proxy.ended()
    assert proxy.provider.ends == ["completed"]
    assert other.ends == ["completed", "completed"]
    assert len(upstream.seen) == 1


async def test_the_models_of_both(proxy: Proxy) -> None:
    told = await ask(proxy, "/v1/models", method="GET")
    assert [entry["id"] for entry in json.loads(told.body)["data"]] == ["m", "other/m"]
    told = await ask(proxy, "/v1/models/other/m", method="GET")
    assert json.loads(told.body)["id"] == "other/m"
    told = await ask(proxy, "/v1/models/none", method="GET")
    assert (told.status, code(told)) == (404, "model_not_found")


async def test_a_path_that_its_provider_does_not_serve(proxy: Proxy, upstream: Upstream) -> None:
    body = json.dumps({"model": "other/m", "input": "Hi"}).encode()
    told = await ask(proxy, "/v1/responses/compact", body)
    assert (told.status, code(told)) == (404, "model_not_found")
    assert upstream.seen == []


async def test_a_failed_attempt_is_on_record(proxy: Proxy, other: FakeProvider) -> None:
    other.plans = [Tried("a", NextAccount("limit", 60.0, BUSY), 429, said=b"no"), produced]
    told = await ask(proxy, body=said(model="other/m"))
    assert (told.status, told.body) == (200, STREAM)
    await until(lambda: other.ends, "no end")
    metadata = proxy.flow.metadata["floway"]
    assert [(each["account"], each["status"]) for each in metadata["attempts"]] == [
        ("a", 429),
        ("o", 200),
    ]
    copies = [flow for name, flow in proxy.noting.hooks if flow is not proxy.flow]
    assert {flow.response.status_code for flow in copies if flow.response} == {429}


async def test_all_attempts_fail(proxy: Proxy, other: FakeProvider) -> None:
    other.plans = [Tried("a", NextAccount("limit", 60.0, BUSY), 429)]
    told = await ask(proxy, "/v1/chat/completions", _chat())
    assert (told.status, code(told)) == (429, "usage_limit_reached")
    assert other.calls.count("plan") == proxy.settings.max_attempts
    assert other.ends == ["failed"]


async def test_a_client_leaves_before_any_output(proxy: Proxy, other: FakeProvider) -> None:
    started, closed = asyncio.Event(), asyncio.Event()

    async def source() -> AsyncIterator[Event]:
        try:
            started.set()
            await asyncio.Event().wait()
            yield {}
        finally:
            closed.set()

    async def plan(exchange: Exchange) -> Generated:
        feed = Feed(source())
        try:
            await feed.opened(60)
            return await answer(exchange, feed, "o")
        except BaseException:
            await feed.aclose()
            raise

    other.plans = [plan]
    client = await proxy.client()
    call = await client.call("/v1/responses", said(model="other/m"))
    await asyncio.wait_for(started.wait(), 5)
    await call.leave()
    await asyncio.wait_for(closed.wait(), 5)
    await until(lambda: other.ends, "no end")
    assert other.ends == ["client_left"]


async def test_a_client_leaves_in_mid_stream(proxy: Proxy, other: FakeProvider) -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[Event]:
        try:
            for event in answer_events("Hel", end=""):
                yield event
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def plan(exchange: Exchange) -> Generated:
        return await answer(exchange, Feed(source()), "o")

    other.plans = [plan]
    client = await proxy.client()
    call = await client.call("/v1/responses", said(model="other/m"))
    await call.until(b"output_item.done")
    await call.leave()
    await asyncio.wait_for(closed.wait(), 5)
    await until(lambda: other.ends, "no end")
    assert other.ends == ["client_left"]


async def test_an_answer_that_breaks_off(proxy: Proxy, other: FakeProvider) -> None:
    async def plan(exchange: Exchange) -> Generated:
        return await answer(exchange, Feed(events_of([*answer_events("x")[:3], BUSY])), "o")

    other.plans = [plan]
    told = await ask(proxy, body=said(model="other/m"))
    assert told.status == 200
    assert not told.broken, "it ended in the client's protocol"
    assert b"response.failed" in told.body
    await until(lambda: other.ends, "no end")
    assert other.ends == ["truncated"]


# --- requests whose body goes on while they are answered -----------------------------------------


class Seen:
    """Notes what passes."""

    def __init__(self) -> None:
        self.sent, self.received = b"", b""

    def client(self, data: bytes) -> None:
        self.sent += data

    def server(self, data: bytes) -> None:
        self.received += data


DUPLEX = Route(None, "POST", "/run", "duplex", "responses", "other", native=True)


@pytest.fixture
async def talker() -> AsyncIterator[int]:
    """Port of a server that answers while the request's body still comes."""
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"begun")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nready\r\n")
        await reader.readuntil(b"more")
        writer.write(b"0\r\n\r\n")
        await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait_for(gone.wait(), 5)


async def test_an_answer_while_the_request_goes_on(
    talker: int, proxy: Proxy, other: FakeProvider
) -> None:
    other.served, other.upstream = [*OTHER, DUPLEX], ("127.0.0.1", talker)
    proxy.serve()
    watch = Seen()

    def plan(exchange: Exchange) -> Forward:
        exchange.watch = watch
        made = other.forward(exchange)
        headers = [pair for pair in made.request.headers if pair[0] != b"content-length"]
        headers.append((b"transfer-encoding", b"chunked"))
        return replace(made, request=replace(made.request, headers=headers))

    other.plans, other.verdicts = [plan], [Commit()]
    client = await proxy.client()
    call = await client.call("/run", b"begun", chunked=True, finish=False)
    await call.until(b"ready")
    assert isinstance(client, Http1Client)
    client.writer.write(b"4\r\nmore\r\n0\r\n\r\n")
    await until(lambda: other.ends, "no end")
    assert (watch.sent, watch.received) == (b"begunmore", b"ready")
    assert other.ends == ["completed"]


async def test_over_http_2_an_answer_may_end_before_its_request(
    proxy: Proxy, other: FakeProvider
) -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"begun")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready")
        await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        other.upstream = ("127.0.0.1", server.sockets[0].getsockname()[1])
        other.served = [replace(DUPLEX, host="model.test")]
        proxy.serve()

        def plan(exchange: Exchange) -> Forward:
            made = other.forward(exchange)
            headers = [pair for pair in made.request.headers if pair[0] != b"content-length"]
            headers.append((b"transfer-encoding", b"chunked"))
            return replace(made, request=replace(made.request, headers=headers))

        other.plans, other.verdicts = [plan], [Commit()]
        client = await proxy.client("h2")
        call = await client.call("/run", b"begun", finish=False)
        told = await call.answer()
        assert (told.status, told.body, told.broken) == (200, b"ready", "")
        await asyncio.wait_for(gone.wait(), 5)
        assert other.ends == ["completed"]


async def test_a_refused_request_that_goes_on(proxy: Proxy, other: FakeProvider) -> None:
    other.served = [*OTHER, DUPLEX]
    other.plans = [Refuse(BUSY)]
    proxy.serve()
    told = await ask(proxy, "/run", b"whole")
    assert (told.status, code(told)) == (429, "usage_limit_reached")
    await until(lambda: other.ends, "no end")
    assert other.ends == ["failed"]


def _chat(**members: Any) -> bytes:
    message = {"role": "user", "content": "Hi"}
    return json.dumps({"model": "other/m", "messages": [message], **members}).encode()
