"""The gateway's hooks with real sockets: who is served, what is left alone, what fails closed."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.tls import ClientHelloData

from addons.exchange import Exchange
from addons.front.routes import Route
from tests.fakes import Event, FakeProvider, Mishap, generated
from tests.proxies import SSE, STREAM, Proxy, ask, code, expected_errors, judge_by_status, said
from tests.stream.behaviours import refuse, succeed
from tests.stream.conftest import until
from tests.stream.upstreams import Upstream

errors = pytest.fixture(autouse=True)(expected_errors)


# --- base URL ------------------------------------------------------------------------------------


async def test_a_stream_by_base_url(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answers(succeed(STREAM, headers=SSE))
    told = await ask(proxy, body=said(), authorization="Bearer own")
    assert (told.status, told.body) == (200, STREAM)
    assert upstream.seen[0].header("authorization") is None
    assert upstream.seen[0].header("host") == f"127.0.0.1:{upstream.port}"
    await proxy.ended()
    assert proxy.provider.calls == ["plan", "before_commit", "after completed"]
    metadata = proxy.flow.metadata["floway"]
    assert metadata["outcome"] == "completed"
    (attempt,) = metadata["attempts"]
    assert (attempt["account"], attempt["status"], attempt["verdict"]) == ("a", 200, "Commit")
    assert proxy.flow.comment == "a · made-up"


async def test_a_whole_answer_and_a_chat(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answers(succeed(STREAM, headers=SSE))
    whole = await ask(proxy, body=said(stream=False))
    assert whole.header("content-type") == "application/json"
    assert json.loads(whole.body)["output"][0]["content"][0]["text"] == "Hello"
    message = {"role": "user", "content": "Hi"}
    chat = await ask(
        proxy, "/v1/chat/completions", json.dumps({"model": "m", "messages": [message]}).encode()
    )
    assert json.loads(chat.body)["choices"][0]["message"]["content"] == "Hello"


async def test_the_next_account_takes_over_unseen(proxy: Proxy, upstream: Upstream) -> None:
    proxy.provider.verdicts = [judge_by_status]
    upstream.answers(refuse(429, b"{}"), succeed(STREAM, headers=SSE))
    told = await ask(proxy, body=said())
    assert (told.status, told.body) == (200, STREAM)
    assert [seen.header("x-account") for seen in upstream.seen] == ["a", "b"]
    await proxy.ended()
    assert [each["status"] for each in proxy.flow.metadata["floway"]["attempts"]] == [429, 200]
    assert proxy.flow.comment == "b · made-up · attempt 2/4"


async def test_a_produced_answer(proxy: Proxy) -> None:
    proxy.provider.plans = [generated(b"one ", b"two")]
    told = await ask(proxy, "/v1/models", method="GET")
    assert (told.status, told.body, told.broken) == (200, b"one two", "")
    await proxy.ended()
    assert proxy.provider.ends == ["completed"]


async def test_a_produced_answer_that_fails(proxy: Proxy) -> None:
    proxy.provider.plans = [generated(b"one ", Mishap("no more"))]
    told = await ask(proxy, "/v1/models", method="GET")
    assert told.body == b"one "
    assert told.broken
    await proxy.ended()
    assert proxy.provider.ends == ["truncated"]


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_leaves_the_connection_usable(
    proxy: Proxy, upstream: Upstream, status: int
) -> None:
    async def empty(received: Any) -> None:
        await received.raw(f"HTTP/1.1 {status} X\r\netag: e\r\n\r\n".encode())
        received.answered = True

    upstream.answers(empty)
    client = await proxy.client()
    for _ in range(2):
        told = await client.ask("/native/settings", b"", method="GET")
        assert (told.status, told.body, told.broken) == (status, b"", "")


# --- routing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "found"),
    [
        ("GET", "/", 404, "unknown_path"),
        ("POST", "/v1/nothing?x=1", 404, "unknown_path"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("PUT", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/responses", 426, "upgrade_required"),
    ],
)
async def test_what_no_route_takes(
    proxy: Proxy, method: str, path: str, status: int, found: str
) -> None:
    told = await ask(proxy, path, method=method)
    assert (told.status, code(told)) == (status, found)
    assert proxy.provider.calls == []
    if status == 405:
        assert told.header("allow")
    if status == 426:
        assert told.header("upgrade") == "websocket"


async def test_a_websocket_where_there_is_none(proxy: Proxy) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
    for path in ("/v1/chat/completions", "/native/voice", "/v1/nothing"):
        told = await ask(proxy, path, method="GET", **upgrade)
        assert (told.status, code(told)) == (404, "unknown_path")
        assert b"WebSocket" in told.body


async def test_health(proxy: Proxy) -> None:
    told = await ask(proxy, "/healthz", method="GET")
    assert json.loads(told.body) == {"status": "ok", "providers": ["fake"]}


async def test_before_and_after_it_serves_nothing_is_sent(proxy: Proxy, upstream: Upstream) -> None:
    proxy.gateway.service = None
    for target in ("/v1/responses", f"http://127.0.0.1:{upstream.port}/other"):
        told = await ask(proxy, target, said())
        assert (told.status, code(told)) == (503, "starting")
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"CONNECT model.test:443 HTTP/1.1\r\nhost: model.test:443\r\n\r\n")
    assert b" 503 " in await reader.readline()
    writer.transport.abort()
    assert upstream.seen == []


async def test_it_ends_while_a_body_comes_in(proxy: Proxy, upstream: Upstream) -> None:
    client = await proxy.client()
    call = await client.call("/v1/responses", said(), chunked=True, finish=False)
    await until(lambda: proxy.noting.flows, "no request")
    proxy.gateway.service = None
    client.writer.write(b"0\r\n\r\n")
    assert code(await call.answer()) == "starting"
    assert upstream.seen == []


async def test_an_answer_of_another_addon_stands(
    proxy_confdir: Any, provider: FakeProvider
) -> None:
    class Teapot:
        def requestheaders(self, flow: http.HTTPFlow) -> None:
            flow.response = http.Response.make(418)

    async with Proxy(proxy_confdir, provider, addons=[Teapot()]) as proxy:
        for target in ("/v1/responses", "http://127.0.0.1:1/other", "/nothing"):
            assert (await ask(proxy, target, said())).status == 418
    assert provider.calls == []


# --- keys ----------------------------------------------------------------------------------------

KEY = "correct-horse-battery"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/nothing", "/healthz", "/v1/models"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
async def test_without_a_key_nothing_is_told(
    proxy: Proxy, path: str, headers: dict[str, str]
) -> None:
    proxy.serve(client_keys=[KEY])
    told = await ask(proxy, path, b"not JSON", **headers)
    assert (told.status, code(told)) == (401, "invalid_api_key")
    assert proxy.provider.calls == []


async def test_with_a_key(proxy: Proxy, upstream: Upstream) -> None:
    proxy.serve(client_keys=[KEY])
    upstream.answers(succeed(STREAM, headers=SSE))
    told = await ask(proxy, body=said(), authorization=f"Bearer {KEY}")
    assert told.status == 200
    assert proxy.provider.exchanges[0].principal not in ("local", KEY)


async def test_the_forward_proxy_wants_a_key_as_well(proxy: Proxy, upstream: Upstream) -> None:
    proxy.serve(client_keys=[KEY])
    upstream.answers(succeed(b"there"))
    target = f"http://127.0.0.1:{upstream.port}/other"
    told = await ask(proxy, target, b"x" * 100)
    assert told.status == 407
    assert told.header("proxy-authenticate")
    assert upstream.seen == []
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"CONNECT model.test:443 HTTP/1.1\r\nhost: model.test:443\r\n\r\n")
    assert b" 407 " in await reader.readline()
    writer.transport.abort()

    told = await ask(proxy, target, b"x", proxy_authorization=f"Bearer {KEY}")
    assert told.body == b"there"
    assert upstream.seen[0].header("proxy-authorization") is None


@pytest.mark.parametrize("chunked", [False, True])
async def test_the_body_of_a_refused_request_is_not_kept(proxy: Proxy, *, chunked: bool) -> None:
    proxy.serve(client_keys=[KEY])
    client = await proxy.client()
    call = await client.call("/v1/responses", b"x" * 3_000_000, chunked=chunked, finish=False)
    told = await call.answer()
    assert (told.status, code(told)) == (401, "invalid_api_key")
    assert told.header("connection") == "close"


# --- the forward proxy ---------------------------------------------------------------------------


async def test_a_named_host_is_served(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answers(succeed(STREAM, headers=SSE))
    told = await ask(proxy, "/v1/responses", said(), kind="h2", authorization="Bearer own")
    assert (told.status, told.body) == (200, STREAM)
    assert upstream.seen[0].header("authorization") is None
    assert proxy.provider.exchanges[0].route.host == "model.test"


async def test_names_are_compared_without_case_and_last_dot(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.answers(succeed(STREAM, headers=SSE))
    for host in ("model.test", "Model.TEST", "model.test."):
        told = await ask(proxy, f"http://{host}/v1/responses", said())
        assert told.body == STREAM
    assert len(proxy.provider.exchanges) == 3


async def test_floway_s_own_address_by_proxy_is_the_base_url(proxy: Proxy) -> None:
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        told = await ask(proxy, f"http://{host}:{proxy.port}/healthz", method="GET")
        assert json.loads(told.body)["status"] == "ok"


async def test_what_no_route_names_is_left_alone(proxy: Proxy, upstream: Upstream) -> None:
    """Both ways as it comes, piece by piece; on a named host as well."""
    proxy.provider.served = [
        *proxy.provider.served,
        Route("127.0.0.1", "POST", "/v1/responses", "model", "responses", "fake"),
    ]
    proxy.serve()
    early = asyncio.Event()

    async def answer(received: Any) -> None:
        early.set()
        await received.head(201, [("X-Odd", "1"), ("set-cookie", "a=1")])
        await received.data(b"first ")
        await asyncio.sleep(0.05)
        await received.data(b"second")
        await received.end()
        received.writer.transport.resume_reading()

    upstream.early = answer
    client = await proxy.client()
    call = await client.call(
        f"http://127.0.0.1:{upstream.port}/other?q=1",
        b"half",
        chunked=True,
        finish=False,
        headers=[("Authorization", "Bearer own"), ("Cookie", "c=1"), ("x-Odd", "2")],
    )
    await asyncio.wait_for(early.wait(), 5)
    await call.until(b"first ")
    assert not call.over
    client.writer.write(b"4\r\nhalf\r\n0\r\n\r\n")
    told = await call.answer()
    assert (told.status, told.body) == (201, b"first second")
    assert told.header("set-cookie") == "a=1"
    seen = upstream.seen[0]
    assert (seen.path, seen.header("authorization"), seen.header("cookie")) == (
        *("/other?q=1", "Bearer own", "c=1"),
    )
    assert ("x-Odd", "2") in seen.headers
    assert proxy.provider.calls == []
    assert "floway" not in proxy.flow.metadata


@pytest.mark.parametrize(
    ("address", "sni", "opened"),
    [
        (("model.test", 443), "model.test", True),
        (("Model.Test.", 443), None, True),
        (("192.0.2.1", 443), "model.test", True),
        (("more.test", 443), "more.test", True),
        (("other.test", 443), "other.test", False),
        (("192.0.2.1", 443), None, False),
        (None, "other.test", True),
    ],
)
async def test_only_named_hosts_are_decrypted(
    proxy: Proxy, address: Any, sni: str | None, opened: bool
) -> None:
    proxy.serve(forward_hosts=["more.test"])
    context: Any = SimpleNamespace(server=SimpleNamespace(address=address))
    hello: Any = SimpleNamespace(sni=sni)
    data = ClientHelloData(context, hello)
    proxy.gateway.tls_clienthello(data)
    assert data.ignore_connection is not opened


async def test_own_ports_are_out_of_reach_but_for_a_plan(
    proxy_confdir: Any, provider: FakeProvider, upstream: Upstream
) -> None:
    """The sandbox, mitmweb: floway's own upstreams go there, nobody else does through the proxy."""
    ports = lambda: frozenset({upstream.port})  # noqa: E731
    upstream.answers(succeed(STREAM, headers=SSE))
    async with Proxy(proxy_confdir, provider, own_ports=ports) as proxy:
        for host in ("127.0.0.1", "localhost", "127.0.0.9", "0.0.0.0"):
            told = await ask(proxy, f"http://{host}:{upstream.port}/requests", method="GET")
            assert told.status == 502
            assert b"own ports" in told.body
        assert upstream.seen == []
        proxy.aim(upstream)
        assert (await ask(proxy, body=said())).body == STREAM


