"""``floway accounts`` and ``floway cooldowns`` while a floway runs: the same answers by its API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from addons.accounts.authority import Prompt
from addons.operate import PREFIX
from addons.operate.running import FILE_NAME
from replay.cli import account_login
from tests.cli.sign_ins import auth_file, press, sign_in_server
from tests.floway_process import Floway as Running
from tests.floway_process import clean_environment, running_floway, until

pytestmark = pytest.mark.slow

type Floway = Callable[..., tuple[int, str, str]]


def asked(running: Running) -> int:
    """How often its control API was asked."""
    return running.log().count(f"{PREFIX}/")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sign_in_server(tmp_path_factory.mktemp("sandbox")) as url:
        yield url


@pytest.fixture
def running(
    floway: Floway, server: str, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    """Serves ``work`` (ada), which was added before."""
    own = {"FLOWAY_ISSUERS": f"codex={server}", "FLOWAY_UPSTREAMS": f"codex={server}"}
    own["FLOWAY_CREDENTIAL_STORE"] = "file"
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    file = auth_file(server, "ada", tmp_path)
    added = floway("accounts", "add", "codex", "--label", "work", "--import", str(file))
    assert added[0] == 0, added[2]
    environment = clean_environment(tmp_path / "user", **own)
    script = Path(__file__).with_name("asking.py")
    with running_floway(tmp_path, "-s", str(script), environment=environment) as found:
        assert found.state == home
        yield found


@pytest.fixture
def both(floway: Floway, running: Running) -> Callable[..., tuple[int, str, str]]:
    """Runs a command by the running floway and again by what is kept: both must say the same."""

    def run(*words: str) -> tuple[int, str, str]:
        before = asked(running)
        by_api = floway(*words)
        until(lambda: asked(running) > before, what="the running floway was not asked")
        file, hidden = running.state / FILE_NAME, running.state / "hidden"
        file.rename(hidden)
        try:
            until(lambda: floway(*words) == by_api, what=f"{words}: {by_api} {floway(*words)}")
        finally:
            hidden.rename(file)
        return by_api

    return run


def models(running: Running) -> int:
    """Status of a request that floway serves with an account."""
    body = {"model": "gpt-5.5", "input": "Hi"}
    url = f"{running.url}/v1/responses"
    return httpx.post(url, json=body, trust_env=False, timeout=30).status_code


def test_both_ways_give_the_same_answers(
    both: Floway, running: Running, server: str, tmp_path: Path
) -> None:
    file = str(auth_file(server, "ben", tmp_path))
    assert both("accounts", "list", "--json")[0] == 0
    assert both("accounts", "show", "none")[0] == 2
    assert both("accounts", "use")[0] == 2
    assert both("accounts", "add", "codx")[0] == 2
    assert both("accounts", "add", "codex", "--label", "WORK", "--import", file)[0] == 1
    assert both("accounts", "label", "work", "../x")[0] == 1
    for words in (
        ("show", "work"),
        ("disable", "work", "--json"),
        ("enable", "codex:WORK", "--json"),
        ("prefer", "work", "--weight", "3", "--json"),
        ("use", "work", "--json"),
        ("use", "--auto", "--json"),
        ("list", "--json"),
        ("list",),
    ):
        code, out, told = both("accounts", *words)
        assert code == 0, told
        assert out or told
    assert models(running) == 200
    code, table, _ = both("accounts", "list")
    assert "resets in" in table  # limits that the answer brought
    view = json.loads(both("accounts", "show", "work", "--json")[1])
    assert view["windows"]


def test_a_cooldown_is_seen_and_cleared_at_once(
    both: Floway, floway: Floway, running: Running, server: str
) -> None:
    fault = {"kind": "preset", "preset": "usage_limit_reached"}
    match = {"account": "ada", "path": "/backend-api/codex/responses"}
    rule = {"match": match, "times": 1, "fault": fault}
    httpx.post(f"{server}/_sandbox/faults", json=rule, trust_env=False)
    assert models(running) == 429
    assert models(running) == 429  # it is not asked again
    (cooldown,) = json.loads(both("cooldowns", "--json")[1])["cooldowns"]
    assert cooldown["label"] == "work"
    _, table, _ = both("accounts", "list")
    assert "cooling" in table
    assert cooldown["reason"] in table
    code, _, told = floway("cooldowns", "clear", "work")
    assert (code, "work: no longer cooling" in told) == (0, True)
    assert models(running) == 200
    assert both("cooldowns")[1] == "no account is cooling\n"


@pytest.mark.parametrize("way", ["--no-browser", "--device"])
def test_signing_in_goes_through_the_running_floway(
    floway: Floway, running: Running, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    shown, acting = account_login.show, []

    def show(prompt: Prompt, **more: Any) -> None:
        shown(prompt, **more)
        acting.append(threading.Thread(target=press, args=(prompt, "ben")))
        acting[-1].start()

    monkeypatch.setattr(account_login, "show", show)
    code, out, told = floway("accounts", "add", "codex", "--label", "home", way, "--json")
    for thread in acting:
        thread.join(10)
    assert code == 0, told
    view = json.loads(out)
    assert (view["label"], view["who"], view["state"]) == ("home", "ben@example.com", "ready")
    assert "added: home (codex), kept in" in told
    assert f"{PREFIX}/codex-auth-url" in running.log()
    floway("accounts", "disable", "work")
    assert models(running) == 200  # at once, by the new one
    log = running.log()
    assert "eyJ" not in log
    assert log.count((running.state / "control.token").read_text().strip()) <= 1


def test_a_floway_that_was_killed_is_not_asked(floway: Floway, running: Running) -> None:
    before = floway("accounts", "list", "--json")
    running.process.kill()
    running.process.wait(10)
    assert (running.state / FILE_NAME).exists()
    assert floway("accounts", "list", "--json") == before


def test_a_token_that_was_changed_is_noticed(floway: Floway, running: Running) -> None:
    before = floway("accounts", "list", "--json")
    (running.state / "control.token").write_text("0" * 64)
    code, out, told = floway("accounts", "list", "--json")
    assert (code, out) == (0, before[1])
    assert "can't be asked" in told
    assert "goes by what is kept" in told
