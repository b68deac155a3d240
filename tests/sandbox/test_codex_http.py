"""Model requests over HTTP, against the rules of codex-wire.md §2.1, §4 and §9."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
import zstandard

from replay.sandbox import Sandbox

RESPONSES = "/backend-api/codex/responses"


def output(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = events[-1]["response"]["output"]
    return found


def said(events: list[dict[str, Any]]) -> str:
    text: str = output(events)[-1]["content"][0]["text"]
    return text


async def test_an_answer_and_its_headers(each: Any) -> None:
    api = each
    response = await api.respond(api.body("good morning"))
    secure = api.client.base_url.scheme == "https"
    assert response.http_version == ("HTTP/2" if secure else "HTTP/1.1")
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-codex-primary-used-percent"]
    assert response.headers["x-codex-plan-type"] == "plus"
    assert response.headers["openai-model"] == "gpt-5.5"
    assert "good morning" in response.text
    models = await api.client.get("/backend-api/codex/models", headers=api.headers())
    assert response.headers["x-models-etag"] == models.headers["etag"]


@pytest.mark.parametrize(
    ("coding", "encode"),
    [("zstd", zstandard.ZstdCompressor(level=3).compress), ("gzip", gzip.compress)],
)
async def test_compressed_bodies(api: Any, coding: str, encode: Callable[[bytes], bytes]) -> None:
    data = encode(json.dumps(api.body("packed")).encode())
    headers = api.headers(**{"content-encoding": coding, "content-type": "application/json"})
    response = await api.client.post(RESPONSES, content=data, headers=headers)
    assert "packed" in response.text
    [entry] = await api.recorded()
    assert entry["body_json"]["input"][0]["content"][0]["text"] == "packed"
    assert entry["body_length"] == len(data)


@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [
        *[
            ({name: 1}, 400, f"Unsupported parameter: {name}")
            for name in (
                "max_output_tokens",
                "max_tokens",
                "temperature",
                "top_p",
                "prompt_cache_retention",
                "safety_identifier",
                "truncation",
                "user",
                "metadata",
                "conversation",
                "background",
                "previous_response_id",
            )
        ],
        (
            {"stream_options": {"include_usage": True}},
            400,
            "Unsupported parameter: stream_options.include_usage",
        ),
        ({"store": True}, 400, "Store must be set to false"),
        ({"stream": False}, 400, "Stream must be set to true"),
        ({"input": "text"}, 400, "Input must be a list"),
        ({"input": [{"role": "system", "content": "x"}]}, 400, "System messages are not allowed"),
        (
            {"model": "gpt-9"},
            400,
            "The 'gpt-9' model is not supported when using Codex with a ChatGPT account.",
        ),
    ],
)
async def test_what_the_backend_refuses(
    api: Any, change: dict[str, Any], status: int, detail: str
) -> None:
    response = await api.respond({**api.body(), **change})
    assert (response.status_code, response.json()) == (status, {"detail": detail})


@pytest.mark.parametrize(
    ("change", "param"),
    [({"tools": {}}, "tools"), ({"reasoning": "high"}, "reasoning"), ({"include": 1}, "include")],
)
async def test_wrong_types_name_the_member(api: Any, change: dict[str, Any], param: str) -> None:
    response = await api.respond({**api.body(), **change})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"", "not valid JSON"),
        (b'{"a": NaN}', "not valid JSON"),
    ],
)
async def test_bodies_that_are_not_json(api: Any, content: bytes, message: str) -> None:
    response = await api.client.post(RESPONSES, content=content, headers=api.headers())
    assert response.status_code == 400
    assert message in response.json()["detail"]


async def test_codings_that_do_not_decode(api: Any) -> None:
    for coding, status in (("zstd", 400), ("gzip", 400), ("snappy", 415)):
        headers = api.headers(**{"content-encoding": coding})
        response = await api.client.post(RESPONSES, content=b"{}{}", headers=headers)
        assert response.status_code == status, coding


async def test_a_body_nested_beyond_reason_is_a_400(api: Any) -> None:
    deep = json.loads("[" * 300 + "]" * 300)
    response = await api.respond(api.body(input=[{"type": "x", "content": deep}]))
    assert response.status_code == 400
    assert "too deep" in response.json()["error"]["message"]


async def test_turn_state_is_given_once_a_turn_and_bound_to_the_account(api: Any) -> None:
    first = await api.respond(api.body())
    state = first.headers["x-codex-turn-state"]
    second = await api.respond(api.body(), **{"x-codex-turn-state": state})
    assert "x-codex-turn-state" not in second.headers
    other = api.sandbox.accounts[1]
    await api.respond(api.body(), account=other, **{"x-codex-turn-state": state})
    entries = await api.recorded()
    assert [entry["notes"] for entry in entries[:2]] == [[], []]
    assert entries[2]["notes"] == ["x-codex-turn-state was not given to account ben"]


async def test_encrypted_content_does_not_move_between_accounts(
    api: Any, message: Callable[[str], Any]
) -> None:
    body = api.body(
        reasoning={"effort": "high", "summary": "auto"}, include=["reasoning.encrypted_content"]
    )
    items = output(await api.events(body))
    assert [item["type"] for item in items] == ["reasoning", "message"]
    again = api.body(input=[*body["input"], *items, message("go on")])
    assert "go on" in said(await api.events(again))
    refused = await api.respond(again, account=api.sandbox.accounts[1])
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_encrypted_content"


async def test_compaction_over_the_stream(api: Any, message: Callable[[str], Any]) -> None:
    body = api.body(input=[message("long"), {"type": "compaction_trigger"}])
    events = await api.events(body)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["compaction"]
    after = api.body(input=[*done, message("and now")])
    assert "after a compaction of 2 items" in said(await api.events(after))
    refused = await api.respond(after, account=api.sandbox.accounts[2])
    assert refused.json()["error"]["code"] == "invalid_encrypted_content"


async def test_compaction_of_the_old_endpoint(api: Any, message: Callable[[str], Any]) -> None:
    body = {"model": "gpt-5.5", "instructions": "i", "input": [message("long")]}
    url = f"{RESPONSES}/compact"
    answer = (await api.client.post(url, json=body, headers=api.headers())).json()
    assert [item["type"] for item in answer["output"]] == ["message", "compaction"]
    refused = await api.client.post(url, json={**body, "stream": True}, headers=api.headers())
    assert refused.json() == {"detail": "Unsupported parameter: stream"}


async def test_cached_tokens_follow_the_prefix_and_the_session(
    api: Any, message: Callable[[str], Any]
) -> None:
    def tokens(events: list[dict[str, Any]]) -> tuple[int, int]:
        usage = events[-1]["response"]["usage"]
        return usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"]

    body = api.body(instructions="x" * 8000, prompt_cache_key="k")
    total, cached = tokens(await api.events(body))
    assert (total > 2000, cached) == (True, 0)
    longer = {**body, "input": [*body["input"], message("more")]}
    assert tokens(await api.events(longer))[1] == total // 128 * 128
    other_session = await api.respond(longer, **{"session-id": "session-2"})
    assert b'"cached_tokens":0' in other_session.content
    assert tokens(await api.events({**longer, "prompt_cache_key": "other"}))[1] == 0
    assert tokens(await api.events(longer, account=api.sandbox.accounts[1]))[1] == 0
    counts = (await api.client.get("/_sandbox/cache")).json()
    assert counts["requests"] == 5
    assert len(counts["keys"]) == 4


async def test_an_input_beyond_the_context_window_fails_inside_the_stream(api: Any) -> None:
    events = await api.events(api.body(instructions="x" * 1_100_000))
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"]["code"] == "context_length_exceeded"
    assert events[-1]["response"]["instructions"] is None


async def test_a_schema_that_cannot_be_satisfied_is_a_400(api: Any) -> None:
    form = {"type": "json_schema", "name": "x", "strict": True, "schema": {"type": "thing"}}
    response = await api.respond(api.body(text={"format": form}))
    assert response.json()["error"]["code"] == "invalid_json_schema"


async def test_quota_fills_up_and_refuses(api: Any) -> None:
    url = "/_sandbox/accounts/ada"
    await api.client.post(url, json={"used_percent": 100, "resets_in": 600})
    refused = await api.respond(api.body())
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert error["type"] == "usage_limit_reached"
    assert error["resets_in_seconds"] in (599, 600)
    usage = (await api.client.get("/backend-api/wham/usage", headers=api.headers())).json()
    assert usage["rate_limit"]["limit_reached"]
    assert (await api.respond(api.body(), account=api.sandbox.accounts[1])).status_code == 200
    await api.client.post(url, json={"used_percent": 0})
    assert (await api.respond(api.body())).status_code == 200


# --- API-key mode, judged by the official SDK ---


@pytest.fixture
async def sdk(sandbox: Sandbox, http: httpx.AsyncClient) -> Any:
    async with openai.AsyncOpenAI(
        base_url=f"{sandbox.http_url}/v1",
        api_key=sandbox.accounts[0].api_key,
        max_retries=0,
        http_client=http,
    ) as client:
        yield client


async def test_the_sdk_streams_and_asks_at_once(sdk: openai.AsyncOpenAI) -> None:
    whole = await sdk.responses.create(model="gpt-5.5", input="hi", temperature=0.5)
    assert "You said: hi" in whole.output_text
    assert whole.status == "completed"
    stream = await sdk.responses.create(model="gpt-5.5", input="[[say 5]]", stream=True)
    deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
    assert len(deltas) == 5


async def test_the_sdk_calls_a_tool(sdk: openai.AsyncOpenAI) -> None:
    tools: Any = [
        {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": False}
    ]
    prompt: Any = {"role": "user", "content": '[[call add {"a": 1}]]'}
    first = await sdk.responses.create(model="gpt-5.5", input=[prompt], tools=tools)
    call = first.output[0]
    assert call.type == "function_call"
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "41"}
    second = await sdk.responses.create(
        model="gpt-5.5", input=[prompt, call.to_dict(), result], tools=tools
    )
    assert "add gave: 41" in second.output_text


async def test_the_sdk_sees_errors_as_its_own(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="'gpt-9' does not exist"):
        await sdk.responses.create(model="gpt-9", input="x")
    with pytest.raises(openai.BadRequestError, match=r"resp_1. not found"):
        await sdk.responses.create(model="gpt-5.5", input="x", previous_response_id="resp_1")
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        await sdk.with_options(api_key="sk-wrong-key-000").responses.create(
            model="gpt-5.5", input="x"
        )
    names = [model.id async for model in sdk.models.list()]
    assert "gpt-5.5" in names


async def test_only_known_paths_and_methods(http: httpx.AsyncClient, api: Any) -> None:
    assert (await http.get("/")).json() == {"detail": "Not Found"}
    assert (await http.get("/backend-api/codex/nothing")).status_code == 404
    assert (await http.put(RESPONSES)).status_code == 405
    plain = await http.get(RESPONSES, headers=api.headers())
    assert plain.status_code == 405