# --- it fails closed -----------------------------------------------------------------------------


@pytest.fixture
def forwarded(proxy: Proxy, upstream: Upstream) -> str:
    """A forward-proxied model request: sent as it is, it would reach the upstream."""
    proxy.provider.served = [
        *proxy.provider.served,
        Route("127.0.0.1", "POST", "/v1/responses", "model", "responses", "fake"),
    ]
    proxy.serve()
    upstream.answers(succeed(b"the client's own request has come through"))
    return f"http://127.0.0.1:{upstream.port}/v1/responses"


async def test_routing_fails(
    proxy: Proxy,
    upstream: Upstream,
    forwarded: str,
    errors: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors.append("a request could not be routed")
    assert proxy.gateway.service is not None
    monkeypatch.delitem(proxy.gateway.service.providers, "fake")
    told = await ask(proxy, forwarded, said())
    assert (told.status, code(told)) == (502, "routing_failed")
    assert upstream.seen == []


@pytest.mark.parametrize("place", ["parse", "plan"])
async def test_reading_or_planning_fails(
    proxy: Proxy,
    upstream: Upstream,
    forwarded: str,
    errors: list[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    errors.append("a request could not be rewritten")
    if place == "plan":
        proxy.provider.plans = [Mishap("secret")]
    else:

        def fails(self: Exchange, body: bytes, coding: str | None, *, limit: int) -> None:
            raise Mishap("secret")

        monkeypatch.setattr(Exchange, "read", fails)
    told = await ask(proxy, forwarded, said())
    assert (told.status, code(told)) == (502, "rewrite_failed")
    assert b"secret" not in told.body
    assert upstream.seen == []
    await proxy.ended()
    assert proxy.provider.ends == ["failed"]


async def test_planning_again_fails(
    proxy: Proxy, upstream: Upstream, forwarded: str, errors: list[str]
) -> None:
    errors.append("a request could not be rewritten")
    proxy.provider.plans = [proxy.provider.forward, Mishap("secret")]
    proxy.provider.verdicts = [judge_by_status]
    upstream.answers(refuse(429), succeed(STREAM))
    told = await ask(proxy, forwarded, said())
    assert (told.status, code(told)) == (502, "rewrite_failed")
    assert len(upstream.seen) == 1


async def test_what_fails_beside_the_answer_does_not_cost_it(
    proxy: Proxy, upstream: Upstream, errors: list[str]
) -> None:
    errors += ["a provider failed before commit", "what was learned", "exchange"]
    provider = proxy.provider

    def fails(event: Event) -> None:
        raise Mishap("looking")

    provider.before, provider.afterwards, provider.looks = Mishap("x"), Mishap("y"), fails
    upstream.answers(succeed(STREAM, headers=SSE))
    told = await ask(proxy, body=said())
    assert (told.status, told.body) == (200, STREAM)
    await until(lambda: proxy.flow.metadata["floway"].get("outcome"), "not described")


async def test_an_answer_that_cannot_be_put_together(
    proxy: Proxy, upstream: Upstream, errors: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors.append("an answer could not be given")
    monkeypatch.setattr("addons.relay.Collector.answer", lambda self, body: 1 / 0)
    upstream.answers(succeed(STREAM, headers=SSE))
    told = await ask(proxy, body=said(stream=False))
    assert (told.status, code(told)) == (502, "relay_failed")
