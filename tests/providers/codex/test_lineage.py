"""The memory of threads: bounded, ageing, storable."""

from __future__ import annotations

import json

import pytest

from addons.providers.codex.continuity import Signature
from addons.providers.codex.lineage import MAX_SESSION_MARKS, MAX_THREADS, Lineages, Strand

ITEM = "msg_0123456789abcdef0123"
CALL = "call_0123456789abcdef0123"


def strand(thread: str, seen: float = 0.0, **changes: str) -> Strand:
    known = {"prompt": "p", "opening": "o", "turn_key": "k", "turn_id": "t"} | changes
    return Strand(thread_id=thread, turn_started_ms=1, window=0, seen=seen, **known)


def test_sessions_are_bounded_and_age() -> None:
    lineages = Lineages(limit=2, ttl=100)
    for n, session in enumerate(["a", "b", "c"]):
        lineages.remember(session, strand(session, seen=n))
    assert lineages.root("a") is None
    assert len(lineages) == 2
    lineages.remember("d", strand("d", seen=102.5))
    assert lineages.root("b") is None
    assert lineages.root("c") is None
    assert len(lineages) == 1


def test_use_keeps_a_session() -> None:
    lineages = Lineages(limit=2)
    for session in ("a", "b", "a", "c"):
        lineages.remember(session, strand(session))
    assert lineages.root("a") is not None
    assert lineages.root("b") is None


def test_threads_are_bounded_and_the_root_stays() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    for n in range(MAX_THREADS + 5):
        lineages.remember("s", strand(f"side-{n}"))
    sides = [each.thread_id for each in lineages.sides("s")]
    assert lineages.root("s") is not None
    assert len(sides) == MAX_THREADS - 1
    assert sides[0] == f"side-{MAX_THREADS + 4}"


def test_a_prewarm_does_not_forget_the_turn() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s", model="m"))
    lineages.remember("s", strand("s", opening="", turn_key="", turn_id="", prompt="new"))
    known = lineages.root("s")
    assert known is not None
    assert (known.prompt, known.opening, known.turn_key, known.turn_id) == ("new", "o", "k", "t")
    assert known.model == "m"


def test_empty_openings_are_not_alike() -> None:
    assert not strand("s", opening="").alike(Signature(prompt="other", opening=""))
    assert strand("s").alike(Signature(prompt="other", opening="o"))
    assert strand("s").alike(Signature(prompt="p"))


def test_stored_and_back() -> None:
    lineages = Lineages()
    for session, thread in (("a", "a"), ("a", "x"), ("b", "b")):
        lineages.remember(session, strand(thread, seen=5), principal="p")
    lineages.given("a", {"id": ITEM, "call_id": "1"})
    lineages.keep_state("a", "x", "t", "ada", "sticky")
    copy = Lineages()
    for session in ("a", "b"):
        copy.load(session, json.loads(json.dumps(lineages.dump(session))))
        assert copy.dump(session) == lineages.dump(session)
    assert [each.thread_id for each in copy.sides("a")] == ["x"]
    assert copy.session_of("p", [{"id": ITEM}]) == "a"
    assert copy.foreign("x", "q")
    assert copy.state("a", "x", "t", "ada") == "sticky"
    assert copy.dump("c") is None


def test_what_an_older_floway_kept_is_read() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    kept = lineages.dump("s")
    for name in ("model", "state", "state_turn", "state_account"):
        del kept["threads"][0][name]
    lineages.load("s", kept)
    known = lineages.root("s")
    assert known is not None
    assert (known.model, known.state) == ("", "")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"principal": "p", "threads": 3, "marks": []},
        {"principal": "p", "threads": [{"thread_id": "a"}], "marks": []},
    ],
)
def test_malformed_stores_change_nothing(data: object) -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    with pytest.raises(ValueError, match="malformed"):
        lineages.load("s", data)
    assert lineages.root("s") is not None


