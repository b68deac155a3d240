"""A document in a header and in the body, with a member that only the body has (as 0.147.0's turn
metadata, whose ``code_mode_tool_names`` would be too long for a header)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fingerprints.difference import Layer
from fingerprints.learn import learn_release
from fingerprints.learn.verify import verify
from fingerprints.library import parse
from fingerprints.serial import ascii_text
from fingerprints.trace import Exchange, Trace
from tests.fingerprints.learn.made_up import VOCABULARY as MADE_UP
from tests.fingerprints.learn.made_up import recordings

TOOLS = {"tools": "bash, read"}
VOCABULARY = MADE_UP.model_copy(
    update={"documents": {**MADE_UP.documents, "x-meta": "x_meta", "meta": "x_meta"}}
)


def with_tools(text: str) -> str:
    """Before the last member, as the recorded one stands."""
    data = json.loads(text)
    last = data.popitem()
    return ascii_text({**data, **TOOLS, last[0]: last[1]})


def changed(trace: Trace, *, header: bool = False, body: bool = True) -> Trace:
    """The recording with the member in some places of each turn over HTTP."""
    return trace.model_copy(
        update={"exchanges": tuple(_changed(each, header, body) for each in trace.exchanges)}
    )


def _changed(exchange: Exchange, header: bool, body: bool) -> Exchange:
    if exchange.body is None or "x-meta" not in dict(exchange.headers):
        return exchange
    data: dict[str, Any] = exchange.body.data
    if body:
        text = with_tools(data["meta"])
        data = {**data, "meta": text, "labels": {**data["labels"], "meta": text}}
    headers = tuple(
        (name, with_tools(value) if header and name == "x-meta" else value)
        for name, value in exchange.headers
    )
    coded = exchange.body.model_copy(update={"data": data})
    return exchange.model_copy(update={"headers": headers, "body": coded})


TRACES = [changed(trace) for trace in recordings()]
LEARNED = learn_release(TRACES, VOCABULARY)
PROFILE = LEARNED.profile


def test_the_place_is_found() -> None:
    assert [str(each) for each in LEARNED.remaining] == []
    (entry,) = [each for each in PROFILE.documents["x_meta"].members if each.name == "tools"]
    assert entry.when.place == ("body",)
    others = [each for each in PROFILE.documents["x_meta"].members if each.name != "tools"]
    assert not any(each.when.place for each in others)
    assert parse(LEARNED.text().encode()).as_data() == PROFILE.as_data()


def test_a_member_that_every_place_has_has_no_place() -> None:
    traces = [changed(trace, header=True) for trace in recordings()]
    found = learn_release(traces, VOCABULARY).profile
    assert not any(each.when.place for each in found.documents["x_meta"].members)


@pytest.mark.parametrize(
    ("places", "path"),
    [
        ({"header": True, "body": True}, "header:x-meta.tools"),
        ({"header": True, "body": False}, "header:x-meta.tools"),
    ],
)
def test_the_member_in_the_other_place_is_told(places: dict[str, bool], path: str) -> None:
    held_back = [changed(trace, **places) for trace in recordings(seed=2)]
    told = " ".join(str(each) for each in verify(PROFILE, held_back, VOCABULARY))
    assert f"[{Layer.MEMBER_PRESENCE}] {path}: added" in told


def test_any_other_difference_between_the_places_is_told() -> None:
    (trace, *_) = [changed(trace) for trace in recordings(seed=2)]
    exchanges = []
    for exchange in trace.exchanges:
        headers = [
            (name, value.replace("careful", "daring") if name == "x-meta" else value)
            for name, value in exchange.headers
        ]
        exchanges.append(exchange.model_copy(update={"headers": tuple(headers)}))
    broken = trace.model_copy(update={"exchanges": tuple(exchanges)})
    told = " ".join(str(each) for each in verify(PROFILE, [broken], VOCABULARY))
    assert f"[{Layer.EQUALITY}]" in told
