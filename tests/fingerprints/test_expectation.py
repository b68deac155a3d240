"""What a profile says of every field, beside what was seen."""

from __future__ import annotations

from fingerprints.expectation import expected
from fingerprints.library import load
from fingerprints.trace_check import check_exchange
from fingerprints.variant import Variant
from tests.fingerprints.recordings import case
from tests.fingerprints.test_trace_view import exchange_of

NEW = load("codex@0.169.0")


def test_every_field_of_a_recorded_turn_is_expected() -> None:
    (checked,) = check_exchange(NEW, exchange_of(case("0.169.0/turn-http-full-chatgpt")))
    assert checked.variant is not None
    said = expected(NEW, checked.variant)
    assert said["method"] == "POST"
    assert said["path"] == "/backend-api/codex/responses"
    headers = {name.lower() for name, _ in checked.exchange.headers}
    assert {f"header:{name}" for name in headers} <= set(said)
    assert checked.exchange.body is not None
    assert {f"body:{name}" for name in checked.exchange.body.data} <= set(said)
    assert said["header:session-id"] == "uuid 7 = session_id"
    assert ", sometimes" in said["header:x-codex-turn-state"]
    assert "header:x-codex-turn-metadata.turn_id" in said
    assert "body:client_metadata.x-codex-turn-metadata.turn_id" in said


def test_a_message_has_no_request_line() -> None:
    said = expected(NEW, Variant("prewarm", "websocket", "full", "chatgpt"))
    assert "method" not in said
    assert said["body:generate"] == "const false"


def test_what_the_profile_does_not_have() -> None:
    assert expected(NEW, Variant("made_up", "http", "full", "chatgpt")) == {}
