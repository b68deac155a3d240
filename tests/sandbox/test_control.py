"""``/_sandbox/`` over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from replay.sandbox import Sandbox
from replay.sandbox.faults import KINDS
from replay.sandbox.presets import PRESETS


async def test_it_documents_itself(http: httpx.AsyncClient) -> None:
    found = (await http.get("/_sandbox/")).json()
    assert found["presets"] == sorted(PRESETS)
    assert set(found["fault"]) == {
        kind.model_fields["kind"].annotation.__args__[0]  # type: ignore[union-attr]
        for kind in KINDS
    } | {"every kind"}
    assert (await http.get("/_sandbox")).json() == found
    for endpoint in found["endpoints"]:
        method, _, path = endpoint.partition(" ")
        path = path.replace("cursor/accounts/NAME", "cursor/accounts/kim")
        path = path.partition("[")[0].replace("NAME", "ada").replace("/ID", "")
        answer = await http.request(method, path, json={})
        assert answer.status_code != 404, endpoint


async def test_the_example_works(http: httpx.AsyncClient) -> None:
    example = (await http.get("/_sandbox/")).json()["example"]
    added = (await http.post("/_sandbox/faults", json=example)).json()["added"]
    assert (await http.get("/_sandbox/faults")).json()["faults"] == added
    [rule] = added
    assert (await http.delete(f"/_sandbox/faults/{rule['id']}")).json() == {"removed": 1}
    assert (await http.delete(f"/_sandbox/faults/{rule['id']}")).status_code == 404
    assert (await http.get("/_sandbox/faults")).json() == {"faults": []}


async def test_lists_of_faults_are_added_together_or_not_at_all(http: httpx.AsyncClient) -> None:
    good, bad = {"fault": {"status": 500}}, {"fault": {"preset": "nothing"}}
    assert len((await http.post("/_sandbox/faults", json=[good, good])).json()["added"]) == 2
    await http.delete("/_sandbox/faults")
    refused = await http.post("/_sandbox/faults", json=[good, bad])
    assert refused.status_code == 400
    assert "unknown preset 'nothing'" in refused.json()["error"]
    unknown = {"match": {"account": "zoe"}, "fault": {"status": 500}}
    assert (await http.post("/_sandbox/faults", json=[good, unknown])).status_code == 400
    assert (await http.get("/_sandbox/faults")).json() == {"faults": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "nothing", None, 404, "does nothing"),
        ("POST", "faults", "{", 400, "must be JSON"),
        ("POST", "faults", "[1]", 400, "body"),
        ("GET", "accounts/zoe", None, 404, "there is no account 'zoe'"),
        ("POST", "accounts/ada", "{}", 400, "some of: expire_tokens"),
        ("POST", "accounts/ada", '{"used_percent": "x"}', 400, "must be numbers"),
        ("POST", "gate", '{"mode": 3}', 400, "the body must be"),
        ("POST", "gate", '{"mode": "codex@9.9.9"}', 400, "there is no profile codex@9.9.9"),
        ("GET", "requests?limit=x", None, 400, "limit: must be a number"),
        ("GET", "requests/99", None, 404, "is not kept"),
    ],
)
async def test_mistakes_are_named(
    http: httpx.AsyncClient, method: str, path: str, body: str | None, status: int, message: str
) -> None:
    answer = await http.request(method, f"/_sandbox/{path}", content=body)
    assert answer.status_code == status
    assert message in answer.json()["error"]


async def test_requests_are_filtered_shortened_and_forgotten(api: Any) -> None:
    ben = api.sandbox.accounts[1]
    await api.respond(api.body("one"))
    await api.respond(api.body("two", model="gpt-5.4"), account=ben)
    await api.client.get("/backend-api/wham/usage", headers=api.headers())
    assert len(await api.recorded()) == 3
    assert [entry["account"] for entry in await api.recorded(account="ben")] == ["ben"]
    assert [entry["model"] for entry in await api.recorded(model="gpt-5.4")] == ["gpt-5.4"]
    assert len(await api.recorded(path="/backend-api/wham/usage")) == 1
    assert await api.recorded(transport="websocket") == []
    [last] = await api.recorded(limit=1, bodies=0)
    assert last["target"] == "/backend-api/wham/usage"
    assert "body_base64" not in last
    assert await api.recorded(limit=0) == []
    one = (await api.client.get(f"/_sandbox/requests/{last['id']}")).json()
    assert one["target"] == last["target"]
    await api.client.delete("/_sandbox/requests")
    assert await api.recorded() == []


async def test_accounts_can_be_used_and_changed(api: Any) -> None:
    accounts = (await api.client.get("/_sandbox/accounts")).json()["accounts"]
    assert [account["label"] for account in accounts] == ["ada", "ben", "cleo"]
    ada = accounts[0]
    headers = {"authorization": f"Bearer {ada['access_token']}", "chatgpt-account-id": ada["id"]}
    path = "/backend-api/wham/usage"
    assert (await api.client.get(path, headers=headers)).status_code == 200

    async def change(**members: Any) -> Any:
        answer = await api.client.post("/_sandbox/accounts/ada", json=members)
        assert answer.status_code == 200, answer.text
        return answer.json()

    await change(expire_tokens=True)
    assert (await api.client.get(path, headers=headers)).json()["error"]["code"] == "token_expired"
    changed = await change(used_percent=42.5)
    assert changed["usage"]["primary_window"]["used_percent"] == 42.5
    await change(invalidate_tokens=True)
    found = (await api.client.get(path, headers=headers)).json()["error"]["code"]
    assert found == "token_invalidated"
    file = (await api.client.get("/_sandbox/accounts/ada/auth.json")).json()
    assert file["tokens"]["account_id"] == ada["id"]
    assert file["auth_mode"] == "chatgpt"


async def test_refresh_errors_last_until_they_are_taken_back(api: Any) -> None:
    body = {
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "refresh_token",
        "refresh_token": api.account.refresh_token,
    }
    url = "/_sandbox/accounts/ada"
    await api.client.post(url, json={"refresh_error": "refresh_token_expired"})
    for _ in range(2):
        refused = await api.client.post("/oauth/token", json=body)
        assert refused.json()["error"]["code"] == "refresh_token_expired"
    await api.client.post(url, json={"refresh_error": None})
    assert (await api.client.post("/oauth/token", json=body)).status_code == 200


async def test_control_requests_are_not_recorded(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await http.get("/_sandbox/requests")
    await http.post("/_sandbox/faults", content=json.dumps({"fault": {"status": 500}}))
    assert sandbox.services.recorder.entries() == []
