"""Single requests against all golden requests of their kind."""

from __future__ import annotations

import copy
from typing import Any

from fingerprints.compare.allowances import parse
from fingerprints.compare.pool import Pool
from fingerprints.difference import Change, Layer
from fingerprints.trace import Trace
from tests.fingerprints.made_traces import Run, made, with_body, with_headers

GOLDENS = [Run(run).trace() for run in (1, 2, 3, 4)]


def one(run: int, **members: Any) -> Trace:
    """A recording of one turn and nothing else."""
    trace = made([Run(run).turn(1)], run=run)
    body = trace.exchanges[0].body
    assert body is not None
    return with_body(trace, 1, copy.deepcopy(body.data) | members)


def test_a_turn_that_could_be_one_of_them() -> None:
    comparison = Pool(GOLDENS).compare(one(9))
    assert [pair.differences for pair in comparison.pairs] == [[]]


def test_a_departure_and_a_rule_for_it() -> None:
    candidate = one(9, store=True)
    headers = [("x-made-up", "1"), *candidate.exchanges[0].headers]
    candidate = with_headers(candidate, 1, headers)
    (pair,) = Pool(GOLDENS).compare(candidate).pairs
    assert {(each.layer, each.path) for each in pair.differences} == {
        (Layer.VALUE, "body:store"),
        (Layer.HEADER_SET, "header:x-made-up"),
    }
    rules = [parse(each.cover) for each in pair.differences]
    (pair,) = Pool(GOLDENS).compare(candidate, allowances=rules, side_by_side=True).pairs
    assert pair.differences == []
    assert len(pair.excused) == 2
    assert pair.rows


def test_what_varies_between_goldens_is_noise() -> None:
    goldens = [*GOLDENS, one(5, store=True), one(6, extra=1)]
    assert Pool(goldens).compare(one(9, store=True)).differences == []
    assert Pool(goldens).compare(one(9, extra=1)).differences == []
    assert Pool(goldens).compare(one(9, extra="a")).differences


def test_content_is_the_caller_s() -> None:
    pool = Pool(GOLDENS, ["body:input"])
    assert pool.compare(one(9, input=[{"made": "up"}])).differences == []
    (found,) = pool.compare(one(9, input="text")).differences
    assert found.kind is Change.TYPE


def test_a_request_of_no_known_kind() -> None:
    candidate = made([Run(9).simple(1, "/v1/elsewhere")])
    (pair,) = Pool(GOLDENS).compare(candidate).pairs
    assert [each.kind for each in pair.differences] == [Change.UNKNOWN]
    assert pair.nearest is not None
    assert pair.nearest.apart[0][0] == "path"
