"""Whether a history begins with what a checkpoint covers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.telling.coverage import cover, remainder
from addons.providers.cursor.telling.history import Block, User
from addons.providers.cursor.telling.reading import extended, read
from tests.providers.cursor.said import Json, body, called, gave, png, said, text, user

TURN = [user("go"), said("I call."), called("c", "f", x=1, y="ü"), gave("c", "done"), said("Done.")]


def blocks(*items: Json) -> tuple[Block, ...]:
    return read(body(*items)).blocks


def rest(before: list[Json], after: list[Json]) -> tuple[Block, ...] | None:
    return remainder(cover(blocks(*before), "s"), blocks(*after))


def test_the_next_turn_extends() -> None:
    assert rest(TURN, [*TURN, user("more")]) == (User(("more",)),)


def test_a_turn_that_came_in_between_extends() -> None:
    more = [user("more"), said("ok"), user("again")]
    assert rest(TURN, [*TURN, *more]) == blocks(*more)


def test_nothing_new_is_an_empty_rest() -> None:
    assert rest(TURN, TURN) == ()


def test_the_request_and_its_answer_cover_what_comes_back() -> None:
    for cut in (1, 4):
        asked = read(body(*TURN[:cut]))
        covered = cover(extended(asked, TURN[cut:]), asked.system)
        assert remainder(covered, blocks(*TURN, user("more"))) == (User(("more",)),)


WRITTEN = {**called("c", "f"), "arguments": '{"y":"\\u00fc",\n "x":1}'}


@pytest.mark.parametrize(
    "same",
    [
        [user("go"), said(" I call.\n"), *TURN[2:]],
        [user("go"), said("I", " call."), *TURN[2:]],
        [user("go"), called("c", "f", x=1, y="ü"), said("I call."), *TURN[3:]],
        [user("go"), said("I call."), WRITTEN, *TURN[3:]],
        [user({**text("go"), "cache_control": {"type": "ephemeral"}}), *TURN[1:]],
        [{"role": "user", "content": "go", "id": "msg_1"}, *TURN[1:]],
        [TURN[0], {"type": "reasoning", "summary": []}, *TURN[1:]],
        [*TURN[:3], gave("c", text("done")), TURN[4]],
    ],
)
def test_how_a_client_gives_it_back_makes_no_difference(same: list[Json]) -> None:
    assert rest(TURN, [*same, user("more")]) == (User(("more",)),)


@pytest.mark.parametrize(
    "other",
    [
        [user("stop"), *TURN[1:]],
        [user("go", png()), *TURN[1:]],
        [user("go"), user("now"), *TURN[1:]],
        [*TURN[:1], said("I do not call."), *TURN[2:]],
        [*TURN[:2], called("c", "f", x=2, y="ü"), *TURN[3:]],
        [*TURN[:2], called("c", "g", x=1, y="ü"), *TURN[3:]],
        [*TURN[:3], gave("c", "not done"), TURN[4]],
        [*TURN[:3], {**gave("c", "done"), "is_error": True}, TURN[4]],
        [*TURN[:4], said("Almost done.")],
        TURN[:4],
        TURN[:1],
        [user("A summary of what was said.")],
    ],
)
def test_edited_regenerated_and_compacted_histories_do_not_extend(other: list[Json]) -> None:
    assert rest(TURN, [*other, user("more")]) is None


def test_pictures_count() -> None:
    one, two = ([user("look", png(data)), said("I see.")] for data in (b"1", b"2"))
    assert rest(one, [*one, user("more")]) is not None
    assert rest(one, [*two, user("more")]) is None


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(str.strip)
names = st.sampled_from(["a", "b", "c"])
items = st.lists(
    st.one_of(
        words.map(user),
        words.map(said),
        names.map(lambda name: called(name, "f", x=name)),
        st.tuples(names, words).map(lambda pair: gave(*pair)),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(items, items)
def test_a_history_extends_its_own_beginning_and_no_other(one: list[Json], two: list[Json]) -> None:
    first, second = blocks(*one), blocks(*two)
    covered = cover(first, "s")
    found = remainder(covered, second)
    if found is None:
        assert second[: len(first)] != first
    else:
        assert len(found) == len(second) - len(first)
    # The digest does not depend on this process.
    assert cover(blocks(*json.loads(json.dumps(one))), "s") == covered
