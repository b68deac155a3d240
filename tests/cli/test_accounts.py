"""``floway accounts``, against a sandbox in a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from addons.accounts.authority import Prompt
from replay.cli import account_login
from tests.cli.sign_ins import auth_file, change, press, sign_in_server

type Floway = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sign_in_server(tmp_path_factory.mktemp("sandbox")) as url:
        yield url


@pytest.fixture(autouse=True)
def settings(home: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWAY_ISSUERS", f"codex={server}")
    monkeypatch.setenv("FLOWAY_UPSTREAMS", f"codex={server}")
    monkeypatch.setenv("FLOWAY_CREDENTIAL_STORE", "file")
    for account in ("ada", "ben", "cleo"):
        change(server, account, refresh_error=None)


@pytest.fixture
def add(floway: Floway, server: str, tmp_path: Path) -> Callable[[str, str], None]:
    """Adds an account in the quickest way."""

    def run(account: str, label: str) -> None:
        file = auth_file(server, account, tmp_path)
        code, _, told = floway("accounts", "add", "codex", "--label", label, "--import", str(file))
        assert code == 0, told

    return run


def listed(floway: Floway) -> dict[str, dict[str, Any]]:
    code, out, told = floway("accounts", "list", "--json")
    assert code == 0, told
    return {view["label"]: view for view in json.loads(out)["accounts"]}


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Prompt]]:
    """Someone who presses the button of ``ben`` on whatever page is shown."""
    prompts: list[Prompt] = []
    acting: list[threading.Thread] = []
    shown = account_login.show

    def show(prompt: Prompt, **more: Any) -> None:
        shown(prompt, **more)
        prompts.append(prompt)
        acting.append(threading.Thread(target=press, args=(prompt, "ben")))
        acting[-1].start()

    monkeypatch.setattr(account_login, "show", show)
    yield prompts
    for thread in acting:
        thread.join(10)


@pytest.mark.parametrize("way", ["--no-browser", "--device"])
def test_signing_in(floway: Floway, person: list[Prompt], way: str) -> None:
    code, out, told = floway("accounts", "add", "codex", "--label", "work", way, "--json")
    assert code == 0, told
    view = json.loads(out)
    assert (view["label"], view["state"], view["plan"]) == ("work", "ready", "pro")
    assert view["who"] == "ben@example.com"
    assert person[0].url in told
    assert person[0].code in told
    assert listed(floway)["work"] == view


def test_a_key_from_stdin(floway: Floway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("sk-made-up-key\n"))
    code, out, told = floway("accounts", "add", "codex", "--api-key", "--json")
    assert code == 0, told
    assert json.loads(out)["kind"] == "apikey"
    assert "sk-made" not in out + told


def test_a_key_with_spaces_is_none(floway: Floway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("sk made up\n"))
    code, _, told = floway("accounts", "add", "codex", "--api-key")
    assert (code, "sk made" in told) == (1, False)
    assert "no API key" in told


def test_import_leaves_the_file_and_warns(
    floway: Floway, server: str, tmp_path: Path, home: Path
) -> None:
    file = auth_file(server, "cleo", tmp_path)
    file.chmod(0o400)
    before = file.read_bytes()
    code, _, told = floway("accounts", "add", "codex", "--import", str(file))
    assert code == 0
    assert "good for one use" in told
    assert "floway accounts add codex" in told
    assert file.read_bytes() == before
    (kept,) = (home / "credentials").glob("*.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"codex\.[0-9a-f]{8}\.json", kept.name)


def test_the_same_account_again_is_brought_up_to_date(
    floway: Floway, add: Callable[[str, str], None]
) -> None:
    add("ada", "work")
    add("ada", "office")
    assert set(listed(floway)) == {"office"}


def test_a_label_is_one_account_s(
    floway: Floway, add: Callable[[str, str], None], server: str, tmp_path: Path
) -> None:
    add("ada", "work")
    file = auth_file(server, "ben", tmp_path)
    code, _, told = floway("accounts", "add", "codex", "--label", "WORK", "--import", str(file))
    assert (code, "called 'work'" in told) == (1, True)
    assert listed(floway)["work"]["who"] == "ada@example.com"


def test_no_secret_is_shown(
    floway: Floway, add: Callable[[str, str], None], server: str, tmp_path: Path
) -> None:
    add("ada", "work")
    secrets = json.loads(auth_file(server, "ada", tmp_path).read_text())["tokens"]
    shown = ""
    for command in (
        ("list",),
        ("list", "--json"),
        ("show", "work"),
        ("show", "work", "--json"),
        ("use", "work", "--json"),
        ("disable", "work", "--json"),
        ("enable", "work"),
        ("label", "work", "office", "--json"),
        ("refresh", "office", "--json"),
        ("remove", "office", "--json"),
    ):
        code, out, told = floway("accounts", *command)
        assert code == 0, told
        shown += out + told
    assert secrets["refresh_token"] not in shown
    assert secrets["access_token"][-30:] not in shown
    assert "eyJ" not in shown


def test_switching_and_pinning(floway: Floway, add: Callable[[str, str], None]) -> None:
    add("ada", "work")
    add("ben", "home")
    floway("accounts", "disable", "work")
    floway("accounts", "use", "codex:home")
    views = listed(floway)
    assert views["work"]["state"] == "disabled"
    assert (views["home"]["pinned"], views["work"]["pinned"]) == (True, False)
    code, _, told = floway("accounts", "use", "work")
    assert (code, "note: it is disabled" in told) == (0, True)
    assert json.loads(floway("accounts", "use", "--auto", "--json")[1]) == {"pinned": False}
    floway("accounts", "enable", "work")
    assert {view["state"] for view in listed(floway).values()} == {"ready"}
    assert not any(view["pinned"] for view in listed(floway).values())


def test_refresh_and_what_is_over(
    floway: Floway, add: Callable[[str, str], None], server: str
) -> None:
    add("ada", "work")
    before = listed(floway)["work"]
    assert floway("accounts", "refresh", "work")[0] == 0
    change(server, "ada", refresh_error="refresh_token_invalidated")
    code, _, told = floway("accounts", "refresh", "work")
    assert (code, "signed out" in told) == (1, True)
    view = listed(floway)["work"]
    assert before["state"] == "ready"
    assert view["state"] == "needs_login"
    assert "floway accounts add codex --label work" in view["reason"]
    _, out, _ = floway("accounts", "list")
    assert "needs login" in out
    change(server, "ada", refresh_error=None)
    add("ada", "work")
    assert listed(floway)["work"]["state"] == "ready"


def test_export_is_what_the_official_client_reads(
    floway: Floway, add: Callable[[str, str], None], tmp_path: Path
) -> None:
    add("ada", "work")
    out_file = tmp_path / "out" / "auth.json"
    code, out, told = floway("accounts", "export", "work", "--out", str(out_file))
    assert (code, out) == (0, "")
    assert "sign each other out" in told
    assert out_file.stat().st_mode & 0o777 == 0o600
    written = json.loads(out_file.read_text())
    assert json.loads(floway("accounts", "export", "work")[1]) == written
    assert written["auth_mode"] == "chatgpt"
    assert floway("accounts", "remove", "work")[0] == 0
    assert floway("accounts", "add", "codex", "--import", str(out_file))[0] == 0


def test_accounts_of_the_settings_are_listed_and_can_be_switched(
    floway: Floway, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = auth_file(server, "ada", tmp_path)
    monkeypatch.setenv("FLOWAY_ACCOUNTS", f"codex:own:{file},codex:lost:{tmp_path / 'none'}")
    floway("accounts", "disable", "own")
    views = listed(floway)
    assert (views["own"]["state"], views["own"]["origin"]) == ("disabled", "floway.toml")
    assert views["lost"]["state"] == "unreadable"
    for command in (("refresh", "own"), ("remove", "own"), ("label", "own", "x")):
        code, _, told = floway("accounts", *command)
        assert (code, "floway.toml" in told) == (1, True)
    code, _, told = floway("accounts", "add", "codex", "--label", "own", "--import", str(file))
    assert (code, "another --label" in told) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "none"), 2, "no account is called 'none'; there are: none yet"),
        (("add", "codx"), 2, "there is no provider 'codx'; there are: codex, cursor"),
        (("add", "codex", "--device", "--api-key"), 2, "choose one of"),
        (("add", "codex", "--label", "../x", "--device"), 1, "the label '../x' must be"),
        (("add", "codex", "--import", "/nowhere/auth.json"), 1, "does not exist"),
        (("use",), 2, "name one account, or say --auto"),
    ],
)
def test_mistakes(floway: Floway, arguments: tuple[str, ...], code: int, message: str) -> None:
    ended, out, told = floway("accounts", *arguments)
    assert (ended, out) == (code, "")
    assert message in told


def test_without_accounts_it_says_how(floway: Floway) -> None:
    assert "floway accounts add codex" in floway("accounts", "list")[1]


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter there")
def test_a_sign_in_that_others_can_read_is_refused(
    floway: Floway, add: Callable[[str, str], None], home: Path
) -> None:
    add("ada", "work")
    (home / "credentials" / "codex.work.json").chmod(0o644)
    code, _, told = floway("accounts", "list")
    assert (code, "chmod 600" in told) == (1, True)
