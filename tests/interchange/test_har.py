"""HTTP Archives: those of browsers and proxies, and our own."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.capture import Capture
from fingerprints.trace import Origin, Trace
from replay.interchange import har
from replay.interchange.errors import InterchangeError


def entry(**more: Any) -> dict[str, Any]:
    return {
        "startedDateTime": "2026-11-21T10:00:00.500Z",
        "time": 250.0,
        "connection": "7",
        "request": {
            "method": "POST",
            "url": "https://example.com/v1/x?a=1",
            "httpVersion": "h2",
            "headers": [
                {"name": ":method", "value": "POST"},
                {"name": "content-type", "value": "application/json"},
                {"name": "content-encoding", "value": "zstd"},
                {"name": "x-a", "value": "1"},
                {"name": "x-a", "value": "2"},
            ],
            "postData": {"mimeType": "application/json", "text": '{"b":1,"a":2}'},
        },
        "response": {
            "status": 200,
            "httpVersion": "h2",
            "headers": [
                {"name": "content-type", "value": "text/event-stream"},
                {"name": "content-encoding", "value": "gzip"},
            ],
            "content": {"mimeType": "text/event-stream", "text": 'event: a\ndata: {"n":1}\n\n'},
        },
        "timings": {"blocked": -1, "send": 10, "wait": 90, "receive": 150},
    } | more


def archive(*entries: dict[str, Any]) -> str:
    return json.dumps({"log": {"version": "1.2", "entries": list(entries)}})


def traced(text: str) -> Trace:
    capture = Capture(client="x", origin=Origin(tool="t", on="2026-11-21"))
    for recording in har.read(text):
        capture.add(recording)
    return capture.trace()


def test_reads_a_browser_s_entry() -> None:
    [exchange] = traced(archive(entry())).exchanges
    assert (exchange.method, exchange.scheme, exchange.authority) == (
        "POST",
        "https",
        "example.com",
    )
    assert (exchange.path, exchange.http_version) == ("/v1/x?a=1", "HTTP/2.0")
    assert [name for name, _ in exchange.headers] == [
        *("content-type", "content-encoding", "x-a", "x-a")
    ]
    assert exchange.body is not None
    assert list(exchange.body.data.items()) == [("b", 1), ("a", 2)]
    assert exchange.body.coding is None
    assert not exchange.body.problem, "a HAR's bodies are decompressed, whatever the headers say"
    assert exchange.answer is not None
    assert (exchange.answer.at, exchange.answer.status) == (0.1, 200)
    [event] = exchange.answer.events
    assert (event.at, event.event, event.payload.data) == (0.25, "a", {"n": 1})


def test_reads_base64_and_forms_and_no_answer() -> None:
    content = {
        "mimeType": "x/y",
        "text": base64.b64encode(b"\x00\xff").decode(),
        "encoding": "base64",
    }
    binary = entry(response={"status": 200, "headers": [], "content": content})
    form = entry(response={"status": 0, "_error": "net::ERR_FAILED"})
    form["request"] = {
        **form["request"],
        "httpVersion": "http/1.1",
        "headers": [],
        "postData": {"mimeType": "x", "params": [{"name": "a", "value": "1"}, {"name": "b"}]},
    }
    one, two = traced(archive(binary, form)).exchanges
    assert one.answer is not None
    assert one.answer.body is not None
    assert (one.answer.body.form, one.answer.body.length) == ("binary", 2)
    assert two.http_version == "HTTP/1.1"
    assert two.body is not None
    assert two.body.data == "a=1&b="
    assert two.answer is None
    assert two.notes == ("no answer: net::ERR_FAILED",)


def test_reads_websocket_messages() -> None:
    begin = 1795255200.5
    messages = [
        {"type": "send", "time": begin + 1, "opcode": 1, "data": '{"a":1}'},
        {"type": "receive", "time": begin + 2, "opcode": 2, "data": "AP8="},
    ]
    upgrade = entry(_webSocketMessages=messages)
    upgrade["request"] |= {"url": "wss://example.com/s", "method": "GET"}
    upgrade["response"] |= {"status": 101}
    [exchange] = traced(archive(upgrade)).exchanges
    assert exchange.scheme == "https"
    found = [(each.sender, each.at, each.payload.form) for each in exchange.messages]
    assert found == [("client", 1.0, "json"), ("server", 2.0, "binary")]
    assert exchange.answer is not None
    assert exchange.answer.ended == "closed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "log.entries is missing"),
        ('{"log":{}}', "log.entries is missing"),
        (archive({}), r"log.entries\[0\]: 'request' is missing"),
        (archive(entry(), entry(startedDateTime="yesterday")), r"log.entries\[1\]: "),
        (
            archive(
                entry(response={"status": 200, "content": {"text": "?", "encoding": "base64"}})
            ),
            r"log.entries\[0\]: a body is not base64",
        ),
    ],
)
def test_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InterchangeError, match=message):
        har.read(text)


@given(text=st.text(max_size=200) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["log", "entries", "request", "url", "headers"]), inner),
    max_leaves=8,
).map(json.dumps))  # fmt: skip
def test_fails_in_its_own_words(text: str) -> None:
    """Never in those of Python: nothing else is raised."""
    with contextlib.suppress(InterchangeError):
        assert har.read(text) == []


def test_what_is_written_reads_the_same() -> None:
    before = traced(archive(entry(), entry(response={"status": 0}, connection="8")))
    after = traced(har.write([before], "0.1.0"))
    assert [each.model_copy(update={"notes": ()}) for each in after.exchanges] == [
        each.model_copy(update={"notes": ()}) for each in before.exchanges
    ]


def test_only_the_upstream_side_is_written() -> None:
    trace = traced(archive(entry(), entry()))
    sides = [trace.exchanges[0].model_copy(update={"side": "client"})]
    sides.append(trace.exchanges[1].model_copy(update={"side": "upstream", "of": 1}))
    text = har.write([trace.model_copy(update={"exchanges": tuple(sides)})], "0.1.0")
    assert len(json.loads(text)["log"]["entries"]) == 1
