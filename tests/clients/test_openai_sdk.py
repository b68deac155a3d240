"""The ``openai`` Python SDK, in this process, against a floway process: sync and async."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Awaitable, Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.clients.conftest import StartFloway
from tests.clients.evidence import ModelRequest, cached_tokens, gate_refusals, leaks, model_requests
from tests.floway_process import Floway, until

pytestmark = pytest.mark.clients

MODELS = ["gpt-5.5", "gpt-6.1-sol"]
"""One of each body shape: full and lite."""

KEY = "sk-made-up-key-of-the-client"
LONG = "All systems work as they should in this sandbox today. " * 200
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CALLS = 'Go. [[call weather {"city":"Paris"}]][[call weather {"city":"Rome"}]]'
CHAT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
TOOL: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}


class City(BaseModel):
    name: str
    people: int
    tags: list[str]


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
    options: Any = {"base_url": floway.base_url, "api_key": KEY, "max_retries": 0, "timeout": 30}
    if request.param == "sync":
        with openai.OpenAI(**options) as made:
            yield made
    else:
        async with openai.AsyncOpenAI(**options) as made:
            yield made


async def settled(value: Any) -> Any:
    """The result of a call of either kind of client."""
    return await value if isinstance(value, Awaitable) else value


async def listed(value: Any) -> list[Any]:
    """All that a stream of either kind gives."""
    stream = await settled(value)
    if hasattr(stream, "__aiter__"):
        return [event async for event in stream]
    return list(stream)


def asked(floway: Floway) -> list[ModelRequest]:
    return model_requests(floway.sandbox.requests())


def picture() -> str:
    """A PNG of one pixel as a data URL."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return len(data).to_bytes(4, "big") + checked + zlib.crc32(checked).to_bytes(4, "big")

    head = chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\2\0\0\0")
    data = chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    png = b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
