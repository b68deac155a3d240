from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from addons.front.stop_sequences import StopFilter

LETTERS = st.text(alphabet="ab\n", max_size=14)


def oracle(text: str, stops: list[str]) -> str:
    """Character by character, as a model would stop."""
    for end in range(1, len(text) + 1):
        ending = [stop for stop in stops if text[:end].endswith(stop)]
        if ending:
            return text[: end - max(map(len, ending))]
    return text


@settings(max_examples=250)
@given(
    LETTERS,
    st.lists(st.text(alphabet="ab\n", min_size=1, max_size=4), min_size=1, max_size=4),
    st.lists(st.integers(0, 14), max_size=5),
)
@example("aab", ["ab"], [1, 2])
@example("abab", ["abb", "b"], [2])
def test_the_same_text_for_every_split(text: str, stops: list[str], places: list[int]) -> None:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    stop = StopFilter(stops)
    shown = "".join(stop.feed(text[start:end]) for start, end in pairwise(edges))
    assert shown + stop.flush() == oracle(text, stops)
    assert stop.hit == any(stop in text for stop in stops)
    assert bool(stop.found) == stop.hit
    if stop.hit:
        assert stop.found in stops
        assert text.startswith(shown + stop.found)


@given(LETTERS, st.text(alphabet="ab\n", min_size=1, max_size=4))
def test_no_more_is_held_back_than_could_begin_a_sequence(text: str, sequence: str) -> None:
    stop = StopFilter([sequence])
    shown = stop.feed(text)
    if not stop.hit:
        held = text[len(shown) :]
        assert sequence.startswith(held)
        assert len(held) < len(sequence)


@pytest.mark.parametrize(
    ("stops", "text", "shown"),
    [
        (["\n\n"], "one\n\ntwo", "one"),
        (["END", "D"], "the END", "the "),
        (["xyz"], "xy", "xy"),
        (["a"], "abc", ""),
        (["é🙂"], "é é🙂", "é "),
    ],
)
def test_examples(stops: list[str], text: str, shown: str) -> None:
    stop = StopFilter(stops)
    assert stop.feed(text) + stop.flush() == shown


def test_nothing_comes_after_a_hit() -> None:
    stop = StopFilter(["b"])
    assert [stop.feed("ab"), stop.feed("ccc"), stop.flush()] == ["a", "", ""]
