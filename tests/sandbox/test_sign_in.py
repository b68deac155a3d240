"""The authorization server: PKCE, device codes, and its pages."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from replay.sandbox.accounts import CLIENT_ID
from replay.sandbox.codex.logins import CODE_SECONDS, DEVICE_SECONDS, LoginRefused, Logins
from replay.sandbox.codex.logins import challenge_of as challenge

VERIFIER = "v" * 64
BACK = "http://localhost:1455/auth/callback"
ASKED = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": BACK,
    "scope": "openid offline_access",
    "code_challenge": challenge(VERIFIER),
    "code_challenge_method": "S256",
    "state": "a-state",
}


def sent_back(answer: Any) -> dict[str, str]:
    assert answer.status_code == 302
    location = answer.headers["location"]
    assert location.startswith(f"{BACK}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def exchange(api: Any, code: str, **change: str) -> Any:
    body = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        **change,
    }
    return await api.client.post("/oauth/token", data=body)


def test_the_challenge_is_that_of_the_rfc() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_a_browser_s_way(api: Any) -> None:
    page = (await api.client.get("/oauth/authorize", params=ASKED)).text
    fields = dict(re.findall(r'<input type=hidden name="([^"]+)" value="([^"]*)">', page))
    assert fields == ASKED
    label = api.account.label
    assert f"<button name=account value={label}>" in page
    back = sent_back(await api.client.post("/oauth/authorize", data={**fields, "account": label}))
    assert back["state"] == "a-state"
    tokens = (await exchange(api, back["code"])).json()
    assert set(tokens) >= {"id_token", "access_token", "refresh_token"}
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await api.client.get("/backend-api/wham/usage", headers=headers)).status_code == 200


async def test_curl_s_way_and_a_code_is_good_once(api: Any) -> None:
    asked = {**ASKED, "account": api.account.label}
    back = sent_back(await api.client.get("/oauth/authorize", params=asked))
    assert (await exchange(api, back["code"])).status_code == 200
    again = await exchange(api, back["code"])
    assert (again.status_code, again.json()["error"]["code"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "change", [{"code_verifier": "w" * 64}, {"redirect_uri": BACK + "2"}, {"code": "ac_none"}]
)
async def test_what_does_not_fit_is_refused(api: Any, change: dict[str, str]) -> None:
    asked = {**ASKED, "account": api.account.label}
    back = sent_back(await api.client.get("/oauth/authorize", params=asked))
    answer = await exchange(api, **{"code": back["code"], **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_grant")


async def test_a_person_may_decline(api: Any) -> None:
    back = sent_back(
        await api.client.get("/oauth/authorize", params={**ASKED, "account": "(deny)"})
    )
    assert (back["error"], back["state"]) == ("access_denied", "a-state")


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "other"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
        {"state": ""},
        {"redirect_uri": "http://elsewhere.example/auth/callback"},
        {"redirect_uri": "http://[::1"},
    ],
)
async def test_nobody_is_sent_back_with_a_wrong_request(api: Any, change: dict[str, str]) -> None:
    asked = {**ASKED, "account": api.account.label, **change}
    answer = await api.client.get("/oauth/authorize", params=asked)
    assert answer.status_code == 400
    assert next(iter(change)) in answer.text


@pytest.mark.parametrize("base", ["/api/accounts", ""])
async def test_a_device(api: Any, base: str) -> None:
    begun = await api.client.post(f"{base}/deviceauth/usercode", json={"client_id": CLIENT_ID})
    device = begun.json()
    assert device["interval"] == "1"
    asked = {"device_auth_id": device["device_auth_id"], "user_code": device["user_code"]}
    codes = []
    for _ in range(2):
        waiting = await api.client.post(f"{base}/deviceauth/token", json=asked)
        assert waiting.status_code == 403
        codes.append(waiting.json()["error"]["code"])
    assert codes == ["authorization_pending", "slow_down"]
    typed = {"user_code": device["user_code"].lower(), "account": api.account.label}
    assert "Approved" in (await api.client.post("/codex/device", data=typed)).text
    good = (await api.client.post(f"{base}/deviceauth/token", json=asked)).json()
    assert challenge(good["code_verifier"]) == good["code_challenge"]
    tokens = await exchange(
        api,
        good["authorization_code"],
        code_verifier=good["code_verifier"],
        redirect_uri=f"{api.sandbox.http_url}/deviceauth/callback",
    )
    assert tokens.status_code == 200
    over = await api.client.post(f"{base}/deviceauth/token", json=asked)
    assert (over.status_code, over.json()["error"]["code"]) == (400, "expired_token")


async def test_device_pages_and_declining(api: Any) -> None:
    device = (await api.client.post("/deviceauth/usercode", json={"client_id": CLIENT_ID})).json()
    assert "name=user_code" in (await api.client.get("/codex/device")).text
    code = {"user_code": device["user_code"]}
    assert "Decline" in (await api.client.get("/codex/device", params=code)).text
    assert (
        "Declined"
        in (await api.client.post("/codex/device", data={**code, "account": "(deny)"})).text
    )
    assert (await api.client.get("/codex/device", params=code)).status_code == 404
    asked = {"device_auth_id": device["device_auth_id"], **code}
    answer = await api.client.post("/deviceauth/token", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "access_denied")
    refused = await api.client.post("/deviceauth/usercode", json={"client_id": "other"})
    assert refused.status_code == 401


def test_codes_end(sandbox: Any) -> None:
    account, logins = sandbox.accounts[0], Logins()
    code = logins.grant(account, BACK, challenge(VERIFIER), 0.0)
    with pytest.raises(LoginRefused, match="too old"):
        logins.redeem(code, BACK, VERIFIER, CODE_SECONDS)
    device = logins.device(0.0)
    assert logins.waiting(device.user_code, DEVICE_SECONDS) is None
    assert logins.poll(device.id, device.user_code, BACK, DEVICE_SECONDS) == "expired_token"