async def test_chat(client: Any, floway: Floway, model: str) -> None:
    messages = [{"role": "system", "content": LONG}, {"role": "user", "content": "hello"}]
    more = {"temperature": 0.2, "max_tokens": 50, "user": "me"}
    whole = await settled(client.chat.completions.create(model=model, messages=messages, **more))
    assert whole.choices[0].message.content.startswith("You said: hello")
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.prompt_tokens > 1024
    messages += [
        {"role": "assistant", "content": whole.choices[0].message.content},
        {"role": "user", "content": "again"},
    ]
    chunks = await listed(
        client.chat.completions.create(
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("You said: again")
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens >= 1024
    first, second = asked(floway)
    assert (first.session, first.key) == (second.session, second.key)
    assert not {"temperature", "max_tokens", "user"} & first.body.keys()


@pytest.mark.parametrize("model", MODELS)
async def test_responses(client: Any, floway: Floway, model: str) -> None:
    given: list[Any] = [{"role": "user", "content": "hello"}]
    options = {"model": model, "instructions": LONG, "store": False}
    whole = await settled(client.responses.create(input=given, **options))
    assert whole.output_text.startswith("You said: hello")
    assert whole.status == "completed"
    assert whole.instructions == LONG
    given += [item.model_dump(exclude_none=True) for item in whole.output]
    given.append({"role": "user", "content": "again"})
    events = await listed(client.responses.create(input=given, stream=True, **options))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text.startswith("You said: again")
    assert events[-1].response.instructions == LONG
    assert events[-1].response.usage.input_tokens_details.cached_tokens >= 1024
    first, second = asked(floway)
    assert (first.session, first.key) == (second.session, second.key)
    assert cached_tokens(second) >= 1024


# --- tools ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
async def test_chat_tools(client: Any, floway: Floway, model: str, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": CALLS}]
    options = {"model": model, "tools": [CHAT_TOOL]}
    if stream:
        chunks = await listed(
            client.chat.completions.create(messages=messages, stream=True, **options)
        )
        calls = _gathered(chunks)
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "tool_calls"
    else:
        whole = await settled(client.chat.completions.create(messages=messages, **options))
        assert whole.choices[0].finish_reason == "tool_calls"
        calls = [call.model_dump() for call in whole.choices[0].message.tool_calls]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [
        {"city": "Paris"},
        {"city": "Rome"},
    ]
    messages.append({"role": "assistant", "content": None, "tool_calls": calls})
    for call in calls:
        city = json.loads(call["function"]["arguments"])["city"]
        answer = {"role": "tool", "tool_call_id": call["id"], "content": f"{city} is sunny"}
        messages.append(answer)
    last = await settled(client.chat.completions.create(messages=messages, **options))
    assert "weather gave: Paris is sunny" in last.choices[0].message.content
    assert "weather gave: Rome is sunny" in last.choices[0].message.content
    assert asked(floway)[-1].outputs() == ['"Paris is sunny"', '"Rome is sunny"']


def _gathered(chunks: list[Any]) -> list[dict[str, Any]]:
    """Tool calls put together from a stream's pieces."""
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for piece in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            call = calls.setdefault(
                piece.index, {"type": "function", "function": {"name": "", "arguments": ""}}
            )
            if piece.id:
                call["id"] = piece.id
            call["function"]["name"] += piece.function.name or ""
            call["function"]["arguments"] += piece.function.arguments or ""
    return [calls[index] for index in sorted(calls)]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
async def test_responses_tools(client: Any, floway: Floway, model: str, stream: bool) -> None:
    given: list[Any] = [{"role": "user", "content": CALLS}]
    options = {"model": model, "tools": [TOOL], "store": False}
    if stream:
        events = await listed(client.responses.create(input=given, stream=True, **options))
        done = [event.item for event in events if event.type == "response.output_item.done"]
        response = events[-1].response
    else:
        response = await settled(client.responses.create(input=given, **options))
        done = response.output
    calls = [item for item in done if item.type == "function_call"]
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Paris", "Rome"]
    assert [tool.name for tool in response.tools] == ["weather"]
    given += [item.model_dump(exclude_none=True) for item in done]
    for call in calls:
        text = f"{json.loads(call.arguments)['city']} is sunny"
        given.append({"type": "function_call_output", "call_id": call.call_id, "output": text})
    last = await settled(client.responses.create(input=given, **options))
    assert "weather gave: Paris is sunny" in last.output_text
    assert "weather gave: Rome is sunny" in last.output_text
    assert asked(floway)[-1].outputs() == ['"Paris is sunny"', '"Rome is sunny"']


# --- structured answers and images ---------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
async def test_structured_answers(client: Any, model: str) -> None:
    messages: Any = [{"role": "user", "content": "Paris"}]
    chat = await settled(
        client.chat.completions.parse(model=model, messages=messages, response_format=City)
    )
    assert chat.choices[0].message.parsed.name == "Paris"
    parsed = await settled(client.responses.parse(model=model, input="Paris", text_format=City))
    assert isinstance(parsed.output_parsed, City)


def test_structured_answers_from_streams(floway: Floway) -> None:
    client = openai.OpenAI(base_url=floway.base_url, api_key=KEY, max_retries=0, timeout=30)
    with client.responses.stream(model="gpt-5.5", input="Paris", text_format=City) as stream:
        kinds = {event.type for event in stream}
        assert "response.output_text.delta" in kinds
        answer = stream.get_final_response().output_parsed
        assert answer is not None
        assert answer.name == "Paris"
    messages: Any = [{"role": "user", "content": "Paris"}]
    with client.chat.completions.stream(
        model="gpt-5.5", messages=messages, response_format=City
    ) as chunks:
        assert {"content.delta", "content.done"} <= {event.type for event in chunks}
        parsed = chunks.get_final_completion().choices[0].message.parsed
        assert parsed is not None
        assert parsed.name == "Paris"


async def test_images(client: Any, floway: Floway) -> None:
    url = picture()
    text = {"type": "text", "text": "What is it?"}
    image = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    messages: Any = [{"role": "user", "content": [text, image]}]
    chat = await settled(client.chat.completions.create(model="gpt-5.5", messages=messages))
    assert chat.choices[0].message.content.startswith("You said: What is it?")
    content = [{"type": "input_text", "text": "And?"}, {"type": "input_image", "image_url": url}]
    given: Any = [{"role": "user", "content": content}]
    whole = await settled(client.responses.create(model="gpt-5.5", input=given))
    assert whole.output_text.startswith("You said: And?")
    for request in asked(floway):
        parts = request.body["input"][-1]["content"]
        assert [part["type"] for part in parts] == ["input_text", "input_image"]
        assert parts[1]["image_url"] == url


# --- models, compaction, WebSocket ---------------------------------------------------------------


async def test_models(client: Any) -> None:
    page = client.models.list()
    found = {m.id async for m in page} if hasattr(page, "__aiter__") else {m.id for m in page}
    assert set(MODELS) <= found
    assert (await settled(client.models.retrieve("gpt-5.5"))).id == "gpt-5.5"
    with pytest.raises(openai.NotFoundError) as caught:
        await settled(client.models.retrieve("gpt-nope"))
    assert caught.value.code == "model_not_found"


async def test_a_compaction_goes_on_as_a_conversation(client: Any) -> None:
    given: Any = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello to you"},
    ]
    # What is compacted can be read by its account only: the key keeps the two together.
    options = {"model": "gpt-5.5", "prompt_cache_key": "a conversation"}
    compacted = await settled(client.responses.compact(input=given, **options))
    assert [item.type for item in compacted.output] == ["compaction"]
    kept = [item.model_dump(exclude_none=True) for item in compacted.output]
    given = [*kept, {"role": "user", "content": "where were we?"}]
    whole = await settled(client.responses.create(input=given, **options))
    assert "after a compaction of" in whole.output_text


@pytest.mark.parametrize("model", MODELS)
async def test_websocket(client: Any, floway: Floway, model: str) -> None:
    options: Any = {"model": model, "instructions": LONG, "tools": [TOOL], "store": False}
    async with _connected(client) as connection:
        first = await connection.ask(**options, input=[{"role": "user", "content": CALLS}])
        calls = [item for item in first.output if item.type == "function_call"]
        outputs = [
            {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
            for call in calls
        ]
        last = await connection.ask(**options, previous_response_id=first.id, input=outputs)
    assert last.output_text.count("weather gave: sunny") == 2
    assert last.instructions == LONG
    one, two = asked(floway)
    assert two.body["previous_response_id"] == first.id
    assert (one.session, one.key) == (two.session, two.key)
    assert cached_tokens(two) >= 1024


async def test_an_error_on_a_websocket_is_an_event(client: Any) -> None:
    async with _connected(client) as connection:
        error = await connection.ask(model="gpt-nope", input=[])
        assert error.type == "error"
        assert error.status == 400
        assert "gpt-nope" in error.error.message
        after = await connection.ask(model="gpt-5.5", input=[{"role": "user", "content": "hi"}])
        assert after.output_text.startswith("You said: hi")


class _connected:
    """A WebSocket of either kind of client; ``ask`` gives the response, or the error event."""

    def __init__(self, client: Any) -> None:
        self.manager = client.responses.connect()

    async def __aenter__(self) -> _connected:
        enter = getattr(self.manager, "__aenter__", None) or self.manager.__enter__
        self.connection = await settled(enter())
        return self

    async def __aexit__(self, *_: object) -> None:
        await settled(self.connection.close())

    async def ask(self, **body: Any) -> Any:
        await settled(self.connection.response.create(**body))
        while True:
            event = await settled(self.connection.recv())
            if event.type in ("response.completed", "response.failed", "error"):
                return event if event.type == "error" else event.response


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_wrong_model(client: Any, stream: bool) -> None:
    messages: Any = [{"role": "user", "content": "hello"}]
    cases: list[tuple[Any, dict[str, Any]]] = [
        (client.chat.completions.create, {"messages": messages}),
        (client.responses.create, {"input": "hello"}),
    ]
    for call, members in cases:
        with pytest.raises(openai.BadRequestError) as caught:
            await settled(call(model="gpt-nope", stream=stream, **members))
        assert caught.value.code == "model_not_found"
        assert caught.value.type == "invalid_request_error"
        assert "gpt-nope" in caught.value.message


async def test_wrong_bodies_name_the_member(client: Any, floway: Floway) -> None:
    chat, responses = client.chat.completions.create, client.responses.create
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (responses, {"input": 5}, "input"),
        (responses, {"input": "x", "tools": "weather"}, "tools"),
        (responses, {"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        (chat, {"messages": [{"role": "alien", "content": "x"}]}, "messages[0].role"),
        (chat, {"messages": "x"}, "messages"),
        (chat, {"messages": [{"role": "user", "content": "x"}], "n": 2}, "n"),
    ]
    for call, members, param in cases:
        with pytest.raises(openai.BadRequestError) as caught:
            await settled(call(model="gpt-5.5", **members))
        assert caught.value.param == param
        assert param in caught.value.message
    assert asked(floway) == [], "nothing was sent"


async def test_what_is_not_served_says_so(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="does not serve"):
        await settled(client.embeddings.create(model="m", input="x"))


# --- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["chat", "responses"])
async def test_a_client_that_leaves_cancels_the_upstream(
    client: Any, floway: Floway, protocol: str
) -> None:
    prompt = "[[pace 50]] [[say 2000]]"  # would take 100 s
    if protocol == "chat":
        messages: Any = [{"role": "user", "content": prompt}]
        call = client.chat.completions.create(model="gpt-5.5", messages=messages, stream=True)
    else:
        call = client.responses.create(model="gpt-5.5", input=prompt, stream=True)
    stream = await settled(call)
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


async def test_a_client_that_waits_no_longer_cancels_the_upstream(
    client: Any, floway: Floway
) -> None:
    patient = client.with_options(timeout=1.0)
    with pytest.raises(openai.APITimeoutError):
        await settled(patient.responses.create(model="gpt-5.5", input="[[pace 50]] [[say 2000]]"))
    until(lambda: any("left" in n for e in floway.sandbox.requests() for n in e["notes"]))
