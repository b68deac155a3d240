"""A lenient sandbox serves clients of any release, for recording them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from replay.sandbox import Sandbox

RESPONSES = "/backend-api/codex/responses"


async def test_every_model_and_member_is_taken_and_no_model_is_listed(
    start: Callable[..., Any],
) -> None:
    sandbox: Sandbox = await start(lenient=True, tls_port=None)
    account = sandbox.accounts[0]
    headers = {"authorization": f"Bearer {sandbox.accounts.access_token(account)}"}
    message = {"role": "user", "content": "hello"}
    body = {"model": "gpt-4.9-old", "input": [message], "store": False, "stream": True}
    async with httpx.AsyncClient(base_url=sandbox.http_url, verify=False, timeout=10) as client:
        said = await client.post(RESPONSES, json=body | {"novel_member": 1}, headers=headers)
        models = await client.get("/backend-api/codex/models", headers=headers)
        api = {"authorization": f"Bearer {account.api_key}"}
        public = await client.post(
            "/v1/responses", json={"model": "gpt-4.9-old", "input": "hi"}, headers=api
        )
    assert (said.status_code, models.status_code, public.status_code) == (200, 200, 200)
    assert "You said: hello" in said.text
    assert models.json() == {"models": []}
    assert models.headers["etag"] == said.headers["x-models-etag"]


async def test_a_token_count_is_reported_once(start: Callable[..., Any]) -> None:
    sandbox: Sandbox = await start(lenient=True, tls_port=None)
    headers = {"authorization": f"Bearer {sandbox.accounts[0].api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.http_url, verify=False, timeout=10) as client:
        counts = []
        for text in ("a [[tokens 5000 once]]", "so: a [[tokens 5000 once]]", "[[tokens 5001]]"):
            body = {"model": "any", "input": text}
            answer = await client.post("/v1/responses", json=body, headers=headers)
            counts.append(answer.json()["usage"]["input_tokens"])
    assert counts[0] == 5000
    assert counts[1] < 500
    assert counts[2] == 5001


async def test_what_is_no_request_is_refused_all_the_same(start: Callable[..., Any]) -> None:
    sandbox: Sandbox = await start(lenient=True, tls_port=None)
    token = sandbox.accounts.access_token(sandbox.accounts[0])
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=sandbox.http_url, verify=False, timeout=10) as client:
        for change in ({"store": True}, {"input": "text"}, {"model": None}, {"tools": "none"}):
            body: dict[str, Any] = {"model": "any", "input": [], "store": False, "stream": True}
            answer = await client.post(RESPONSES, json=body | change, headers=headers)
            assert answer.status_code == 400, change
