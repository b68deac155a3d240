"""The line of a request."""

from __future__ import annotations

from addons.exchange import Attempt, Usage
from addons.operate.logs import lines
from tests.fakes import FakeProvider, exchange_of


def word(text: str) -> str:
    return text.replace("secret", "***")


def test_a_request_that_went_well() -> None:
    exchange = exchange_of(FakeProvider())
    exchange.conversation = "local:0123456789abcdef"
    exchange.attempts = [Attempt("one"), Attempt("secret@two")]
    usage = Usage(input_tokens=120, cached_tokens=100, output_tokens=7)
    told = lines.fields(exchange, lines.Ended("request", 200, "completed", 0.41, 2.3, usage), word)
    assert told == {
        "kind": "request",
        "exchange": exchange.id,
        "conversation": "local:0123456789abcdef",
        "protocol": "responses",
        "provider": "fake",
        "account": "***@two",
        "model": "m",
        "method": exchange.method,
        "path": exchange.path,
        "status": 200,
        "outcome": "completed",
        "attempts": 2,
        "seconds": 2.3,
        "first_seconds": 0.41,
        "tokens_in": 120,
        "tokens_cached": 100,
        "tokens_out": 7,
    }
    assert lines.text(told) == (
        "m · fake:***@two · 200 completed · 2 attempts · 120 in, 100 cached, 7 out"
        " · 0.41 s, 2.30 s · responses · 89abcdef"
    )


def test_a_request_that_was_refused() -> None:
    exchange = exchange_of(FakeProvider())
    exchange.turn = None
    exchange.method, exchange.path = "GET", "/v1/models?key=secret"
    exchange.summary["error"] = "no_secret"
    told = lines.fields(exchange, lines.Ended("request", 0, "failed", -1.0, 0.1, None), word)
    assert lines.text(told) == "GET /v1/models · fake · - failed · no_*** · 0.10 s · responses"
    assert "first_seconds" not in told


def test_a_response_on_a_websocket() -> None:
    exchange = exchange_of(FakeProvider())
    told = lines.fields(exchange, lines.Ended("response", 101, "completed", 1, 2, None), word)
    assert lines.text(told).startswith("response · m · fake · 101 completed")
