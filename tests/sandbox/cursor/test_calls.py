"""Sign-in, models, usage and the rest of the unary calls."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import httpx
import pytest

from addons.providers.cursor.proto import agent_pb2, aiserver_pb2
from replay.sandbox import Sandbox
from replay.sandbox.tokens import read_jwt

EXCHANGE = "/auth/exchange_user_api_key"
USABLE = "/agent.v1.AgentService/GetUsableModels"
AVAILABLE = "/aiserver.v1.AiService/AvailableModels"
USAGE = "/aiserver.v1.DashboardService/GetCurrentPeriodUsage"
CONFIG = "/aiserver.v1.ServerConfigService/GetServerConfig"
ME = "/aiserver.v1.DashboardService/GetMe"
UUID = "6f1d1c1e-0000-4000-8000-000000000000"
VERIFIER = "v" * 43


@pytest.fixture
def head(sandbox: Sandbox) -> dict[str, str]:
    token = sandbox.cursor_accounts.access_token(sandbox.cursor_accounts[0])
    return {"authorization": f"Bearer {token}", "content-type": "application/proto"}


def challenge() -> str:
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def exchange(http: httpx.AsyncClient, credential: str) -> httpx.Response:
    return await http.post(EXCHANGE, headers={"authorization": f"Bearer {credential}"}, json={})


# --- sign-in ---


async def test_a_key_and_a_refresh_token_are_exchanged(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    account = sandbox.cursor_accounts[0]
    assert account.api_key.startswith("crsr_")
    first = (await exchange(http, account.api_key)).json()
    assert sandbox.cursor_accounts.bearer(first["accessToken"]) is account
    second = (await exchange(http, first["refreshToken"])).json()
    assert read_jwt(second["accessToken"])["sub"] == account.id
    assert account.exchanges == 2


@pytest.mark.parametrize("kind", ["access", "nothing"])
async def test_other_credentials_are_not(
    http: httpx.AsyncClient, sandbox: Sandbox, kind: str
) -> None:
    account = sandbox.cursor_accounts[0]
    credential = sandbox.cursor_accounts.access_token(account) if kind == "access" else kind
    assert (await exchange(http, credential)).status_code == 401


async def test_a_session_can_be_ended(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    account = sandbox.cursor_accounts[0]
    change = {"refresh_error": 403, "expire_tokens": True}
    token = sandbox.cursor_accounts.access_token(account)
    await http.post("/_sandbox/cursor/accounts/kim", json=change)
    assert (await exchange(http, account.api_key)).status_code == 403
    proto = {"authorization": f"Bearer {token}", "content-type": "application/proto"}
    assert (await http.post(ME, headers=proto)).status_code == 401
    await http.post("/_sandbox/cursor/accounts/kim", json={"refresh_error": None})
    assert (await exchange(http, account.api_key)).status_code == 200


async def test_a_sign_in_by_the_browser(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    asked = {"challenge": challenge(), "uuid": UUID, "mode": "login", "redirectTarget": "cli"}
    polled = {"uuid": UUID, "verifier": VERIFIER}
    assert (await http.get("/auth/poll", params=polled)).status_code == 404
    page = await http.get("/loginDeepControl", params=asked)
    assert "kim@example.com" in page.text
    assert f'value="{UUID}"' in page.text
    done = await http.post("/loginDeepControl", data={**asked, "account": "lea"})
    assert "All set" in done.text
    wrong = await http.get("/auth/poll", params={**polled, "verifier": "w" * 43})
    assert wrong.status_code == 400
    tokens = (await http.get("/auth/poll", params=polled)).json()
    assert sandbox.cursor_accounts.bearer(tokens["accessToken"]).label == "lea"
    assert (await http.get("/auth/poll", params=polled)).status_code == 404, "only once"


async def test_a_sign_in_can_be_declined(http: httpx.AsyncClient) -> None:
    asked = {"challenge": challenge(), "uuid": UUID, "mode": "login", "account": "(deny)"}
    await http.get("/loginDeepControl", params=asked)
    polled = await http.get("/auth/poll", params={"uuid": UUID, "verifier": VERIFIER})
    assert polled.status_code == 403


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"challenge": "short"}, 400), ({"mode": "x"}, 400), ({"account": "<nobody>"}, 404)],
)
async def test_a_wrong_sign_in_is_told(
    http: httpx.AsyncClient, changed: dict[str, str], status: int
) -> None:
    asked = {"challenge": challenge(), "uuid": UUID, "mode": "login", **changed}
    answer = await http.get("/loginDeepControl", params=asked)
    assert answer.status_code == status
    assert "<nobody>" not in answer.text


# --- methods ---


async def test_models_without_and_with_their_variants(
    http: httpx.AsyncClient, head: dict[str, str]
) -> None:
    answer = await http.post(USABLE, headers=head)
    usable = agent_pb2.GetUsableModelsResponse.FromString(answer.content)
    names = [model.model_id for model in usable.models]
    assert "composer-2" in names
    assert "sandbox-small" not in names
    thinking = {model.model_id for model in usable.models if model.HasField("thinking_details")}
    assert "claude-4-sonnet-thinking" in thinking
    plain = {**head, "content-type": "application/json"}
    listed = (await http.post(AVAILABLE, headers=plain, json={"useModelParameters": True})).json()
    by_name = {model["name"]: model for model in listed["models"]}
    assert by_name["claude-4-sonnet"]["contextTokenLimitForMaxMode"] == 1_000_000
    efforts = [each["parameterValues"][0]["value"] for each in by_name["gpt-5.2"]["variants"]]
    assert efforts[0] == "medium"


async def test_usage_counts_what_runs_take(
    http: httpx.AsyncClient, head: dict[str, str], sandbox: Sandbox
) -> None:
    sandbox.cursor_accounts[0].spent = 500
    answer = await http.post(USAGE, headers=head)
    usage = aiserver_pb2.GetCurrentPeriodUsageResponse.FromString(answer.content)
    assert (usage.plan_usage.limit, usage.plan_usage.remaining) == (2000, 1500)
    assert usage.plan_usage.total_percent_used == 25
    assert usage.billing_cycle_end - usage.billing_cycle_start > 27 * 86_400_000
    plain = {**head, "content-type": "application/json"}
    shown = (await http.post(USAGE, headers=plain, json={})).json()
    assert shown["billingCycleStart"] == str(usage.billing_cycle_start), "64 bits are text in JSON"


async def test_the_agent_is_where_the_client_asks(
    http: httpx.AsyncClient, http2: httpx.AsyncClient, head: dict[str, str], sandbox: Sandbox
) -> None:
    for client, url in ((http, sandbox.http_url), (http2, sandbox.https_url)):
        answer = await client.post(CONFIG, headers=head)
        config = aiserver_pb2.GetServerConfigResponse.FromString(answer.content)
        assert config.agent_url_config.agentn_url == url


async def test_the_account_of_a_token(http: httpx.AsyncClient, head: dict[str, str]) -> None:
    me = aiserver_pb2.GetMeResponse.FromString((await http.post(ME, headers=head)).content)
    assert (me.email, me.user_id) == ("kim@example.com", 100_001)
    assert me.auth_id.startswith("auth0|user_")


async def test_other_methods_are_answered_empty(
    http: httpx.AsyncClient, head: dict[str, str]
) -> None:
    answer = await http.post("/aiserver.v1.AnalyticsService/TrackEvents", headers=head)
    assert (answer.status_code, answer.content) == (200, b"")
    [entry] = (await http.get("/_sandbox/requests")).json()["requests"]
    assert "does not know" in entry["notes"][0]


async def test_an_envelope_is_no_unary_body(http: httpx.AsyncClient, head: dict[str, str]) -> None:
    head["content-type"] = "application/connect+proto"
    assert (await http.post(USABLE, headers=head)).status_code == 415


@pytest.mark.parametrize(
    ("kind", "body"), [("application/proto", b"\xff"), ("application/json", b"{")]
)
async def test_a_malformed_body_is_told(
    http: httpx.AsyncClient, head: dict[str, str], kind: str, body: bytes
) -> None:
    answer = await http.post(AVAILABLE, headers={**head, "content-type": kind}, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


async def test_unary_errors_have_a_status(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    head = {"authorization": "Bearer nothing", "content-type": "application/proto"}
    answer = await http.post(USABLE, headers=head)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    key = {**head, "authorization": f"Bearer {sandbox.cursor_accounts[0].api_key}"}
    assert (await http.post(USABLE, headers=key)).status_code == 401, "exchange it first"


async def test_two_hosts_share_a_path(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """``/v1/models`` is OpenAI's, unless the credential is Cursor's."""
    key = sandbox.cursor_accounts[0].api_key
    cursor = await http.get("/v1/models", headers={"authorization": f"Bearer {key}"})
    assert "composer-2" in [item["id"] for item in cursor.json()["items"]]
    other = sandbox.accounts[0].api_key
    openai = await http.get("/v1/models", headers={"authorization": f"Bearer {other}"})
    assert "data" in openai.json()


async def test_faults_apply_to_unary_calls(http: httpx.AsyncClient, head: dict[str, str]) -> None:
    rule = {"match": {"path": USABLE, "account": "kim"}, "fault": {"status": 502}}
    assert (await http.post("/_sandbox/faults", json=rule)).status_code == 200
    assert (await http.post(USABLE, headers=head)).status_code == 502
    assert (await http.post(USABLE, headers=head)).status_code == 200


async def test_faults_for_anything_are_not_for_calls_besides(
    http: httpx.AsyncClient, head: dict[str, str]
) -> None:
    await http.post("/_sandbox/faults", json={"fault": {"status": 502}})
    assert (await http.post(USABLE, headers=head)).status_code == 200
    [rule] = (await http.get("/_sandbox/faults")).json()["faults"]
    assert rule["applied"] == 0


# --- control ---


@pytest.mark.parametrize(
    "body", [{}, {"other": 1}, {"used_percent": -1}, {"refresh_error": 200}, []]
)
async def test_a_wrong_change_is_told(http: httpx.AsyncClient, body: Any) -> None:
    answer = await http.post("/_sandbox/cursor/accounts/kim", content=json.dumps(body))
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_accounts_and_conversations_are_shown(http: httpx.AsyncClient) -> None:
    accounts = (await http.get("/_sandbox/cursor/accounts")).json()["accounts"]
    assert [each["label"] for each in accounts] == ["kim", "lea", "max"]
    assert (await http.get("/_sandbox/cursor/accounts/nobody")).status_code == 404
    assert (await http.get("/_sandbox/cursor/nothing")).status_code == 404
    shown = (await http.get("/_sandbox/cursor/conversations")).json()
    assert shown == {"conversations": []}
