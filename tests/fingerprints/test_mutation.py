"""The mutation run finds every hole of the checker, and names the rule for what is no hole."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from fingerprints.check import _Check
from fingerprints.library import load
from fingerprints.mutation import Mutant, exchange_mutants, score, trace_mutants
from fingerprints.walk import Walk
from tests.fingerprints.made_traces import made
from tests.fingerprints.recordings import Case, case, cases
from tests.fingerprints.test_trace_check import socket
from tests.fingerprints.test_trace_view import exchange_of

NEW = load("codex@0.169.0")
SAMPLE = (
    "0.169.0/turn-http-lite-chatgpt",
    "0.169.0/models",
    "0.169.0/mcp",
    "0.142.0/upgrade-ws-full-chatgpt",
)
OPERATIONS = {
    "drop",
    "rename",
    "duplicate",
    "move",
    "re-case",
    "re-type",
    "change",
    "corrupt",
    "encoding",
    "line",
}


@cache
def mutants(name: str) -> tuple[Mutant, ...]:
    recorded = case(name)
    return tuple(exchange_mutants(recorded.profile, exchange_of(recorded)))


TURN = "0.169.0/turn-http-lite-chatgpt"


def _cases() -> list[Any]:
    """The sample; the rest is slow. 0.142.0 has no lite model, so that shape would be a guess."""
    return [
        pytest.param(each, id=each.name, marks=[] if each.name in SAMPLE else [pytest.mark.slow])
        for each in cases()
        if not each.is_frame and not (each.release == "0.142.0" and each.shape == "lite")
    ]


@pytest.mark.parametrize("recorded", _cases())
def test_every_mutant_is_caught_or_excused(recorded: Case) -> None:
    found = score(mutants(recorded.name))
    assert [(each.operation, each.path) for each in found.survived] == []
    assert found.total == found.caught + found.excused.total()
    assert found.caught > 0.6 * found.total


def test_every_operation_is_tried() -> None:
    found = score(mutants(TURN))
    assert set(found.by_operation) == OPERATIONS
    assert all(sum(counts) > 2 for counts in found.by_operation.values())
    assert found.total > 400


def test_messages_and_their_order() -> None:
    found = score(trace_mutants(NEW, socket("prewarm-ws-full-chatgpt", "turn-ws-full-chatgpt")))
    assert [(each.request, each.operation, each.path) for each in found.survived] == []
    assert found.by_operation["sequence"] == [3, 0, 0]
    assert found.total > 500


def test_excuses_name_the_rule() -> None:
    rules = score(mutants(TURN)).excused
    assert "headers.responses chatgpt-account-id: text" in rules
    assert "documents.turn_metadata turn_trigger: text, sometimes" in rules
    assert "documents.client_metadata, order free" in rules
    mcp = score(mutants("0.169.0/mcp")).excused
    assert "headers.mcp, unordered" in mcp


@pytest.mark.parametrize(
    ("owner", "name", "operations"),
    [
        (Walk, "_order", {"move"}),
        (Walk, "_equalities", {"change"}),
        (Walk, "_wrong", {"corrupt", "re-type"}),
        (Walk, "_json_text", {"encoding"}),
        (Walk, "_judge", {"drop", "rename"}),
        (_Check, "_line", {"line"}),
    ],
)
def test_a_hole_in_the_checker_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, operations: set[str]
) -> None:
    monkeypatch.setattr(owner, name, lambda *_args, **_more: [])
    found = score(exchange_mutants(NEW, exchange_of(case("0.169.0/upgrade-ws-full-chatgpt"))))
    assert operations <= {each.operation for each in found.survived}


def test_a_role_that_stands_elsewhere_excuses_nothing() -> None:
    """A uuid that may be any uuid is caught where another field says which one it is."""
    changed = {each.path: each for each in mutants(TURN) if each.operation == "change"}
    assert changed["header:session-id"].caught
    assert changed["body:prompt_cache_key"].caught
    alone = changed["header:x-codex-turn-metadata.context_window_id"]
    assert not alone.caught
    assert alone.rule.startswith("documents.turn_metadata context_window_id")


def test_what_the_profile_does_not_have_has_no_mutants() -> None:
    strange = exchange_of(case("0.169.0/usage")).model_copy(update={"path": "/elsewhere"})
    assert list(trace_mutants(NEW, made([strange]))) == []
    elsewhere = strange.model_copy(update={"authority": "elsewhere.example"})
    hosts = NEW.model_copy(update={"hosts": ("chatgpt.com",)})
    assert list(trace_mutants(hosts, made([elsewhere]))) == []


def test_a_score_counts() -> None:
    found = score(
        [
            Mutant("1", "drop", "a", caught=True),
            Mutant("1", "drop", "b", caught=False, rule="r"),
            Mutant("1", "move", "c", caught=False),
        ]
    )
    assert (found.total, found.caught, found.excused["r"]) == (3, 1, 1)
    assert [each.path for each in found.survived] == ["c"]
    assert found.by_operation == {"drop": [1, 1, 0], "move": [0, 0, 1]}
