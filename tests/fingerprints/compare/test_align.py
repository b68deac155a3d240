"""Requests of two recordings that belong together."""

from __future__ import annotations

from fingerprints.compare.align import align, likeness, nearest
from fingerprints.compare.facts import Unit, units
from tests.fingerprints.made_traces import Run, made, with_body


def names(pairs: list[tuple[Unit | None, Unit | None]]) -> list[tuple[str, str]]:
    return [(one.name if one else "", other.name if other else "") for one, other in pairs]


def test_two_runs() -> None:
    pairs = align(units(Run(1).trace()), units(Run(2).trace()))
    same = ["1", "2", "3", "3.1", "3.2", "3.3", "4"]
    assert names(pairs) == [(name, name) for name in same]


def test_parallel_calls_in_another_order_are_told_by_their_query() -> None:
    run = Run(1)
    one, two = run.simple(1, "/v1/a?x=1"), run.simple(2, "/v1/a?y=1")
    pairs = align(units(made([one, two])), units(made([two, one])))
    assert names(pairs) == [("1", "2"), ("2", "1")]


def test_what_one_side_has_more_of() -> None:
    run = Run(1)
    call, turn = run.simple(1, "/v1/a"), run.turn(2)
    pairs = align(units(made([call])), units(made([turn, call, run.simple(3, "/v1/b")])))
    assert names(pairs) == [("", "1"), ("1", "2"), ("", "3")]


def test_the_less_alike_of_several_is_left_over() -> None:
    golden = made([Run(1).turn(1)])
    body = golden.exchanges[0].body
    assert body is not None
    strange = with_body(made([Run(2).turn(1)]), 1, {"model": "x", "made": "up"})
    two = made([*strange.exchanges, Run(3).turn(2)])
    pairs = align(units(golden), units(two))
    assert names(pairs) == [("", "1"), ("1", "2")]


def test_likeness() -> None:
    one, other = units(made([Run(1).turn(1)]))[0], units(made([Run(2).turn(1)]))[0]
    call = units(made([Run(1).simple(1, "/v1/a")]))[0]
    assert likeness(one, one) == 1
    assert 0.5 < likeness(one, other) < 1
    assert likeness(one, call) < 0.3


def test_the_nearest_and_what_keeps_them_apart() -> None:
    golden = units(Run(1).trace())
    (strange,) = units(made([Run(2).turn(1).model_copy(update={"method": "PUT"})]))
    found = nearest(strange, golden)
    assert found is not None
    assert found.unit.title == "POST /v1/responses"
    assert found.apart == (("method", "POST", "PUT"),)
    (again,) = units(made([Run(2).turn(1)]))
    same = nearest(again, golden)
    assert same is not None
    assert same.apart == (("number", "fewer of this kind", "one more"),)
    assert nearest(strange, []) is None