def test_an_empty_stored_session_is_left_out() -> None:
    lineages = Lineages()
    lineages.load("a", {"principal": "p", "threads": [], "marks": []})
    assert len(lineages) == 0


def test_what_is_forgotten_is_told_and_leaves_nothing() -> None:
    told: list[str] = []
    lineages = Lineages(limit=1)
    lineages.forget = told.append
    lineages.remember("a", strand("a"), principal="p")
    lineages.remember("a", strand("x"), principal="p")
    lineages.given("a", {"id": ITEM})
    lineages.remember("b", strand("b"), principal="p")
    assert told == ["a"]
    assert lineages.session_of("p", [{"id": ITEM}]) is None
    assert not lineages.foreign("a", "q")
    assert not lineages.foreign("x", "q")
    assert lineages._marks == {}
    assert set(lineages._owners) == {"b"}


# --- whose, and which session --------------------------------------------------------------------


def test_an_id_is_of_who_used_it_first() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("t"), principal="one")
    for identifier in ("s", "t"):
        assert lineages.foreign(identifier, "two")
        assert not lineages.foreign(identifier, "one")
    assert not lineages.foreign("unknown", "two")


def test_a_session_is_known_by_what_was_given_in_it() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"), principal="p")
    lineages.given("s", {"type": "function_call", "id": ITEM, "call_id": CALL})
    lineages.given("unknown", {"id": "item-of-no-session-at-all"})
    output = {"type": "function_call_output", "call_id": CALL, "output": ""}
    assert lineages.session_of("p", [{"role": "user"}, output, "text", 3]) == "s"
    assert lineages.session_of("p", [{"id": ITEM}]) == "s"
    assert lineages.session_of("q", [output]) is None, "another principal"
    assert lineages.session_of("p", [{"id": "short"}, {"call_id": 7}]) is None
    late = [output, *[{"role": "user"}] * 100]
    assert lineages.session_of("p", late) is None, "only the last items are looked at"


def test_marks_are_bounded() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    for number in range(200):
        lineages.given("s", {"id": f"item-number-{number:020d}"})
    assert len(lineages.dump("s")["marks"]) == MAX_SESSION_MARKS == len(lineages._marks)
    assert lineages.session_of("local", [{"id": f"item-number-{199:020d}"}]) == "s"


# --- windows and turn states ---------------------------------------------------------------------


def test_a_compaction_opens_the_next_window_once() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    for answered, number in ((0, 1), (0, 1), (1, 2), (0, 2)):
        lineages.advance("s", "s", answered)
        known = lineages.root("s")
        assert known is not None
        assert known.window == number
    lineages.advance("s", "unknown", 0)
    lineages.advance("unknown", "s", 0)


def test_a_turn_state_is_for_its_turn_and_account() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    lineages.keep_state("s", "s", "t1", "ada", "first")
    lineages.keep_state("s", "s", "t1", "ada", "second")
    assert lineages.state("s", "s", "t1", "ada") == "first", "the first one counts"
    lineages.remember("s", strand("s"))
    assert lineages.state("s", "s", "t1", "ada") == "first", "over the requests of the turn"
    assert lineages.state("s", "s", "t1", "ben") is None
    assert lineages.state("s", "s", "t2", "ada") is None
    lineages.keep_state("s", "s", "t1", "ben", "of ben")
    assert lineages.state("s", "s", "t1", "ben") == "of ben"
    assert lineages.state("s", "s", "t1", "ada") is None
    lineages.keep_state("s", "unknown", "t1", "ada", "x")
    assert lineages.state("s", "unknown", "t1", "ada") is None


def test_the_state_of_a_prewarm_is_for_the_first_turn() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    lineages.keep_state("s", "s", "", "ada", "warm")
    assert lineages.state("s", "s", "", "ada") == "warm"
    assert lineages.state("s", "s", "t1", "ada") == "warm"
    assert lineages.state("s", "s", "t1", "ada") == "warm"
    assert lineages.state("s", "s", "t2", "ada") is None
