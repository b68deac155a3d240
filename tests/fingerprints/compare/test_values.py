"""deepdiff as the oracle of values: where neither order nor spelling nor noise is at stake, it must
find the same places."""

from __future__ import annotations

from typing import Any

from deepdiff import DeepDiff
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fingerprints.compare.noise import Habits
from fingerprints.compare.recordings import compare
from fingerprints.difference import Change
from fingerprints.serial import dumps
from fingerprints.trace import Exchange, Payload, Trace
from tests.fingerprints.made_traces import made

WORD = st.text("abcdefgh", min_size=1, max_size=4)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(-99, 99), WORD)
TREE = st.recursive(
    LEAF,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORD, inner, max_size=4)),
    max_leaves=12,
)
OBJECT = st.dictionaries(WORD, TREE, max_size=5)


def trace(data: Any) -> Trace:
    body = Payload(form="json", length=len(dumps(data)), data=data)
    exchange = Exchange(
        number=1, method="POST", authority="x.example", path="/", headers=(), body=body
    )
    return made([exchange])


def ordered(data: Any) -> Any:
    """Members by name: the oracle does not look at their order."""
    if isinstance(data, dict):
        return {name: ordered(data[name]) for name in sorted(data)}
    return [ordered(item) for item in data] if isinstance(data, list) else data


def same_lengths(one: Any, other: Any) -> bool:
    """Lists of other lengths are aligned by likeness here, and by index there."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_lengths, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same_lengths(one[name], other[name]) for name in one.keys() & other.keys())
    return True


def oracle(golden: Any, candidate: Any) -> set[str]:
    found = DeepDiff(
        golden,
        candidate,
        ignore_order=False,
        zip_ordered_iterables=True,
        threshold_to_diff_deeper=0,
        view="tree",
    )
    return {
        f"body:{'.'.join(map(str, level.path(output_format='list')))}"
        for group in found.values()
        for level in group
    }


def plain(path: str) -> str:
    return path.replace("[", ".").replace("]", "")


@settings(max_examples=60, deadline=None)
@given(OBJECT, OBJECT)
def test_the_same_places_as_deepdiff(golden: Any, candidate: Any) -> None:
    golden, candidate = ordered(golden), ordered(candidate)
    assume(same_lengths(golden, candidate))
    goldens = [trace(golden), trace(golden)]
    differences = compare(goldens, trace(candidate), habits=Habits()).differences
    assert {plain(each.path) for each in differences} == oracle(golden, candidate)


@given(OBJECT)
def test_what_deepdiff_does_not_see(data: Any) -> None:
    """Order: deepdiff says equal, the wire is not."""
    data = ordered(data)
    assume(len(data) > 1)
    first, *rest = data
    moved = {name: data[name] for name in (*rest, first)}
    assert not DeepDiff(data, moved, ignore_order=False)
    found = compare([trace(data), trace(data)], trace(moved)).differences
    assert {each.kind for each in found} == {Change.MOVED}


@given(OBJECT)
def test_a_recording_is_the_same_as_itself(data: Any) -> None:
    assert compare([trace(data), trace(data)], trace(data)).differences == []
    assert compare([trace(data)], trace(data)).differences == []
