"""The ``anthropic`` Python SDK, in this process, against a floway process: sync and async."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Iterator
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

from tests.clients.conftest import StartFloway
from tests.clients.evidence import (
    RESPONSES,
    ModelRequest,
    cached_tokens,
    gate_refusals,
    header,
    leaks,
    model_requests,
)
from tests.clients.test_openai_sdk import picture
from tests.floway_process import Floway, until

pytestmark = pytest.mark.clients

MODELS = ["gpt-5.5", "gpt-6.1-sol"]
"""One of each body shape: full and lite."""

KEY = "sk-ant-made-up-key-of-the-client"
LONG = "All systems work as they should in this sandbox today. " * 200
CALLS = 'Go. [[think]] [[call weather {"city":"Paris"}]][[call weather {"city":"Rome"}]]'
TOOL: Any = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ADAPTIVE: Any = {"type": "adaptive"}


class City(BaseModel):
    name: str
    people: int


@pytest.fixture(scope="module")
def floway(start_floway_module: StartFloway) -> Floway:
    return start_floway_module()


@pytest.fixture(autouse=True)
def nothing_leaks(floway: Floway) -> Iterator[None]:
    """The client's key stays here, and every request has the profile's form."""
    floway.sandbox.forget()
    yield
    entries = floway.sandbox.requests()
    assert gate_refusals(entries) == []
    assert leaks(entries, [KEY]) == []


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, floway: Floway) -> Any:
    options: Any = {"base_url": floway.url, "api_key": KEY, "max_retries": 0, "timeout": 30}
    if request.param == "sync":
        with anthropic.Anthropic(**options) as made:
            yield made
    else:
        async with anthropic.AsyncAnthropic(**options) as made:
            yield made


async def settled(value: Any) -> Any:
    """The result of a call of either kind of client."""
    return await value if isinstance(value, Awaitable) else value


async def listed(value: Any) -> list[Any]:
    """All that a stream or a page of either kind gives."""
    stream = await settled(value)
    if hasattr(stream, "__aiter__"):
        return [event async for event in stream]
    return list(stream)


async def streamed(client: Any, **members: Any) -> tuple[list[Any], Any]:
    """The events of a stream, and the message that the SDK makes of them."""
    manager = client.messages.stream(**members)
    if hasattr(manager, "__aenter__"):
        async with manager as stream:
            return [event async for event in stream], await stream.get_final_message()
    with manager as stream:
        return list(stream), stream.get_final_message()


def said(content: Any, **more: Any) -> dict[str, Any]:
    return {"max_tokens": 1000, "messages": [{"role": "user", "content": content}], **more}


def asked(floway: Floway) -> list[ModelRequest]:
    return model_requests(floway.sandbox.requests())


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
async def test_a_conversation(client: Any, floway: Floway, model: str) -> None:
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    messages: Any = [{"role": "user", "content": "hello"}]
    options = {"model": model, "max_tokens": 50, "system": system}
    sampling = {"temperature": 0.2, "top_k": 5}  # the API has them, the SDK no longer
    more = {"extra_body": sampling, "metadata": {"user_id": "me"}}
    whole = await settled(client.messages.create(messages=messages, **options, **more))
    assert whole.content[0].text.startswith("You said: hello")
    assert (whole.stop_reason, whole.model) == ("end_turn", model)
    assert whole.usage.input_tokens + whole.usage.cache_creation_input_tokens > 1024
    messages += [whole.to_param(), {"role": "user", "content": "once more"}]
    events, last = await streamed(client, messages=messages, **options)
    assert last.content[0].text.startswith("You said: once more")
    assert last.usage.cache_read_input_tokens >= 1024
    assert [events[0].type, events[-1].type] == ["message_start", "message_stop"]
    assert "".join(event.text for event in events if event.type == "text") == last.content[0].text
    one, two = asked(floway)
    assert one.key == two.key
    assert cached_tokens(two) >= 1024
    assert two.usage is not None
    total = last.usage.input_tokens + last.usage.cache_creation_input_tokens
    assert total + last.usage.cache_read_input_tokens == two.usage["input_tokens"]


async def test_raw_events(client: Any) -> None:
    """The order of Anthropic's API, without the SDK's own additions."""
    events = await listed(client.messages.create(model="gpt-5.5", stream=True, **said("hello")))
    kinds = [event.type for event in events]
    deltas = kinds.count("content_block_delta")
    assert deltas > 1
    assert kinds == [
        *("message_start", "content_block_start", *["content_block_delta"] * deltas),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    assert events[-2].usage.output_tokens > 0


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", MODELS)
async def test_thinking_and_parallel_tools(
    client: Any, floway: Floway, model: str, stream: bool
) -> None:
    options = {"model": model, "tools": [TOOL], "max_tokens": 4000, "thinking": ADAPTIVE}
    messages: Any = [{"role": "user", "content": CALLS}]
    if stream:
        events, first = await streamed(client, messages=messages, **options)
        thought = "".join(event.thinking for event in events if event.type == "thinking")
        assert thought == first.content[0].thinking
    else:
        first = await settled(client.messages.create(messages=messages, **options))
    assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
    assert [block.input["city"] for block in first.content[1:]] == ["Paris", "Rome"]
    assert first.stop_reason == "tool_use"
    assert first.usage.output_tokens_details.thinking_tokens > 0
    results = [
        {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "sunny"},
        {
            "type": "tool_result",
            "tool_use_id": first.content[2].id,
            "content": [{"type": "text", "text": "no such city"}],
            "is_error": True,
        },
    ]
    messages += [first.to_param(), {"role": "user", "content": results}]
    last = await settled(client.messages.create(messages=messages, **options))
    assert "weather gave: sunny" in last.content[-1].text
    assert "The tool failed:\nno such city" in last.content[-1].text
    one, two = asked(floway)
    assert two.body["input"][: len(one.body["input"])] == one.body["input"]
    [reasoning] = [item for item in two.body["input"] if item["type"] == "reasoning"]
    assert reasoning["encrypted_content"]
    assert [part["text"] for part in reasoning["summary"]] == [first.content[0].thinking]
    assert (one.account, one.key) == (two.account, two.key)


@pytest.mark.parametrize("display", ["summarized", "omitted"])
async def test_how_thinking_is_shown(client: Any, floway: Floway, display: str) -> None:
    thinking: Any = {"type": "adaptive", "display": display}
    config: Any = {"effort": "high"}
    _, message = await streamed(
        client, model="gpt-5.5", thinking=thinking, output_config=config, **said("hello")
    )
    assert message.content[0].type == "thinking"
    assert bool(message.content[0].thinking) == (display == "summarized")
    assert message.content[0].signature.startswith("floway:1:")
    [request] = asked(floway)
    assert request.body["reasoning"]["effort"] == "high"


@pytest.mark.parametrize(("model", "effort"), [("gpt-5.5", "xhigh"), ("gpt-6.1-sol", "max")])
async def test_the_deepest_effort(client: Any, floway: Floway, model: str, effort: str) -> None:
    """A word of Anthropic's that only some models have."""
    config: Any = {"effort": "max"}
    await settled(client.messages.create(model=model, output_config=config, **said("hello")))
    [request] = asked(floway)
    assert request.body["reasoning"]["effort"] == effort


