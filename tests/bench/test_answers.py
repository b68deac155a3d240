from __future__ import annotations

import json

import pytest

from replay.bench.answers import FRAME_EVENTS, Check, event_count, events, expected_words

WORDS = tuple(expected_words(5))


def stream(deltas: int = 5) -> list[bytes]:
    return events(deltas, "m")


def chat(words: tuple[bytes, ...] = WORDS, space: str = "") -> bytes:
    parts = [
        f'data: {{"choices":[{{"delta":{{"content":{space}"{word.decode()} "}}}}]}}\n\n'
        for word in words
    ]
    return "".join([*parts, "data: [DONE]\n\n"]).encode()


def test_events_are_well_formed_and_counted():
    sent = stream(192)
    assert len(sent) == event_count(192) == 192 + FRAME_EVENTS == 200
    for number, event in enumerate(sent):
        name, data, *rest = event.decode().split("\n")
        assert rest == ["", ""]
        document = json.loads(data.removeprefix("data: "))
        assert name == f"event: {document['type']}"
        assert document["sequence_number"] == number
    assert document["response"]["status"] == "completed"
    assert document["response"]["output"][0]["content"][0]["text"].split() == [
        word.decode() for word in expected_words(192)
    ]


def test_a_right_stream():
    assert Check(WORDS, "responses").fault(200, b"".join(stream())) is None


@pytest.mark.parametrize("space", ["", " "])
def test_a_right_chat_stream(space: str):
    assert Check(WORDS, "chat").fault(200, chat(space=space)) is None


def test_one_event_alone():
    assert Check((), "chat").fault(200, b"data: [DONE]\n\n") is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "mid-event"),
        (b"".join(stream())[:-1], "mid-event"),
        (b"".join(stream()[:-1]), "no terminal event"),
        (b"".join(stream()) + b"data: x\n\n", "no terminal event"),
        (b"".join(stream(4)), "4 deltas in place of 5"),
        (b"".join([*stream()[:5], *stream()[4:]]), "6 deltas in place of 5"),
        (b"".join([*stream()[:4], stream()[5], stream()[4], *stream()[6:]]), "text differs"),
    ],
)
def test_wrong_streams(body: bytes, reason: str):
    fault = Check(WORDS, "responses").fault(200, body)
    assert fault is not None
    assert reason in fault


@pytest.mark.parametrize(
    "body",
    [chat(WORDS[:-1]), chat()[:-14], chat(WORDS[::-1]), b"".join(stream())],
)
def test_wrong_chat_streams(body: bytes):
    assert Check(WORDS, "chat").fault(200, body) is not None


def test_a_status_is_told_with_the_body():
    fault = Check(WORDS, "responses").fault(502, b'{"error":"x"}')
    assert fault is not None
    assert "502" in fault
    assert "error" in fault
