"""Each fault has its name and its remedy; what is in order is said to be."""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from addons.accounts.credentials.document import Document
from addons.accounts.credentials.vault import Vault
from addons.operate.models import AccountView, CooldownView
from addons.operate.running import Running
from addons.settings import Settings
from replay.cli.app import app
from replay.doctor import machine, outside, state, trust
from replay.doctor.finding import Finding, Grade
from replay.record.errors import RecordError
from tests.stream.conftest import write_certificate

NOW = 1_795_000_000.0


def test_a_fault_without_a_remedy_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="no remedy"):
        Finding("x", Grade.FAULT, "broken")


@pytest.mark.parametrize(
    ("version", "grade"),
    [((3, 11, 9), Grade.FAULT), ((3, 12, 1), Grade.NOTE), ((3, 13, 0), Grade.OK)],
)
def test_python(version: tuple[int, int, int], grade: Grade) -> None:
    assert machine.python(version).grade is grade


def test_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        found = machine.port("127.0.0.1", number, None)
        assert found.grade is Grade.FAULT
        assert str(number) in found.told
        assert "--port" in found.remedy
        running = Running(f"http://127.0.0.1:{number}", 1, 0.0)
        assert machine.port("127.0.0.1", number, running).grade is Grade.OK
    assert machine.port("127.0.0.1", number, None).grade is Grade.OK


@pytest.mark.parametrize(
    ("seconds", "grade", "word"),
    [(5, Grade.OK, "agrees"), (-60, Grade.WARNING, "ahead"), (900, Grade.FAULT, "behind")],
)
def test_the_clock(seconds: int, grade: Grade, word: str) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)
    found = machine.clock(NOW, date)
    assert found.grade is grade
    assert word in found.told
    assert machine.clock(NOW, None).grade is Grade.NOTE
    assert machine.clock(NOW, "yesterday").grade is Grade.NOTE


def test_the_state_directory(tmp_path: Path) -> None:
    assert state.home(tmp_path / "new").grade is Grade.OK
    file = tmp_path / "file"
    file.touch()
    assert state.home(file / "inside").grade is Grade.FAULT


def test_the_store(tmp_path: Path) -> None:
    file = tmp_path / "floway.db"
    assert state.database(file).grade is Grade.OK
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a)")
    assert state.database(file).grade is Grade.OK
    file.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    found = state.database(file)
    assert found.grade is Grade.FAULT
    assert f"mv '{file}'" in found.remedy


@pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
def test_a_looser_mode(tmp_path: Path) -> None:
    assert state.modes(tmp_path / "none").grade is Grade.OK
    tmp_path.chmod(0o755)
    found = state.modes(tmp_path)
    assert found.grade is Grade.FAULT
    assert found.remedy.startswith("chmod 700 ")


def test_the_keyring(tmp_path: Path) -> None:
    wanted = Settings(home=tmp_path, credential_store="keyring")
    assert state.keyring(wanted, None).grade is Grade.FAULT
    assert state.keyring(Settings(home=tmp_path), None).grade is Grade.NOTE


def view(**changes: object) -> AccountView:
    members = {
        "provider": "codex",
        "label": "work",
        "state": "ready",
        "reason": "",
        "pinned": False,
        "weight": 1.0,
        "priority": 0,
        "origin": "added",
        "kept": "file",
        "kind": "chatgpt",
        "who": "",
        "plan": "plus",
        "expires_at": None,
        "renewable": True,
        "cooldowns": [],
        "observed_at": None,
        "windows": [],
    }
    return AccountView.model_validate({**members, **changes})


COOLING = CooldownView(model=None, until=NOW + 600, since=NOW, reason="usage limit")


@pytest.mark.parametrize(
    ("changes", "grade", "told", "remedy"),
    [
        ({}, Grade.OK, "ready (codex, plus)", ""),
        ({"state": "needs_login"}, Grade.FAULT, "needs a new sign-in", "floway accounts add codex"),
        ({"state": "unreadable", "reason": "gone"}, Grade.FAULT, "gone", "floway accounts add"),
        ({"state": "disabled"}, Grade.NOTE, "disabled", "floway accounts enable work"),
        (
            {"state": "cooling", "cooldowns": [COOLING], "reason": "usage limit"},
            Grade.NOTE,
            "for 10 min",
            "floway cooldowns clear work",
        ),
        ({"expires_at": NOW - 60, "renewable": False}, Grade.FAULT, "ended", "accounts add"),
        ({"expires_at": NOW + 60, "renewable": False}, Grade.WARNING, "ends in", "accounts add"),
        ({"expires_at": NOW - 60}, Grade.OK, "ready", ""),
    ],
)
def test_accounts(changes: dict[str, object], grade: Grade, told: str, remedy: str) -> None:
    (found,) = state.accounts([view(**changes)], NOW, sandbox=False)
    assert found.grade is grade
    assert told in found.told
    assert remedy in found.remedy


