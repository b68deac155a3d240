"""The calls around a model request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from replay.sandbox import Sandbox

MODELS = "/backend-api/codex/models"
CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"


async def get(api: Any, path: str, **headers: str) -> Any:
    answer = await api.client.get(path, headers=api.headers(**headers))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_models_are_those_that_a_release_may_see(api: Any) -> None:
    every = {entry["slug"]: entry for entry in (await get(api, MODELS))["models"]}
    assert every["gpt-5.5"]["use_responses_lite"] is False
    assert every["gpt-6.1-sol"]["use_responses_lite"] is True

    def default(models: list[dict[str, Any]]) -> str:
        listed = [entry for entry in models if entry["visibility"] == "list"]
        found: str = min(listed, key=lambda entry: int(entry["priority"]))["slug"]
        return found

    new = (await get(api, f"{MODELS}?client_version=0.169.0"))["models"]
    old = (await get(api, f"{MODELS}?client_version=0.142.0"))["models"]
    assert (default(new), default(old)) == ("gpt-6.1-sol", "gpt-5.5")
    assert len(new) == len(every) > len(old)


async def test_models_with_an_etag(each: Any) -> None:
    first = await each.client.get(MODELS, headers=each.headers())
    again = await each.client.get(
        MODELS, headers=each.headers(**{"if-none-match": first.headers["etag"]})
    )
    assert (again.status_code, again.content) == (304, b"")
    other = await each.client.get(MODELS, headers=each.headers(**{"if-none-match": 'W/"x"'}))
    assert other.json() == first.json()


async def test_routing_discovery_over_tls_and_plain(api: Any, api2: Any, sandbox: Sandbox) -> None:
    path = "/backend-api/wham/accounts/check"
    plain, secure = await get(api, path), await get(api2, path)
    account = sandbox.accounts[0]
    for answer in (plain, secure):
        assert answer["default_account_id"] == account.id
        assert answer["account_ordering"] == [account.id]
    assert secure["accounts"][0]["workspace_backend_origin"] == "NO_CONSTRAINT"
    # 0.169.0 takes no origin without TLS.
    assert plain["accounts"][0]["workspace_backend_origin"] == sandbox.https_url


async def test_without_tls_there_is_no_origin_to_send_clients_to(start: Callable[..., Any]) -> None:
    import httpx

    sandbox: Sandbox = await start(tls_port=None)
    assert (sandbox.https_url, sandbox.ca_file) == ("", None)
    token = sandbox.accounts.access_token(sandbox.accounts[0])
    async with httpx.AsyncClient(base_url=sandbox.http_url, verify=False) as client:
        answer = await client.get(
            "/backend-api/wham/accounts/check", headers={"authorization": f"Bearer {token}"}
        )
    assert answer.json()["accounts"][0]["workspace_backend_origin"] == "NO_CONSTRAINT"


async def test_usage(api: Any) -> None:
    answer = await get(api, "/backend-api/wham/usage", **{"x-openai-codex-luna-reserve": "1"})
    assert answer["plan_type"] == "plus"
    assert answer["rate_limit"]["allowed"]
    assert answer["rate_limit"]["secondary_window"]["limit_window_seconds"] == 604_800
    before = answer["rate_limit"]["primary_window"]["used_percent"]
    await api.respond(api.body(instructions="x" * 900_000))
    after = (await get(api, "/backend-api/wham/usage"))["rate_limit"]["primary_window"]
    assert after["used_percent"] > before


@pytest.mark.parametrize(
    "path",
    [
        "/backend-api/wham/settings/user",
        "/backend-api/wham/rate-limit-reset-credits",
        "/backend-api/wham/security-setup",
        "/backend-api/ps/plugins/installed?limit=200",
        "/backend-api/ps/plugins/suggested/codex?scope=GLOBAL",
        "/backend-api/plugins/featured?platform=codex",
    ],
)
async def test_start_up_calls_need_a_token(api: Any, path: str) -> None:
    await get(api, path)
    refused = await api.client.get(path)
    assert (refused.status_code, refused.json()) == (401, {"detail": "Unauthorized"})


async def test_what_is_posted_at_start_up(api: Any) -> None:
    analytics = await api.client.post(
        "/backend-api/codex/analytics-events/events", json={"events": []}, headers=api.headers()
    )
    assert analytics.status_code == 200
    consumed = await api.client.post(
        "/backend-api/wham/rate-limit-reset-credits/consume", headers=api.headers()
    )
    assert consumed.status_code == 409


async def test_mcp_is_a_server_without_tools(api: Any) -> None:
    async def call(method: str, **members: Any) -> Any:
        body = {"jsonrpc": "2.0", "method": method, **members}
        return await api.client.post("/backend-api/ps/mcp", json=body)

    hello = await call("initialize", id=0, params={"protocolVersion": "2025-06-18"})
    assert hello.json()["result"]["protocolVersion"] == "2025-06-18"
    assert (await call("notifications/initialized")).status_code == 202
    assert (await call("tools/list", id=1)).json() == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"tools": []},
    }
    assert (await call("tools/call", id=2)).json()["error"]["code"] == -32601


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("reason", [None, "proactive_expiry", "unauthorized_recovery", "forced"])
async def test_refresh(api: Any, form: bool, reason: str | None) -> None:
    body = {
        "client_id": CLIENT_ID,
        "grant_type": "refresh_token",
        "refresh_token": api.account.refresh_token,
    }
    if reason is not None:
        body["refresh_reason"] = reason
    send: dict[str, Any] = {"data": body} if form else {"json": body}
    answer = await api.client.post("/oauth/token", **send)
    tokens = answer.json()
    assert tokens["refresh_token"] == api.account.refresh_token != body["refresh_token"]
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    checked = await api.client.get("/backend-api/wham/usage", headers=headers)
    assert checked.status_code == 200
    again = await api.client.post("/oauth/token", **send)
    assert (again.status_code, again.json()["error"]["code"]) == (401, "refresh_token_reused")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_id": "other"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"refresh_token": "rt_x"}, 401, "refresh_token_invalidated"),
    ],
)
async def test_refused_refreshes(api: Any, change: Any, status: int, code: str) -> None:
    body = {
        "client_id": CLIENT_ID,
        "grant_type": "refresh_token",
        "refresh_token": api.account.refresh_token,
        **change,
    }
    answer = await api.client.post("/oauth/token", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_tokens_are_checked_against_the_account(api: Any) -> None:
    path = "/backend-api/wham/usage"
    other = api.sandbox.accounts[1]
    mixed = await api.client.get(path, headers=api.headers(**{"chatgpt-account-id": other.id}))
    assert mixed.status_code == 403
    expired = api.sandbox.accounts.access_token(api.account, lifetime=-1)
    for token, code in ((expired, "token_expired"), ("a.b.c", "token_invalidated")):
        answer = await api.client.get(path, headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    basic = await api.client.get(path, headers={"authorization": "Basic x"})
    assert basic.json() == {"detail": "Unauthorized"}
