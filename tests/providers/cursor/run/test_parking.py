from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.run.parking import Parking, RunOwner


@dataclass(eq=False)
class Run:
    owner: RunOwner
    waiting_for: frozenset[str]
    abandoned: list[str] = field(default_factory=list)

    def abandon(self, reason: str) -> None:
        self.abandoned.append(reason)
        self.waiting_for = frozenset()


def run(*ids: str, principal: str = "p", conversation: str = "c") -> Run:
    return Run(RunOwner(principal, conversation, "account", "model"), frozenset(ids))


def parking(*runs: Run, limit: int = 10, each: int = 10) -> Parking[Run]:
    made: Parking[Run] = Parking(limit, each)
    for one in runs:
        made.park(one)
    return made


def test_any_of_its_calls_finds_a_run_and_takes_it_out() -> None:
    one = run("1", "2")
    lot = parking(one)
    assert lot.claim("p", ["old", "2"], "model") is one
    assert len(lot) == 0
    assert lot.claim("p", ["1"], "model") is None


def test_another_principal_finds_nothing_with_the_same_ids() -> None:
    one, other = run("1"), run("1", principal="q")
    lot = parking(one, other)
    assert lot.claim("r", ["1"], "model") is None
    assert lot.claim("q", ["1"], "model") is other
    assert lot.claim("p", ["1"], "model") is one


def test_of_several_runs_the_one_named_last_is_meant() -> None:
    first, second = run("1"), run("2")
    lot = parking(first, second)
    assert lot.claim("p", ["1", "2"], "model") is second
    assert lot.claim("p", ["1"], "model") is first


def test_a_request_on_other_terms_ends_the_run() -> None:
    one = run("1")
    lot = parking(one)
    assert lot.claim("p", ["1"], "other model") is None
    assert one.abandoned
    assert len(lot) == 0


def test_a_run_that_no_longer_waits_is_not_taken() -> None:
    lot = parking(run())
    assert len(lot) == 0


def test_a_run_is_parked_anew_with_its_new_calls() -> None:
    one = run("1")
    lot = parking(one)
    one.waiting_for = frozenset({"2"})
    lot.park(one)
    assert len(lot) == 1
    assert lot.claim("p", ["1"], "model") is None
    assert lot.claim("p", ["2"], "model") is one


def test_the_oldest_makes_room() -> None:
    runs = [run(str(n), principal=f"p{n}") for n in range(4)]
    lot = parking(*runs, limit=3)
    assert [bool(r.abandoned) for r in runs] == [True, False, False, False]
    assert lot.claim("p0", ["0"], "model") is None


def test_one_principal_can_t_take_the_room_of_all() -> None:
    other = run("x", principal="q")
    own = [run(str(n)) for n in range(4)]
    lot = parking(other, *own, each=2)
    assert not other.abandoned
    assert [bool(r.abandoned) for r in own] == [True, True, False, False]
    assert len(lot) == 3


def test_runs_of_a_conversation_are_ended_when_it_goes_on_without_them() -> None:
    mine, later, theirs = run("1"), run("2", conversation="d"), run("3", principal="q")
    lot = parking(mine, later, theirs)
    assert lot.abandon("p", "c") == 1
    assert [bool(each.abandoned) for each in (mine, later, theirs)] == [True, False, False]
    assert lot.clear() == 2
    assert len(lot) == 0
    assert later.abandoned
    assert theirs.abandoned


def test_forgetting_a_stranger_does_nothing() -> None:
    lot = parking(run("1"))
    lot.forget(run("1"))
    assert len(lot) == 1


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from("pqr"), st.sets(st.sampled_from("123456"), min_size=1)),
        max_size=12,
    ),
    st.lists(st.tuples(st.sampled_from("pqr"), st.lists(st.sampled_from("123456"))), max_size=12),
)
def test_limits_hold_and_principals_never_meet(
    parked: list[tuple[str, set[str]]], asked: list[tuple[str, list[str]]]
) -> None:
    lot: Parking[Run] = Parking(limit=5, each=3)
    runs = []
    for principal, ids in parked:
        runs.append(run(*ids, principal=principal))
        lot.park(runs[-1])
        assert len(lot) <= 5
    for principal, ids in asked:
        found = lot.claim(principal, ids, "model")
        if found is not None:
            assert found.owner.principal == principal
            assert found.waiting_for & set(ids)
            assert not found.abandoned
            runs.remove(found)
    assert lot.clear() <= len(runs)
    assert len(lot) == 0
    assert not lot._of_call
