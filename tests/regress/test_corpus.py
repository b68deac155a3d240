"""Which recordings are chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from fingerprints import trace_file
from fingerprints.errors import TraceError
from replay.regress.corpus import by_scenario, chosen, load, own_profile
from tests.fingerprints.made_traces import Run

NAME = "codex@0.169.0/turn-exec-http-chatgpt#1"


@pytest.mark.parametrize(
    ("expressions", "is_chosen"),
    [
        ([], True),
        (["turn"], True),
        (["TURN"], True),
        (["tool"], False),
        (["not tool"], True),
        (["not turn"], False),
        (["turn and http"], True),
        (["turn and websocket"], False),
        (["tool or http and not api_key"], True),
        (["tool or not http"], False),
        (["turn", "tool"], False),
    ],
)
def test_expressions(expressions: list[str], is_chosen: bool) -> None:
    assert chosen(NAME, expressions) is is_chosen


def test_recordings_of_folders(tmp_path: Path) -> None:
    for run in (2, 1):
        trace_file.write(Run(run).trace(), tmp_path)
    other = Run(1).trace().model_copy(update={"scenario": "tool", "client": "codex"})
    trace_file.write(other, tmp_path)
    found = load([tmp_path])
    assert [each.trace.name for each in found] == [
        "codex@1.0.0/tool-http#1",
        "made@1.0.0/turn-http#1",
        "made@1.0.0/turn-http#2",
    ]
    assert [each.official for each in found] == [True, False, False]
    assert list(by_scenario(found)) == ["codex@1.0.0/tool-http", "made@1.0.0/turn-http"]
    assert own_profile(found[0].trace) is None
    assert load([tmp_path], ["tool"]) == found[:1]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TraceError, match="no file"):
        load([empty])
