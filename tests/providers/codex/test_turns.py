"""Turns that are counted on a connection have the ids of the same turns said in one piece."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from addons.providers.codex.continuity import (
    FIRST_TURN,
    last_opening,
    signature,
    turn_key,
    turn_spans,
)
from addons.providers.codex.identity import Identity
from addons.providers.codex.items import turn_id, turn_ids
from addons.providers.codex.turns import continued, counted

SESSION = "0197a000-1111-7000-8000-000000000001"


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


ANSWER = {"type": "message", "role": "assistant", "content": "yes"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "done"}


def identity(turn: str, source: str, **more: Any) -> Identity:
    made: dict[str, Any] = {
        "session_id": SESSION,
        "thread_id": SESSION,
        "client_request_id": SESSION,
        "window_number": 0,
        "context_window_id": SESSION,
        "turn_id": turn,
        "turn_started_ms": 1,
        "root_turn_id": turn,
        "sources": {"turn_id": source},
    }
    return Identity(**{**made, **more})


def last_key(items: list[Any]) -> str:
    spans = turn_spans(items)
    return turn_key(len(spans), items[spans[-1][0]])


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8))
def test_turns_in_pieces_are_turns_in_one_piece(turns: list[tuple[int, bool]]) -> None:
    whole: list[Any] = []
    number, key = 0, ""
    for words, tool in turns:
        message = [user(f"go on {words}")]
        number, opened = counted({"input": message}, number)
        key = opened or key
        whole += message
        assert last_key(whole) == opened
        if tool:
            assert counted({"input": [OUTPUT]}, number) == (number, "")
            whole += [ANSWER, OUTPUT]
        whole.append(ANSWER)
        assert last_key(whole) == key


def said_by(item: Any) -> str:
    if isinstance(item, str):
        return "user"
    message = isinstance(item, dict) and item.get("type", "message") == "message"
    return str(item.get("role")) if message else ""


USERS = st.sampled_from([user("a"), user("b"), {"role": "user", "content": "c"}, "d"])
ODD = st.sampled_from([{"type": "other", "role": "user"}, {"type": None, "role": "user"}, None, 7])
ITEMS = USERS | ODD | st.sampled_from([ANSWER, OUTPUT, ["user"], {}])


@given(st.lists(ITEMS, max_size=12))
def test_each_item_is_in_the_turn_that_a_walk_over_all_finds(items: list[Any]) -> None:
    keys, key, number, running = [], FIRST_TURN, 0, False
    for item in items:
        user_said = said_by(item) == "user"
        if user_said and not running:
            number += 1
            key = turn_key(number, item)
        running = user_said
        keys.append(key)
    assert last_opening(items, 5)[0] == number + 5
    made = turn_ids(items, SESSION)
    assert made == [turn_id(SESSION, key) for key in keys]
    for known in range(len(items)):
        assert turn_ids(items, SESSION, known=made[:known]) == made
    own = [turn_id(SESSION, key) if key != FIRST_TURN else "own" for key in keys]
    assert turn_ids(items, SESSION, continued="own") == own
    count = sum(said_by(item) == "user" for item in items)
    assert bool(signature({"input": items}).turn) is (count > 0)
    assert signature({"input": items}).opener == (key if number else "")


def test_a_text_and_a_run_of_messages_are_one_turn() -> None:
    assert counted({"input": "hello"}, 0)[0] == 1
    assert counted({"input": [user("a"), user("b")]}, 2)[0] == 3
    assert counted({}, 4) == (4, "")


def test_a_turn_that_is_opened_has_its_own_id() -> None:
    last = identity("before", "minted")
    made = continued(identity("now", "minted"), "key", last)
    assert made.turn_id == made.root_turn_id == turn_id(SESSION, "key")


def test_outputs_are_of_the_turn_before() -> None:
    made = continued(identity("now", "minted"), "", identity("before", "minted"))
    assert (made.turn_id, made.root_turn_id) == ("before", "before")


def test_the_caller_s_own_turn_stays() -> None:
    own = identity("now", "client_metadata turn_id")
    assert continued(own, "key", identity("before", "minted")) is own


def test_another_thread_s_turn_and_no_turn_at_all_are_not_continued() -> None:
    other = identity("before", "minted", thread_id="another")
    now = identity("now", "minted")
    assert continued(now, "key", other) is now
    assert continued(now, "", identity("", "prewarm")) is now
