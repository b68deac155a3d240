"""Model requests over WebSocket, against codex-wire.md §3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

type Connect = Callable[..., Any]


def create(*items: Any, **members: Any) -> dict[str, Any]:
    return {
        "model": "gpt-5.5",
        "instructions": "i",
        "input": list(items),
        "tools": [{"type": "function", "name": "shell", "parameters": {}}],
        "store": False,
        "stream": True,
        **members,
    }


def types(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def text(frames: list[dict[str, Any]]) -> str:
    found: str = frames[-1]["response"]["output"][-1]["content"][0]["text"]
    return found


async def test_prewarm_and_continuation(connect: Connect, message: Callable[[str], Any]) -> None:
    socket = await connect()
    warm = await socket.ask(**create(generate=False))
    assert types(warm) == [
        "codex.rate_limits",
        "response.metadata",
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    assert warm[-1]["response"]["output"] == []
    prewarmed = warm[-1]["response"]["id"]
    state = warm[1]["headers"]["x-codex-turn-state"]
    metadata = {"x-codex-turn-state": state}

    prompt = message('[[call shell {"command": ["ls"]}]]')
    called = await socket.ask(
        **create(prompt, previous_response_id=prewarmed, client_metadata=metadata)
    )
    assert "response.metadata" not in types(called)
    call = called[-1]["response"]["output"][0]
    assert call["type"] == "function_call"

    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "a.txt"}
    answered = await socket.ask(**create(result, previous_response_id=called[-1]["response"]["id"]))
    assert "shell gave: a.txt" in text(answered)


async def test_continuations_see_the_whole_conversation(
    connect: Connect, message: Callable[[str], Any]
) -> None:
    socket = await connect()
    previous: dict[str, Any] = {}
    for number in range(1, 4):
        frames = await socket.ask(**create(message(f"turn {number}"), **previous))
        assert f": {2 * number - 1} input items" in text(frames)
        previous = {"previous_response_id": frames[-1]["response"]["id"]}


async def test_a_response_belongs_to_its_connection(
    connect: Connect, message: Callable[[str], Any]
) -> None:
    one, other = await connect(), await connect()
    frames = await one.ask(**create(message("hi")))
    name = frames[-1]["response"]["id"]
    [error] = await other.ask(**create(message("on"), previous_response_id=name))
    assert error["type"] == "error"
    assert error["status"] == 400
    assert error["error"]["code"] == "previous_response_not_found"
    assert error["error"]["param"] == "previous_response_id"
    # The connection is good for a full request.
    assert types(await other.ask(**create(message("hi"))))[-1] == "response.completed"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({**create(), "temperature": 1}, "Unsupported parameter: temperature"),
        ({**create(), "store": True}, "Store must be set to false"),
        ({**create(), "model": "gpt-9"}, "'gpt-9' model is not supported"),
        ({**create(), "type": "response.append"}, "Unknown message type"),
    ],
)
async def test_refusals_are_error_frames_with_a_status(
    connect: Connect, frame: dict[str, Any], message: str
) -> None:
    socket = await connect()
    await socket.send({"type": "response.create", **frame})
    [error] = await socket.frames()
    assert (error["type"], error["status"]) == ("error", 400)
    assert message in error["error"]["message"]


async def test_what_is_not_json_is_an_error_frame(connect: Connect) -> None:
    socket = await connect()
    for data in ("{", "[]", '"x"'):
        await socket.send(data)
        [error] = await socket.frames()
        assert error["status"] == 400


async def test_a_token_that_expires_on_an_open_socket(connect: Connect, api: Any) -> None:
    socket = await connect()
    api.account.expire_tokens()
    [error] = await socket.ask(**create())
    assert (error["status"], error["error"]["code"]) == (401, "token_expired")


async def test_the_cache_knows_the_session_of_the_frame(
    connect: Connect, message: Callable[[str], Any]
) -> None:
    socket = await connect()

    def body(session: str) -> dict[str, Any]:
        metadata = {"session_id": session}
        return create(message("x" * 8000), client_metadata=metadata, prompt_cache_key="k")

    def cached(frames: list[dict[str, Any]]) -> int:
        found: int = frames[-1]["response"]["usage"]["input_tokens_details"]["cached_tokens"]
        return found

    assert cached(await socket.ask(**body("a"))) == 0
    assert cached(await socket.ask(**body("a"))) >= 1920
    assert cached(await socket.ask(**body("b"))) == 0


async def test_frames_are_recorded_in_both_directions(
    connect: Connect, api: Any, message: Callable[[str], Any]
) -> None:
    socket = await connect()
    frames = await socket.ask(**create(message("seen")))
    [entry] = await api.recorded(transport="websocket")
    assert entry["status"] == 101
    assert entry["account"] == "ada"
    assert entry["frames"][0]["from"] == "client"
    assert entry["frames"][0]["json"]["input"][0]["content"][0]["text"] == "seen"
    sent = [frame["json"]["type"] for frame in entry["frames"] if frame["from"] == "server"]
    assert sent == types(frames)
    assert entry["frames_seen"] == len(frames) + 1


async def test_api_key_mode_has_no_chatgpt_frames(
    connect: Connect, api: Any, message: Callable[[str], Any]
) -> None:
    headers = {"authorization": f"Bearer {api.account.api_key}"}
    socket = await connect(target="/v1/responses", headers=headers)
    frames = await socket.ask(model="gpt-5.5", input=[message("hi")], temperature=0.1)
    assert types(frames)[0] == "response.created"
    assert types(frames)[-1] == "response.completed"


async def test_only_the_last_responses_can_be_continued(
    connect: Connect, message: Callable[[str], Any]
) -> None:
    socket = await connect()
    first = (await socket.ask(**create(generate=False)))[-1]["response"]["id"]
    for _ in range(64):
        await socket.ask(**create(generate=False))
    [error] = await socket.ask(**create(message("x"), previous_response_id=first))
    assert error["error"]["code"] == "previous_response_not_found"
