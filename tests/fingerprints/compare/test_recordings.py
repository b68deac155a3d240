"""Recordings against each other: what the goldens do is noise, everything else is a difference."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fingerprints.compare.allowances import parse
from fingerprints.compare.noise import Habits
from fingerprints.compare.recordings import Comparison, compare
from fingerprints.difference import Change, Difference, Layer
from fingerprints.trace import Conditions, Trace
from tests.fingerprints.made_traces import (
    Run,
    changed,
    made,
    with_body,
    with_headers,
    with_messages,
)

GOLDENS = [Run(1).trace(), Run(2).trace()]
GOOD = Run(3).trace()
TURN, SOCKET = 2, 3


def body(trace: Trace) -> dict[str, Any]:
    payload = trace.exchanges[TURN - 1].body
    assert payload is not None
    return copy.deepcopy(payload.data)


def only(comparison: Comparison) -> Difference:
    (difference,) = comparison.differences
    return difference


def against(candidate: Trace) -> Comparison:
    return compare(GOLDENS, candidate)


def test_another_good_run_is_the_same() -> None:
    comparison = against(GOOD)
    assert comparison.differences == []
    assert len(comparison.pairs) == 7  # four requests, three messages
    assert all(pair.golden and pair.candidate for pair in comparison.pairs)


@pytest.mark.parametrize("run", range(4, 12))
def test_random_orders_are_noise(run: int) -> None:
    assert against(Run(run).trace()).differences == []


def test_one_golden_lets_ids_vary_within_their_kind() -> None:
    exact = {difference.layer for difference in compare(GOLDENS[:1], GOOD).differences}
    # One golden cannot show that an order is random; ids, times and long texts may vary.
    assert exact <= {Layer.MEMBER_ORDER}


def test_a_value_that_never_varies() -> None:
    data = body(GOOD) | {"store": True}
    found = only(against(with_body(GOOD, TURN, data)))
    assert (found.layer, found.path, found.kind) == (Layer.VALUE, "body:store", Change.VALUE)
    assert (found.expected, found.actual) == ("false", "true")
    assert found.cover == "body:store=bool"


def test_an_id_of_another_kind() -> None:
    other = Run(3)
    other.session = other.uuid(4)
    found = against(other.trace()).differences
    paths = {each.path for each in found}
    assert {"header:session-id", "body:cache_key", "body:metadata.window"} <= paths
    assert {each.layer for each in found} == {Layer.VALUE}
    session = next(each for each in found if each.path == "header:session-id")
    assert session.expected == "‹uuid 7›"
    assert session.cover == "header:session-id={uuid: [4,7]}"


def test_another_type() -> None:
    found = only(against(with_body(GOOD, TURN, body(GOOD) | {"stream": "yes"})))
    assert (found.layer, found.kind) == (Layer.VALUE, Change.TYPE)
    assert (found.expected, found.actual) == ("true", "yes")


def test_an_object_in_the_place_of_text_is_one_difference() -> None:
    found = only(against(with_body(GOOD, TURN, body(GOOD) | {"model": {"a": {"b": 1}}})))
    assert (found.path, found.kind, found.actual) == ("body:model", Change.TYPE, "object")


def test_a_dropped_member_and_what_is_in_it_is_one_difference() -> None:
    data = body(GOOD)
    del data["metadata"]
    found = only(against(with_body(GOOD, TURN, data)))
    assert (found.layer, found.path) == (Layer.MEMBER_PRESENCE, "body:metadata")
    assert found.kind is Change.REMOVED
    assert found.cover == "body:metadata=presence: sometimes"


def test_an_added_member_and_what_is_in_it_is_one_difference() -> None:
    found = only(against(with_body(GOOD, TURN, body(GOOD) | {"made": {"up": [1, 2]}})))
    assert (found.layer, found.kind) == (Layer.MEMBER_PRESENCE, Change.ADDED)
    assert (found.path, found.actual) == ("body:made", "object")


def test_moved_members_and_headers() -> None:
    data = body(GOOD)
    data = {"stream": data.pop("stream"), **data}
    found = only(against(with_body(GOOD, TURN, data)))
    assert (found.layer, found.path) == (Layer.MEMBER_ORDER, "body:stream")
    assert (found.expected, found.actual) == ("after input", "first")
    headers = list(GOOD.exchanges[TURN - 1].headers)
    headers.append(headers.pop(0))
    found = only(against(with_headers(GOOD, TURN, headers)))
    assert (found.layer, found.path) == (Layer.HEADER_ORDER, "header:version")


def test_headers_added_removed_repeated_and_in_another_case() -> None:
    headers = list(GOOD.exchanges[TURN - 1].headers)
    more = [*headers, ("x-more", "1")]
    assert only(against(with_headers(GOOD, TURN, more))).kind is Change.ADDED
    found = only(against(with_headers(GOOD, TURN, headers[1:])))
    assert (found.layer, found.kind) == (Layer.HEADER_SET, Change.REMOVED)
    found = only(against(with_headers(GOOD, TURN, [*headers, headers[3]])))
    assert (found.kind, found.path) == (Change.REPEATED, "header:accept#2")
    cased = [(name.title() if name == "accept" else name, value) for name, value in headers]
    found = only(against(with_headers(GOOD, TURN, cased)))
    assert (found.layer, found.expected, found.actual) == (Layer.HEADER_CASE, "accept", "Accept")


def test_a_member_of_json_text_in_a_header() -> None:
    headers = [
        (name, value.replace('"request_kind":"turn",', "") if "kind" in value else value)
        for name, value in GOOD.exchanges[TURN - 1].headers
    ]
    found = only(against(with_headers(GOOD, TURN, headers)))
    assert found.path == "header:x-turn-metadata.request_kind"
    assert found.layer is Layer.MEMBER_PRESENCE


def test_spelling_of_json_text_in_a_header() -> None:
    headers = [
        (name, value.replace(",", ", ") if "metadata" in name else value)
        for name, value in GOOD.exchanges[TURN - 1].headers
    ]
    found = only(against(with_headers(GOOD, TURN, headers)))
    assert (found.layer, found.actual) == (Layer.ENCODING, "white space between tokens")


@pytest.mark.parametrize(
    ("fact", "value", "path"),
    [
        ("level", 5, "body: zstd level"),
        ("content_size", True, "body: content size in the zstd frame"),
        ("checksum", True, "body: zstd checksum"),
        ("window", 2**17, "body: zstd window"),
        ("rest", 4, "body: bytes after the zstd frame"),
    ],
)
def test_compression(fact: str, value: Any, path: str) -> None:
    payload = GOOD.exchanges[TURN - 1].body
    assert payload is not None
    assert payload.coding is not None
    coding = payload.coding.model_copy(update={fact: value})
    found = only(against(with_body(GOOD, TURN, payload.data, coding=coding)))
    assert (found.layer, found.path) == (Layer.ENCODING, path)


def test_a_plain_body_is_one_difference_of_encoding() -> None:
    candidate = with_body(GOOD, TURN, body(GOOD), coding=None, length=4003)
    assert only(against(candidate)).path == "body: coding"


def test_a_wrong_content_length() -> None:
    headers = [
        (name, "17" if name == "content-length" else value)
        for name, value in GOOD.exchanges[TURN - 1].headers
    ]
    found = only(against(with_headers(GOOD, TURN, headers)))
    assert found.actual == "17, not the body's length"


def test_request_line_and_query() -> None:
    found = only(against(changed(GOOD, TURN, http_version="HTTP/1.1")))
    assert (found.layer, found.path, found.actual) == (
        Layer.REQUEST_LINE,
        "http_version",
        "HTTP/1.1",
    )
    found = only(against(changed(GOOD, 1, path="/v1/models?client_version=2")))
    assert (found.layer, found.path) == (Layer.REQUEST_LINE, "query:client_version")


# --- equalities ----------------------------------------------------------------------------------


def test_an_equality_inside_a_request() -> None:
    data = body(GOOD) | {"cache_key": Run(50).session}
    found = only(against(with_body(GOOD, TURN, data)))
    assert (found.layer, found.path, found.kind) == (
        Layer.EQUALITY,
        "body:cache_key",
        Change.EQUALITY,
    )
    assert found.cover == "body:cache_key=equal: false"


def test_an_equality_inside_a_longer_value() -> None:
    data = body(GOOD)
    data["metadata"]["window"] = f"{Run(50).session}:0"
    found = only(against(with_body(GOOD, TURN, data)))
    assert (found.layer, found.path) == (Layer.EQUALITY, "body:metadata.window")


def test_an_equality_across_requests() -> None:
    headers = [("version", "1.0.0"), ("session-id", Run(50).session)]
    found = only(against(with_headers(GOOD, 4, headers)))
    assert (found.layer, found.path) == (Layer.EQUALITY, "header:session-id")
    assert "of request 1" in found.expected


def test_an_equality_that_should_not_be() -> None:
    run = Run(3)
    turn = run.uuid(7)
    exchange = run.turn(TURN)
    assert exchange.body is not None
    text = run.metadata("turn", turn).replace(turn, run.session)
    headers = [
        (name, text if name == "x-turn-metadata" else value) for name, value in exchange.headers
    ]
    data = exchange.body.data
    data["metadata"]["x-turn-metadata"] = text
    candidate = with_headers(with_body(run.trace(), TURN, data), TURN, headers)
    found = [each for each in against(candidate).differences if "not the" in each.expected]
    assert {each.path for each in found} == {"header:x-turn-metadata.turn_id"}


# --- requests ------------------------------------------------------------------------------------


def test_a_request_too_many_is_shown_beside_the_nearest() -> None:
    run = Run(3)
    candidate = made([*run.trace().exchanges, run.simple(9, "/v1/analytic")], run=3)
    comparison = against(candidate)
    found = only(comparison)
    assert (found.layer, found.kind, found.actual) == (
        Layer.REQUEST_LINE,
        Change.ADDED,
        "GET /v1/analytic",
    )
    (pair,) = [pair for pair in comparison.pairs if pair.golden is None]
    assert pair.nearest is not None
    assert pair.nearest.unit.title == "GET /v1/analytics"
    assert pair.nearest.apart == (("path", "/v1/analytics", "/v1/analytic"),)


def test_a_missing_request() -> None:
    comparison = against(made(list(GOOD.exchanges[:-1]), run=3))
    found = only(comparison)
    assert (found.kind, found.expected) == (Change.REMOVED, "GET /v1/analytics")


def test_a_request_that_only_some_goldens_have_is_noise() -> None:
    goldens = [GOLDENS[0], made(list(GOLDENS[1].exchanges[:-1]), run=2)]
    assert compare(goldens, GOOD).differences == []
    without = made(list(GOOD.exchanges[:-1]), run=3)
    comparison = compare(goldens, without)
    assert comparison.differences == []
    assert comparison.absent == 1


def test_a_golden_s_surplus_request_is_noise_as_well() -> None:
    goldens = [made(list(GOLDENS[1].exchanges[:-1]), run=2), GOLDENS[0]]
    assert compare(goldens, GOOD).differences == []


def test_a_changed_kind_is_compared_with_its_own() -> None:
    data = body(GOOD)
    data["metadata"]["x-turn-metadata"] = data["metadata"]["x-turn-metadata"].replace(
        '"request_kind":"turn"', '"request_kind":"other"'
    )
    found = only(against(with_body(GOOD, TURN, data)))
    assert found.path == "body:metadata.x-turn-metadata.request_kind"


# --- WebSocket -----------------------------------------------------------------------------------


def sent(trace: Trace) -> list[Any]:
    return [message.payload.data for message in trace.exchanges[SOCKET - 1].sent()]


def test_messages_in_another_order() -> None:
    prewarm, first, second = sent(GOOD)
    found = against(with_messages(GOOD, SOCKET, [first, prewarm, second])).differences
    assert [each.layer for each in found] == [Layer.FRAME_SEQUENCE]
    assert found[0].kind is Change.MOVED


def test_a_missing_message() -> None:
    prewarm, first, _ = sent(GOOD)
    found = only(against(with_messages(GOOD, SOCKET, [prewarm, first])))
    assert (found.layer, found.kind) == (Layer.FRAME_SEQUENCE, Change.REMOVED)


def test_a_changed_message() -> None:
    prewarm, first, second = copy.deepcopy(sent(GOOD))
    second["store"] = True
    found = only(against(with_messages(GOOD, SOCKET, [prewarm, first, second])))
    assert (found.layer, found.path) == (Layer.VALUE, "body:store")


# --- what a person gives -------------------------------------------------------------------------


def test_the_rule_that_a_difference_suggests_covers_it() -> None:
    data = body(GOOD) | {"store": True, "made": 1, "cache_key": Run(50).session}
    del data["input"]
    data = {"stream": data.pop("stream"), **data}
    candidate = with_body(GOOD, TURN, data)
    found = against(candidate).differences
    assert {each.layer for each in found} == {
        Layer.VALUE,
        Layer.MEMBER_PRESENCE,
        Layer.MEMBER_ORDER,
        Layer.EQUALITY,
    }
    rules = [parse(each.cover) for each in found]
    again = compare(GOLDENS, candidate, allowances=rules)
    assert again.differences == []
    assert sum(len(pair.excused) for pair in again.pairs) == len(found)


def test_content_is_compared_by_type_only() -> None:
    data = body(GOOD) | {"input": [{"type": "other"}, 2]}
    candidate = with_body(GOOD, TURN, data)
    assert against(candidate).differences
    assert compare(GOLDENS, candidate, content=["body:input"]).differences == []
    wrong = with_body(GOOD, TURN, body(GOOD) | {"input": "text"})
    assert only(compare(GOLDENS, wrong, content=["body:input"])).kind is Change.TYPE


def test_side_by_side() -> None:
    data = body(GOOD) | {"made": 1}
    comparison = compare(GOLDENS, with_body(GOOD, TURN, data), side_by_side=True)
    rows = {row.path: row for row in comparison.pairs[1].rows}
    assert (rows["method"].golden, rows["method"].candidate) == ("POST", "POST")
    assert rows["header:session-id"].noise == "‹uuid 7›"
    assert rows["body:store"].noise == ""
    assert (rows["body:made"].golden, rows["body:made"].candidate) == (None, "1")


def test_at_least_one_golden() -> None:
    with pytest.raises(ValueError, match="at least one"):
        compare([], GOOD)


def test_other_recordings_show_what_one_golden_cannot() -> None:
    scenario = [Run(run).trace().model_copy(update={"scenario": "other"}) for run in (20, 21, 22)]
    data = body(GOOD) | {"cache_key": "text"}
    for run in range(4, 9):
        habits = Habits.of(scenario)
        assert compare(GOLDENS[:1], Run(run).trace(), habits=habits).differences == []
        wrong = compare(GOLDENS[:1], with_body(GOOD, TURN, data), habits=habits)
        assert [each.path for each in wrong.differences] == ["body:cache_key"]


def test_other_recordings_under_other_conditions_show_no_values() -> None:
    data = body(GOOD) | {"model": "gpt-6"}
    candidate = with_body(GOOD, TURN, data)
    other = with_body(Run(20).trace(), TURN, data)
    elsewhere = other.model_copy(update={"conditions": Conditions(model="gpt-6")})
    assert compare(GOLDENS[:1], candidate, habits=Habits.of([elsewhere])).differences
    goldens = [Run(21).trace(), other]
    paths = compare(GOLDENS[:1], candidate, habits=Habits.of(goldens)).differences
    assert "body:model" not in {each.path for each in paths}


def test_side_calls_of_two_threads_may_come_in_any_order() -> None:
    def trace(run: int, *, other_first: bool) -> Trace:
        made_run = Run(run)
        call = made_run.simple(8, "/v1/side")
        other = call.model_copy(update={"headers": (*call.headers, ("x-subagent", "review"))})
        pair = (other, call) if other_first else (call, other)
        return made_run.trace(*pair)

    goldens = [trace(1, other_first=False), trace(2, other_first=False)]
    assert compare(goldens, trace(3, other_first=True)).differences == []
