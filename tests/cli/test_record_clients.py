"""``floway record opencode`` and its like, as a user types them; nothing is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from replay.record import claude_code, cursor_sdk, openai_sdk, opencode
from replay.record.third_party import Client
from tests.cli.conftest import Floway

CLIENTS = (opencode.CLIENT, claude_code.CLIENT, openai_sdk.CLIENT, cursor_sdk.CLIENT)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOWAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_scenarios_are_shown(floway: Floway, client: Client, cache: Path) -> None:
    code, out, _ = floway("record", client.name, "--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        scenario.name for scenario in client.scenarios
    ]
    assert not cache.exists()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_an_unknown_scenario(floway: Floway, client: Client) -> None:
    code, _, err = floway("record", client.name, "--scenario", "nope")
    assert code == 2
    assert "no scenario is called nope" in err
    assert client.scenarios[0].name in err


@pytest.mark.parametrize("client", ["opencode", "claude-code"])
def test_without_npm(
    floway: Floway, client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = floway("record", client)
    assert code == 1
    assert "npm is not installed" in err
    assert "Node.js" in err


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_release_that_is_none(floway: Floway, client: Client, tmp_path: Path) -> None:
    code, _, err = floway("record", client.name, "--version", "1.0 --evil")
    assert code == 2
    assert "is no release of" in err
    assert not (tmp_path / "traces").exists()
