"""The control API over ASGI: what it answers, and what becomes of the pool."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.accounts.model import AccountState
from addons.front.routes import Route
from addons.sessions.journal import NAMESPACE, key_of
from addons.sessions.meter import Meter
from tests.accounts.authorities import PROVIDER
from tests.operate.places import ROUTES, TOKEN, Place, used
from tests.sessions.made import facts


async def test_without_accounts_all_lists_are_empty(here: Place) -> None:
    assert await here.ask("GET", "/accounts") == {"accounts": []}
    assert await here.ask("GET", "/cooldowns") == {"cooldowns": []}
    assert await here.ask("GET", "/quota") == {"accounts": []}
    sessions = await here.ask("GET", "/sessions")
    assert (sessions["conversations"], sessions["total"]["requests"]) == ([], 0)


async def test_an_account_is_shown_with_its_limits(here: Place) -> None:
    await here.add("ada", "work")
    here.account("work").quota = used(40.0, here.clock() + 600, here.clock())
    view = await here.ask("GET", "/accounts/work")
    assert view == (await here.ask("GET", "/accounts"))["accounts"][0]
    assert view == await here.ask("GET", f"/accounts/{PROVIDER}:WORK")
    assert (view["state"], view["plan"], view["origin"]) == ("ready", "pro", "added")
    (window,) = view["windows"]
    assert (window["used_percent"], window["span"]) == (40.0, "5-hour")
    (quota,) = (await here.ask("GET", "/quota"))["accounts"]
    assert quota["windows"] == view["windows"]
    assert (quota["label"], quota["plan"]) == ("work", "pro")


async def test_steering_reaches_the_live_pool_at_once(here: Place) -> None:
    await here.add("ada", "work")
    await here.add("ben", "home")
    work = here.account("work")
    off = await here.ask("PATCH", "/accounts/work", json={"enabled": False})
    assert (off["state"], work.state) == ("disabled", AccountState.DISABLED)
    on = await here.ask("PATCH", "/accounts/work", json={"enabled": True})
    assert (on["state"], work.state) == ("ready", AccountState.READY)
    pinned = await here.ask("PUT", "/accounts/work/pin")
    assert (pinned["pinned"], here.pool.pinned) == (True, work.handle)
    assert await here.ask("DELETE", "/pins") == {"pinned": False}
    assert here.pool.pinned is None
    renamed = await here.ask("PATCH", "/accounts/work", json={"label": "office"})
    assert (renamed["label"], work.label) == ("office", "office")
    gone = await here.ask("DELETE", "/accounts/office")
    assert gone["label"] == "office"
    assert [account.label for account in here.pool.accounts] == ["home"]
    await here.ask("GET", "/accounts/office", expect=404)


async def test_label_and_switch_in_one_request(here: Place) -> None:
    await here.add("ada", "work")
    view = await here.ask("PATCH", "/accounts/work", json={"label": "office", "enabled": False})
    assert (view["label"], view["state"]) == ("office", "disabled")
    assert await here.ask("PATCH", "/accounts/office", json={}) == view


async def test_an_account_is_preferred(here: Place, sandbox: Place) -> None:
    await here.add("ada", "work")
    for place, label in ((here, "work"), (sandbox, "ada")):
        path = f"/accounts/{label}"
        view = await place.ask("PATCH", path, json={"weight": 2.5, "priority": -1})
        assert (view["weight"], view["priority"]) == (2.5, -1)
        view = await place.ask("PATCH", path, json={"priority": 3})
        account = place.account(label)
        assert (account.weight, account.priority) == (2.5, 3)
        assert await place.ask("GET", path) == view
        for wrong in ({"weight": 0}, {"weight": "many"}, {"priority": 0.5}):
            await place.ask("PATCH", path, json=wrong, expect=422)


async def test_cooldowns_are_listed_and_cleared(here: Place) -> None:
    await here.add("ada", "work")
    await here.add("ben", "home")
    now = here.clock()
    here.pool.cool(here.account("work"), None, now + 600, "usage limit", now=now)
    here.pool.cool(here.account("home"), "m", now + 60, "busy", now=now)
    found = (await here.ask("GET", "/cooldowns"))["cooldowns"]
    assert [(each["label"], each["model"], each["reason"]) for each in found] == [
        ("home", "m", "busy"),
        ("work", None, "usage limit"),
    ]
    assert (await here.ask("GET", "/accounts/work"))["state"] == "cooling"
    assert (await here.ask("GET", "/accounts/home"))["state"] == "ready"
    cleared = await here.ask("DELETE", "/cooldowns", params={"account": "work"})
    assert [each["label"] for each in cleared["cleared"]] == ["work"]
    assert here.pool.cooldowns.of(here.account("work").handle, "m", now) is None
    assert here.pool.cooldowns.of(here.account("home").handle, "m", now) is not None
    cleared = await here.ask("DELETE", "/cooldowns")
    assert [each["label"] for each in cleared["cleared"]] == ["home"]
    assert await here.ask("DELETE", "/cooldowns") == {"cleared": []}


async def test_a_refresh_renews_the_sign_in_and_asks_for_limits(here: Place) -> None:
    await here.add("ada", "work")
    here.authority.limits = used(99.0, here.clock() + 60, here.clock())
    before = here.account("work").credential
    view = await here.ask("POST", "/accounts/work/refresh")
    assert view["windows"][0]["used_percent"] == 99.0
    assert here.authority.asked == ["asked"]
    assert here.account("work").quota == here.authority.limits
    await here.ask("GET", "/accounts")
    assert here.account("work").credential != before


@pytest.mark.parametrize(
    ("failure", "status", "code", "counted"),
    [("over", 409, "needs_login", "over"), ("later", 503, "sign_in_unavailable", "failed")],
)
async def test_a_refresh_that_fails(
    here: Place, failure: str, status: int, code: str, counted: str
) -> None:
    await here.add("ada", "work")
    here.authority.fails = [failure]
    told = await here.ask("POST", "/accounts/work/refresh", expect=status)
    assert told["error"]["code"] == code
    state = (await here.ask("GET", "/accounts/work"))["state"]
    assert state == ("needs_login" if failure == "over" else "ready")
    labels = {"provider": PROVIDER, "account": "work", "result": counted}
    registry = here.observer.metrics.registry
    assert registry.get_sample_value("floway_refreshes_total", labels) == 1


async def test_adding_by_key_and_by_sign_in(here: Place) -> None:
    by_key = {"provider": PROVIDER, "label": "key", "api_key": "sk-made-up"}
    added = await here.ask("POST", "/accounts", json=by_key, expect=201)
    assert (added["updated"], added["account"]["label"]) == (False, "key")
    assert "sk-made-up" not in json.dumps(added)
    sign_in = {"subject": "ada", "access": "a-secret", "refresh": "r-secret", "expires_at": 2e9}
    by_file = {"provider": PROVIDER, "label": "file", "sign_in": sign_in}
    added = await here.ask("POST", "/accounts", json=by_file, expect=201)
    assert "secret" not in json.dumps(added)
    again = await here.ask("POST", "/accounts", json={**by_file, "label": "other"}, expect=201)
    assert (again["updated"], again["account"]["label"]) == (True, "other")
    assert {account.label for account in here.pool.accounts} == {"key", "other"}


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"provider": "nobody", "api_key": "k"}, 404, "there is no provider 'nobody'"),
        ({"provider": PROVIDER}, 422, "api_key: Field required; or sign_in: Field required"),
        ({"provider": PROVIDER, "api_key": "k", "sign_in": {}}, 422, "sign_in: Extra inputs"),
        ({"provider": PROVIDER, "api_key": "k k"}, 409, "that is no API key"),
        ({"provider": PROVIDER, "sign_in": {}}, 409, "names nobody"),
        ({"provider": PROVIDER, "label": "../x", "api_key": "k"}, 422, "label"),
        ({"provider": PROVIDER, "api_key": 5}, 422, "api_key"),
        ({"provider": PROVIDER, "api_kee": "k"}, 422, "api_kee"),
        ([], 422, "body"),
    ],
)
async def test_mistakes_name_the_member(here: Place, body: Any, status: int, message: str) -> None:
    told = await here.ask("POST", "/accounts", json=body, expect=status)
    assert message in told["error"]["message"]
    assert set(told["error"]) == {"code", "message", "remedy"}


async def test_a_wrong_secret_is_not_repeated(here: Place) -> None:
    body = {"provider": PROVIDER, "api_key": {"hidden": "topsecret"}}
    told = await here.ask("POST", "/accounts", json=body, expect=422)
    assert "topsecret" not in json.dumps(told)


async def test_a_label_is_one_account_s(here: Place) -> None:
    await here.add("ada", "work")
    body = {"provider": PROVIDER, "label": "WORK", "api_key": "k"}
    told = await here.ask("POST", "/accounts", json=body, expect=409)
    assert told["error"]["code"] == "label_taken"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/accounts/none", 404, "no_such_account"),
        ("GET", "/nothing", 404, "unknown_path"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("GET", "/sessions/none", 404, "no_such_session"),
        ("GET", "/sessions?limit=0", 422, "invalid_request"),
        ("GET", "/auth-status", 422, "invalid_request"),
        ("GET", "/auth-status?state=none", 404, "no_such_sign_in"),
    ],
)
async def test_errors_have_one_form(
    here: Place, method: str, path: str, status: int, code: str
) -> None:
    told = await here.ask(method, path, expect=status)
    assert told["error"]["code"] == code


async def test_no_answer_and_no_log_holds_a_secret(
    here: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    document = await here.add("ada", "work")
    secrets = [document.secret["access"], document.secret["refresh"]]
    told = [
        await here.ask("POST", "/accounts/work/refresh"),
        await here.ask("PATCH", "/accounts/work", json={"label": "office"}),
        await here.ask("PUT", "/accounts/office/pin"),
        await here.ask("GET", "/accounts"),
        await here.ask("GET", "/quota"),
        await here.ask("GET", "/health"),
    ]
    here.authority.fails = ["over"]
    told.append(await here.ask("POST", "/accounts/office/refresh", expect=409))
    told.append(await here.ask("DELETE", "/accounts/office"))
    secrets += ["access-ada-1", "refresh-ada-1", TOKEN]
    for secret in secrets:
        assert secret not in json.dumps(told) + caplog.text
    assert TOKEN not in repr(here)


async def test_broken_json(here: Place) -> None:
    headers = {"content-type": "application/json"}
    told = await here.ask("POST", "/accounts", content=b"{", headers=headers, expect=422)
    assert told["error"]["code"] == "invalid_request"


async def test_the_sandbox_s_accounts_are_steered_in_this_process_only(sandbox: Place) -> None:
    views = (await sandbox.ask("GET", "/accounts"))["accounts"]
    assert [(view["label"], view["origin"]) for view in views] == [
        ("ada", "sandbox"),
        ("ben", "sandbox"),
    ]
    await sandbox.ask("PATCH", "/accounts/ada", json={"enabled": False})
    await sandbox.ask("PUT", "/accounts/ben/pin")
    views = (await sandbox.ask("GET", "/accounts"))["accounts"]
    assert [(view["state"], view["pinned"]) for view in views] == [
        ("disabled", False),
        ("ready", True),
    ]
    assert sandbox.pool.pinned == sandbox.account("ben").handle
    await sandbox.ask("DELETE", "/pins")
    await sandbox.ask("PATCH", "/accounts/ada", json={"enabled": True})
    assert sandbox.pool.pinned is None
    assert sandbox.account("ada").state is AccountState.READY
    told = await sandbox.ask("DELETE", "/accounts/ada", expect=409)
    assert "an account of the sandbox" in told["error"]["message"]


async def test_sessions(here: Place) -> None:
    for number, name in enumerate(("older", "newer")):
        conversation = Meter().record(facts(conversation=name, thread=name, at=1000.0 + number))
        await here.store.put(NAMESPACE, key_of("local", name), conversation.dump())
    found = await here.ask("GET", "/sessions", params={"limit": 1})
    assert [each["id"] for each in found["conversations"]] == ["newer"]
    assert found["total"]["conversations"] == 2
    one = await here.ask("GET", "/sessions/old")
    assert (one["id"], len(one["log"])) == ("older", one["requests"])


async def test_what_runs(here: Place) -> None:
    await here.add("ada", "work")
    health = await here.ask("GET", "/health")
    assert (health["status"], health["serving"], health["providers"]) == (
        "ok",
        "accounts",
        [PROVIDER],
    )
    assert health["accounts"]["ready"] == 1
    (route,) = (await here.ask("GET", "/routes"))["routes"]
    assert Route(**{**route, "native": False}) == ROUTES[0]
    profiles = await here.ask("GET", "/profiles")
    assert "@" in profiles["profiles"][0]["name"]
