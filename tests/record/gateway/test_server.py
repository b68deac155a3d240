"""The made-up gateway over HTTP, with the real SDK where that says more."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import httpx
import openai
import pytest

from replay.record.gateway import Gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{gateway.port}"
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def test_the_sdk_reads_its_streams(gateway: Gateway) -> None:
    url = f"http://127.0.0.1:{gateway.port}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as sdk:
        async with sdk.responses.stream(model="m", input="hi") as stream:
            assert "You said: hi" in (await stream.get_final_response()).output_text
        async with sdk.chat.completions.stream(
            model="m", messages=[{"role": "user", "content": "hi"}]
        ) as chat:
            said = (await chat.get_final_completion()).choices[0].message.content
        assert "You said: hi" in (said or "")
        assert [model.id async for model in sdk.models.list()]
    assert gateway.answered == [
        ("POST /v1/responses", 200),
        ("POST /v1/chat/completions", 200),
        ("GET /v1/models", 200),
    ]


async def test_a_compressed_body_is_read(client: httpx.AsyncClient) -> None:
    packed = gzip.compress(json.dumps({"model": "m", "input": "hi"}).encode())
    headers = {"content-encoding": "gzip"}
    answer = await client.post("/v1/responses", content=packed, headers=headers)
    assert answer.json()["status"] == "completed"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v1/responses", b"{"),
        ("/v1/responses", b"[]"),
        ("/v1/responses", b'{"input": "x", "previous_response_id": "no"}'),
        ("/v1/chat/completions", b'{"model": "m"}'),
        ("/v1/messages", b'{"model": "m", "messages": [{"role": "user", "content": 1}]}'),
    ],
)
async def test_nonsense_is_refused(client: httpx.AsyncClient, path: str, content: bytes) -> None:
    answer = await client.post(path, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_what_it_does_not_have_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/nothing")).status_code == 404
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    asked = await client.get("/v1/responses", headers={**upgrade, "sec-websocket-key": "eA=="})
    assert asked.status_code == 404


async def test_it_is_gone_afterwards() -> None:
    async with Gateway() as gateway:
        url = f"http://127.0.0.1:{gateway.port}/v1/models"
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).status_code == 200
            assert (await client.head(url)).status_code == 404
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)
