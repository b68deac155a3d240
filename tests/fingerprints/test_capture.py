"""From raw recordings to a trace."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pytest

from fingerprints import leaks, trace_file
from fingerprints.capture import Capture, RawAnswer, RawMessage, Recording
from fingerprints.trace import Conditions, Origin, Trace
from fingerprints.trace_redaction import redacted, renumbered

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
JSON = ("content-type", "application/json")


def capture() -> Capture:
    return Capture(
        client="codex",
        release="0.1.0",
        scenario="turn",
        conditions=Conditions(surface="exec"),
        origin=Origin(tool="test", on="2026-11-21"),
    )


def recording(number: int = 1, **more: Any) -> Recording:
    given: dict[str, Any] = {
        "id": f"r{number}",
        "at": 1000.0 + number,
        "method": "POST",
        "authority": "example.com",
        "path": "/v1/responses",
        "headers": [JSON],
    }
    return Recording(**(given | more))


def one(**more: Any) -> Trace:
    kept = capture()
    kept.add(recording(**more))
    return kept.trace()


def test_keeps_what_the_run_was() -> None:
    trace = capture().trace()
    assert trace.name == "codex@0.1.0/turn-exec-http#1"
    assert trace.exchanges == ()


def test_orders_by_beginning_and_numbers() -> None:
    kept = capture()
    kept.add(recording(2, connection="b"))
    kept.add(recording(3, connection="a", at=1002.5))
    kept.add(recording(1, connection="a"))
    found = [(each.number, each.at, each.connection) for each in kept.trace().exchanges]
    assert found == [(1, 0.0, 1), (2, 1.0, 2), (3, 1.5, 1)]


def test_sides_are_linked() -> None:
    kept = capture()
    kept.add(recording(2, side="upstream", of="r1", attempt=2, id="u2"))
    kept.add(recording(2, side="upstream", of="r1", attempt=1, id="u1"))
    kept.add(recording(1, side="client"))
    found = [(each.side, each.of, each.attempt) for each in kept.trace().exchanges]
    assert found == [("client", None, None), ("upstream", 1, 1), ("upstream", 1, 2)]


def test_headers_stay_as_they_are() -> None:
    headers = [("Host", "a"), ("x-b", "1"), ("X-B", "2"), ("Authorization", f"Bearer {JWT}")]
    [exchange] = one(headers=headers).exchanges
    assert exchange.headers == (*headers[:3], ("Authorization", "Bearer ⟨jwt:1⟩"))


@pytest.mark.parametrize(
    ("body", "kind", "form", "data", "problem"),
    [
        (b'{"b":1,"a":[]}', "application/json", "json", {"b": 1, "a": []}, ""),
        (b'{"b":1}', "text/plain", "json", {"b": 1}, ""),
        (b'"word"', "application/json", "json", "word", ""),
        (b"word", "text/plain", "text", "word", ""),
        (b"{broken", "text/plain", "text", "{broken", ""),
        (b"{broken", "application/json", "text", "{broken", "not JSON"),
        (b'{"a":NaN}', "application/json", "text", '{"a":NaN}', "not JSON"),
        (b"grant_type=x&refresh_token=abcdef12", "application/x-www-form-urlencoded", "text",
         "grant_type=x&refresh_token=⟨secret:1⟩", ""),
        (b"\x00\x01", "application/proto", "binary",
         f"⟨binary:2:{hashlib.sha256(bytes([0, 1])).hexdigest()[:8]}⟩", ""),
        (b"\xff", "application/json", "binary",
         f"⟨binary:1:{hashlib.sha256(bytes([255])).hexdigest()[:8]}⟩", ""),
    ],
)  # fmt: skip
def test_bodies(body: bytes, kind: str, form: str, data: Any, problem: str) -> None:
    [exchange] = one(body=body, headers=[("content-type", kind)]).exchanges
    assert exchange.body is not None
    assert (exchange.body.form, exchange.body.data) == (form, data)
    assert exchange.body.length == len(body)
    assert exchange.body.problem.startswith(problem)
    assert bool(exchange.body.problem) is bool(problem)


@pytest.mark.parametrize("body", [None, b""])
def test_no_body(body: bytes | None) -> None:
    [exchange] = one(body=body).exchanges
    assert exchange.body is None


def test_members_keep_their_order_and_the_spelling_is_told() -> None:
    [exchange] = one(body=b'{"z": 1, "a": "\\u0041", "a": 2}').exchanges
    assert exchange.body is not None
    assert list(exchange.body.data) == ["z", "a"]
    assert len(exchange.body.spelling) == 3


def test_compressed_bodies() -> None:
    raw = gzip.compress(b'{"a":1}')
    [exchange] = one(body=raw, headers=[JSON, ("Content-Encoding", "gzip")]).exchanges
    assert exchange.body is not None
    assert (exchange.body.data, exchange.body.length) == ({"a": 1}, 7)
    assert exchange.body.coding is not None
    assert exchange.body.coding.length == len(raw)


def test_a_body_that_cannot_be_decompressed() -> None:
    [exchange] = one(body=b"xyz", headers=[JSON, ("content-encoding", "gzip")]).exchanges
    assert exchange.body is not None
    assert exchange.body.problem


EVENTS = (
    b'event: a\ndata: {"n":1}\n\nevent: b\ndata: {"n":"' + b"x" * 300 + b'"}\n\ndata: [DONE]\n\n'
)


def answered(chunks: list[tuple[float, bytes]], **more: Any) -> Trace:
    headers = [("content-type", "text/event-stream; charset=utf-8"), *more.pop("headers", [])]
    return one(answer=RawAnswer(1001.25, 200, headers, chunks, **more))


def test_events_one_by_one_with_their_time() -> None:
    trace = answered([(1001.5, EVENTS[:30]), (1002.0, EVENTS[30:])])
    answer = trace.exchanges[0].answer
    assert answer is not None
    assert (answer.at, answer.status, answer.body, answer.ended) == (0.25, 200, None, "complete")
    found = [(each.at, each.event, each.payload.form, each.payload.data) for each in answer.events]
    digest = hashlib.sha256(b"x" * 300).hexdigest()[:8]
    assert found == [
        (0.5, "a", "json", {"n": 1}),
        (1.0, "b", "json", {"n": f"⟨text:300:{digest}⟩"}),
        (1.0, "", "text", "[DONE]"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("coded", [False, True])
def test_cuts_do_not_change_the_events(size: int, coded: bool) -> None:
    raw = gzip.compress(EVENTS) if coded else EVENTS
    headers = [("content-encoding", "gzip")] if coded else []
    pieces = [(1001.5, raw[at : at + size]) for at in range(0, len(raw), size)]
    assert answered(pieces, headers=headers) == answered([(1001.5, raw)], headers=headers)


def test_a_stream_that_cannot_be_decompressed_keeps_what_came() -> None:
    raw = gzip.compress(EVENTS)[:-8]
    trace = answered([(1001.5, raw)], headers=[("content-encoding", "gzip")], ended="cut")
    answer = trace.exchanges[0].answer
    assert answer is not None
    assert answer.body is not None
    assert "cut" in answer.body.problem
    assert answer.ended == "cut"


def test_messages_of_a_websocket() -> None:
    messages = [
        RawMessage("client", 1001.5, b'{"type":"response.create"}'),
        RawMessage("server", 1001.75, b"\x00", text=False),
        RawMessage("server", 1001.8, b"{}", text=False),
    ]
    answer = RawAnswer(1001.1, 101, [], [], "closed", 1000, "client")
    headers = [("Upgrade", "websocket")]
    [exchange] = one(method="GET", headers=headers, messages=messages, answer=answer).exchanges
    assert exchange.is_upgrade
    found = [(each.sender, each.at, each.payload.form) for each in exchange.messages]
    assert found == [("client", 0.5, "json"), ("server", 0.75, "binary"), ("server", 0.8, "binary")]
    assert exchange.answer is not None
    assert (exchange.answer.ended, exchange.answer.close_code) == ("closed", 1000)
    assert exchange.answer.closed_by == "client"


def test_messages_have_a_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprints.capture.MAX_MESSAGES", 5)
    given = recording(method="GET", headers=[("Upgrade", "websocket")])
    for data in (b"abc", b"de", b"f", b"g"):
        given.say(RawMessage("client", 1001.5, data))
    kept = capture()
    kept.add(given)
    [exchange] = kept.trace().exchanges
    assert [each.payload.data for each in exchange.messages] == ["abc", "de"]
    assert exchange.notes == ("messages after 5 bytes of them are not kept",)


def test_equality_survives_across_everything() -> None:
    turn_state = "opaque-turn-state-4711"
    kept = capture()
    first = RawAnswer(1001.1, 200, [("x-codex-turn-state", turn_state)])
    kept.add(recording(1, answer=first, path=f"/x?access_token={JWT}"))
    body = json.dumps({"client_metadata": {"inner": json.dumps({"t": JWT})}, "s": turn_state})
    headers = [("x-codex-turn-state", turn_state), ("authorization", f"Bearer {JWT}")]
    kept.add(recording(2, headers=headers, body=body.encode()))
    trace = kept.trace()
    one, two = trace.exchanges
    assert one.path == "/x?access_token=⟨jwt:1⟩"
    assert one.answer is not None
    assert two.body is not None
    state = one.answer.headers[0][1]
    assert (two.headers[0][1], two.body.data["s"]) == (state, state)
    assert two.headers[1][1] == "Bearer ⟨jwt:1⟩"
    inner = json.loads(two.body.data["client_metadata"]["inner"])
    assert inner == {"t": "⟨jwt:1⟩"}
    assert leaks.in_trace(trace) == []


def test_what_is_learned_late_is_masked_in_what_came_before() -> None:
    kept = capture()
    kept.add(recording(1, path="/x/opaque-token-value-99"))
    assert kept.trace().exchanges[0].path == "/x/opaque-token-value-99"
    kept.add(recording(2, body=b'{"refresh_token":"opaque-token-value-99"}'))
    assert kept.trace().exchanges[0].path == "/x/⟨secret:1⟩"


def test_placeholders_are_numbered_by_place_not_by_end() -> None:
    kept = capture()
    kept.add(recording(2, headers=[("x-api-key", "second")]))
    kept.add(recording(1, headers=[("x-api-key", "first")]))
    found = [exchange.headers[0][1] for exchange in kept.trace().exchanges]
    assert found == ["⟨secret:1⟩", "⟨secret:2⟩"]


def test_numbers_in_json_texts_follow() -> None:
    nested = json.dumps({"deep": json.dumps({"cwd": "/srv/a"})})
    kept = capture()
    kept.add(recording(2, body=json.dumps({"cwd": "/srv/b", "nested": nested}).encode()))
    kept.add(recording(1, body=b'{"cwd":"/srv/a"}'))
    first, second = kept.trace().exchanges
    assert first.body is not None
    assert second.body is not None
    assert (first.body.data["cwd"], second.body.data["cwd"]) == ("⟨path:1⟩", "⟨path:2⟩")
    deep = json.loads(json.loads(second.body.data["nested"])["deep"])
    assert deep == {"cwd": "⟨path:1⟩"}


def test_a_trace_redacted_again_stays_the_same() -> None:
    kept = capture()
    answer = RawAnswer(1001.1, 200, [("set-cookie", "a=b; Path=/")], [(1001.2, b'{"cwd":"/srv"}')])
    message = RawMessage("client", 1001.3, b'{"authorization":"Bearer abc"}')
    kept.add(recording(1, body=b'{"cwd":"/srv/x"}', answer=answer, messages=[message]))
    trace = kept.trace()
    assert redacted(trace) == trace
    assert renumbered(trace) == trace
    assert trace_file.parse(trace_file.render(trace)) == trace


def test_an_unredacted_trace_is_redacted() -> None:
    trace = one(body=b'{"a":1}')
    exchange = trace.exchanges[0].model_copy(update={"path": f"/x?access_token={JWT}"})
    raw = trace.model_copy(update={"exchanges": (exchange,)})
    assert leaks.in_trace(raw)
    assert redacted(raw).exchanges[0].path == "/x?access_token=⟨jwt:1⟩"


def test_asking_twice_gives_the_same() -> None:
    kept = capture()
    kept.add(recording(1, body=b'{"cwd":"/srv/x"}'))
    assert kept.trace() == kept.trace()


def test_surrogates_and_large_numbers_survive() -> None:
    body = b'{"half":"\\ud800","big":123456789012345678901234567890}'
    trace = one(body=body)
    assert trace.exchanges[0].body is not None
    assert trace.exchanges[0].body.data == {
        "half": "\ud800",
        "big": 123456789012345678901234567890,
    }
    assert trace_file.parse(trace_file.render(trace)) == trace
