"""``floway timeline``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.debug.timeline_writer import SUFFIX


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "timelines"
    folder.mkdir()
    for name, conversation in (("a", "one"), ("b", "two")):
        lines = [
            {"t": 0.0, "event": "request", "at": 1.0, "method": "GET", "path": "/p"},
            {"t": 0.1, "event": "plan", "conversation": conversation},
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}{SUFFIX}").write_text(text)
    return folder


def test_all_connections_or_those_of_a_conversation(floway, folder: Path) -> None:
    code, out, err = floway("timeline", str(folder))
    assert (code, err) == (0, "")
    assert out.count("request   GET /p") == 2
    assert floway("timeline", str(folder), "--conversation", "two")[1].count("GET /p") == 1
    out = floway("timeline", str(folder / f"a{SUFFIX}"), "--json")[1]
    assert json.loads(out.splitlines()[0])["file"] == f"a{SUFFIX}"


def test_the_folder_of_the_settings(floway, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = floway("timeline")
    assert code == 2
    assert "set timeline" in err
    monkeypatch.setenv("FLOWAY_TIMELINE", str(folder))
    assert floway("timeline")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "can't be read"),
        (["--conversation", "three"], "no connection of that conversation"),
        (["file"], "line 1 is none of a timeline"),
        (["empty"], "no timelines in"),
    ],
)
def test_what_can_not_be_shown(floway, folder: Path, words: list[str], told: str) -> None:
    (folder / "file").write_text("x\ny\n")
    (folder / "empty").mkdir()
    path = folder if words[0].startswith("--") else folder / words.pop(0)
    code, _, err = floway("timeline", str(path), *words)
    assert code == 1
    assert told in err
