"""Prompts as a prefix cache sees them."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.sessions import facts
from addons.sessions.facts import MAX_TEXT, Prompt, chain, shortened
from tests.sessions.made import prompt

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def test_a_body_s_prompt() -> None:
    body = {"instructions": "rules", "tools": [1], "input": [{"role": "user"}], "store": False}
    assert Prompt.of_body(body) == Prompt("rules", [1], [{"role": "user"}])
    assert list(Prompt.of_body({"input": "hello"}).parts()) == [None, None, "hello"]
    assert list(Prompt.of_body({}).parts()) == [None, None]
    continued = Prompt.of_body({**body, "previous_response_id": "resp_1"})
    assert list(continued.parts()) == [{"role": "user"}]


@pytest.mark.parametrize(
    ("continued", "places"),
    [(False, ["instructions", "tools", "input[0]"]), (True, ["input[0]", "input[1]", "input[2]"])],
)
def test_parts_are_named_as_in_the_body(continued: bool, places: list[str]) -> None:
    made = prompt(3, continued=continued)
    assert [made.place(index) for index in range(3)] == places


@given(st.lists(VALUES, max_size=6), st.lists(VALUES, max_size=3))
def test_a_longer_prompt_begins_with_the_prefixes_of_the_shorter(
    items: list[object], more: list[object]
) -> None:
    short = chain(Prompt("rules", None, items), "m")
    long = chain(Prompt("rules", None, [*items, *more]), "m")
    assert long.names[: len(short.names)] == short.names
    assert long.sizes[: len(short.sizes)] == short.sizes
    assert list(long.sizes) == sorted(long.sizes)


@given(st.lists(VALUES, max_size=6), st.booleans())
def test_a_digested_prompt_has_the_same_names(items: list[object], continued: bool) -> None:
    whole = Prompt("rules", [1], items, continued)
    digested = whole.digested("m")
    assert chain(digested, "m") == chain(whole, "m")
    assert digested.place(0) == whole.place(0)
    assert chain(digested.digested("m"), "m") == chain(whole, "m")


def test_a_digested_prompt_holds_nothing_that_was_said() -> None:
    digested = prompt(3).digested("m")
    assert (digested.instructions, digested.tools, digested.items) == (None, None, ())
    assert prompt(3, continued=True).digested("m") == prompt(3, continued=True)


@given(data=st.data())
def test_what_is_kept_of_a_conversation_changes_no_name(data: st.DataObject) -> None:
    """Turns that go on, go back, fork and change; their items the same objects or equal ones."""
    made: dict[str, object] = {}
    said = data.draw(st.lists(VALUES, min_size=1, max_size=6))
    for _ in range(data.draw(st.integers(1, 5))):
        items = [*said[: data.draw(st.integers(0, len(said)))], *data.draw(st.lists(VALUES))]
        if data.draw(st.booleans()):
            items = copy.deepcopy(items)
        rules, model, before = (data.draw(st.sampled_from(("a", "b"))) for _ in range(3))
        continued = data.draw(st.booleans())
        prompt = Prompt(rules, None, items, continued, made)
        fresh = Prompt(rules, None, items, continued)
        assert chain(prompt, model, before) == chain(fresh, model, before)
        said = items or said


def test_items_that_are_repeated_are_not_digested_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, object] = {}
    items = [{"text": str(number)} for number in range(50)]
    chain(Prompt("a", None, items, made=made), "m")
    seen: list[object] = []
    digested = facts._bytes

    def noted(part: object) -> bytes:
        seen.append(part)
        return digested(part)

    monkeypatch.setattr(facts, "_bytes", noted)
    chain(Prompt("a", None, [*items, "new"], made=made), "m")
    assert seen == ["m", "a", None, "new"]


@given(st.lists(VALUES, min_size=1, max_size=6), st.data())
def test_a_changed_part_changes_all_prefixes_from_there_on(
    items: list[object], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(items) - 1))
    changed = [*items]
    changed[place] = [items[place]]
    one, other = (chain(Prompt("rules", None, given), "m").names for given in (items, changed))
    same = [a == b for a, b in zip(one, other, strict=True)]
    assert same == [True] * (place + 2) + [False] * (len(items) - place)


def test_a_model_has_prefixes_of_its_own() -> None:
    assert not set(chain(prompt(2), "m").names) & set(chain(prompt(2), "n").names)


def test_a_continued_prompt_goes_on_where_the_one_before_ended() -> None:
    items = list(prompt(4).items)
    whole = chain(prompt(4), "m").names
    before = chain(prompt(2), "m").names[-1]
    assert chain(Prompt(items=items[2:], continued=True), "m", before).names == whole[-2:]


def test_what_json_writers_refuse_has_a_name_as_well() -> None:
    assert len(chain(Prompt("\ud800", None, [2**70]), "\ud800").names) == 3


@given(st.text())
def test_texts_are_printable_and_bounded(text: str) -> None:
    made = shortened(text)
    assert len(made) == min(len(text), MAX_TEXT)
    assert made.isprintable()
