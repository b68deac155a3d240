"""What a release can do, and what follows for the scenarios."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from replay.record import catalogue, codex
from replay.record.codex import Abilities, Driver, abilities
from replay.record.errors import Lacking
from replay.record.install import Installed
from replay.record.scenarios import CODEX, select
from replay.record.terminal import Terminal, TerminalFailed


def able(*commands: str, shapes: tuple[bool, ...] | None = (True, False)) -> Abilities:
    models = None
    if shapes is not None:
        entries = [
            {"slug": f"m{number}", "priority": number, "use_responses_lite": lite}
            for number, lite in enumerate(shapes)
        ]
        text = json.dumps({"models": entries})
        models = catalogue.reduce(text, client="codex", release="1.0.0")
    return Abilities("1.0.0", frozenset(commands), models)


def lacking(abilities_: Abilities) -> dict[str, str]:
    found = {scenario.name: abilities_.lacking(scenario) for scenario in CODEX}
    return {name: reason for name, reason in found.items() if reason}


def test_what_is_missing_is_named() -> None:
    assert lacking(able("exec resume", "exec review", "exec fork", "fork")) == {}
    assert lacking(able("exec resume", "exec review", "fork")) == {}
    assert lacking(able()) == {
        "resume": "1.0.0 has no `codex exec resume`",
        "compaction": "1.0.0 has no `codex exec resume`",
        "review": "1.0.0 has no `codex exec review`",
        "fork": "1.0.0 has no `codex exec fork` or `codex fork`",
    }


def test_a_release_that_forks_in_its_terminal_ui_alone_does_all_of_it_there() -> None:
    [fork] = select(CODEX, ["fork"])
    assert able("exec fork", "fork").fitted(fork) == fork
    fitted = able("fork").fitted(fork)
    assert fitted.surface == "tui"
    assert [step.way for step in fitted.steps] == ["terminal", "fork"]
    assert [step.prompts for step in fitted.steps] == [step.prompts for step in fork.steps]
    [turn] = select(CODEX, ["turn"])
    assert able("fork").fitted(turn) == turn


def test_the_model_of_the_other_shape() -> None:
    assert able().other_model() == "m1"
    with pytest.raises(Lacking, match="does not print its models"):
        able(shapes=None).other_model()
    with pytest.raises(Lacking, match=r"all models of 1\.0\.0 have the same"):
        able(shapes=(False, False)).other_model()


async def test_a_client_is_asked(fake_client: Callable[[str], Installed], tmp_path: Path) -> None:
    found = await abilities(fake_client("good"), tmp_path)
    assert found.commands == {"exec resume"}
    assert found.other_model() == "fake-full"


DIALOG = r"""
import os, tty
tty.setraw(0)
line, dialog = b"", {dialog}
os.write(1, b"New model! Press enter" if dialog else b"> ")
while True:
    key = os.read(0, 1)
    if key == b"\r" and dialog:
        dialog, line = False, b""
        os.write(1, b"\r\n> ")
    elif key == b"\r":
        os.write(1, b"\r\ntook [" + line + b"]")
    elif key == b"\x15":
        line = b""
    elif not dialog:
        line += key
        os.write(1, key)
"""


@pytest.mark.parametrize("dialog", [False, True])
def test_a_dialog_in_the_way_is_confirmed_and_the_prompt_typed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialog: bool
) -> None:
    for name, seconds in (("ENTER_SECONDS", 0.3), ("_QUIET", 0.2), ("_PASTE", 0.2)):
        monkeypatch.setattr(codex, name, seconds)
    command = [sys.executable, "-c", DIALOG.format(dialog=dialog)]
    with Terminal(command, {"PATH": os.environ["PATH"]}, tmp_path) as terminal:
        driver = Driver.__new__(Driver)
        took = "took [Say hello.]"
        monkeypatch.setattr(
            driver, "_progress", lambda _prompt: "asked" if took in terminal.screen else ""
        )
        driver._say(terminal, "Say hello.")
        assert terminal.screen.count("took") == 1


def test_a_prompt_that_is_never_taken_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ENTER_SECONDS", 0.1), ("_QUIET", 0.1), ("_PASTE", 0.1), ("ENTERS", 2)):
        monkeypatch.setattr(codex, name, value)
    command = [sys.executable, "-c", DIALOG.format(dialog=False)]
    with Terminal(command, {"PATH": os.environ["PATH"]}, tmp_path) as terminal:
        driver = Driver.__new__(Driver)
        monkeypatch.setattr(driver, "_progress", lambda _prompt: "")
        with pytest.raises(TerminalFailed, match=r"the prompt was not sent\n(?s:.*)took"):
            driver._say(terminal, "Say hello.")
