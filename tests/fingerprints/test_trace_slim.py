"""Slimming keeps all that was sent."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from fingerprints.trace import Answer, Exchange, Message, Origin, Payload, Trace
from fingerprints.trace_slim import slim
from tests.fingerprints.test_trace_file import traces


def payload(data: Any) -> Payload:
    return Payload(form="json", length=1000, data=data)


@given(traces)
def test_what_was_sent_stays_and_slimming_again_changes_nothing(trace: Trace) -> None:
    found = slim(trace)
    assert slim(found) == found
    for before, after in zip(trace.exchanges, found.exchanges, strict=True):
        assert after.headers == before.headers
        assert after.body == before.body
        assert list(after.sent()) == list(before.sent())
        assert (after.answer and after.answer.status) == (before.answer and before.answer.status)


def test_ids_that_the_client_sends_again_stay() -> None:
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"text": "long"}]}
    events = [
        {"type": "response.created", "response": {"id": "resp_1", "model": "m"}},
        {"type": "response.output_text.delta", "delta": "lo"},
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": {"id": "resp_1"}},
    ]
    answer = Answer(
        status=200,
        headers=(("date", "today"), ("X-Codex-Turn-State", "⟨secret:1⟩")),
        events=tuple(Message(sender="server", at=0, payload=payload(each)) for each in events),
    )
    exchange = Exchange(number=1, method="POST", authority="a", path="/", headers=(), answer=answer)
    trace = Trace(client="c", origin=Origin(tool="t", on="d"), exchanges=(exchange,))
    found = slim(trace).exchanges[0].answer
    assert found is not None
    assert found.headers == (("X-Codex-Turn-State", "⟨secret:1⟩"),)
    assert [each.payload.data for each in found.events] == [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {
            "type": "response.output_item.done",
            "item": {"type": "message", "id": "msg_1", "role": "assistant"},
        },
    ]


def test_the_body_of_a_refusal_stays() -> None:
    answer = Answer(status=429, body=payload({"error": {}}))
    kept = Answer(status=200, body=payload({"models": []}))
    exchanges = tuple(
        Exchange(number=n, method="GET", authority="a", path="/", headers=(), answer=each)
        for n, each in enumerate((answer, kept), 1)
    )
    found = slim(Trace(client="c", origin=Origin(tool="t", on="d"), exchanges=exchanges))
    assert [each.answer and each.answer.body for each in found.exchanges] == [answer.body, None]
