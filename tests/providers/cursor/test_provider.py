"""The provider's steps: which account, which run, what is kept, what is tried again."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from addons.accounts.model import AccountState
from addons.errors import ClientError
from addons.exchange import Attempt, Exchange
from addons.front import protocols
from addons.front.contract import Json
from addons.front.keys import principal_id
from addons.front.routes import Route
from addons.providers.contract import (
    Fail,
    Forward,
    Generated,
    NextAccount,
    Outcome,
    Refuse,
    SameAccount,
    Tried,
)
from addons.providers.cursor.failures.errors import ConnectError, ConnectFailed, StreamReset
from addons.store.memory import MemoryStore
from tests.providers.cursor import server_messages as server
from tests.providers.cursor.provided import ANSWER, MODEL, Bench, user

LIMIT = ConnectError.parse(
    {
        "code": "resource_exhausted",
        "message": "Error",
        "details": [
            {
                "type": "aiserver.v1.ErrorDetails",
                "debug": {"error": "ERROR_PRO_USER_USAGE_LIMIT", "details": {"title": "Limit"}},
            }
        ],
    }
)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    await made.provider.start()
    yield made
    await made.provider.stop()


def counted(exchange: Exchange, plan: Tried) -> None:
    """As the driver puts a failed attempt on record."""
    exchange.attempts.append(Attempt(plan.account, status=plan.status, verdict=plan.verdict))


def call_of(body: str) -> Json:
    """The function call in a streamed answer."""
    done = re.search(r"event: response\.completed\ndata: (.*)", body)
    assert done is not None
    (item,) = [
        item
        for item in json.loads(done[1])["response"]["output"]
        if item["type"] == "function_call"
    ]
    found: Json = item
    return found


async def parked(bench: Bench, principal: str = "p") -> tuple[list[Json], Json]:
    """A run that waits for one call: the history so far, and the result that it waits for."""
    exchange = bench.exchange(user("Look."), principal=principal)
    number = len(bench.upstream.channels) + 1
    planning = bench.planning(exchange)
    (await bench.upstream.channel(number)).say(server.call(1, args={"path": "a"}))
    call = call_of(await bench.read(await planning))
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "one"}
    return [user("Look."), call], result


# --- a new run -----------------------------------------------------------------------------------


async def test_an_answer_and_what_is_learned(bench: Bench) -> None:
    exchange = bench.exchange(user("Hi"))
    body = await bench.answered(exchange, *ANSWER)
    assert "Hello" in body
    assert body.count("event: response.completed") == 1
    assert exchange.usage is not None
    assert exchange.usage.input_tokens == 7
    assert exchange.given is Outcome.COMPLETED
    await bench.provider.after(exchange, Outcome.COMPLETED)
    again = bench.exchange(user("Hi"))
    await bench.answered(again, *ANSWER)
    assert bench.asked == ["a", "a"], "the conversation stays"
    other = bench.exchange(user("Something else"))
    await bench.answered(other, *ANSWER)
    assert bench.asked[-1] == "b"


async def test_what_was_used_is_counted(bench: Bench) -> None:
    exchange = bench.exchange(user("Hi"))
    await bench.answered(exchange, *ANSWER)
    await bench.provider.after(exchange, Outcome.COMPLETED)
    journal = bench.provider.operated().journal
    assert journal is not None
    await journal.stop()
    conversation = journal.meter.get("p", exchange.conversation)
    assert conversation is not None
    (entry,) = conversation.log
    assert (entry.account, entry.model, entry.input, entry.output) == ("a", MODEL, 7, 2)


async def test_limits_are_asked_for_now_and_then(bench: Bench) -> None:
    for seconds, asked in ((0, 1), (299, 1), (1, 2)):
        bench.now += seconds
        exchange = bench.exchange(user("Hi"))
        await bench.answered(exchange, *ANSWER)
        await bench.provider.after(exchange, Outcome.COMPLETED)
        await asyncio.sleep(0)
        assert bench.upstream.quotas == asked
    quota = bench.provider.accounts[0].quota
    assert quota is not None
    assert quota.windows[0].used_percent == 41.0


async def test_a_whole_answer(bench: Bench) -> None:
    exchange = bench.exchange(user("Hi"), stream=False)
    found = json.loads(await bench.answered(exchange, *ANSWER))
    assert found["model"] == MODEL
    assert found["output"][0]["content"][0]["text"] == "Hello"


async def test_a_request_that_can_not_be_served(bench: Bench) -> None:
    bad = {"role": "user", "content": [{"type": "input_audio", "data": "x"}]}
    with pytest.raises(ClientError, match="not supported"):
        await bench.provider.plan(bench.exchange(bad))
    assert bench.upstream.channels == []


# --- what fails before any output ----------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_unseen_is_another_account_s_turn(bench: Bench, stream: bool) -> None:
    exchange = bench.exchange(user("Hi"), stream=stream)
    planning = bench.planning(exchange)
    (await bench.upstream.channel(1)).end(LIMIT)
    plan = await planning
    assert isinstance(plan, Tried)
    assert isinstance(plan.verdict, NextAccount)
    assert (plan.account, plan.status) == ("a", 429)
    assert plan.request is not None
    assert b"authorization" not in dict(plan.request.headers)
    assert bench.token("a").encode() not in plan.request.body + plan.said
    counted(exchange, plan)
    assert "Hello" in await bench.answered(exchange, *ANSWER)
    assert bench.asked == ["a", "b"]
    third = bench.exchange(user("Another"))
    await bench.answered(third, *ANSWER)
    assert bench.asked[-1] == "b", "a cools"


async def test_one_account_alone_and_nothing_is_learned(bench: Bench) -> None:
    exchange = bench.exchange(user("Hi"))
    exchange.only_account = "b"
    assert "Hello" in await bench.answered(exchange, *ANSWER)
    assert bench.asked == ["b"]
    again = bench.exchange(user("Hi"))
    await bench.answered(again, *ANSWER)
    assert again.conversation == exchange.conversation
    assert bench.asked == ["b", "a"], "the conversation was not bound to it"
    refused = bench.exchange(user("Hi"))
    refused.only_account = "b"
    planning = bench.planning(refused)
    (await bench.upstream.channel(3)).end(LIMIT)
    plan = await planning
    assert isinstance(plan, Tried)
    counted(refused, plan)
    assert isinstance(await bench.provider.plan(refused), Refuse), "no other one is asked"


async def test_no_connection(bench: Bench) -> None:
    bench.upstream.refusals = [ConnectFailed("The upstream could not be connected to: refused.")]
    exchange = bench.exchange(user("Hi"))
    plan = await bench.provider.plan(exchange)
    assert isinstance(plan, Tried)
    assert isinstance(plan.verdict, SameAccount)
    assert plan.status is None
    counted(exchange, plan)
    await bench.answered(exchange, *ANSWER)
    assert bench.asked == ["a"], "nothing cools for it"


async def test_the_last_account_s_error_is_told(bench: Bench) -> None:
    exchange = bench.exchange(user("Hi"))
    for number in (1, 2):
        planning = bench.planning(exchange)
        (await bench.upstream.channel(number)).end(LIMIT)
        plan = await planning
        assert isinstance(plan, Tried)
        counted(exchange, plan)
    last = await bench.provider.plan(exchange)
    assert isinstance(last, Refuse)
    assert (last.error.status, last.error.code) == (429, "usage_limit_reached")
    assert "a: " in last.error.message
    assert "b: " in last.error.message


async def test_a_rule_of_the_user_s(bench: Bench) -> None:
    rules = [{"status": 429, "text": "usage_limit", "ignore": True}]
    ruled = Bench(cooldown_rules=rules)
    exchange = ruled.exchange(user("Hi"))
    planning = ruled.planning(exchange)
    (await ruled.upstream.channel(1)).end(LIMIT)
    plan = await planning
    assert isinstance(plan, Tried)
    assert isinstance(plan.verdict, Fail)
    await ruled.provider.stop()


# --- what fails after output ---------------------------------------------------------------------


async def test_what_fails_after_output_is_told_and_judged(bench: Bench) -> None:
    exchange = bench.exchange(user("Hi"))
    planning = bench.planning(exchange)
    channel = await bench.upstream.channel(1)
    channel.say(server.text("Hel"))
    plan = await planning
    channel.end(LIMIT)
    body = await bench.read(plan)
    assert body.count("event: response.failed") == 1
    assert exchange.given is Outcome.TRUNCATED
    exchange.attempts.append(Attempt("a", status=200))
    await bench.provider.after(exchange, Outcome.TRUNCATED)
    await bench.answered(bench.exchange(user("Hi")), *ANSWER)
    assert bench.asked == ["a", "b"]


async def test_a_connection_that_breaks_cools_nobody(bench: Bench) -> None:
    exchange = bench.exchange(user("Hi"))
    planning = bench.planning(exchange)
    channel = await bench.upstream.channel(1)
    channel.say(server.text("Hel"))
    plan = await planning
    channel.end(StreamReset(2))
    assert "response.failed" in await bench.read(plan)
    exchange.attempts.append(Attempt("a", status=200))
    await bench.provider.after(exchange, Outcome.TRUNCATED)
    assert list(bench.provider._serving.pool.cooldowns) == []


# --- runs that wait ------------------------------------------------------------------------------


async def test_results_go_to_the_run_that_waits(bench: Bench) -> None:
    history, result = await parked(bench)
    exchange = bench.exchange(*history, result)
    planning = bench.planning(exchange)
    channel = bench.upstream.channels[0][1]
    await channel.heard("exec_client_message")
    channel.say(*ANSWER)
    channel.end()
    assert "Hello" in await bench.read(await planning)
    assert len(bench.upstream.channels) == 1
    assert exchange.summary["run"] == "continued"


async def test_another_principal_s_result_goes_to_a_run_of_its_own(bench: Bench) -> None:
    history, result = await parked(bench)
    other = bench.exchange(*history, result, principal="q")
    assert "Hello" in await bench.answered(other, *ANSWER)
    assert len(bench.upstream.channels) == 2
    assert not bench.upstream.channels[0][1].closed.is_set()


@pytest.mark.parametrize("why", ["disabled", "pinned elsewhere", "another model"])
async def test_a_run_that_must_not_go_on_is_given_up(bench: Bench, why: str) -> None:
    history, result = await parked(bench)
    pool, more = bench.provider._serving.pool, {}
    first = bench.upstream.channels[0]
    if why == "disabled":
        account = pool.account(first[0])
        assert account is not None
        account.state = AccountState.DISABLED
    elif why == "pinned elsewhere":
        pool.pinned = next(each.handle for each in pool.accounts if each.handle != first[0])
    else:
        more = {"model": "cursor/gpt-5.2"}
    exchange = bench.exchange(*history, result, **more)
    assert "Hello" in await bench.answered(exchange, *ANSWER)
    assert len(bench.upstream.channels) == 2
    async with asyncio.timeout(5):
        await first[1].closed.wait()


async def test_a_run_that_ends_while_it_waits_is_replaced_unseen(bench: Bench) -> None:
    history, result = await parked(bench)
    bench.upstream.channels[0][1].end(LIMIT)
    async with asyncio.timeout(5):
        await bench.upstream.channels[0][1].closed.wait()
    assert "Hello" in await bench.answered(bench.exchange(*history, result), *ANSWER)
    assert len(bench.upstream.channels) == 2


async def test_a_refusal_in_the_middle_of_a_call_moves_on(bench: Bench) -> None:
    history, result = await parked(bench)
    exchange = bench.exchange(*history, result)
    planning = bench.planning(exchange)
    first = bench.upstream.channels[0][1]
    await first.heard("exec_client_message")
    first.end(LIMIT)
    plan = await planning
    assert isinstance(plan, Tried)
    counted(exchange, plan)
    assert "Hello" in await bench.answered(exchange, *ANSWER)
    assert bench.asked == ["a", "b"]


async def test_stopping_ends_all_runs(bench: Bench) -> None:
    await parked(bench)
    await bench.provider.stop()
    assert bench.upstream.channels[0][1].closed.is_set()


# --- the client leaves ---------------------------------------------------------------------------


async def test_a_client_that_leaves_before_output_cancels_the_run(bench: Bench) -> None:
    planning = bench.planning(bench.exchange(user("Hi")))
    channel = await bench.upstream.channel(1)
    await channel.heard("run_request")
    planning.cancel()
    await asyncio.wait({planning})
    async with asyncio.timeout(5):
        await channel.closed.wait()
    assert channel.sent[-1].HasField("conversation_action")


async def test_a_client_that_leaves_in_mid_stream_cancels_the_run(bench: Bench) -> None:
    planning = bench.planning(bench.exchange(user("Hi")))
    channel = await bench.upstream.channel(1)
    channel.say(server.text("Hel"))
    plan = await planning
    assert isinstance(plan, Generated)
    await anext(plan.body)
    await plan.body.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        await channel.closed.wait()


# --- checkpoints ---------------------------------------------------------------------------------


def states(bench: Bench) -> list[bytes]:
    """The state that each run began with."""
    return [
        channel.sent[0].run_request.conversation_state for _, channel in bench.upstream.channels
    ]


STATE = server.state()


async def test_the_state_goes_back_as_it_came_and_is_kept_before_the_end_is_seen() -> None:
    store = MemoryStore(clock=lambda: 0.0)
    first = Bench(store=store)
    exchange = first.exchange(user("Hi"))
    planning = first.planning(exchange)
    channel = await first.upstream.channel(1)
    channel.say(server.text("Hello"))
    plan = await planning
    assert isinstance(plan, Generated)
    channel.say(server.checkpoint(STATE), server.turn_ended())
    channel.end()
    async for chunk in plan.body:
        if b"response.completed" in chunk:
            break
    restarted = Bench(store=store)
    history = [user("Hi"), {"role": "assistant", "content": "Hello"}, user("Go on.")]
    again = restarted.exchange(*history)
    await restarted.answered(again, *ANSWER)
    assert states(restarted)[0].startswith(STATE)
    assert restarted.asked == first.asked, "its owner is asked first"
    assert again.summary["run"] == "checkpoint"
    await first.provider.stop()
    await restarted.provider.stop()


async def test_a_state_that_is_refused_is_given_up_unseen(bench: Bench) -> None:
    exchange = bench.exchange(user("Hi"))
    await bench.answered(exchange, server.text("Hello"), server.checkpoint(STATE), ANSWER[1])
    history = [user("Hi"), {"role": "assistant", "content": "Hello"}, user("Go on.")]
    again = bench.exchange(*history)
    planning = bench.planning(again)
    (await bench.upstream.channel(2)).end(ConnectError("internal", "Blob not found: 1,2"))
    plan = await planning
    assert isinstance(plan, Tried)
    assert isinstance(plan.verdict, SameAccount)
    counted(again, plan)
    assert "Hello" in await bench.answered(again, *ANSWER)
    assert bench.asked == ["a", "a", "a"]
    assert states(bench)[1].startswith(STATE)
    assert not states(bench)[2].startswith(STATE)
    ids = [channel.sent[0].run_request.conversation_id for _, channel in bench.upstream.channels]
    assert ids[0] == ids[1] != ids[2]


async def test_two_principals_never_share_an_id(bench: Bench) -> None:
    for principal in ("p", "q"):
        await bench.answered(bench.exchange(user("Hi"), principal=principal), *ANSWER)
    ids = {channel.sent[0].run_request.conversation_id for _, channel in bench.upstream.channels}
    assert len(ids) == 2


# --- besides -------------------------------------------------------------------------------------


async def test_names_and_lists(bench: Bench) -> None:
    provider = bench.provider
    assert provider.claims(MODEL)
    assert not provider.claims("gpt-5.5")
    assert [entry.id for entry in await provider.models()] == [MODEL]
    assert await Bench(accounts="").provider.models() == []


async def test_without_accounts_it_says_so() -> None:
    plan = await Bench(accounts="").provider.plan(Bench(accounts="").exchange(user("Hi")))
    assert isinstance(plan, Refuse)
    assert plan.error.code == "no_accounts"


def passed(bench: Bench, path: str, **headers: str) -> Exchange:
    route = Route(None, "POST", path, "passthrough", "responses", "cursor", native=True)
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Exchange(
        "e0",
        route,
        bench.provider,
        protocols.get("responses"),
        "p",
        "POST",
        path,
        pairs,
        body=b"\x00raw",
    )


SIDE = "/aiserver.v1.AiService/AvailableModels"


async def test_an_official_client_s_call_is_passed_as_it_is(bench: Bench) -> None:
    exchange = passed(bench, SIDE, authorization="Bearer own", x_odd="1", connection="x-odd")
    plan = await bench.provider.plan(exchange)
    assert isinstance(plan, Forward)
    assert plan.request.body == b"\x00raw"
    assert plan.request.headers == [(b"authorization", b"Bearer own"), (b"content-length", b"4")]
    assert plan.account == ""
    await bench.provider.after(exchange, Outcome.COMPLETED)


@pytest.mark.parametrize(("path", "lent"), [(SIDE, True), ("/auth/exchange_user_api_key", False)])
async def test_an_account_is_lent_but_for_tokens(path: str, lent: bool) -> None:
    bench = Bench(swap_accounts=["cursor"])
    plan = await bench.provider.plan(passed(bench, path, authorization="Bearer own"))
    assert isinstance(plan, Forward)
    expected = bench.token("a") if lent else "own"
    assert dict(plan.request.headers)[b"authorization"] == f"Bearer {expected}".encode()


async def test_who_shows_a_key_of_floway_s_only_is_lent_an_account(bench: Bench) -> None:
    exchange = passed(bench, SIDE, authorization="Bearer floway-s")
    exchange.principal = principal_id("floway-s")
    plan = await bench.provider.plan(exchange)
    assert isinstance(plan, Forward)
    assert dict(plan.request.headers)[b"authorization"] == f"Bearer {bench.token('a')}".encode()


async def test_a_client_keeps_the_account_that_was_lent() -> None:
    bench = Bench(swap_accounts=["cursor"])
    for _ in range(3):
        exchange = passed(bench, SIDE, authorization="Bearer own")
        plan = await bench.provider.plan(exchange)
        assert isinstance(plan, Forward)
        assert plan.account == "a", "its state belongs to the account"
        await bench.provider.after(exchange, Outcome.COMPLETED)
        bench.now += 3600


@pytest.mark.parametrize("state", list(AccountState))
async def test_only_good_accounts_are_lent(state: AccountState) -> None:
    bench = Bench(accounts="a", swap_accounts=["cursor"])
    bench.provider.accounts[0].state = state
    plan: Any = await bench.provider.plan(passed(bench, SIDE, authorization="Bearer own"))
    assert isinstance(plan, Forward if state is AccountState.READY else Refuse)
