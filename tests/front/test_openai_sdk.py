"""The official Python SDK as a judge: it drives the protocols over an in-process transport.

The upstream is a list of Responses events; everything between the SDK's socket and these events is
the real code (body decoding, parsing, rendering, errors).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from addons.errors import ClientError
from addons.front import openai_errors, protocols
from addons.front.assembly import Assembly
from addons.front.bodies import decode, parse_object
from addons.front.keys import ClientKeys
from addons.front.models import ModelEntry, model_list, one_model
from addons.front.sse import EventStream, encode

type Event = dict[str, Any]

PATHS = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}


class Server:
    """Answers every request with the same events; ``cut`` ends the stream there."""

    def __init__(self, events: list[Event], *, cut: ClientError | None = None) -> None:
        self.events = events
        self.cut = cut
        self.bodies: list[Event] = []
        self.requests = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        headers = [(key.lower(), value) for key, value in request.headers.raw]
        try:
            ClientKeys(["sk-test"]).principal(headers)
            if request.method == "GET":
                return self._models(request.url.path)
            return self._answer(request)
        except ClientError as error:
            extra, body = openai_errors.render(error)
            return httpx2.Response(error.status, headers=extra, content=body)

    def _models(self, path: str) -> httpx2.Response:
        entries = [ModelEntry("m", created=1, owned_by="me", context_window=10)]
        wanted = path.removeprefix("/v1/models").removeprefix("/")
        found = one_model(entries, wanted) if wanted else model_list(entries)
        return httpx2.Response(200, json=found)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        protocol = protocols.get(PATHS[request.url.path])
        body = parse_object(decode(request.content, request.headers.get("content-encoding")))
        turn = protocol.parse(body)
        self.bodies.append(turn.body)
        renderer = protocol.renderer(turn, body)
        if not turn.stream:
            assembly = Assembly()
            for event in self.events:
                assembly.feed(event)
            return httpx2.Response(200, json=renderer.whole(assembly.response()))

        def stream() -> Iterator[bytes]:
            for event in self.events:
                if renderer.passthrough:
                    raw = encode(event["type"], json.dumps(event).encode())
                    yield b"".join(renderer.passed(seen) for seen in EventStream().feed(raw))
                else:
                    yield renderer.event(event)
            yield renderer.failed(self.cut) if self.cut else renderer.finish()

        headers = {"content-type": renderer.content_type}
        return httpx2.Response(200, headers=headers, content=stream())


def client_of(server: Server, key: str = "sk-test") -> openai.OpenAI:
    transport = httpx2.MockTransport(server)
    return openai.OpenAI(
        api_key=key,
        base_url="http://floway.test/v1",
        http_client=httpx2.Client(transport=transport),
        max_retries=2,
    )


# --- what the upstream tells ---------------------------------------------------------------------

HEAD: Event = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_700_000_000,
    "model": "m-1",
    "status": "in_progress",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
USAGE: Event = {
    "input_tokens": 2000,
    "input_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 0},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 2030,
}


def told(*items: Event, status: str = "completed", **members: Any) -> list[Event]:
    """The events of a response, in the way of the real backend: the end has no output."""
    events: list[Event] = [{"type": "response.created", "response": HEAD}]
    for index, item in enumerate(items):
        events += _item_events(item, index)
    final = {**HEAD, "status": status, "usage": USAGE, **members}
    events.append({"type": f"response.{status}", "response": final})
    for number, event in enumerate(events):
        event["sequence_number"] = number
    return events


def _item_events(item: Event, index: int) -> list[Event]:
    at = {"output_index": index, "item_id": item["id"]}
    bare = {**item, "status": "in_progress", "content": [], "summary": [], "arguments": ""}
    bare = {name: bare[name] for name in item}
    events = [{"type": "response.output_item.added", "output_index": index, "item": bare}]
    deltas: list[tuple[str, str, Event]] = []
    if item["type"] == "message":
        part = {**item["content"][0], "text": ""}
        opened = {"type": "response.content_part.added", "content_index": 0, "part": part, **at}
        events.append(opened)
        counted = {"content_index": 0, "logprobs": []}
        deltas = [("output_text", item["content"][0]["text"], counted)]
    elif item["type"] == "reasoning":
        deltas = [("reasoning_summary_text", item["summary"][0]["text"], {"summary_index": 0})]
    elif item["type"] == "function_call":
        deltas = [("function_call_arguments", item["arguments"], {})]
    for subject, text, extra in deltas:
        for start in range(0, len(text), 4):
            piece = {"delta": text[start : start + 4], **at, **extra}
            events.append({"type": f"response.{subject}.delta", **piece})
    events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    return events


def message(text: str) -> Event:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }


def function_call(name: str, arguments: str, call_id: str = "call_1") -> Event:
    return {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


THOUGHT: Event = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "**Counting** the letters"}],
    "encrypted_content": "opaque",
}
TEXT = 'Strawberry has "3" r: ünïcödé 🍓.'
ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "How many r?"}]}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}

# --- chat completions ----------------------------------------------------------------------------


def test_chat_stream_with_reasoning_and_usage() -> None:
    client = client_of(Server(told(THOUGHT, message(TEXT))))
    stream = client.chat.completions.create(
        **ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert {(chunk.id, chunk.model, chunk.created) for chunk in chunks} == {
        ("chatcmpl-1", "m-1", 1_700_000_000)
    }
    assert chunks[0].choices[0].delta.role == "assistant"
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == TEXT
    thoughts = "".join(getattr(delta, "reasoning_content", "") for delta in deltas)
    assert thoughts == "**Counting** the letters"
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    usage = chunks[-1].usage
    assert usage is not None
    assert chunks[-1].choices == []
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (2000, 30, 2030)
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 1920
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 12


def test_chat_without_stream() -> None:
    completion = client_of(Server(told(THOUGHT, message(TEXT)))).chat.completions.create(**ASK)
    choice = completion.choices[0]
    assert (choice.message.content, choice.finish_reason) == (TEXT, "stop")
    assert choice.message.model_extra == {"reasoning_content": "**Counting** the letters"}
    assert completion.usage is not None
    assert completion.usage.total_tokens == 2030


def test_chat_parallel_calls_and_their_results() -> None:
    calls = [
        function_call("weather", '{"city":"Paris"}', "call_1"),
        function_call("weather", '{"city":"Rome"}', "call_2"),
    ]
    server = Server(told(message("I look."), *calls))
    client = client_of(server)
    completion = client.chat.completions.create(**ASK, tools=[WEATHER])
    answer = completion.choices[0].message
    assert completion.choices[0].finish_reason == "tool_calls"
    assert answer.tool_calls is not None
    results: list[Any] = [
        {"role": "tool", "tool_call_id": call.id, "content": "sun"} for call in answer.tool_calls
    ]
    # What the SDK's own object says of itself is a valid history.
    history = [*ASK["messages"], answer, *results]
    client.chat.completions.create(model="m", messages=history, tools=[WEATHER])
    first, second = (body["input"] for body in server.bodies)
    assert second[: len(first)] == first
    assert [item["type"] for item in second[len(first) :]] == [
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    assert second[2]["arguments"] == '{"city":"Paris"}'


def test_chat_stream_helper_accumulates_calls() -> None:
    items = [message("I look."), function_call("weather", '{"city":"Paris"}')]
    server = Server(told(*items))
    arguments = ""
    with client_of(server).chat.completions.stream(**ASK, tools=[WEATHER]) as stream:
        for event in stream:
            if event.type == "tool_calls.function.arguments.delta":
                arguments += event.arguments_delta
        completion = stream.get_final_completion()
    assert arguments == '{"city":"Paris"}'
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look."
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].function.parsed_arguments == {"city": "Paris"}


class Count(BaseModel):
    letter: str
    times: int


def test_chat_structured_output() -> None:
    server = Server(told(message('{"letter":"r","times":3}')))
    client = client_of(server)
    parsed = client.chat.completions.parse(**ASK, response_format=Count)
    assert parsed.choices[0].message.parsed == Count(letter="r", times=3)
    with client.chat.completions.stream(**ASK, response_format=Count) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Count(letter="r", times=3)
    for body in server.bodies:
        sent = body["text"]["format"]
        assert (sent["type"], sent["name"], sent["strict"]) == ("json_schema", "Count", True)
        assert sent["schema"]["required"] == ["letter", "times"]


@pytest.mark.parametrize(
    ("reason", "finish", "error"),
    [
        ("max_output_tokens", "length", openai.LengthFinishReasonError),
        ("content_filter", "content_filter", openai.ContentFilterFinishReasonError),
    ],
)
def test_chat_cut_answers(reason: str, finish: str, error: type[Exception]) -> None:
    events = told(message('{"letter'), status="incomplete", incomplete_details={"reason": reason})
    client = client_of(Server(events))
    completion = client.chat.completions.create(**ASK)
    assert completion.choices[0].finish_reason == finish
    with pytest.raises(error):
        client.chat.completions.parse(**ASK, response_format=Count)


def test_chat_stop_sequence() -> None:
    server = Server(told(message("one two three")))
    client = client_of(server)
    whole = client.chat.completions.create(**ASK, stop=[" three", "tw"])
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("one ", "stop")
    chunks = list(client.chat.completions.create(**ASK, stop="two", stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "one "
    assert [c.choices[0].finish_reason for c in chunks][-1] == "stop"
    assert all("stop" not in body for body in server.bodies)


def test_chat_stream_that_breaks_off() -> None:
    events = told(message(TEXT))[:6]
    cut = ClientError(502, "upstream_truncated", "The upstream broke off.")
    text = ""
    with pytest.raises(openai.APIError, match="broke off") as caught:  # noqa: PT012
        for chunk in client_of(Server(events, cut=cut)).chat.completions.create(**ASK, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert TEXT.startswith(text)
    assert text
    assert caught.value.code == "upstream_truncated"


def test_chat_failed_response() -> None:
    error = {"code": "server_is_overloaded", "message": "Overloaded."}
    events = told(message(TEXT), status="failed", error=error)
    server = Server(events)
    with pytest.raises(openai.APIError, match="Overloaded"):
        list(client_of(server).chat.completions.create(**ASK, stream=True))
    with pytest.raises(openai.InternalServerError, match="Overloaded") as caught:
        client_of(server).with_options(max_retries=0).chat.completions.create(**ASK)
    assert caught.value.status_code == 503


# --- responses -----------------------------------------------------------------------------------


def test_responses_stream() -> None:
    events = told(THOUGHT, message(TEXT))
    stream = client_of(Server(events)).responses.create(model="m", input="hi", stream=True)
    seen = [event.type for event in stream]
    assert seen == [event["type"] for event in events]


def test_responses_without_stream() -> None:
    server = Server(told(THOUGHT, message(TEXT), function_call("weather", "{}")))
    response = client_of(server).responses.create(model="m", input="How many r?")
    assert response.output_text == TEXT
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 1920


def test_responses_structured_output() -> None:
    server = Server(told(message('{"letter":"r","times":3}')))
    response = client_of(server).responses.parse(model="m", input="hi", text_format=Count)
    assert response.output_parsed == Count(letter="r", times=3)


@pytest.mark.parametrize("events", [0, 1, 5])
def test_responses_stream_that_breaks_off(events: int) -> None:
    cut = ClientError(502, "upstream_truncated", "The upstream broke off.")
    server = Server(told(message(TEXT))[:events], cut=cut)
    with client_of(server).responses.stream(model="m", input="hi") as stream:
        seen = list(stream)
    last = seen[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "The upstream broke off."


# --- errors, keys, models ------------------------------------------------------------------------


def test_a_bad_request_names_its_member() -> None:
    client = client_of(Server([]))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ASK, n=3)
    assert (caught.value.param, caught.value.code) == ("n", "unsupported_value")
    assert caught.value.type == "invalid_request_error"
    wrong: Any = [{"role": "tool", "content": "x"}]
    with pytest.raises(openai.BadRequestError, match=r"`input\[0\]\.role`"):
        client.responses.create(model="m", input=wrong)


def test_a_wrong_key() -> None:
    server = Server([])
    with pytest.raises(openai.AuthenticationError) as caught:
        client_of(server, "sk-wrong").chat.completions.create(**ASK)
    assert caught.value.code == "invalid_api_key"
    assert "sk-wrong" not in str(caught.value)
    assert server.requests == 1


@pytest.mark.parametrize(("wait", "requests"), [(0.01, 3), (3600.0, 1)])
def test_the_sdk_waits_and_gives_up_where_waiting_is_pointless(wait: float, requests: int) -> None:
    server = Server([])

    def cooling(request: httpx2.Request) -> httpx2.Response:
        server.requests += 1
        headers, body = openai_errors.render(
            ClientError(429, "all_accounts_cooling", "All accounts are cooling.", retry_after=wait)
        )
        headers |= {"retry-after-ms": "1"} if wait < 1 else {}  # the test need not wait a second
        return httpx2.Response(429, headers=headers, content=body)

    transport = httpx2.Client(transport=httpx2.MockTransport(cooling))
    client = openai.OpenAI(api_key="k", base_url="http://floway.test/v1", http_client=transport)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**ASK)
    assert server.requests == requests


def test_models() -> None:
    client = client_of(Server([]))
    assert [model.id for model in client.models.list()] == ["m"]
    assert client.models.retrieve("m").owned_by == "me"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nope")
    assert caught.value.code == "model_not_found"
