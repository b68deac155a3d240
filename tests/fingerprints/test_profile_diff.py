"""Profiles compared: what is said of made-up changes, and of two real releases."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.library import available, load
from fingerprints.profile import Profile
from fingerprints.profile_diff import Kind, ProfileChange, compare

OLD = load("codex@0.142.0")
NEW = load("codex@0.169.0")


def changed(profile: Profile, change: Any) -> Profile:
    data = copy.deepcopy(profile.as_data())
    change(data)
    return Profile.model_validate(data)


def said(found: list[ProfileChange]) -> set[tuple[str, Kind]]:
    return {(each.path, each.kind) for each in found}


@pytest.mark.parametrize("name", [item.name for item in available()])
def test_a_profile_does_not_differ_from_itself(name: str) -> None:
    assert compare(load(name), load(name)) == []


def test_names_of_lists_reasons_and_evidence_do_not_count() -> None:
    def rename(data: dict[str, Any]) -> None:
        data["headers"]["other"] = data["headers"].pop("responses")
        for forms in data["requests"].values():
            for form in forms.values():
                if form.get("headers") == "responses":
                    form["headers"] = "other"
        for entry in data["headers"]["other"]:
            entry["reason"] = "another"
            entry.pop("evidence", None)
            entry.pop("seen", None)

    assert compare(NEW, changed(NEW, rename)) == []


@given(st.data())
def test_a_dropped_header_is_removed_and_the_other_way_round_added(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted({each.name for each in NEW.headers["responses"]})))

    def drop(profile: dict[str, Any]) -> None:
        entries = profile["headers"]["responses"]
        profile["headers"]["responses"] = [each for each in entries if each["name"] != name]

    less = changed(NEW, drop)
    (removed,) = [each for each in compare(NEW, less) if each.path == f"header:{name}"]
    (added,) = [each for each in compare(less, NEW) if each.path == f"header:{name}"]
    assert (removed.kind, added.kind) == (Kind.REMOVED, Kind.ADDED)
    assert removed.before == added.after != ""
    assert {*removed.kinds} >= {"turn", "compaction"}


@pytest.mark.parametrize(
    ("change", "path", "kind"),
    [
        (lambda e: e.update(value="opaque"), "header:session-id", Kind.VALUE),
        (lambda e: e.update(role="thread_id"), "header:session-id", Kind.ROLE),
        (lambda e: e.update(presence="sometimes"), "header:session-id", Kind.PRESENCE),
        (lambda e: e.update(when={"shape": ["lite"]}), "header:session-id", Kind.PRESENCE),
        (lambda e: e.update(default="x"), "header:session-id", Kind.DEFAULT),
        (lambda e: e.update(name="Session-Id"), "header:Session-Id", Kind.RENAMED),
        (lambda e: e.update(equal=False), "header:session-id", Kind.VALUE),
    ],
)
def test_a_changed_entry(change: Any, path: str, kind: Kind) -> None:
    def apply(data: dict[str, Any]) -> None:
        for entry in data["headers"]["responses"]:
            if entry["name"] == "session-id":
                change(entry)

    (found,) = compare(NEW, changed(NEW, apply), "turn")
    assert (found.path, found.kind) == (path, kind)


def test_a_moved_header_is_one_change() -> None:
    def move(data: dict[str, Any]) -> None:
        entries = data["headers"]["responses"]
        entries.append(entries.pop(0))

    (found,) = compare(NEW, changed(NEW, move))
    assert found.kind is Kind.MOVED
    assert found.path == "header:version"
    assert str(found).startswith("header:version: moved, was first")


def test_a_change_inside_a_json_text_has_its_path() -> None:
    def change(data: dict[str, Any]) -> None:
        members = data["documents"]["turn_metadata"]["members"]
        members[:] = [each for each in members if each["name"] != "sandbox"]

    found = compare(NEW, changed(NEW, change))
    assert said(found) == {
        ("body:client_metadata.x-codex-turn-metadata.sandbox", Kind.REMOVED),
        ("header:x-codex-turn-metadata.sandbox", Kind.REMOVED),
    }
    (upgrade,) = [each for each in found if each.path.startswith("header:")]
    assert upgrade.kinds == ("upgrade (websocket)",)


def test_a_new_kind_a_path_and_a_model() -> None:
    def change(data: dict[str, Any]) -> None:
        data["requests"]["usage_two"] = data["requests"]["usage"]
        data["requests"]["models"]["http"]["path"]["chatgpt"] = ["/elsewhere"]
        data["models"][0]["defaults"] = {"verbosity": "high"}
        data["requests"]["turn"]["http"]["encodings"] = []

    found = compare(NEW, changed(NEW, change))
    kinds = said(found)
    assert ("requests.usage_two", Kind.ADDED) in kinds
    assert ("path (chatgpt)", Kind.ADDED) in kinds
    assert ("path (chatgpt)", Kind.REMOVED) in kinds
    assert ("encoding", Kind.CHANGED) in kinds
    assert any(path.startswith("models.") for path, kind in kinds if kind is Kind.CHANGED)


def test_two_releases_as_the_recordings_showed_them() -> None:
    """facts of 0.142.0 and 0.169.0, as their recordings were read by hand."""
    found = {each.path: each for each in compare(OLD, NEW, "turn")}
    metadata = "body:client_metadata.x-codex-turn-metadata"
    assert found["header:x-codex-routing-hint"].kind is Kind.ADDED
    assert found["body:instructions"].kind is Kind.REMOVED
    key = found["body:prompt_cache_key"]
    assert (key.kind, key.before, key.after) == (Kind.ROLE, "thread_id", "session_id")
    for name in ("agent_name", "window_number", "context_window_id", "root_turn_id", "model"):
        assert found[f"{metadata}.{name}"].kind is Kind.ADDED
    assert found["body:stream"].kind is Kind.MOVED
    assert all(kind.startswith("turn") for each in found.values() for kind in each.kinds)


def test_one_kind_only() -> None:
    found = compare(OLD, NEW, "models")
    assert found
    assert {kind for each in found for kind in each.kinds} == {"models"}
