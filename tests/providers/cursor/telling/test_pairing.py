"""Calls and results by the rules of the models."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.run.run_outputs import ToolResult
from addons.providers.cursor.telling.history import Assistant, Block, Call, Results, User
from addons.providers.cursor.telling.pairing import NO_RESULT, STRAY, paired
from addons.providers.cursor.telling.reading import read
from tests.providers.cursor.said import body, called, gave, said, user


def blocks(*items: dict[str, object]) -> tuple[Block, ...]:
    return read(body(*items)).blocks


SOUND = blocks(
    user("go"),
    said("I call."),
    called("c1", "f"),
    called("c2", "g"),
    gave("c2", "two"),
    gave("c1", "one"),
    said("Done."),
    user("more"),
)


def test_what_is_sound_stays() -> None:
    made = paired(SOUND)
    assert made.blocks == SOUND
    assert made.names == {"c1": "f", "c2": "g"}
    assert made.notes == ()


def test_an_interrupted_call_is_told_of() -> None:
    made = paired(blocks(user("go"), called("c1", "f"), called("c2", "g"), user("stop")))
    assert made.blocks[2] == Results(
        (ToolResult("c1", (NO_RESULT,), True), ToolResult("c2", (NO_RESULT,), True))
    )
    assert made.blocks[3] == User(("stop",))
    assert made.notes == ("2 tool calls had no result; the model is told so.",)


def test_a_partly_answered_set_is_filled_up() -> None:
    made = paired(blocks(user("go"), called("c1", "f"), called("c2", "g"), gave("c2", "two")))
    assert made.blocks[2:] == (
        Results((ToolResult("c2", ("two",)), ToolResult("c1", (NO_RESULT,), True))),
    )


def test_a_result_without_its_call_is_told_as_words() -> None:
    made = paired(blocks(gave("c0", "left over"), user("go")))
    assert made.blocks == (User((STRAY, "left over", "go")),)
    assert len(made.notes) == 1


def test_a_second_result_of_a_call_is_one_without_a_call() -> None:
    made = paired(blocks(user("go"), called("c", "f"), gave("c", "1"), gave("c", "2"), said("ok")))
    assert [type(block) for block in made.blocks] == [User, Assistant, Results, User, Assistant]


def test_ids_that_are_used_again_are_told_apart() -> None:
    turn = [called("0", "f"), gave("0", "a"), said("ok"), user("again")]
    made = paired(blocks(user("go"), *turn, *turn))
    calls = [step for block in made.blocks for step in getattr(block, "steps", ()) if step != "ok"]
    results = [result for block in made.blocks for result in getattr(block, "results", ())]
    assert [call.call_id for call in calls] == [r.call_id for r in results] == ["0", "0_2"]


def test_ids_that_the_upstream_refuses_are_replaced() -> None:
    long, odd = "x" * 65, "call_1|fc_2"
    made = paired(
        blocks(user("go"), called(long, "f"), called(odd, "g"), gave(long, "a"), gave(odd, "b"))
    )
    assert [re.fullmatch(r"call_[0-9a-f]{24}", name) is not None for name in made.names] == [
        True,
        True,
    ]
    assert list(made.names.values()) == ["f", "g"]


ids = st.sampled_from(["a", "b", "c|d", ""])
steps = st.one_of(
    st.just(user("u")),
    st.just(said("s")),
    ids.map(lambda each: called(each, "f")),
    ids.map(lambda each: gave(each, "r")),
)


@settings(max_examples=80)
@given(st.lists(steps, min_size=1, max_size=12))
def test_whatever_comes_the_rules_hold_and_nothing_said_is_lost(
    items: list[dict[str, object]],
) -> None:
    before = blocks(*items)
    made = paired(before)
    open_calls: set[str] = set()
    seen: set[str] = set()
    for last, block in zip((None, *made.blocks), made.blocks, strict=False):
        assert type(last) is not type(block)
        if isinstance(block, Results):
            assert isinstance(last, Assistant)
            assert {result.call_id for result in block.results} == open_calls
            assert len(block.results) == len(open_calls)
            open_calls = set()
        else:
            assert not open_calls
        if isinstance(block, Assistant):
            made_here = [step.call_id for step in block.steps if isinstance(step, Call)]
            assert not seen.intersection(made_here)
            assert len(set(made_here)) == len(made_here)
            open_calls = set(made_here)
            seen |= open_calls
    assert not open_calls
    assert set(made.names) == seen
    assert paired(made.blocks).blocks == made.blocks

    def words(given: tuple[Block, ...]) -> int:
        return sum(str(block).count(f"'{word}'") for block in given for word in "usr")

    assert words(made.blocks) == words(before)
