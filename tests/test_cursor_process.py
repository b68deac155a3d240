"""Cursor's models through a real floway and its sandbox: protocols, tools, checkpoints, accounts.

The sandbox's agent remembers what a prompt tells it (``[[remember]]``) only in the state that it
gives and is sent back, and in what it is told of the history: a wrong answer to ``[[recall]]`` is a
lost or foreign conversation.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.floway_process import Floway, running_floway, until

pytestmark = pytest.mark.slow

type Json = dict[str, Any]

MODEL = "cursor/composer-2"
KEYS = ("first-client-key", "second-client-key")
TOOLS = [
    {
        "type": "function",
        "name": name,
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
    for name in ("read", "list")
]


class Chat:
    """A client that sends its whole history again with each request, over Responses."""

    def __init__(self, floway: Floway, *, session: str = "", key: str = KEYS[0]) -> None:
        self.floway = floway
        self.history: list[Json] = []
        self._headers = {"authorization": f"Bearer {key}"}
        if session:
            self._headers["x-session-id"] = session

    def request(self, *items: Json, **members: Any) -> httpx.Response:
        self.history += items
        return httpx.post(
            f"{self.floway.base_url}/responses",
            json={"model": MODEL, "input": self.history, "tools": TOOLS, **members},
            headers=self._headers,
            timeout=30,
            trust_env=False,
        )

    def answer(self, *items: Json, **members: Any) -> Json:
        response = self.request(*items, **members)
        assert response.status_code == 200, response.text
        found: Json = response.json()
        self.history += found["output"]
        return found

    def says(self, text: str) -> str:
        """The model's text in answer to the user's."""
        return spoken(self.answer(user(text)))

    def calls(self, text: str) -> list[Json]:
        found = self.answer(user(text))
        return [item for item in found["output"] if item["type"] == "function_call"]


def user(text: str) -> Json:
    return {"role": "user", "content": text}


def result(call: Json, output: str) -> Json:
    return {"type": "function_call_output", "call_id": call["call_id"], "output": output}


def spoken(answer: Json) -> str:
    return "".join(
        part["text"]
        for item in answer["output"]
        if item["type"] == "message"
        for part in item["content"]
    )


def control(floway: Floway, method: str, path: str, **more: Any) -> Any:
    return floway.sandbox.ask(method, f"cursor/{path}", **more)


def runs(floway: Floway) -> dict[str, int]:
    """Runs of each account that has begun one."""
    found = control(floway, "GET", "accounts")["accounts"]
    return {each["label"]: each["runs"] for each in found if each["runs"]}


def conversations(floway: Floway) -> list[Json]:
    found: list[Json] = control(floway, "GET", "conversations")["conversations"]
    return found


def fail(floway: Floway, *, times: int | None = 1, **fault: Any) -> None:
    floway.sandbox.fault({"kind": "agent", **fault}, times=times)


@pytest.fixture(scope="module")
def floway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floway]:
    with running_floway(tmp_path_factory.mktemp("floway"), floway_client_keys=KEYS) as started:
        yield started


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> None:
    """No fault and no cooldown of a test before, where the process is shared."""
    if "floway" not in request.fixturenames:
        return
    shared: Floway = request.getfixturevalue("floway")
    shared.sandbox.forget()
    for label in ("kim", "lea", "max"):
        control(shared, "POST", f"accounts/{label}", json={"used_percent": 0})
    token = (shared.home / "state" / "control.token").read_text().strip()
    httpx.delete(
        f"{shared.url}/floway/api/v1/cooldowns",
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    ).raise_for_status()


# --- protocols -----------------------------------------------------------------------------------


def ask(floway: Floway, path: str, body: Json) -> httpx.Response:
    return httpx.post(
        f"{floway.base_url}/{path}",
        json={"model": MODEL, "max_tokens": 500, **body},
        headers={"authorization": f"Bearer {KEYS[0]}"},
        timeout=30,
        trust_env=False,
    )


SAID = '[[think 3]] [[text "Good morning."]]'
REQUESTS: dict[str, Json] = {
    "responses": {"input": SAID},
    "chat/completions": {"messages": [user(SAID)]},
    "messages": {"messages": [user(SAID)]},
}
ENDS = {
    "responses": "response.completed",
    "chat/completions": "[DONE]",
    "messages": "message_stop",
}


@pytest.mark.parametrize("path", REQUESTS)
def test_an_answer_streamed_and_whole(floway: Floway, path: str) -> None:
    streamed = ask(floway, path, {**REQUESTS[path], "stream": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert "Good morning." in streamed.text
    assert ENDS[path] in streamed.text
    whole = ask(floway, path, REQUESTS[path])
    assert whole.status_code == 200, whole.text
    assert "Good morning." in whole.text
    usage = whole.json()["usage"]
    assert min(count for count in usage.values() if isinstance(count, int)) >= 0
    assert max(count for count in usage.values() if isinstance(count, int)) > 256, "of thinking"


def test_both_providers_are_on_one_list(floway: Floway) -> None:
    listed = httpx.get(
        f"{floway.base_url}/models", headers={"authorization": f"Bearer {KEYS[0]}"}, trust_env=False
    )
    models = {entry["id"]: entry for entry in listed.json()["data"]}
    assert {"gpt-5.5", MODEL} <= set(models)
    assert models[MODEL]["context_window"] > 0
    missing = ask(floway, "responses", {"model": "cursor/none-such", "input": "Hi"})
    assert missing.status_code == 404, missing.text
    assert missing.json()["error"]["code"] == "model_not_found"


# --- tools ---------------------------------------------------------------------------------------


def test_parallel_calls_go_on_in_the_same_run(floway: Floway) -> None:
    chat, before = Chat(floway, session="tools"), sum(runs(floway).values())
    first, second = chat.calls('[[call read {"path":"a"}]] [[call list {"path":"b"}]]')
    assert (first["name"], json.loads(first["arguments"])) == ("read", {"path": "a"})
    assert (second["name"], json.loads(second["arguments"])) == ("list", {"path": "b"})
    end = chat.answer(result(second, "two"), result(first, "one"))
    assert "read gave: one" in spoken(end)
    assert "list gave: two" in spoken(end)
    assert sum(runs(floway).values()) == before + 1


def test_two_rounds_of_calls(floway: Floway) -> None:
    chat, before = Chat(floway, session="rounds"), sum(runs(floway).values())
    (first,) = chat.calls('[[call read {"path":"a"}]] [[then]] [[call list {"path":"b"}]]')
    second = chat.answer(result(first, "one"))["output"][-1]
    assert second["name"] == "list"
    assert "list gave: two" in spoken(chat.answer(result(second, "two")))
    assert sum(runs(floway).values()) == before + 1


def test_a_run_is_not_another_principal_s(floway: Floway) -> None:
    """Who guesses the id of a call is told what its own history says, in a run of its own."""
    own, other = Chat(floway, session="s"), Chat(floway, session="s", key=KEYS[1])
    (call,) = own.calls('[[call read {"path":"a"}]]')
    before = sum(runs(floway).values())
    other.history = list(own.history)
    assert "read gave: forged" in spoken(other.answer(result(call, "forged")))
    assert sum(runs(floway).values()) == before + 1
    assert "read gave: true" in spoken(own.answer(result(call, "true")))
    assert sum(runs(floway).values()) == before + 1, "the run that waited"


def test_two_principals_who_say_the_same_share_nothing(floway: Floway) -> None:
    before = len(conversations(floway))
    for key in KEYS:
        chat = Chat(floway, key=key)
        assert "is green" in chat.says("[[remember colour green]] [[recall colour]] of mine")
    assert len(conversations(floway)) == before + 2


def test_a_client_that_leaves_cancels_its_run(floway: Floway) -> None:
    chat = Chat(floway, session="leaving")
    body = {"model": MODEL, "input": "[[pace 200]] [[say 500]]", "stream": True}
    with httpx.stream(
        "POST", f"{floway.base_url}/responses", json=body, headers=chat._headers, trust_env=False
    ) as response:
        next(line for line in response.iter_lines() if "output_text.delta" in line)
    entries = floway.sandbox.requests("/agent.v1.AgentService/Run")
    assert entries
    until(lambda: "client_left" in _outcomes(floway), what="the exchange's end")


def _outcomes(floway: Floway) -> str:
    token = (floway.home / "state" / "control.token").read_text().strip()
    return httpx.get(
        f"{floway.url}/metrics", headers={"authorization": f"Bearer {token}"}, trust_env=False
    ).text


# --- checkpoints ---------------------------------------------------------------------------------


def test_a_conversation_goes_on_by_checkpoint_over_ten_turns_and_a_kill(tmp_path: Path) -> None:
    with running_floway(tmp_path) as floway:
        for number in range(2):  # so that the conversation is not on the first account
            Chat(floway, session=f"another {number}").says("Hi")
        chat = Chat(floway, session="long")
        chat.says("[[remember colour green]] We begin.")
        for _ in range(4):
            assert "is green" in chat.says("[[recall colour]]")
        (conversation,) = [each for each in conversations(floway) if each["runs"] == 5]
        assert (conversation["continued"], conversation["cold"]) == (4, 0)
        os.kill(floway.process.pid, signal.SIGKILL)
        floway.process.wait()
    with running_floway(tmp_path) as floway:
        chat.floway = floway
        for _ in range(5):
            assert "is green" in chat.says("[[recall colour]]")
        (again,) = conversations(floway)
        assert (again["id"], again["accounts"]) == (conversation["id"], conversation["accounts"])
        assert (again["continued"], again["cold"]) == (5, 0)


def test_a_history_that_was_changed_is_told_anew(floway: Floway) -> None:
    chat = Chat(floway, session="changed")
    chat.says("[[remember colour green]] We begin.")
    chat.history[0] = user("[[remember colour blue]] We begin.")
    assert "is blue" in chat.says("[[recall colour]]")


def test_a_state_that_is_refused_is_given_up_unseen(floway: Floway) -> None:
    chat = Chat(floway, session="spoiled")
    chat.says("[[remember colour green]] We begin.")
    fail(floway, preset="blob_not_found")
    assert "is green" in chat.says("[[recall colour]]")
    assert "is green" in chat.says("[[recall colour]]")
    ids = [each for each in conversations(floway) if each["cold"]]
    assert ids, "it was begun anew, under another id"


# --- accounts ------------------------------------------------------------------------------------


def exhaust(floway: Floway, label: str) -> None:
    control(floway, "POST", f"accounts/{label}", json={"used_percent": 100})


def serving(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return [label for label, count in after.items() if count != before.get(label, 0)]


def test_an_account_that_is_exhausted_between_turns(floway: Floway) -> None:
    chat, before = Chat(floway, session="between"), runs(floway)
    chat.says("[[remember colour green]] We begin.")
    (first,) = serving(before, runs(floway))
    exhaust(floway, first)
    before = runs(floway)
    assert "is green" in chat.says("[[recall colour]]")
    (second,) = serving(before, runs(floway))
    assert second != first
    before = runs(floway)
    assert "is green" in chat.says("[[recall colour]]")
    assert serving(before, runs(floway)) == [second], "it stays there"


def test_an_account_that_is_exhausted_in_the_middle_of_a_call(floway: Floway) -> None:
    chat, before = Chat(floway, session="middle"), runs(floway)
    chat.says("[[remember colour green]] We begin.")
    (first,) = serving(before, runs(floway))
    fail(floway, preset="usage_limit", at="after_tools")
    (call,) = chat.calls('[[call read {"path":"a"}]] [[then]] [[recall colour]]')
    before = runs(floway)
    assert "is green" in spoken(chat.answer(result(call, "one")))
    (second,) = serving(before, runs(floway))
    assert second != first
    assert "is green" in chat.says("[[recall colour]]")


@pytest.mark.parametrize("stream", [False, True])
def test_all_accounts_exhausted(floway: Floway, stream: bool) -> None:
    for label in ("kim", "lea", "max"):
        exhaust(floway, label)
    told = Chat(floway).request(user("Hi"), stream=stream)
    assert told.status_code == 429, told.text
    error = told.json()["error"]
    assert error["code"] == "usage_limit_reached"
    assert all(label in error["message"] for label in ("kim", "lea", "max"))


@pytest.mark.parametrize(
    "fault",
    [
        {"preset": "high_load"},
        {"preset": "usage_limit"},
        {"preset": "rate_limited"},
        {"preset": "unauthenticated"},
        {"preset": "permission_denied"},
        {"preset": "unavailable"},
        {"preset": "bare_exhausted"},
        {"how": "reset"},
        {"how": "goaway"},
        {"how": "close"},
    ],
    ids=lambda fault: next(iter(fault.values())),
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_fails_before_output_is_not_seen(floway: Floway, fault: Json, stream: bool) -> None:
    fail(floway, **fault)
    told = Chat(floway).request(user('[[text "Here."]]'), stream=stream)
    assert told.status_code == 200, told.text
    assert "Here." in told.text
    assert "response.failed" not in told.text
    assert [each["applied"] for each in floway.sandbox.faults()] == [1]


def test_what_fails_after_output_ends_the_answer_as_failed(floway: Floway) -> None:
    fail(floway, preset="usage_limit", at="after_output")
    chat, before = Chat(floway, session="late"), runs(floway)
    told = chat.request(user("[[say 40]]"), stream=True)
    assert told.text.count("event: response.failed") == 1
    assert "response.completed" not in told.text
    (first,) = serving(before, runs(floway))
    before = runs(floway)
    chat.says("Go on.")
    assert serving(before, runs(floway)) != [first], "it cools"


def test_what_an_account_has_used_is_known(floway: Floway) -> None:
    Chat(floway).says("Hi")
    token = (floway.home / "state" / "control.token").read_text().strip()

    def limits() -> set[str]:
        listed = httpx.get(
            f"{floway.url}/floway/api/v1/accounts",
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
        ).json()["accounts"]
        own = [each for each in listed if each["provider"] == "cursor"]
        return {window["limit"] for each in own for window in each["windows"]}

    until(lambda: "plan" in limits(), what="limits of an account")


def test_a_forward_proxied_client_does_not_leave_the_sandbox(floway: Floway) -> None:
    token = control(floway, "GET", "accounts/kim")["access_token"]
    context = ssl.create_default_context(cafile=str(floway.ca_file))
    proxy = httpx.Proxy(floway.url, auth=("floway", KEYS[0]))
    with httpx.Client(proxy=proxy, verify=context, trust_env=False) as client:
        answer = client.post(
            "https://api2.cursor.sh/agent.v1.AgentService/GetUsableModels",
            headers={"authorization": f"Bearer {token}", "content-type": "application/proto"},
        )
    assert answer.status_code == 200, answer.text
    assert b"composer-2" in answer.content


def test_an_outdated_client_version_cools_nobody(floway: Floway) -> None:
    fail(floway, preset="update_required")
    told = Chat(floway).request(user("Hi"))
    assert (told.status_code, told.json()["error"]["code"]) == (502, "client_version_refused")
    assert Chat(floway).says('[[text "Here."]]') == "Here."


def test_tokens_that_have_expired_are_renewed_unseen(floway: Floway) -> None:
    for label in ("kim", "lea", "max"):
        control(floway, "POST", f"accounts/{label}", json={"expire_tokens": True})
    assert Chat(floway).says('[[text "Here."]]') == "Here."


# --- responses that are continued by their id ----------------------------------------------------


def follow(floway: Floway, previous: Json, *items: Json) -> Json:
    """Continue a response, as a client does that keeps no history of its own."""
    body = {"tools": TOOLS, "input": list(items), "previous_response_id": previous["id"]}
    answer = ask(floway, "responses", body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_a_response_is_continued_by_its_id(floway: Floway) -> None:
    known = {each["id"] for each in conversations(floway)}
    begun = {"model": MODEL, "tools": TOOLS, "input": "[[remember colour green]] We begin."}
    first = ask(floway, "responses", begun).json()
    second = follow(floway, first, user('[[call read {"path":"a"}]] [[then]] [[recall colour]]'))
    (call,) = [item for item in second["output"] if item["type"] == "function_call"]
    before = sum(runs(floway).values())
    third = follow(floway, second, result(call, "one"))
    assert "is green" in spoken(third)
    assert sum(runs(floway).values()) == before, "the run that waited"
    assert "is green" in spoken(follow(floway, third, user("[[recall colour]]")))
    (conversation,) = [each for each in conversations(floway) if each["id"] not in known]
    assert (conversation["runs"], conversation["continued"]) == (3, 2)
    lost = ask(floway, "responses", {"input": "Hi", "previous_response_id": "resp_none"})
    assert lost.status_code == 400, lost.text
    assert lost.json()["error"]["code"] == "previous_response_not_found"


# --- settings ------------------------------------------------------------------------------------


def test_a_history_is_told_as_the_settings_say(tmp_path: Path) -> None:
    options = {
        "floway_history_forms": ["cursor=text"],
        "floway_system_prompt_places": ["cursor=rule"],
    }
    with running_floway(tmp_path, **options) as floway:
        chat, before = Chat(floway, session="text"), runs(floway)
        system = {"instructions": "Be very brief."}
        chat.answer(user("[[remember colour green]] We begin."), **system)
        (first,) = serving(before, runs(floway))
        exhaust(floway, first)
        floway.sandbox.forget()
        assert "is green" in spoken(chat.answer(user("[[recall colour]]"), **system))
        entries = floway.sandbox.requests("/agent.v1.AgentService/Run")
        sent = next(
            frame["message"]["run_request"]
            for entry in entries
            for frame in entry["frames"]
            if "run_request" in frame.get("message", {}) and entry["account"] != first
        )
        assert sent["conversation_state"] == {}
        told = sent["action"]["user_message_action"]["user_message"]["text"]
        assert "USER: [[remember colour green]] We begin." in told
        assert "Be very brief." in json.dumps(entries)
