"""Responses of the made-up gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response

from replay.record.gateway.responses import Memory


def test_conversations_are_remembered() -> None:
    memory = Memory()
    first = memory.answer({"model": "m", "input": "one"}).body
    second = memory.answer({"model": "m", "input": "two", "previous_response_id": first["id"]}).body
    whole = [
        {"type": "message", "role": "user", "content": "one"},
        *first["output"],
        {"type": "message", "role": "user", "content": "two"},
    ]
    told = memory.answer({"model": "m", "input": whole}).body
    assert Response.model_validate(second).output_text == Response.model_validate(told).output_text
    assert second["id"] != first["id"]


def test_what_was_never_said_is_not_remembered() -> None:
    with pytest.raises(LookupError):
        Memory().answer({"model": "m", "input": "two", "previous_response_id": "resp_0"})


def test_a_stream_ends_with_the_whole() -> None:
    events = Memory().answer({"model": "m", "input": "hi", "stream": True}).events
    assert events is not None
    parsed = [_event(piece) for piece in events]
    assert [parsed[0][0], parsed[-1][0]] == ["response.created", "response.completed"]
    assert all(name == data["type"] for name, data in parsed)
    deltas = "".join(d["delta"] for n, d in parsed if n == "response.output_text.delta")
    assert Response.model_validate(parsed[-1][1]["response"]).output_text == deltas


def _event(piece: bytes) -> tuple[str, dict[str, Any]]:
    name, data = piece.decode().rstrip("\n").split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))
