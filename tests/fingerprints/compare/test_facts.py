"""An exchange taken apart."""

from __future__ import annotations

from fingerprints.compare.facts import Container, Facts, layer_of, units
from fingerprints.difference import Layer
from fingerprints.trace import Exchange
from tests.fingerprints.made_traces import Run, made, payload


def facts(**changes: object) -> Facts:
    base = {"number": 1, "method": "POST", "authority": "x.example", "path": "/", "headers": ()}
    (unit,) = units(made([Exchange.model_validate({**base, **changes})]))
    return unit.facts()


def test_request_line_and_query() -> None:
    found = facts(path="/v1/a?x=1&y=&x=2")
    assert found.line == {"method": "POST", "path": "/v1/a", "http_version": "HTTP/1.1"}
    assert found.orders["query:"] == ("x", "y", "x#2")
    assert found.values["query:x#2"] == "2"


def test_headers() -> None:
    headers = (("X-A", "1"), ("x-a", "2"), ("x-json", '{"b":{"c":1}}'), ("Content-Length", "7"))
    found = facts(headers=headers)
    assert found.orders["header:"] == ("x-a", "x-a#2", "x-json", "content-length")
    assert found.spelled["x-a"] == "X-A"
    assert found.values["header:x-json"] == Container("object")
    assert found.values["header:x-json.b.c"] == 1
    assert found.orders["header:x-json"] == ("b",)
    assert found.encoding["header:x-json: spelling"] == "compact"
    assert found.values["header:content-length"] == "7, not the body's length"


def test_body_with_lists_and_json_text() -> None:
    data = {"a": [{"b": 1}, 2], "c": '{"d":"ä"}', "e": []}
    found = facts(body=payload(data), headers=(("content-length", str(payload(data).length)),))
    assert found.values["body:a[0].b"] == 1
    assert found.values["body:a[1]"] == 2
    assert found.values["body:c.d"] == "ä"
    assert found.encoding["body:c: spelling"] == "compact, not escaped"
    assert found.values["body:e"] == Container("array")
    assert found.parents["body:a[0].b"] == "body:a[0]"
    assert found.values["header:content-length"] == "the body's length"


def test_kinds() -> None:
    kinds = [unit.kind for unit in units(Run(1).trace())]
    assert kinds == ["", "turn", "", "response.create prewarm", *["response.create turn"] * 2, ""]


def test_layers_of_paths() -> None:
    assert layer_of("header:a") is Layer.HEADER_SET
    assert layer_of("header:a.b") is Layer.MEMBER_PRESENCE
    assert layer_of("body:a") is Layer.MEMBER_PRESENCE
    assert layer_of("query:a") is Layer.REQUEST_LINE
