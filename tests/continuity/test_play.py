"""Conversations that are really played: a sandbox, a floway process and a client each."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from replay.continuity import play, programs, proxy
from replay.continuity.errors import PlayFailed, Unavailable
from replay.continuity.play import GOAL, Case, Result, Stage, cases
from replay.floway_process import FlowayProcess

TURNS = 4


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def ratio(result: Result) -> float:
    assert result.measured is not None, f"{result.failure}\n{result.output}"
    return result.measured.ratio


def test_every_client_is_played_with_one_and_with_several_accounts() -> None:
    made = cases(["websocket", "sdk-chat"])
    assert len(made) == len(set(made)) == 10
    assert {(each.accounts, each.name) for each in made if each.client == "websocket"} == {
        (1, "plain"),
        (1, "restart"),
        (3, "plain"),
        (3, "restart"),
        (3, "exhausted"),
    }


@pytest.mark.slow
async def test_the_scripted_yardstick_and_a_socket(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing(*_: object) -> None:
        raise Unavailable("npm is not installed")

    monkeypatch.setattr(programs, "installed", missing)
    told: list[str] = []
    turns: list[int] = []
    stage = Stage(cache, TURNS, tell=told.append, told=lambda _, turn: turns.append(turn))
    yardstick = await stage.yardstick()
    assert yardstick.case.client == play.SCRIPTED
    assert any("npm is not installed" in line for line in told)
    assert ratio(yardstick) >= GOAL
    exhausted = await stage.play(Case("websocket", 3, "exhausted"))
    assert ratio(exhausted) >= GOAL
    assert exhausted.measured is not None
    assert (exhausted.measured.rebuilds, len(exhausted.measured.accounts)) == (1, 2)
    assert turns == [1, 2, 3, 4] * 2
    skipped = await stage.play(Case("opencode-chat", 1))
    assert skipped.skipped == "npm is not installed"


@pytest.mark.slow
@pytest.mark.parametrize("client", ["sdk-responses", "sdk-chat", "websocket"])
async def test_a_restart_in_the_middle(cache: Path, client: str) -> None:
    result = await Stage(cache, TURNS).play(Case(client, 3, "restart"))
    assert ratio(result) >= GOAL
    assert result.measured is not None
    assert result.measured.requests == 5


@pytest.mark.slow
async def test_a_floway_that_does_not_start(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = cache / "mitmdump"
    program.write_text("#!/bin/sh\necho no mitmproxy today\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setattr(proxy, "FlowayProcess", partial(FlowayProcess, program=program))
    result = await Stage(cache, TURNS).play(Case("websocket", 1))
    assert result.failure == "floway ended with code 1"
    assert "no mitmproxy today" in result.output


@pytest.mark.slow
async def test_a_client_that_gets_no_answer(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise PlayFailed("turn 0: nobody there")

    monkeypatch.setattr(play.SocketClient, "turn", broken)
    result = await Stage(cache, TURNS).play(Case("websocket", 1))
    assert (result.measured, result.failure) == (None, "turn 0: nobody there")
    assert "is ready" in result.output, "with the log of floway"


@pytest.mark.clients
@pytest.mark.parametrize("client", ["opencode-chat", "opencode-responses"])
async def test_a_real_client_beside_the_official_one(cache: Path, client: str) -> None:
    """A few turns; twenty of every client in every case are `floway continuity`."""
    stage = Stage(cache, TURNS)
    yardstick = await stage.yardstick()
    assert yardstick.case.client == play.YARDSTICK
    result = await stage.play(Case(client, 3, "restart"))
    assert ratio(result) / ratio(yardstick) >= GOAL