async def test_a_tool_that_must_be_used(client: Any, floway: Floway) -> None:
    choice: Any = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    members = said('[[call weather {"city":"Paris"}]]', tools=[TOOL], tool_choice=choice)
    message = await settled(client.messages.create(model="gpt-5.5", **members))
    assert message.content[0].name == "weather"
    [request] = asked(floway)
    assert request.body["tool_choice"] == {"type": "function", "name": "weather"}
    assert request.body["parallel_tool_calls"] is False


@pytest.mark.parametrize("stream", [True, False])
async def test_stop_sequences(client: Any, stream: bool) -> None:
    members = said('[[text "one two three"]]', stop_sequences=["two", "three"])
    if stream:
        _, message = await streamed(client, model="gpt-5.5", **members)
    else:
        message = await settled(client.messages.create(model="gpt-5.5", **members))
    assert message.content[0].text == "one "
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "two")


async def test_structured_answers(client: Any) -> None:
    parsed = await settled(
        client.messages.parse(model="gpt-5.5", output_format=City, **said("Paris"))
    )
    assert isinstance(parsed.parsed_output, City)


async def test_images_and_documents(client: Any, floway: Floway) -> None:
    url = picture()
    data = url.partition(",")[2]
    law = base64.b64encode(b"%PDF-1.4").decode()
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "It is so."},
        },
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": law},
        },
        {"type": "text", "text": "What is it?"},
    ]
    message = await settled(client.messages.create(model="gpt-5.5", **said(content)))
    assert "What is it?" in message.content[0].text
    [request] = asked(floway)
    parts = request.body["input"][-1]["content"]
    kinds = ["input_image", "input_image", "input_text", "input_file", "input_text"]
    assert [part["type"] for part in parts] == kinds
    assert [part.get("image_url") for part in parts[:2]] == [url, "https://example.org/a.png"]


