"""The commands as a user types them, without starting mitmproxy."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from addons.settings import Settings


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from replay.cli.app import app; "
        "print([m for m in ('mitmproxy', 'pydantic', 'httpx', 'aiosqlite') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_names_the_exit_codes(floway) -> None:
    code, out, _ = floway("--help")
    assert code == 0
    assert "2 a wrong option or setting" in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run", "--port", "x"], ["run", "--port", "65536"], ["sandbox", "--nonsense"]],
)
def test_wrong_usage_is_exit_code_2(floway, arguments: list[str]) -> None:
    code, out, err = floway(*arguments)
    assert code == 2
    assert not out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "command", [["run"], ["config"], ["config", "--init"], ["routes"], ["clients"], ["sandbox"]]
)
def test_a_wrong_setting_is_exit_code_2_in_every_command(
    floway, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("FLOWAY_MAX_ATTEMPTS", "none")
    code, out, err = floway(*command)
    assert (code, out) == (2, "")
    assert err == (
        "floway: FLOWAY_MAX_ATTEMPTS: max_attempts = 'none' is not allowed: "
        "it must be a whole number\n"
    )


def test_version(floway) -> None:
    code, out, _ = floway("version")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()][:3] == ["floway", "mitmproxy", "Python"]


# --- config --------------------------------------------------------------------------------------


def test_config_shows_every_setting_and_its_source(
    floway, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWAY_MAX_ATTEMPTS", "7")
    code, out, _ = floway("config")
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert set(Settings.model_fields) <= set(rows)
    assert rows["max_attempts"] == ["7", "FLOWAY_MAX_ATTEMPTS"]
    assert rows["hold_seconds"] == ["10.0", "default"]
    assert str(home / "floway.toml") in out


def test_config_masks_secrets(floway, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "floway.toml").write_text(
        "client_keys = ['topsecret1']\n"
        "[[accounts]]\nprovider = 'one'\nlabel = 'a'\napi_key = 'topsecret2'\n"
    )
    (home / "floway.toml").chmod(0o600)
    _, table, _ = floway("config")
    _, as_json, _ = floway("config", "--json")
    assert "topsecret" not in table + as_json
    content = json.loads(as_json)
    assert content["client_keys"]["value"] == ["***"]
    (account,) = content["accounts"]["value"]
    assert (account["label"], account["api_key"]) == ("a", "***")
    assert content["accounts"]["source"].endswith("floway.toml, line 2")


def test_config_says_warnings_on_stderr(floway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWAY_SANDBX", "1")
    code, out, err = floway("config", "--json")
    assert code == 0
    json.loads(out)
    assert "did you mean FLOWAY_SANDBOX?" in err


def test_config_init_writes_a_private_file_once(floway, home: Path) -> None:
    code, out, _ = floway("config", "--init")
    file = home / "floway.toml"
    assert (code, out) == (0, f"{file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    file.write_text("sandbox = true\n")
    code, _, err = floway("config", "--init")
    assert code == 1
    assert "is there already" in err
    assert file.read_text() == "sandbox = true\n"


def test_config_init_names_what_cannot_be_written(
    floway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path / "file" / "state"))
    code, _, err = floway("config", "--init")
    assert code == 1
    assert "floway.toml cannot be written: Not a directory" in err


# --- routes, clients -----------------------------------------------------------------------------


def test_routes_show_what_the_providers_serve(floway) -> None:
    code, out, _ = floway("routes", "--json")
    assert code == 0
    requests = {(r["host"], r["method"], r["path"]) for r in json.loads(out)}
    assert {
        (None, "GET", "/healthz"),
        (None, "POST", "/v1/responses"),
        (None, "GET", "/v1/responses"),
        (None, "POST", "/v1/responses/compact"),
        (None, "POST", "/v1/chat/completions"),
        (None, "GET", "/v1/models"),
        (None, "POST", "/backend-api/codex/responses"),
        ("chatgpt.com", "POST", "/backend-api/codex/responses"),
    } <= requests
    _, table, _ = floway("routes")
    assert len(table.splitlines()) == len(json.loads(out)) + 1


def test_routes_follow_the_settings(floway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWAY_FORWARD_HOSTS", "api.openai.com")
    _, out, _ = floway("routes", "--json")
    assert "api.openai.com" in {route["host"] for route in json.loads(out)}


def test_clients_knows_the_address(floway) -> None:
    code, out, _ = floway("clients", "openai", "--port", "9000")
    assert code == 0
    assert "OPENAI_BASE_URL=http://127.0.0.1:9000/v1" in out
    assert "opencode" not in out


def test_clients_says_where_a_key_goes(floway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWAY_CLIENT_KEYS", "abcdefgh1")
    _, out, _ = floway("clients")
    assert "OPENAI_API_KEY=YOUR_CLIENT_KEY" in out
    assert "abcdefgh1" not in out


def test_an_unknown_client_is_told_which_there_are(floway) -> None:
    code, _, err = floway("clients", "nobody")
    assert code == 2
    assert "there are: openai, opencode, codex, claude" in err
