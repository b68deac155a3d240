"""Snapshots: whose they are, bounded fairly, and what may be attached."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.sessions.snapshots import (
    MAX_METADATA_BYTES,
    NOT_STORED,
    Snapshot,
    Snapshots,
    checked_metadata,
    dumped,
    is_response_id,
    loaded,
)


def snapshot(name: str, principal: str = "p", size: int = NOT_STORED, **more: Any) -> Snapshot:
    return Snapshot(name, principal, f"{principal}:c", "a", 1.0, more.pop("kept", 1.0), size=size)


def names(snapshots: Snapshots) -> list[str]:
    return [each.id for each in snapshots]


def test_the_same_id_of_two_principals_is_two_responses() -> None:
    known = Snapshots()
    known.add(snapshot("r", "one"))
    assert known.find("two", "r") is None
    known.add(snapshot("r", "two", size=5))
    one, two = known.find("one", "r"), known.find("two", "r")
    assert one is not None
    assert two is not None
    assert one.key != two.key
    assert (one.stored, two.stored) == (False, True)


def test_the_principal_with_most_pays_for_too_many() -> None:
    known = Snapshots(limit=3)
    known.add(snapshot("quiet", "q"))
    for number in range(4):
        known.add(snapshot(str(number), "busy"))
    assert names(known) == ["quiet", "2", "3"]


def test_the_principal_with_most_bytes_pays_for_too_large() -> None:
    known = Snapshots(item_bytes=100)
    known.add(snapshot("quiet", "q", 10))
    known.add(snapshot("bare", "busy"))
    known.add(snapshot("large", "busy", 80))
    assert [each.id for each in known.add(snapshot("more", "busy", 30))] == ["large"]
    assert names(known) == ["quiet", "bare", "more"]
    assert [each.id for each in known.add(snapshot("huge", "busy", 200))] == ["more", "huge"]
    assert known.item_bytes == 10


def test_adding_again_replaces() -> None:
    known = Snapshots()
    known.add(snapshot("r", size=10))
    known.add(snapshot("r", size=20))
    assert (len(known), known.item_bytes) == (1, 20)


def test_a_change_keeps_the_place_and_a_forgotten_one_stays_forgotten() -> None:
    known = Snapshots()
    first = snapshot("a")
    known.add(first)
    known.add(snapshot("b"))
    assert known.change(first, child="b").child == "b"
    assert names(known) == ["a", "b"]
    known.drop("p", "a")
    known.change(first, child="c")
    assert names(known) == ["b"]


def test_the_old_ones_expire() -> None:
    known = Snapshots()
    known.add(snapshot("old", size=4, kept=1.0))
    known.add(snapshot("used", kept=9.0))
    assert [each.id for each in known.expire(5.0)] == ["old"]
    assert names(known) == ["used"]
    assert known.item_bytes == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from("pqr"), st.sampled_from("abcdef"), st.sampled_from([NOT_STORED, 3, 40])
        ),
        max_size=40,
    )
)
def test_bounds_hold_and_what_went_is_told(steps: list[tuple[str, str, int]]) -> None:
    known = Snapshots(limit=5, item_bytes=100)
    alive: set[str] = set()
    for principal, name, size in steps:
        added = snapshot(name, principal, size)
        gone = known.add(added)
        alive = (alive | {added.key}) - {each.key for each in gone}
        assert {each.key for each in known} == alive
        assert len(known) <= 5
        assert known.item_bytes == sum(max(0, each.size) for each in known) <= 100


@pytest.mark.parametrize("value", ["resp_1", "x" * 256, "!~"])
def test_ids(value: str) -> None:
    assert is_response_id(value)


@pytest.mark.parametrize("value", ["", "x" * 257, "ü", "a\nb", None, 3])
def test_what_is_no_id(value: Any) -> None:
    assert not is_response_id(value)


def test_metadata_is_a_json_object_under_a_name() -> None:
    value = {"a": [1, None, "ü"]}
    checked = checked_metadata("some", value)
    assert checked == {"some": value}
    value["a"].append(2)
    assert checked == {"some": {"a": [1, None, "ü"]}}, "a copy"


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ([], "object"),
        ({3: 1}, "names"),
        ({"a": {1, 2}}, "JSON"),
        ({"a": float("nan")}, "JSON"),
        ({"a": "x" * MAX_METADATA_BYTES}, "at most"),
    ],
)
def test_other_metadata_is_refused(value: Any, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        checked_metadata("some", value)


def test_kept_and_back() -> None:
    given = Snapshot(
        "r", "p", "p:c", "a", 1.0, 2.0, "before", "after", base=False, size=3, metadata={"x": {}}
    )
    assert loaded(json.loads(json.dumps(dumped(given)))) == given


@pytest.mark.parametrize(
    "change", [{"id": ""}, {"kept": "x"}, {"metadata": []}, {"metadata": {"x": {"a": "y" * 5000}}}]
)
def test_malformed_ones_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"malformed|at most"):
        loaded({**dumped(snapshot("r")), **change})
    with pytest.raises(ValueError, match="malformed"):
        loaded(None)
