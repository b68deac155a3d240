"""A floway process that is restarted in mid-conversation, and responses that are continued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.clients.evidence import RESPONSES, header, model_requests
from tests.floway_process import Floway, running_floway

pytestmark = pytest.mark.slow

type Json = dict[str, Any]

SECONDS = 30.0
MODEL = "gpt-5.5"
RULES = "You are a careful assistant. " + "Follow the rules of the house. " * 250
KEYS = ("first-client-key", "second-client-key")


def ask(floway: Floway, body: Json, *, key: str = "", **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if key:
        sent["authorization"] = f"Bearer {key}"
    return httpx.post(
        f"{floway.base_url}/responses",
        json={"model": MODEL, "instructions": RULES, **body},
        headers=sent,
        timeout=SECONDS,
        trust_env=False,
    )


def answered(floway: Floway, body: Json, **more: str) -> Json:
    response = ask(floway, body, **more)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def user(text: str) -> Json:
    return {"type": "message", "role": "user", "content": text}


def sent_ids(floway: Floway) -> Json:
    """Ids of the last model request that the sandbox has received."""
    entry = floway.sandbox.requests(RESPONSES)[-1]
    assert entry["gate"] == []
    said: Json = json.loads(header(entry, "x-codex-turn-metadata"))
    names = ("session_id", "thread_id", "window_id", "turn_id", "installation_id")
    return {
        **{name: said[name] for name in (*names, "context_window_id", "turn_started_at_unix_ms")},
        "account": entry["account"],
        "key": entry["body_json"]["prompt_cache_key"],
    }


def test_a_restart_in_mid_turn_changes_nothing_that_the_upstream_sees(tmp_path: Path) -> None:
    """With several accounts, a window that a compaction has opened, and a tool call under way."""
    session = {"x_session_id": "ses_of_a_client"}
    first = [user("a long task")]
    call = [
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a tree"},
    ]
    with running_floway(tmp_path) as floway:
        for number in range(2):  # so that the conversation is not on the first account
            answered(floway, {"input": [user(f"another {number}")]})
        answered(floway, {"input": first}, **session)
        trigger = {"type": "compaction_trigger"}
        compacted = answered(floway, {"input": [*first, trigger]}, **session)
        window = [*compacted["output"], user("go on")]
        answered(floway, {"input": window}, **session)
        before = sent_ids(floway)
    with running_floway(tmp_path) as floway:
        answered(floway, {"input": [*window, *call]}, **session)
        after = sent_ids(floway)
    assert after == before
    assert before["window_id"] == f"{before['thread_id']}:1"
    assert before["key"] == before["session_id"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("floway")


@pytest.fixture(scope="module")
def floway(home: Path) -> Iterator[Floway]:
    with running_floway(home, floway_client_keys=KEYS) as started:
        yield started


def inputs(floway: Floway) -> list[list[str]]:
    """Texts of the messages of each request that the sandbox has received."""
    return [
        [
            part["text"]
            for item in request.body["input"]
            if item["type"] == "message" and item["role"] != "developer"
            for part in item["content"]
        ]
        for request in model_requests(floway.sandbox.requests(RESPONSES))
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_continued_over_http(floway: Floway, stream: bool) -> None:
    floway.sandbox.forget()
    previous: Json = {}
    for number in range(3):
        body = {"input": f"question {number}", "stream": stream, **previous}
        response = ask(floway, body, key=KEYS[0])
        assert response.status_code == 200, response.text
        found = _completed(response.text) if stream else response.json()
        assert found["previous_response_id"] == previous.get("previous_response_id")
        previous = {"previous_response_id": found["id"]}
    seen = inputs(floway)
    assert [len(each) for each in seen] == [1, 3, 5]
    assert seen[2][:3] == seen[1]
    requests = model_requests(floway.sandbox.requests(RESPONSES))
    assert len({(each.session, each.account, each.key) for each in requests}) == 1
    usages = [each.usage or {} for each in requests]
    assert usages[2]["input_tokens_details"]["cached_tokens"] >= 1024
    assert all("previous_response_id" not in each.body for each in requests)


def _completed(text: str) -> Json:
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    found: Json = events[-1]["response"]
    assert events[-1]["type"] == "response.completed"
    return found


def test_what_cannot_be_continued_is_refused_and_nothing_is_sent(floway: Floway) -> None:
    own = answered(floway, {"input": "hello"}, key=KEYS[0])["id"]
    unstored = answered(floway, {"input": "hello", "store": False}, key=KEYS[0])["id"]
    floway.sandbox.forget()
    for name, key, code in (
        (own, KEYS[1], "previous_response_not_found"),
        ("resp_unknown", KEYS[0], "previous_response_not_found"),
        (unstored, KEYS[0], "previous_response_not_stored"),
    ):
        response = ask(floway, {"input": "more", "previous_response_id": name}, key=key)
        error = response.json()["error"]
        assert response.status_code == 400
        assert (error["code"], error["param"]) == (code, "previous_response_id")
        assert error["type"] == "invalid_request_error"
    assert floway.sandbox.requests(RESPONSES) == []


def test_two_clients_with_the_same_words_never_meet(floway: Floway) -> None:
    floway.sandbox.forget()
    own = "0197c0de-0000-7000-8000-000000000001"
    for headers in ({"session_id": own}, {"x_session_id": "ses_1"}, {}):
        found = []
        for key in KEYS:
            answered(floway, {"input": "the same words"}, key=key, **headers)
            ids = sent_ids(floway)
            found.append({ids[name] for name in ("session_id", "turn_id", "context_window_id")})
        assert not found[0] & found[1], headers


def test_a_socket_keeps_its_turn_state_and_its_thread(floway: Floway) -> None:
    floway.sandbox.forget()
    own = "0197c0de-0000-7000-8000-0000000000aa"
    address = f"{floway.url.replace('http', 'ws', 1)}/v1/responses"
    told = {"authorization": f"Bearer {KEYS[0]}", "session-id": own, "thread-id": own}
    items = [user("a long task")]
    with connect(address, additional_headers=told, proxy=None, open_timeout=SECONDS) as socket:
        output = _turn(socket, items)
        call = {"type": "function_call_output", "call_id": "call_1", "output": "a tree"}
        _turn(socket, [*items, call])
        _turn(socket, [*items, call, *output, user("another task")])
    (entry,) = floway.sandbox.requests(RESPONSES)
    client = [frame["json"] for frame in entry["frames"] if frame["from"] == "client"]
    metadata = [each["client_metadata"] for each in client]
    assert {each["session_id"] for each in metadata} == {own}
    turns = [each["turn_id"] for each in metadata]
    assert turns[0] == turns[1] != turns[2]
    given = [
        frame["json"]["headers"]["x-codex-turn-state"]
        for frame in entry["frames"]
        if frame["from"] == "server" and (frame["json"] or {}).get("type") == "response.metadata"
    ]
    states = [each.get("x-codex-turn-state") for each in metadata]
    assert states == [None, given[0], None]


def _turn(socket: ClientConnection, items: list[Json]) -> list[Json]:
    socket.send(json.dumps({"type": "response.create", "model": MODEL, "input": items}))
    output = []
    while True:
        event = json.loads(socket.recv(timeout=SECONDS))
        if event["type"] == "response.output_item.done":
            output.append(event["item"])
        if event["type"] == "response.completed":
            return output
        assert event["type"] not in ("error", "response.failed"), event
