"""What the gateway does for clients of the messages protocol, by sockets: counts, models, names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from addons.exchange import Exchange
from addons.front.routes import Route
from addons.generation import Feed, answer
from addons.providers.contract import Generated
from tests.fakes import FakeProvider, answer_events, events_of
from tests.proxies import Proxy, ask, expected_errors
from tests.stream.conftest import until

errors = pytest.fixture(autouse=True)(expected_errors)

ANTHROPIC = {"anthropic_version": "2023-06-01"}


def routes(provider: str) -> list[Route]:
    return [
        Route(None, "POST", "/v1/messages", "model", "messages", provider),
        Route(None, "POST", "/v1/messages/count_tokens", "count", "messages", provider),
        Route(None, "GET", "/v1/models", "models", "responses", provider),
        Route(None, "GET", "/v1/models/*", "models", "responses", provider),
    ]


async def produced(exchange: Exchange) -> Generated:
    return await answer(exchange, Feed(events_of(answer_events("Hel", "lo"))), "o")


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    provider = FakeProvider(plans=[produced], listed=("first", "second"), served=routes("fake"))
    other = FakeProvider(
        name="other", plans=[produced], listed=("other/m",), served=routes("other")
    )
    aliases = {"claude-*": "default", "claude-haiku-*": "second", "claude-opus-*": "other/m"}
    async with Proxy(tmp_path, provider, more=[other], model_aliases=aliases) as running:
        yield running


def said(**members: Any) -> bytes:
    messages = [{"role": "user", "content": "Hi"}]
    return json.dumps(
        {"model": "first", "max_tokens": 99, "messages": messages, **members}
    ).encode()


@pytest.mark.parametrize(
    ("asked", "provider", "model"),
    [
        ("first", 0, "first"),
        ("claude-sonnet-5", 0, "first"),
        ("claude-haiku-5", 0, "second"),
        ("claude-opus-5", 1, "other/m"),
        ("other/x", 1, "other/x"),
    ],
)
async def test_names_of_models(proxy: Proxy, asked: str, provider: int, model: str) -> None:
    told = await ask(proxy, "/v1/messages", body=said(model=asked))
    message = json.loads(told.body)
    assert (told.status, message["content"]) == (200, [{"type": "text", "text": "Hello"}])
    assert message["model"] == asked
    served = proxy.providers[provider]
    await until(lambda: served.ends == ["completed"], lambda: f"{served.calls}")
    [exchange] = served.exchanges
    assert exchange.turn is not None
    assert (exchange.turn.model, exchange.turn.body["model"]) == (model, model)


async def test_a_stream(proxy: Proxy) -> None:
    told = await ask(proxy, "/v1/messages", body=said(stream=True))
    assert told.header("content-type") == "text/event-stream; charset=utf-8"
    names = [line[7:] for line in told.body.decode().splitlines() if line.startswith("event: ")]
    assert names[:3] == ["message_start", "ping", "content_block_start"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]


async def test_where_no_model_is_listed_a_default_is_none(proxy: Proxy) -> None:
    proxy.provider.listed = ()
    told = await ask(proxy, "/v1/messages", body=said(model="claude-sonnet-5"))
    error = json.loads(told.body)
    assert (told.status, error["error"]["type"]) == (404, "not_found_error")
    assert "claude-sonnet-5" in error["error"]["message"]


async def test_counting_asks_nobody(proxy: Proxy) -> None:
    path = "/v1/messages/count_tokens"
    told = await ask(proxy, path, body=said(system="Be brief. " * 50))
    assert told.status == 200
    assert 100 < json.loads(told.body)["input_tokens"] < 300
    told = await ask(proxy, path, body=said(messages=[]))
    assert (told.status, json.loads(told.body)["error"]["type"]) == (400, "invalid_request_error")
    told = await ask(proxy, path, body=b"{")
    assert told.status == 400
    assert proxy.provider.exchanges == []


async def test_models_in_the_form_that_the_client_speaks(proxy: Proxy) -> None:
    told = await ask(proxy, "/v1/models", method="GET", **ANTHROPIC)
    page = json.loads(told.body)
    assert [entry["id"] for entry in page["data"]] == ["first", "second", "other/m"]
    assert (page["has_more"], page["data"][0]["type"]) == (False, "model")
    told = await ask(proxy, "/v1/models/other/m", method="GET", **ANTHROPIC)
    assert json.loads(told.body)["id"] == "other/m"
    told = await ask(proxy, "/v1/models/none", method="GET", **ANTHROPIC)
    assert (told.status, json.loads(told.body)["error"]["type"]) == (404, "not_found_error")
    told = await ask(proxy, "/v1/models", method="GET")
    assert json.loads(told.body)["object"] == "list"


async def test_errors_before_any_provider_are_asked(proxy: Proxy) -> None:
    proxy.serve(client_keys=["a-good-key"])
    told = await ask(proxy, "/v1/messages", body=said())
    error = json.loads(told.body)
    assert (told.status, error["type"]) == (401, "error")
    assert error["error"]["type"] == "authentication_error"
    assert told.header("request-id") == error["request_id"]
    told = await ask(proxy, "/v1/messages", body=said(), x_api_key="a-good-key")
    assert told.status == 200
