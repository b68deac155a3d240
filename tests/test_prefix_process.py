"""Twenty turns of a stateless client: each request begins, byte for byte, with the one before, so
that a prompt cache (the sandbox has a model of one) reads all of it.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import zstandard

from tests.clients.evidence import RESPONSES, ModelRequest, cached_tokens, model_requests
from tests.floway_process import Floway, running_floway

pytestmark = pytest.mark.slow

type Json = dict[str, Any]

TURNS = 20
RULES = "You are a careful assistant. " + "Follow the rules of the house. " * 250
TOOL: Json = {
    "type": "function",
    "name": "look",
    "description": "Look at something.",
    "parameters": {"type": "object", "properties": {"what": {"type": "string"}}},
}
SECONDS = 30.0


@pytest.fixture(scope="module")
def floway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floway]:
    with running_floway(tmp_path_factory.mktemp("floway")) as started:
        yield started


def question(number: int) -> str:
    # The same words come back: equal items must stay apart, and keep their ids.
    return "go on" if number % 3 == 0 else f"question {number}: " + "why? " * number


def responses_turns(url: str, model: str) -> None:
    items: list[Json] = []
    for number in range(TURNS):
        items.append({"role": "user", "content": question(number)})
        body = {"model": model, "instructions": RULES, "tools": [TOOL], "input": items}
        answer = httpx.post(f"{url}/v1/responses", json=body, timeout=SECONDS, trust_env=False)
        answer.raise_for_status()
        items += answer.json()["output"]
        if number % 4 == 1:
            call = {"type": "function_call", "name": "look", "arguments": "{}"}
            items.append({**call, "call_id": f"call_{number}"})
            items.append(
                {"type": "function_call_output", "call_id": f"call_{number}", "output": "a tree"}
            )


def chat_turns(url: str, model: str) -> None:
    messages: list[Json] = [{"role": "system", "content": RULES}]
    function = {name: value for name, value in TOOL.items() if name != "type"}
    tools = [{"type": "function", "function": function}]
    for number in range(TURNS):
        messages.append({"role": "user", "content": question(number)})
        body = {"model": model, "messages": messages, "tools": tools}
        answer = httpx.post(
            f"{url}/v1/chat/completions", json=body, timeout=SECONDS, trust_env=False
        )
        answer.raise_for_status()
        messages.append(answer.json()["choices"][0]["message"])


@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-6.1-sol"], ids=["full", "lite"])
@pytest.mark.parametrize("turns", [responses_turns, chat_turns], ids=["responses", "chat"])
def test_every_request_begins_with_the_one_before(floway: Floway, turns: Any, model: str) -> None:
    floway.sandbox.forget()
    turns(floway.url, model)
    entries = floway.sandbox.requests(RESPONSES)
    assert [entry["gate"] for entry in entries] == [[]] * TURNS
    inputs = [input_text(entry) for entry in entries]
    for before, after in itertools.pairwise(inputs):
        assert after.startswith(before.removesuffix(b"]"))
    requests = model_requests(entries)
    assert len({(each.key, each.session, each.account) for each in requests}) == 1
    for before, after in itertools.pairwise(requests):
        assert cached_tokens(after) >= readable(before)


def input_text(entry: Json) -> bytes:
    """The JSON text of ``input`` as it was sent."""
    raw = base64.b64decode(entry["body_base64"])
    body = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    value = json.loads(body)["input"]
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert text in body
    return text


def readable(request: ModelRequest) -> int:
    """Tokens of a request that the cache can have kept: whole blocks of 128."""
    assert request.usage is not None
    tokens = int(request.usage["input_tokens"])
    assert tokens > 1024
    return tokens // 128 * 128 - 128