def test_no_account_is_no_fault() -> None:
    (found,) = state.accounts([], NOW, sandbox=False)
    assert found.grade is Grade.NOTE
    assert "floway accounts add" in found.remedy


def test_the_certificate(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    assert trust.authority(file, {}).grade is Grade.NOTE
    write_certificate(file, authority=True)  # it is good for a day
    assert trust.authority(file, {}).grade is Grade.WARNING
    then = datetime.now(UTC) - timedelta(days=20)
    assert trust.authority(file, {}, then).grade is Grade.NOTE
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("# first\n" + file.read_text())
    variables = {"NODE_EXTRA_CA_CERTS": str(bundle), "SSL_CERT_FILE": "/gone"}
    found = trust.authority(file, variables, then)
    assert found.grade is Grade.OK
    assert "Claude Code" in found.told
    assert "SSL_CERT_FILE" not in found.told
    later = datetime.now(UTC) + timedelta(days=4)
    assert trust.authority(file, {}, later).grade is Grade.FAULT
    file.write_text("nonsense")
    assert trust.authority(file, {}).grade is Grade.FAULT


async def test_an_upstream(unused_tcp_port_factory: object) -> None:
    assert callable(unused_tcp_port_factory)
    found = await outside.reachable("codex", f"http://127.0.0.1:{unused_tcp_port_factory()}")
    assert found.finding.grade is Grade.FAULT
    assert found.date is None


async def test_an_upstream_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def head(_client: httpx.AsyncClient, url: str) -> httpx.Response:
        return httpx.Response(403, headers={"date": "Thu, 01 Jan 2026 00:00:00 GMT"})

    monkeypatch.setattr(httpx.AsyncClient, "head", head)
    found = await outside.reachable("codex", "https://example.org")
    assert found.finding.grade is Grade.OK
    assert found.date == "Thu, 01 Jan 2026 00:00:00 GMT"


async def says(release: str) -> str:
    if not release:
        raise RecordError("npm is not installed")
    return release


@pytest.mark.parametrize(
    ("chosen", "newest", "grade", "told"),
    [
        ("", "0.169.0", Grade.OK, "the newest official release"),
        ("", "0.170.1", Grade.WARNING, "older than the newest official release, 0.170.1"),
        ("", "", Grade.NOTE, "npm is not installed"),
        ("codex@0.142.0", "0.169.0", Grade.WARNING, "older than the newest one here"),
        ("codex@9.9.9", "0.169.0", Grade.FAULT, "9.9.9"),
    ],
)
async def test_the_profile(chosen: str, newest: str, grade: Grade, told: str) -> None:
    found = await outside.profile(chosen, "codex", lambda: says(newest))
    assert found.grade is grade
    assert told in found.told


async def test_nobody_is_asked_offline() -> None:
    assert (await outside.profile("", "codex", None)).grade is Grade.NOTE


def test_only_providers_in_use_are_asked() -> None:
    real = {"codex": "https://a", "cursor": "https://b"}
    assert outside.upstreams({}, real, set()) == {}
    assert outside.upstreams({"codex": "http://own"}, real, {"codex"}) == {"codex": "http://own"}


@pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
def test_a_broken_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed port, wrong mode, old profile: each is named, and the exit code says so."""
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path))
    monkeypatch.setenv("FLOWAY_PROFILE", "codex@0.142.0")
    monkeypatch.setenv("FLOWAY_CREDENTIAL_STORE", "file")
    vault = Vault(tmp_path / "credentials", "file")
    secret = {"OPENAI_API_KEY": "sk-secret"}
    vault.put(Document("codex", "work", "0123456789abcdef", secret), now=NOW)
    for file in (tmp_path / "credentials").iterdir():
        file.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = ["doctor", "--offline", "--no-selftest", "--json"]
        arguments += ["--port", str(taken.getsockname()[1])]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    found = {each["check"]: each for each in json.loads(result.stdout)["findings"]}
    grades = {check: each["grade"] for check, each in found.items()}
    assert grades["port"] == grades["sign-ins"] == "fault"
    assert grades["profile"] == "warning"
    assert "accounts" not in grades  # told once
    assert all(each["remedy"] for each in found.values() if each["grade"] in ("warning", "fault"))
    assert "sk-secret" not in result.output


def test_a_wrong_setting_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path))
    monkeypatch.setenv("FLOWAY_MAX_ATTEMPTS", "many")
    result = CliRunner().invoke(app, ["doctor", "--offline", "--no-selftest"])
    assert result.exit_code == 1
    assert "max_attempts" in result.output
    assert "profile" in result.output
