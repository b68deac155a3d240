"""``floway setup``, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from replay.cli.app import app
from replay.cli.failure import CommandFailed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path / "floway"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "FLOWAY_CLIENT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def called(*arguments: str) -> str:
    # A port on which nobody answers: what is served is then not known.
    result = CliRunner().invoke(app, ["setup", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_it_prints_and_writes_nothing(home: Path) -> None:
    out = called("opencode", "--url", "http://127.0.0.1:9")
    start, end = out.index("{"), out.rindex("}") + 1
    provider = json.loads(out[start:end])["provider"]["floway"]
    assert provider["options"]["baseURL"] == "http://127.0.0.1:9/v1"
    assert provider["models"] == {"gpt-5.5": {}}
    assert list(home.glob(".config/**/*.json")) == []


def test_written_and_taken_back(home: Path) -> None:
    said = called("claude-code", "--write", "--url", "http://127.0.0.1:9/")
    file = home / ".claude" / "settings.json"
    variables = json.loads(file.read_text())["env"]
    assert variables["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9"
    assert variables["ANTHROPIC_AUTH_TOKEN"] == "floway"
    assert int(variables["CLAUDE_CODE_AUTO_COMPACT_WINDOW"]) > 100_000
    assert "floway setup claude-code --undo" in said
    assert "is as it was" in called("claude-code", "--undo")
    assert not file.exists()
    assert "nothing to undo" in called("claude-code", "--undo")


def test_a_client_key_is_shown_to_the_client_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWAY_CLIENT_KEYS", "very-secret-key")
    assert "very-secret-key" not in called("codex", "--url", "http://127.0.0.1:9")
    assert "very-secret-key" not in called("codex", "--write", "--url", "http://127.0.0.1:9")
    assert "very-secret-key" in (home / ".codex" / "config.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("vim",), "no client 'vim'; there are: opencode"),
        (("codex", "--write", "--undo"), "choose one of"),
        (("openai-sdk", "--write"), "name one: --file"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandFailed, match=told) as failed:
        called(*arguments)
    assert failed.value.code == 2


def test_a_dotenv_file(tmp_path: Path) -> None:
    file = tmp_path / "project" / ".env"
    called("openai-sdk", "--write", "--file", str(file), "--url", "http://127.0.0.1:9")
    assert file.read_text() == ("OPENAI_BASE_URL=http://127.0.0.1:9/v1\nOPENAI_API_KEY=floway\n")
