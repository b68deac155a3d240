from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from replay.cli import main

type Floway = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in list(os.environ):
        if variable.upper().startswith("FLOWAY_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def floway(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Floway:
    """Runs a command in this process and gives its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["floway", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return code or 0, captured.out, captured.err

    return run
