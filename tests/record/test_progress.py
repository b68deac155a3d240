"""What the sandbox has seen of a prompt."""

from __future__ import annotations

import json
from typing import Any

from replay.record.progress import progress
from replay.sandbox.messages import Request
from replay.sandbox.recorder import Entry, Recorder

RESPONSES = "/backend-api/codex/responses"


def asks(text: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"input": [{"type": "message", "role": "user", "content": content}], **more}


def entry(body: Any = None, *, path: str = RESPONSES, upgrade: bool = False) -> Entry:
    raw = b"" if body is None else json.dumps(body).encode()
    request = Request(
        method="GET" if upgrade else "POST",
        target=path,
        headers=[(b"Upgrade", b"websocket")] if upgrade else [],
        body=raw,
        http_version="1.1",
    )
    return Recorder(10, 10**6).begin(request)


def answered(body: Any, **more: Any) -> Entry:
    made = entry(body, **more)
    made.status, made.usage = 200, {}
    return made


def socket(*frames: tuple[str, Any]) -> Entry:
    recorder = Recorder(10, 10**6)
    made = entry(upgrade=True)
    for sender, data in frames:
        recorder.frame(made, sender, data if isinstance(data, str) else json.dumps(data))
    return made


DONE = ("server", {"type": "response.completed"})


def test_over_http() -> None:
    assert progress([], "hello") == ""
    assert progress([entry(asks("hello"))], "hello") == "asked"
    assert progress([answered(asks("hello"))], "hello") == "answered"
    assert progress([answered(asks("hello"), path="/v1/other")], "hello") == ""
    refused = answered(asks("hello"))
    refused.status = 401
    assert progress([refused], "hello") == "asked"
    assert progress([refused, answered(asks("hello"))], "hello") == "answered"


def test_a_compressed_body_counts_as_it_was() -> None:
    made = answered(None)
    made.kept_body, made.decoded = b"\x28\xb5", json.dumps(asks("hello")).encode()
    assert progress([made], "hello") == "answered"


def test_requests_on_the_side_do_not_count() -> None:
    titled = asks("Make a title for: hello")
    assert progress([answered(titled)], "hello") == ""
    assert progress([answered(asks("other"))], "hello") == ""


def test_over_websocket() -> None:
    warm = ("client", asks("hello", generate=False))
    ask = ("client", asks("hello"))
    assert progress([socket(warm, DONE)], "hello") == ""
    assert progress([socket(warm, DONE, ask)], "hello") == "asked"
    assert progress([socket(warm, DONE, ask, DONE)], "hello") == "answered"
    assert progress([socket(("client", "{cut"), ("client", "[1]"))], "hello") == ""
