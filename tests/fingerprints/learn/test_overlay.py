"""What an overlay changes, and what of it matched nothing."""

from __future__ import annotations

from typing import Any

import pytest

from fingerprints.learn.overlay import Overlay, accepts, apply, unused_acceptances
from fingerprints.library import load
from fingerprints.profile import Profile

BASE = load("codex@0.142.0")


def applied(**overlay: Any) -> tuple[Profile, list[str]]:
    return apply(BASE, Overlay.model_validate(overlay))


def names(profile: Profile, headers: str = "responses") -> list[str]:
    return [entry.name for entry in profile.headers[headers]]


NEW = {"name": "x-new", "value": "text", "presence": "sometimes"}


@pytest.mark.parametrize(
    ("where", "before"),
    [({"after": "session-id"}, "session-id"), ({"before": "thread-id"}, "session-id")],
)
def test_an_entry_is_put_where_it_belongs(where: dict[str, str], before: str) -> None:
    profile, idle = applied(add=[{"to": "headers.responses", **where, "entry": NEW}])
    assert idle == []
    assert names(profile)[names(profile).index("x-new") - 1] == before


def test_without_a_place_it_is_the_last() -> None:
    profile, _ = applied(add=[{"to": "headers.*", "entry": NEW}])
    assert all(entries[-1].name == "x-new" for entries in profile.headers.values())


@pytest.mark.parametrize(
    "addition",
    [
        {"to": "headers.nope", "entry": NEW},
        {"to": "headers.responses", "after": "nope", "entry": NEW},
        {"to": "headers.responses", "before": "nope", "entry": NEW},
        {"to": "headers.responses", "entry": {"name": "session-id", "value": "text"}},
        {"to": "headers.responses", "entry": {**NEW, "when": {"shape": ["round"]}}},
        {"to": "headers.responses", "entry": {**NEW, "when": {"kind": "nope"}}},
    ],
)
def test_an_addition_without_a_place_matches_nothing(addition: dict[str, Any]) -> None:
    profile, idle = applied(add=[addition])
    assert idle == [f"add: {addition['to']}.{addition['entry']['name']}"]
    assert profile.as_data() == BASE.as_data()


def test_an_entry_beside_another_of_its_name() -> None:
    other = {"name": "x-client-request-id", "value": "text", "when": {"kind": ["compaction"]}}
    addition = {"to": "headers.responses", "before": other["name"], "entry": other, "beside": True}
    profile, _ = applied(add=[addition])
    assert names(profile).count("x-client-request-id") == 2
    again, idle = apply(profile, Overlay.model_validate({"add": [addition]}))
    assert names(again) == names(profile)
    assert idle


def test_changes_apply_where_the_condition_is_exactly_that() -> None:
    change = {"path": "documents.*.turn_id", "when": {"kind": ["prewarm"]}, "to": {"reason": "x"}}
    profile, idle = applied(set=[change])
    assert idle == []
    found = [
        entry.when.kind
        for document in profile.documents.values()
        for entry in document.members
        if entry.name == "turn_id" and entry.reason == "x"
    ]
    assert found == [("prewarm",)]


def test_null_takes_a_member_away() -> None:
    profile, _ = applied(set=[{"path": "headers.responses.host", "to": {"when": None}}])
    host = next(entry for entry in profile.headers["responses"] if entry.name == "host")
    assert host.when.http == ()


def test_order_of_what_was_never_recorded_together() -> None:
    sequel = {"in": "headers.responses", "first": "thread-id", "then": "session-id"}
    profile, idle = applied(order=[sequel])
    assert idle == []
    found = names(profile)
    assert found.index("thread-id") + 1 == found.index("session-id")
    again, _ = apply(profile, Overlay.model_validate({"order": [sequel]}))
    assert names(again) == found


def test_items_shapes_models_and_the_rest() -> None:
    profile, idle = applied(
        documents={"item_new": {"members": [{"name": "type", "value": {"const": "new"}}]}},
        items=[{"type": "new", "document": "item_new"}, {"type": "reasoning", "document": "x"}],
        shapes={"round": {"instructions": "member", "tools": "member"}},
        models=[{"match": "gpt-round", "shape": "round"}],
        never={"headers": ["x-never"], "members": ["nothing"]},
        originators={"codex_exec": "another word"},
        evidence={"hearsay": "someone said so"},
        reasons={"shapes.round": "made up", "requests.models.http": "a list"},
    )
    assert idle == ["items: reasoning"]
    assert profile.items[-1].type == "new"
    assert profile.shape("gpt-round") == "round"
    assert profile.shapes["round"].reason == "made up"
    assert profile.models[-1].match == ("*",)
    assert "x-never" in profile.never.headers
    assert "nothing" in profile.never.members
    assert profile.originators["codex_exec"] == "another word"
    assert profile.recorded.evidence["hearsay"] == "someone said so"
    assert profile.requests["models"]["http"].reason == "a list"


def test_acceptances() -> None:
    overlay = Overlay.model_validate({"accepted": {"headers.a.*": "so it is", "nope": "x"}})
    assert accepts([overlay], "headers.a.b") == "so it is"
    assert accepts([overlay], "headers.b.b") is None
    assert unused_acceptances(overlay, ["headers.a.b"]) == ["accepted: nope"]