async def test_a_side_request_is_a_thread_of_its_own(client: Any, floway: Floway) -> None:
    """As Claude Code asks for a session's title, beside the session's first request."""
    session = "5f2b8e0e-4a3f-4f60-9e0e-0a4c9d2f7b11"
    user = json.dumps({"device_id": "d", "account_uuid": "", "session_id": session})
    shared: Any = {"model": "claude-opus-5-5", "metadata": {"user_id": user}}
    billing = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330; cch=1;"}
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    }
    config = {"format": {"type": "json_schema", "schema": schema}}
    title = said(
        "<session>hello</session>",
        system=[billing, {"type": "text", "text": "Name the session."}],
        output_config=config,
    )
    named = await settled(client.messages.create(**shared, **title))
    assert json.loads(named.content[0].text).keys() == {"title"}
    system = [billing, {"type": "text", "text": LONG}]
    turn = said("hello", system=system, tools=[TOOL], thinking=ADAPTIVE)
    turn["messages"].append({"role": "system", "content": "Mind the environment."})
    first = await settled(client.messages.create(**shared, **turn))
    turn["messages"] += [first.to_param(), {"role": "user", "content": "once more"}]
    turn["system"] = [{**billing, "text": billing["text"].replace("cch=1", "cch=2")}, system[1]]
    await settled(client.messages.create(**shared, **turn))
    entries = floway.sandbox.requests(path=RESPONSES)
    threads = [header(entry, "thread-id") for entry in entries]
    side, one, two = asked(floway)
    assert len({side.session, one.session, two.session}) == 1
    assert len({side.account, one.account, two.account}) == 1
    assert threads[1] == threads[2] == one.session
    assert threads[0] != threads[1]
    assert two.body["input"][: len(one.body["input"])] == one.body["input"]
    assert cached_tokens(two) >= 1024
    assert leaks(entries, [session, "cch="]) == []


async def test_a_probe_of_one_token(client: Any) -> None:
    """As Claude Code finds out whether it may ask at all."""
    members = {"max_tokens": 1, "messages": [{"role": "user", "content": "quota"}]}
    message = await settled(client.messages.create(model="claude-haiku-4-5-20251001", **members))
    assert message.content[0].text


# --- models, counts ------------------------------------------------------------------------------


async def test_another_name_for_the_first_model(client: Any, floway: Floway) -> None:
    listed_models = await listed(client.models.list())
    message = await settled(client.messages.create(model="claude-sonnet-5", **said("hello")))
    assert message.model == "claude-sonnet-5", "thinking of another model would not come back"
    assert asked(floway)[0].body["model"] == listed_models[0].id


async def test_models(client: Any) -> None:
    found = await listed(client.models.list())
    assert set(MODELS) <= {model.id for model in found}
    one = await settled(client.models.retrieve("gpt-5.5"))
    assert (one.type, one.display_name, one.max_input_tokens) == ("model", "GPT-5.5", 272_000)
    with pytest.raises(anthropic.NotFoundError) as caught:
        await settled(client.models.retrieve("gpt-nope"))
    assert caught.value.body["error"]["type"] == "not_found_error"


