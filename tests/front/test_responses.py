"""The Responses protocol: what is refused, what is kept, and how a stream fails."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import BadRequest, ClientError
from addons.front.contract import Turn
from addons.front.responses import ResponsesProtocol, ResponsesRenderer
from addons.front.sse import EventStream, ServerEvent, encode


def parse(**members: Any) -> Turn:
    return ResponsesProtocol().parse({"model": "m", "input": "hi", **members})


def refused(**members: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse(**members)
    return caught.value


def test_a_string_is_one_user_message() -> None:
    turn = ResponsesProtocol().parse({"stream": True, "input": "hi", "model": "m", "x": 1})
    assert list(turn.body) == ["stream", "input", "model", "x"]
    assert turn.body["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    ]
    assert (turn.model, turn.stream) == ("m", True)


def test_everything_else_is_kept_as_it_is() -> None:
    body = {
        "model": "m",
        "unknown": {"z": 1, "a": [None]},
        "input": [
            {"role": "developer", "content": "plain"},
            {"type": "message", "role": "assistant", "id": "msg_1", "content": []},
            {"type": "reasoning", "summary": [], "encrypted_content": "opaque"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x", "extra": 1},
            {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text"}]},
            {"type": "additional_tools", "role": "developer", "tools": []},
            {"type": "something_new", "content": 5},
            {"id": "msg_stored"},
        ],
        "tools": [{"type": "function", "name": "f"}, {"type": "namespace", "tools": []}],
        "tool_choice": {"type": "function", "name": "f"},
        "temperature": None,
        "stream": False,
        "client_metadata": {"b": "1", "a": "2"},
    }
    before = json.dumps(body)
    turn = ResponsesProtocol().parse(body)
    assert json.dumps(turn.body) == before == json.dumps(body)
    assert turn.stream is False


@pytest.mark.parametrize("reference", ["previous_response_id", "prompt", "conversation"])
def test_input_may_be_missing_where_something_else_stands_for_it(reference: str) -> None:
    value = {"id": "pmpt_1"} if reference == "prompt" else "resp_1"
    body = {"model": "m", reference: value}
    assert ResponsesProtocol().parse(body).body == body


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": ["m"]}, "model"),
        ({"input": None}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": ["hi"]}, "input[0]"),
        ({"input": [{}]}, "input[0]"),
        ({"input": [{"type": 5}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": ""}]}, "input[0].role"),
        ({"input": [{"type": "message", "content": ""}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [5]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{}]}]}, "input[0].content[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "input[0].content[0].text",
        ),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": {}}]},
            "input[0].output",
        ),
        ({"instructions": ["a"]}, "instructions"),
        ({"stream": 1}, "stream"),
        ({"store": "false"}, "store"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"reasoning": "high"}, "reasoning"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"include": "x"}, "include"),
        ({"background": True}, "background"),
    ],
)
def test_bad_members_are_named(members: dict[str, Any], param: str) -> None:
    error = refused(**members)
    assert (error.status, error.param) == (400, param)
    assert f"`{param}`" in error.message


def test_the_remedy_for_a_tool_message() -> None:
    assert "function_call_output" in refused(input=[{"role": "tool", "content": ""}]).message


def test_the_shared_body_is_not_changed() -> None:
    body = {"model": "m", "input": "hi"}
    before = copy.deepcopy(body)
    ResponsesProtocol().parse(body)
    assert body == before


# --- answers -------------------------------------------------------------------------------------


def seen(stream: bytes) -> list[dict[str, Any]]:
    parsed = []
    for event in EventStream().feed(stream):
        data = json.loads(event.data)
        assert event.event == data["type"]
        parsed.append(data)
    return parsed


def created(sequence: int = 0) -> dict[str, Any]:
    response = {"id": "resp_7", "model": "m-2", "object": "response", "output": [], "x": "kept"}
    return {"type": "response.created", "sequence_number": sequence, "response": response}


def wire(event: dict[str, Any], *, named: bool = True) -> ServerEvent:
    name = event["type"] if named else ""
    (parsed,) = EventStream().feed(encode(name, json.dumps(event).encode()))
    return parsed


ERROR = ClientError(502, "upstream_truncated", "The upstream broke off.")


@pytest.mark.parametrize("named", [True, False])
def test_a_failure_continues_what_was_passed_on(named: bool) -> None:
    renderer = ResponsesRenderer("m")
    delta = {"type": "response.output_text.delta", "sequence_number": 41, "delta": "x" * 5000}
    for event in (created(40), delta):
        given = wire(event, named=named)
        assert renderer.passed(given) == given.raw
    (failed,) = seen(renderer.failed(ERROR))
    assert failed["type"] == "response.failed"
    assert failed["sequence_number"] == 42
    assert failed["response"] == {
        **created()["response"],
        "status": "failed",
        "error": {"code": "server_error", "message": "The upstream broke off."},
    }


def test_a_failure_before_any_event_begins_as_every_stream_does() -> None:
    first, failed = seen(ResponsesRenderer("m").failed(ERROR))
    assert (first["type"], first["sequence_number"]) == ("response.created", 0)
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", 1)
    assert first["response"]["id"] == failed["response"]["id"]
    assert (first["response"]["status"], failed["response"]["status"]) == ("in_progress", "failed")
    assert failed["response"]["model"] == "m"


def test_events_are_counted_where_the_upstream_does_not_number_them() -> None:
    renderer = ResponsesRenderer("m")
    for event in ({"type": "response.created", "response": {"id": "resp_1"}}, {"type": "x"}):
        renderer.passed(wire(event))
    (failed,) = seen(renderer.failed(ERROR))
    assert failed["sequence_number"] == 2


NUMBERS = st.sampled_from(['"sequence_number":7,', '"sequence_number" : 12 ,', '"s":1,', ""])


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(["", "x", "x" * 300])), max_size=6))
def test_a_run_counts_as_its_events_do(data: list[tuple[str, str]]) -> None:
    run = b"".join(
        encode("a", f'{{{number}"x":"{text}"}}'.encode() if text else b"") for number, text in data
    )
    one, many = ResponsesRenderer("m"), ResponsesRenderer("m")
    assert b"".join(one.passed(event) for event in EventStream().feed(run)) == run
    if run:
        assert many.passed_run(run) == run
    failed, other = seen(one.failed(ERROR))[-1], seen(many.failed(ERROR))[-1]
    assert failed["sequence_number"] == other["sequence_number"]


def test_a_created_event_that_is_no_json_does_not_matter() -> None:
    renderer = ResponsesRenderer("m")
    broken = wire(created())
    broken = ServerEvent(broken.raw, broken.event, b"{broken")
    assert renderer.passed(broken) == broken.raw
    assert [event["type"] for event in seen(renderer.failed(ERROR))][-1] == "response.failed"


def test_comments_are_passed_on_and_not_counted() -> None:
    renderer = ResponsesRenderer("m")
    assert renderer.passed(wire(created(0))) != b""
    assert renderer.passed(ServerEvent(b": ping\n\n", "", b"")) == b": ping\n\n"
    (failed,) = seen(renderer.failed(ERROR))
    assert failed["sequence_number"] == 1


def test_what_is_left_of_a_cut_event_does_not_spoil_the_failure() -> None:
    stream = EventStream()
    renderer = ResponsesRenderer("m")
    sent = encode("response.created", json.dumps(created()).encode())
    whole = sent + b'event: response.output_text.delta\ndata: {"type":"response.outp'
    out = b"".join(renderer.passed(event) for event in [*stream.feed(whole), *stream.close()])
    assert out == sent
    kinds = [event["type"] for event in seen(out + renderer.failed(ERROR))]
    assert kinds == ["response.created", "response.failed"]


def test_a_whole_last_event_that_lacks_its_blank_line_is_passed_on_with_one() -> None:
    stream = EventStream()
    stream.feed(b'data: {"type":"response.completed","response":{}}')
    (last,) = stream.close()
    (event,) = seen(ResponsesRenderer("m").passed(last))
    assert event["type"] == "response.completed"


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=4))
def test_events_are_written_as_they_are(members: dict[str, Any]) -> None:
    event = {**members, "type": "response.x"}
    assert seen(ResponsesRenderer("m").event(event)) == [event]
    assert ResponsesRenderer("m").finish() == b""


def test_whole() -> None:
    response = {"id": "resp_1", "status": "completed", "output": []}
    assert ResponsesRenderer("m").whole(response) is response
    failed = {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Wait."}}
    with pytest.raises(ClientError, match="Wait") as caught:
        ResponsesRenderer("m").whole(failed)
    assert caught.value.status == 429


def test_errors_are_openais() -> None:
    headers, body = ResponsesProtocol().error(BadRequest("c", "m", param="input"))
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["error"]["param"] == "input"
