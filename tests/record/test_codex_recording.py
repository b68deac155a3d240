"""A release of the official client, recorded for real; the scenarios check what was recorded."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fingerprints import trace_file
from replay.record import catalogue
from replay.record.install import CODEX as PACKAGE
from replay.record.install import install
from replay.record.runner import CodexRunner, plan
from replay.record.scenarios import CODEX, Case, select

pytestmark = pytest.mark.clients

RELEASE = "0.169.0"


async def test_a_release_is_recorded_over_both_transports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = os.environ.get("FLOWAY_CLIENTS")
    if not clients or not (Path(clients) / f"codex-{RELEASE}").is_dir():
        pytest.skip(f"codex {RELEASE} is not installed in FLOWAY_CLIENTS")
    installed = await install(PACKAGE, RELEASE, tmp_path)
    assert not installed.fresh
    wanted = {
        "tool": (Case(), Case("websocket")),
        "tui": (Case(git=True),),
        "refresh": (Case(),),
    }
    scenarios = [replace(each, cases=wanted[each.name]) for each in select(CODEX, list(wanted))]
    runner = CodexRunner(installed, tmp_path / "cache", tmp_path / "out")
    outcomes = await runner.record(plan(scenarios, 1), jobs=2)
    for outcome in outcomes:
        assert outcome.status == "recorded", (outcome.reason, outcome.output)
        assert outcome.file is not None
        trace = trace_file.read(outcome.file)
        assert trace.exchanges
        assert all(each.answer is not None for each in trace.exchanges if each.method == "POST")
    models = catalogue.read(tmp_path / "out" / "codex" / RELEASE / catalogue.FILE)
    assert {model.shape for model in models.models} == {"full", "lite"}
