"""What outlives an exchange: sessions, windows, turn states, responses, and changes of account."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.errors import BadRequest
from addons.exchange import Exchange
from addons.providers.codex.continuation import SESSIONS, scope_of
from addons.providers.codex.resolution import Scope
from addons.providers.contract import Outcome, UpstreamRequest
from addons.sessions.snapshots import Snapshot
from addons.store.memory import MemoryStore
from tests.providers.codex.exchanges import (
    FULL,
    LIMIT,
    OUTPUT,
    SAID,
    Side,
    accounts,
    body_of,
    header,
    key_accounts,
)

type Json = dict[str, Any]

S = "0197c0de-0000-7000-8000-000000000001"
OTHER = "0197c0de-0000-7000-8000-000000000005"
TRIGGER: Json = {"type": "compaction_trigger"}
USAGE = {"input_tokens": 5000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 3}


class Desk:
    """One floway after the other over one store."""

    def __init__(self, *labels: str) -> None:
        self.store = MemoryStore()
        self.labels = labels or ("ada",)
        self.side = self.made()
        self.answers = 0

    def made(self) -> Side:
        return Side(store=self.store, own=accounts(*self.labels)).with_models()

    async def restart(self) -> None:
        await self.side.provider.stop()
        now = self.side.clock.now
        self.side = self.made()
        self.side.clock.now = now
        await self.side.provider.start()

    async def ask(
        self,
        body: Json,
        *headers: tuple[str, str],
        output: Json | None = None,
        end: str = "completed",
        outcome: Outcome = Outcome.COMPLETED,
        state: str = "",
        usage: Json | None = None,
        principal: str = "local",
        path: str = "/v1/responses",
    ) -> tuple[UpstreamRequest, str]:
        """What went upstream, and the id of the response."""
        body = {"model": FULL, "stream": True, **body}
        if path.endswith("/compact"):
            del body["stream"]
        exchange = self.side.exchange(path, body, headers=headers, principal=principal)
        request = await self.side.sent(exchange)
        return request, await self.finish(exchange, output, end, outcome, state, usage)

    async def finish(
        self,
        exchange: Exchange,
        output: Json | None = None,
        end: str = "completed",
        outcome: Outcome = Outcome.COMPLETED,
        state: str = "",
        usage: Json | None = None,
    ) -> str:
        self.answers += 1
        self.side.clock.now += 1
        name = f"resp_{self.answers}"
        provider = self.side.provider
        self.side.answered(exchange, 200, OUTPUT, [("x-codex-turn-state", state)] if state else [])
        await provider.before_commit(exchange)
        item = output or said(f"answer {self.answers}")
        provider.observe(exchange, {"type": "response.output_item.done", "item": item})
        response = {"id": name, "usage": usage or USAGE, "previous_response_id": None}
        if end:
            provider.observe(exchange, {"type": f"response.{end}", "response": response})
        await self.side.over(exchange, outcome)
        return name


def said(text: str) -> Json:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "id": f"msg_{text}", "content": content}


def user(text: str) -> Json:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def metadata(request: UpstreamRequest) -> Json:
    found: Json = json.loads(header(request, "x-codex-turn-metadata") or "")
    return found


def identity(request: UpstreamRequest) -> tuple[str | None, ...]:
    names = ("session-id", "thread-id", "x-codex-window-id", "x-client-request-id")
    return tuple(header(request, name) for name in names)


def texts(request: UpstreamRequest) -> list[str]:
    items = [item for item in body_of(request)["input"] if item["type"] == "message"]
    return [part["text"] for item in items for part in item["content"]]


# --- over a restart ------------------------------------------------------------------------------


async def test_a_restart_in_mid_conversation_changes_no_id() -> None:
    desk = Desk("ada", "ben", "cleo")
    for label in desk.labels:  # the conversation is not on the first account
        await desk.ask({"input": [user(f"warm {label}")], "prompt_cache_key": label})
    body = {"input": [user("fix it")], "instructions": "Be brief."}
    one, _ = await desk.ask(body, ("x-session-id", "ses_1"))
    call = {"type": "function_call_output", "call_id": "1", "output": "done"}
    await desk.restart()
    two, _ = await desk.ask({**body, "input": [user("fix it"), call]}, ("x-session-id", "ses_1"))
    assert identity(one) == identity(two)
    for name in ("turn_id", "turn_started_at_unix_ms", "context_window_id", "installation_id"):
        assert metadata(one)[name] == metadata(two)[name], name
    assert header(one, "authorization") == header(two, "authorization")
    assert two.lane == one.lane


async def test_only_success_is_kept() -> None:
    desk = Desk()
    for end, outcome in (
        ("failed", Outcome.FAILED),
        ("", Outcome.TRUNCATED),
        ("", Outcome.CLIENT_LEFT),
    ):
        _, name = await desk.ask({"input": [user("x")]}, end=end, outcome=outcome)
        with pytest.raises(BadRequest, match="not found"):
            await desk.ask({"input": [user("more")], "previous_response_id": name})
    _, name = await desk.ask({"input": [user("x")]}, end="incomplete")
    with pytest.raises(BadRequest, match="not found"):
        await desk.ask({"input": [user("more")], "previous_response_id": name})
    await desk.side.provider.stop()
    for namespace in (SESSIONS, "responses", "responses.items", "conversations"):
        assert await desk.store.scan(namespace) == [], namespace


async def test_malformed_sessions_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    await desk.store.put(SESSIONS, "x", {"threads": 3})
    await desk.restart()
    assert "is forgotten" in caplog.text


# --- windows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/compact"])
async def test_each_compaction_opens_a_window_and_a_restart_keeps_it(path: str) -> None:
    desk = Desk()
    session = ("x-session-id", "ses_1")
    sealed = {"type": "compaction", "encrypted_content": "sealed"}
    before, _ = await desk.ask({"input": [user("x")]}, session)
    asked, _ = await desk.ask({"input": [user("x"), TRIGGER]}, session, output=sealed, path=path)
    await desk.restart()
    after, _ = await desk.ask({"input": [sealed, user("go on")]}, session)
    thread = header(before, "thread-id")
    windows = [header(each, "x-codex-window-id") for each in (before, asked, after)]
    assert windows == [f"{thread}:0", f"{thread}:0", f"{thread}:1"]
    assert metadata(asked)["request_kind"] == "compaction"
    assert metadata(asked)["context_window_id"] == metadata(before)["context_window_id"]
    assert metadata(after)["context_window_id"] != metadata(before)["context_window_id"]


async def test_a_failed_compaction_opens_none() -> None:
    desk = Desk()
    session = ("x-session-id", "ses_1")
    await desk.ask({"input": [user("x"), TRIGGER]}, session, end="", outcome=Outcome.TRUNCATED)
    after, _ = await desk.ask({"input": [user("x")]}, session)
    assert (header(after, "x-codex-window-id") or "").endswith(":0")


# --- turn states ---------------------------------------------------------------------------------


async def test_a_turn_state_is_sent_again_in_its_turn_only() -> None:
    desk = Desk()
    turn = {"input": [user("x")], "prompt_cache_key": "k"}
    call = {"type": "function_call_output", "call_id": "1", "output": "done"}
    follow_up = {**turn, "input": [user("x"), call]}
    following = {**turn, "input": [user("x"), call, said("y"), user("z")]}
    first, _ = await desk.ask(turn, state="sticky")
    await desk.restart()
    second, _ = await desk.ask(follow_up, state="another")
    third, _ = await desk.ask(follow_up)
    later, _ = await desk.ask(following)
    states = [header(each, "x-codex-turn-state") for each in (first, second, third, later)]
    assert states == [None, "sticky", "sticky", None]


async def test_a_turn_state_does_not_go_to_another_account() -> None:
    desk = Desk("ada", "ben")
    turn = {"input": [user("x")], "prompt_cache_key": "k"}
    await desk.ask(turn, state="sticky")
    exchange = desk.side.exchange(body={"model": FULL, **turn})
    assert header(await desk.side.sent(exchange), "x-codex-turn-state") == "sticky"
    desk.side.answered(exchange, 429, LIMIT)
    assert header(await desk.side.sent(exchange), "x-codex-turn-state") is None
    assert exchange.attempts[-1].account == "ben"


# --- a change of account -------------------------------------------------------------------------


async def test_a_change_of_account_is_recorded_with_what_it_cost() -> None:
    desk = Desk("ada", "ben")
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "of ada"}
    key = {"prompt_cache_key": "k"}
    await desk.ask({"input": [user("x")], **key}, output=sealed)
    exchange = desk.side.exchange(body={"model": FULL, "input": [user("x"), sealed], **key})
    assert "of ada" in json.dumps(body_of(await desk.side.sent(exchange)))
    desk.side.answered(exchange, 429, LIMIT)
    assert "of ada" not in json.dumps(body_of(await desk.side.sent(exchange)))
    await desk.finish(exchange, usage={**USAGE, "input_tokens": 6000})
    assert exchange.summary["account_change"] == {
        "before": "ada",
        "dropped": ["reasoning"],
        "cached_tokens_lost": 5000,
    }
    await desk.restart()
    conversations = desk.side.provider._continuation.conversations
    (event,) = [event for _, known in conversations for event in known.events]
    assert (event.before, event.after, event.dropped, event.cost) == (
        "ada",
        "ben",
        ("reasoning",),
        5000,
    )
    again, _ = await desk.ask({"input": [user("x"), user("y")], **key})
    assert header(again, "authorization") == "Bearer token-of-ben", "it stays there"
    assert len([event for _, known in conversations for event in known.events]) == 1


async def test_a_compaction_of_another_account_is_left_out() -> None:
    desk = Desk("ada", "ben")
    sealed = {"type": "compaction", "encrypted_content": "of ada"}
    key = {"prompt_cache_key": "k"}
    await desk.ask({"input": [user("x"), TRIGGER], **key}, output=sealed)
    exchange = desk.side.exchange(
        body={"model": FULL, "input": [user("kept"), sealed, user("go on")], **key}
    )
    await desk.side.sent(exchange)
    desk.side.answered(exchange, 429, LIMIT)
    sent = await desk.side.sent(exchange)
    assert "of ada" not in json.dumps(body_of(sent))
    assert texts(sent) == ["kept", "go on"]


# --- previous_response_id ------------------------------------------------------------------------


async def test_a_response_is_continued_with_all_that_was_said() -> None:
    desk = Desk()
    one, first = await desk.ask({"input": "question 1", "instructions": "Be brief."})
    _, second = await desk.ask({"input": [user("question 2")], "previous_response_id": first})
    await desk.restart()
    body = {"input": "question 3", "previous_response_id": second, "instructions": "Be brief."}
    three, _ = await desk.ask(body)
    assert "previous_response_id" not in body_of(three)
    assert texts(three)[-5:] == ["question 1", "answer 1", "question 2", "answer 2", "question 3"]
    assert identity(one) == identity(three)
    assert metadata(one)["turn_id"] != metadata(three)["turn_id"]


async def test_it_begins_with_what_was_sent_before_byte_for_byte() -> None:
    desk = Desk()
    shared = {"instructions": "Be brief."}
    one, first = await desk.ask({"input": "question 1", **shared})
    two, second = await desk.ask({"input": "q2", "previous_response_id": first, **shared})
    three, _ = await desk.ask({"input": "q3", "previous_response_id": second, **shared})
    inputs = [json.dumps(body_of(each)["input"]).removesuffix("]") for each in (one, two, three)]
    assert inputs[1].startswith(inputs[0])
    assert inputs[2].startswith(inputs[1])


async def test_a_fork_takes_a_window_of_its_own() -> None:
    desk = Desk()
    _, first = await desk.ask({"input": "x"})
    windows = []
    for number in range(3):
        body = {"input": f"branch {number}", "previous_response_id": first}
        request, name = await desk.ask(body)
        windows.append(header(request, "x-codex-window-id"))
        if number == 1:
            await desk.restart()
            on, _ = await desk.ask({"input": "on", "previous_response_id": name})
            assert header(on, "x-codex-window-id") == windows[1], "a branch keeps its window"
    thread = header(on, "thread-id")
    assert windows == [f"{thread}:{number}" for number in range(3)]


async def test_after_a_compaction_the_history_begins_with_it() -> None:
    desk = Desk()
    sealed = {"type": "compaction", "encrypted_content": "sealed"}
    _, first = await desk.ask({"input": "x"})
    _, second = await desk.ask({"input": [TRIGGER], "previous_response_id": first}, output=sealed)
    after, _ = await desk.ask({"input": "go on", "previous_response_id": second})
    assert (header(after, "x-codex-window-id") or "").endswith(":1")
    items = body_of(after)["input"]
    assert [item["type"] for item in items if item.get("role") != "developer"] == [
        "compaction",
        "message",
    ]


async def test_what_cannot_be_continued_is_refused_clearly() -> None:
    desk = Desk()
    _, own = await desk.ask({"input": "x"}, principal="one")
    _, unstored = await desk.ask({"input": "x", "store": False}, principal="one")
    for name, code in (
        ("resp_unknown", "previous_response_not_found"),
        (unstored, "previous_response_not_stored"),
    ):
        with pytest.raises(BadRequest) as caught:
            await desk.ask({"input": "y", "previous_response_id": name}, principal="one")
        assert (caught.value.code, caught.value.param) == (code, "previous_response_id")
    with pytest.raises(BadRequest, match="not found"):
        await desk.ask({"input": "y", "previous_response_id": own}, principal="two")


async def test_the_caller_sees_which_response_it_continued() -> None:
    desk = Desk()
    _, first = await desk.ask({"input": "x"})
    exchange = desk.side.exchange(
        body={"model": FULL, "input": "y", "previous_response_id": first, "store": True}
    )
    await desk.side.sent(exchange)
    response = {"id": "resp_9", "previous_response_id": None, "store": False}
    assert desk.side.provider.restore(exchange, {"type": "response.created", "response": response})
    assert response == {"id": "resp_9", "previous_response_id": first, "store": True}


async def test_an_upstream_that_remembers_is_asked_itself() -> None:
    side = Side(own=key_accounts("ada"))
    body = {"model": FULL, "input": "y", "previous_response_id": "resp_1"}
    assert body_of(await side.sent(side.exchange(body=body)))["previous_response_id"] == "resp_1"


async def test_pending_notes_end_with_their_attempt() -> None:
    desk = Desk("ada", "ben")
    exchange = desk.side.exchange(body={"model": FULL, "input": "x"})
    await desk.side.sent(exchange)
    await desk.side.provider.before_commit(exchange)
    assert exchange.state.pending.account == desk.side.own[0].handle
    desk.side.answered(exchange, 429, LIMIT)
    await desk.side.sent(exchange)
    assert exchange.state.pending is None
    await desk.finish(exchange)
    assert exchange.state.pending is None
    snapshot = desk.side.provider._continuation.responses.find("local", "resp_1")
    assert snapshot is not None
    assert snapshot.account == desk.side.own[1].handle


async def test_chat_completions_leave_no_items() -> None:
    desk = Desk()
    body = {"messages": [SAID]}
    _, name = await desk.ask(body, path="/v1/chat/completions")
    snapshot = desk.side.provider._continuation.responses.find("local", name)
    assert snapshot is not None
    assert not snapshot.stored


# --- over WebSocket ------------------------------------------------------------------------------


async def test_messages_of_a_socket_are_kept_as_well() -> None:
    desk = Desk()
    side = desk.side
    exchange = side.socket(("session-id", S), ("thread-id", S))
    await side.sent(exchange)

    def create(**members: Any) -> Json:
        text = {"type": "response.create", "model": FULL, "input": [user("x")], **members}
        sent: Json = json.loads(side.provider.client_frame(exchange, json.dumps(text).encode()))
        return sent

    def told(**event: Any) -> None:
        side.provider.server_frame(exchange, json.dumps(event).encode())

    create()
    told(type="response.metadata", headers={"x-codex-turn-state": "sticky"})
    told(type="response.output_item.done", item=said("hello"))
    told(type="response.completed", response={"id": "resp_ws", "usage": USAGE})
    call = {"type": "function_call_output", "call_id": "1", "output": "done"}
    again = create(input=[user("x"), call])
    assert again["client_metadata"]["x-codex-turn-state"] == "sticky"
    told(type="response.failed", response={"id": "resp_bad", "error": {"code": "x"}})
    following = create(input=[user("x"), call, said("y"), user("z")])
    assert "x-codex-turn-state" not in following["client_metadata"]
    log = side.provider._continuation.responses
    snapshot = log.find("local", "resp_ws")
    assert snapshot is not None
    assert snapshot.metadata["codex"] == {"session": S, "thread": S, "window": 0}
    assert log.find("local", "resp_bad") is None
    assert await log.history("local", "resp_ws") == [user("x"), said("hello")]


# --- what is attached ----------------------------------------------------------------------------


def snapshot_with(held: Any, child: str = "") -> Snapshot:
    return Snapshot("r", "p", "c", "a", 1.0, 1.0, child=child, metadata={"codex": held})


def test_scopes() -> None:
    held = {"session": S, "thread": OTHER, "window": 2}
    assert scope_of(snapshot_with(held)) == Scope(S, OTHER, 2)
    assert scope_of(snapshot_with(held, child="c")) == Scope(S, OTHER, 3)
    assert scope_of(snapshot_with({**held, "next_window": 5}, child="c")) == Scope(S, OTHER, 5)
    assert scope_of(snapshot_with({**held, "next_window": 5})) == Scope(S, OTHER, 2)


@pytest.mark.parametrize(
    "change",
    [{"session": "x"}, {"thread": None}, {"window": -1}, {"window": "1"}, {"next_window": "1"}],
)
def test_what_is_not_of_the_form_is_not_used(change: Json) -> None:
    assert scope_of(snapshot_with({"session": S, "thread": S, "window": 0, **change})) is None
    assert scope_of(Snapshot("r", "p", "c", "a", 1.0, 1.0)) is None
