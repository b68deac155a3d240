"""Items of lists that belong together."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fingerprints.compare.lists import keys

ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from("abc")}, optional={"role": st.sampled_from("xy")}
)


def test_an_item_too_many_at_the_front_moves_nothing() -> None:
    items = [{"type": "message", "role": "user"}, {"type": "function_call", "name": "f"}]
    other = [{"type": "additional_tools"}, *items]
    assert list(keys(items, other)) == [("[+0]", other[0]), ("[0]", items[0]), ("[1]", items[1])]


def test_an_item_too_few() -> None:
    items = [{"type": "a"}, {"type": "b"}, {"type": "c"}]
    assert [key for key, _ in keys(items, [items[0], items[2]])] == ["[0]", "[2]"]


def test_what_took_another_s_place_is_compared_with_it() -> None:
    found = keys([{"type": "a"}, {"type": "b"}], [{"type": "a"}, {"type": "x"}, {"type": "y"}])
    assert [key for key, _ in found] == ["[0]", "[1]", "[+0]"]


@given(st.lists(ITEM, max_size=8), st.lists(ITEM, max_size=8))
def test_every_item_has_a_key_of_its_own(reference: list[Any], other: list[Any]) -> None:
    found = list(keys(reference, other))
    assert [item for _, item in found] == other
    assert len({key for key, _ in found}) == len(other)
    numbers = [int(key[1:-1]) for key, _ in found if "+" not in key]
    assert numbers == sorted(numbers)
    assert all(number < len(reference) for number in numbers)


@given(st.lists(ITEM, max_size=8))
def test_equal_lists_keep_their_numbers(items: list[Any]) -> None:
    assert [key for key, _ in keys(items, list(items))] == [f"[{n}]" for n in range(len(items))]