async def test_tokens_are_counted_without_asking(client: Any, floway: Floway) -> None:
    members = said("hello", system=LONG, tools=[TOOL])
    del members["max_tokens"]
    counted = await settled(client.messages.count_tokens(model="claude-sonnet-5", **members))
    assert asked(floway) == []
    del members["tools"]  # the sandbox counts them in its own way
    counted = await settled(client.messages.count_tokens(model="gpt-5.5", **members))
    members["max_tokens"] = 50
    true = (await settled(client.messages.create(model="gpt-5.5", **members))).usage
    assert true.input_tokens + true.cache_creation_input_tokens > 1024
    assert 1024 < counted.input_tokens < 4096
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        await settled(client.messages.count_tokens(model="gpt-5.5", messages=[]))


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "content[0].type"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "sometimes"}}, "tool_choice.type"),
        ({"model": "gpt-nope"}, "gpt-nope"),
    ],
)
async def test_wrong_requests_name_the_member(client: Any, members: Any, word: str) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        await settled(client.messages.create(**{"model": "gpt-5.5", **said("x"), **members}))
    assert caught.value.body["error"]["type"] == "invalid_request_error"
    assert word in caught.value.message
    assert caught.value.request_id == caught.value.body["request_id"]


async def test_all_accounts_are_used_up(start_floway: StartFloway) -> None:
    """No account is left before the client has seen a byte: one error, in Anthropic's form."""
    floway = start_floway()
    used_up = {"preset": "usage_limit_reached", "resets_in_seconds": 600}
    floway.sandbox.fault(used_up, times=None, path=RESPONSES)
    options: Any = {"base_url": floway.url, "api_key": KEY, "max_retries": 2, "timeout": 30}
    with (
        anthropic.Anthropic(**options) as client,
        pytest.raises(anthropic.RateLimitError) as caught,
    ):
        client.messages.create(model="gpt-5.5", **said("hello"))
    body: Any = caught.value.body
    assert body["error"]["type"] == "rate_limit_error"
    assert all(
        account["label"] in body["error"]["message"] for account in floway.sandbox.accounts()
    )
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(asked(floway)) == len(floway.sandbox.accounts()), "the SDK did not try again"


async def test_an_answer_that_breaks_off(client: Any, floway: Floway) -> None:
    floway.sandbox.fault({"kind": "reset", "at": 12}, path=RESPONSES)
    with pytest.raises(anthropic.APIStatusError) as caught:
        await streamed(client, model="gpt-5.5", **said("[[say 100]]"))
    assert caught.value.body["error"]["type"] == "api_error"


@pytest.mark.parametrize("how", ["x-api-key", "bearer"])
async def test_a_client_key(start_floway: StartFloway, how: str) -> None:
    floway = start_floway(floway_client_keys=["a-good-key"])
    named = {"api_key": "a-good-key"} if how == "x-api-key" else {"auth_token": "a-good-key"}
    good: Any = {"base_url": floway.url, "max_retries": 0, "timeout": 30, **named}
    with anthropic.Anthropic(**good) as client:
        assert client.messages.create(model="gpt-5.5", **said("hello")).content
    with (
        anthropic.Anthropic(**{**good, **dict.fromkeys(named, "a-wrong-key")}) as client,
        pytest.raises(anthropic.AuthenticationError) as caught,
    ):
        client.messages.create(model="gpt-5.5", **said("hello"))
    assert json.loads(caught.value.response.text)["error"]["type"] == "authentication_error"


# --- leaving -------------------------------------------------------------------------------------


async def test_a_client_that_leaves_cancels_the_upstream(client: Any, floway: Floway) -> None:
    prompt = said("[[pace 50]] [[say 2000]]")  # would take 100 s
    stream = await settled(client.messages.create(model="gpt-5.5", stream=True, **prompt))
    seen = 0
    if hasattr(stream, "__aiter__"):
        async for _ in stream:
            seen += 1
            if seen == 8:
                break
    else:
        for _ in stream:
            seen += 1
            if seen == 8:
                break
    await settled(stream.close())
    until(lambda: any("left" in n for e in floway.sandbox.requests() for n in e["notes"]))
    assert seen == 8
