"""Orders are found again that lists were made with."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from fingerprints.learn.conditions import Case, Condition
from fingerprints.learn.order import order_of

NAMES = tuple("abcdefgh")


def cases(*sign_ins: str) -> list[Case]:
    return [Case((("sign_in", sign_in),)) for sign_in in sign_ins]


@given(st.permutations(NAMES), st.lists(st.sets(st.sampled_from(NAMES)), min_size=1, max_size=8))
def test_a_fixed_order_holds_for_every_instance(order: list[str], held: list[set[str]]) -> None:
    rows = [[name for name in order if name in names] for names in held]
    found = order_of(rows, cases(*["chatgpt"] * len(rows)))
    assert found.random == ()
    places = [place.name for place in found.places]
    assert sorted(places) == sorted({name for names in held for name in names})
    for row in rows:
        assert [name for name in places if name in row] == row


@given(st.randoms(use_true_random=False))
def test_a_group_in_random_order_is_told_from_the_rest(dice: random.Random) -> None:
    rows = []
    for number in range(30):
        group = ["x", "y", "z"]
        dice.shuffle(group)
        rows.append(["a", *group, "b"] if number else ["a", "x", "y", "z", "b"])
    rows += [["a", "z", "y", "x", "b"]]
    found = order_of(rows, cases(*["chatgpt"] * len(rows)))
    assert found.random == (("x", "y", "z"),)
    assert found.places[0].name == "a"
    assert found.places[-1].name == "b"


def test_a_place_that_a_condition_explains() -> None:
    rows = [["a", "m", "b", "c"], ["a", "b", "c", "m"], ["a", "m", "b"], ["a", "b", "m"]]
    found = order_of(rows, cases("api_key", "chatgpt", "api_key", "chatgpt"))
    assert found.random == ()
    assert [(place.name, place.condition.as_data()) for place in found.places] == [
        ("a", {}),
        ("m", {"sign_in": ["api_key"]}),
        ("b", {}),
        ("c", {}),
        ("m", {"sign_in": ["chatgpt"]}),
    ]


def test_a_place_and_a_random_group_at_once() -> None:
    rows = [
        ["m", "a", "x", "y", "b", "c", "d"],
        ["m", "a", "y", "x", "b", "c", "d"],
        ["a", "x", "y", "b", "c", "d", "m"],
        ["a", "y", "x", "b", "c", "d", "m"],
    ]
    found = order_of(rows, cases("api_key", "api_key", "chatgpt", "chatgpt"))
    assert found.random == (("x", "y"),)
    assert found.places[0].condition == Condition((("sign_in", ("api_key",)),))
    assert found.places[-1].condition == Condition((("sign_in", ("chatgpt",)),))


def test_the_result_does_not_depend_on_the_order_of_the_instances() -> None:
    rows = [["a", "b"], ["c", "d"], ["b", "d"], ["a", "c"]]
    there = order_of(rows, cases(*["chatgpt"] * 4))
    back = order_of(rows[::-1], cases(*["chatgpt"] * 4))
    assert there == back
