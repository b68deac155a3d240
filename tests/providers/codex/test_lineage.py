"""The memory of threads: bounded, ageing, storable."""

from __future__ import annotations

import json

import pytest

from addons.providers.codex.continuity import Signature
from addons.providers.codex.lineage import MAX_THREADS, Lineages, Strand


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


def test_what_was_kept_without_a_model_is_read() -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    kept = lineages.dump()
    for row in kept["s"]:
        del row["model"]
    lineages.load(kept)
    known = lineages.root("s")
    assert known is not None
    assert known.model == ""


def test_empty_openings_are_not_alike() -> None:
    assert not strand("s", opening="").alike(Signature(prompt="other", opening=""))
    assert strand("s").alike(Signature(prompt="other", opening="o"))
    assert strand("s").alike(Signature(prompt="p"))


def test_stored_and_back() -> None:
    lineages = Lineages()
    for session, thread in (("a", "a"), ("a", "x"), ("b", "b")):
        lineages.remember(session, strand(thread, seen=5))
    copy = Lineages()
    copy.load(json.loads(json.dumps(lineages.dump())))
    assert copy.dump() == lineages.dump()
    assert [each.thread_id for each in copy.sides("a")] == ["x"]


@pytest.mark.parametrize(
    "data", [None, [], {"a": 3}, {"a": [{"thread_id": "a"}]}, {"a": [{"x": 1}]}]
)
def test_malformed_stores_change_nothing(data: object) -> None:
    lineages = Lineages()
    lineages.remember("s", strand("s"))
    with pytest.raises(ValueError, match="malformed"):
        lineages.load(data)
    assert lineages.root("s") is not None


def test_an_empty_stored_session_is_left_out() -> None:
    lineages = Lineages()
    lineages.load({"a": []})
    lineages.remember("s", strand("s"))
    assert len(lineages) == 1
