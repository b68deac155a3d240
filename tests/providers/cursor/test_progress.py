"""What is read of a request, once."""

from __future__ import annotations

from dataclasses import replace

from addons.providers.cursor.progress import Progress, read_request
from tests.fakes import MODEL_ROUTE, FakeProvider, exchange_of

BILLING = "x-anthropic-billing-header: cc_version=2.1.330.572; cc_entrypoint=cli; cch=ab12f;"


def test_a_request_of_claude_code_is_its_sessions() -> None:
    exchange = exchange_of(
        FakeProvider(),
        replace(MODEL_ROUTE, protocol="messages"),
        max_tokens=100,
        system=[{"type": "text", "text": BILLING}, {"type": "text", "text": "Be brief."}],
        messages=[{"role": "user", "content": "Hi"}],
    )
    progress = Progress()
    assert exchange.turn is not None
    said = read_request(exchange, progress, exchange.turn.body)
    assert said.conversation.source == "cch"
    assert (said.history.system, progress.model) == ("Be brief.", "m")
    assert progress.said is said
    assert exchange.conversation == said.conversation.session
    exchange.headers = [(b"X-Claude-Code-Session-Id", b"5f0c2a52")]
    named = read_request(exchange, Progress(), exchange.turn.body)
    assert named.conversation.source == "header x-claude-code-session-id"
