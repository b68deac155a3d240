"""Signing in by URL: begun by one request, finished by a person, asked for by others."""

from __future__ import annotations

import asyncio
import json

import pytest

from addons.operate import signins
from addons.operate.errors import ControlError
from addons.operate.signins import SignIns
from tests.accounts.authorities import PROVIDER
from tests.operate.places import Place
from tests.stream.conftest import until


def names() -> str:
    """Of the tasks that run."""
    return " ".join(task.get_name() for task in asyncio.all_tasks())


async def finished(here: Place, state: str) -> dict[str, object]:
    async with asyncio.timeout(30):
        while True:
            found = await here.ask("GET", f"/auth-status?state={state}")
            if found["status"] != "waiting":
                return found
            await asyncio.sleep(0.005)  # what is asked over ASGI alone lets nobody else run


@pytest.mark.parametrize(
    ("asked", "url", "code"),
    [("", "https://sign.in/page", ""), ("&device=true", "https://sign.in/device", "AB-CD")],
)
async def test_a_person_signs_in(here: Place, asked: str, url: str, code: str) -> None:
    begun = await here.ask("GET", f"/{PROVIDER}-auth-url?label=work{asked}")
    assert (begun["url"], begun["code"]) == (url, code)
    state = begun["state"]
    waiting = await here.ask("GET", f"/auth-status?state={state}")
    assert waiting == {"status": "waiting", "added": None, "error": None}
    assert (await here.ask("GET", "/accounts"))["accounts"] == []
    here.authority.person.set()
    done = await finished(here, state)
    assert done["status"] == "done"
    assert done["added"] is not None
    view = await here.ask("GET", "/accounts/work")
    assert view["state"] == "ready"
    assert [account.label for account in here.pool.accounts] == ["work"]
    assert "access-" not in json.dumps(done)
    assert await finished(here, state) == done  # asked again, it says the same


async def test_asking_can_wait_for_the_end(here: Place) -> None:
    begun = await here.ask("GET", f"/{PROVIDER}-auth-url")
    path = f"/auth-status?state={begun['state']}"
    assert (await here.ask("GET", f"{path}&wait=0.01"))["status"] == "waiting"
    asked = asyncio.create_task(here.ask("GET", f"{path}&wait=30"))
    await asyncio.sleep(0)
    here.authority.person.set()
    async with asyncio.timeout(5):
        assert (await asked)["status"] == "done"
    await here.ask("GET", f"{path}&wait=31", expect=422)


async def test_a_person_declines(here: Place) -> None:
    here.authority.declined = True
    begun = await here.ask("GET", f"/{PROVIDER}-auth-url")
    here.authority.person.set()
    told = await finished(here, begun["state"])
    assert told["status"] == "failed"
    assert told["error"] == {
        "code": "account_unusable",
        "message": "the sign-in was not allowed",
        "remedy": "begin again",
    }


async def test_a_sign_in_that_cannot_begin(here: Place) -> None:
    here.authority.busy = "the port is taken; end the other program"
    told = await here.ask("GET", f"/{PROVIDER}-auth-url", expect=409)
    assert told["error"]["message"] == "the port is taken"
    here.authority.busy = ""
    await here.ask("GET", f"/{PROVIDER}-auth-url?label=..", expect=422)


async def test_a_label_of_the_settings_is_refused_before_anybody_signs_in(here: Place) -> None:
    taken = {"provider": PROVIDER, "label": "own", "auth_file": "auth.json"}
    settings = here.settings.model_validate({"home": here.settings.home, "accounts": [taken]})
    here.plane.desk.settings = settings
    told = await here.ask("GET", f"/{PROVIDER}-auth-url?label=OWN", expect=409)
    assert told["error"]["code"] == "label_taken"


async def test_giving_up(here: Place) -> None:
    begun = await here.ask("GET", f"/{PROVIDER}-auth-url")
    path = f"/auth-status?state={begun['state']}"
    await here.ask("DELETE", path, expect=204)
    await here.ask("GET", path, expect=404)
    await here.ask("DELETE", path, expect=404)


async def test_the_oldest_are_given_up(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signins, "LIMIT", 2)
    states = [(await here.ask("GET", f"/{PROVIDER}-auth-url"))["state"] for _ in range(3)]
    await here.ask("GET", f"/auth-status?state={states[0]}", expect=404)
    for state in states[1:]:
        assert (await here.ask("GET", f"/auth-status?state={state}"))["status"] == "waiting"


async def test_results_are_forgotten(here: Place) -> None:
    now = 0.0
    signs = SignIns(here.plane.desk, clock=lambda: now)
    begun = await signs.begin(PROVIDER, "", device=False)
    here.authority.person.set()
    assert (await signs.status(begun.state, wait=5)).status == "done"
    await until(lambda: "sign-in" not in names(), "it has not ended")
    now = signins.FORGET_AFTER + 1
    with pytest.raises(ControlError, match="begin a new one"):
        await signs.status(begun.state)


async def test_one_that_shows_no_address_in_time(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_show: object) -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(signins, "PROMPT_SECONDS", 0.01)
    monkeypatch.setattr(here.authority, "browser_login", silent)
    told = await here.ask("GET", f"/{PROVIDER}-auth-url", expect=503)
    assert told["error"]["code"] == "sign_in_unavailable"


async def test_the_end_of_floway_ends_them(here: Place) -> None:
    await here.ask("GET", f"/{PROVIDER}-auth-url")
    await here.plane.close()
    assert "sign-in" not in names()
