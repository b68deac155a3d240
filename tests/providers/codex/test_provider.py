"""The Codex provider over the life of exchanges: which account, what is learned, what is kept."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.providers.codex import roster
from addons.providers.codex.provider import CodexProvider
from addons.providers.contract import (
    Commit,
    Ended,
    Fail,
    Hold,
    NextAccount,
    Outcome,
    RefreshCredentials,
    SameAccount,
)
from addons.settings import Settings
from addons.store.contract import Store, StoreError
from addons.store.memory import MemoryStore
from tests.fakes import wire
from tests.providers.codex.exchanges import (
    FULL,
    LIMIT,
    OUTPUT,
    RESPONSES,
    SAID,
    Side,
    accounts,
    body_of,
    header,
    sign_in,
)
from tests.proxies import added, alive

OVERLOAD = wire(
    [{"type": "response.failed", "response": {"error": {"code": "server_is_overloaded"}}}]
)
UNSUPPORTED = {"detail": "Unsupported parameter: brand_new"}


# --- accounts ------------------------------------------------------------------------------------


async def test_a_limit_moves_on_to_the_next_account_and_cools_the_first() -> None:
    side = Side()
    exchange = side.exchange()
    first = await side.sent(exchange)
    verdict = side.answered(exchange, 429, LIMIT)
    assert isinstance(verdict, NextAccount)
    second = await side.sent(exchange)
    assert [attempt.account for attempt in exchange.attempts] == ["ada", "ben"]
    assert isinstance(side.answered(exchange, 200, OUTPUT), Commit)
    await side.over(exchange)

    assert await side.served_by(side.exchange(body=other())) == "ben"
    side.clock.now += 599
    assert await side.served_by(side.exchange(body=other(2))) == "ben"
    side.clock.now += 2
    assert await side.served_by(side.exchange(body=other(3))) == "ada"
    assert first.lane != second.lane


def other(number: int = 1) -> dict[str, Any]:
    """A request of another conversation."""
    return {"model": FULL, "input": f"Something else {number}", "stream": True}


async def test_the_conversation_stays_the_same_over_its_attempts() -> None:
    side = Side()
    exchange = side.exchange(headers=[("x-session-affinity", "ses_1")])
    one = await side.sent(exchange)
    side.answered(exchange, 429, LIMIT)
    two = await side.sent(exchange)
    of_the_account = {b"authorization", b"chatgpt-account-id", b"content-length"}
    for name, value in one.headers:
        if name.lower() not in of_the_account | {
            b"x-codex-turn-metadata",
            b"x-codex-installation-id",
        }:
            assert (name, value) in two.headers, name
    assert [name for name, _ in one.headers] == [name for name, _ in two.headers]
    assert header(one, "authorization") != header(two, "authorization")
    assert header(one, "chatgpt-account-id") != header(two, "chatgpt-account-id")
    before, after = body_of(one), body_of(two)
    ids = {"session_id", "thread_id", "turn_id", "window_id", "root_turn_id"}
    metadata = [
        json.loads(body["client_metadata"]["x-codex-turn-metadata"]) for body in (before, after)
    ]
    assert {key: metadata[0][key] for key in ids & metadata[0].keys()} == {
        key: metadata[1][key] for key in ids & metadata[1].keys()
    }
    assert metadata[0]["installation_id"] != metadata[1]["installation_id"]
    assert {**before, "client_metadata": 0} == {**after, "client_metadata": 0}


async def test_a_conversation_stays_with_its_account() -> None:
    side = Side(own=accounts("ada", "ben", "cleo"))
    key = {"prompt_cache_key": "conversation-1"}
    first = await side.served_by(side.exchange(body={**other(), **key}))
    for number in range(4):
        await side.served_by(side.exchange(body=other(number)))
        assert await side.served_by(side.exchange(body={**other(), **key})) == first
    assert (
        await side.served_by(side.exchange(body={**other(), **key}, principal="someone else")) != ""
    ), "another principal is another conversation"


async def test_a_conversation_comes_back_to_none_but_where_it_was_served_last() -> None:
    side = Side()
    key = {"prompt_cache_key": "conversation-1"}
    exchange = side.exchange(body={**other(), **key})
    await side.sent(exchange)
    side.answered(exchange, 429, LIMIT)
    await side.sent(exchange)
    side.answered(exchange, 200, OUTPUT)
    await side.over(exchange)
    side.clock.now += 3600
    assert await side.served_by(side.exchange(body={**other(), **key})) == "ben"


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TRUNCATED, Outcome.CLIENT_LEFT])
async def test_only_success_binds(outcome: Outcome) -> None:
    side = Side()
    key = {"prompt_cache_key": "conversation-1"}
    exchange = side.exchange(body={**other(), **key})
    await side.sent(exchange)
    side.answered(exchange, 200, OUTPUT)
    await side.over(exchange, outcome)
    assert len(side.provider._memory.pool.affinity) == 0


async def test_all_accounts_at_their_limit() -> None:
    side = Side()
    exchange = side.exchange()
    for wait in (600, 300):
        await side.sent(exchange)
        limit = {"error": {"type": "usage_limit_reached", "resets_in_seconds": wait}}
        side.answered(exchange, 429, limit)
    told = (await side.refused(exchange)).error
    assert (told.status, told.code, told.kind) == (429, *["usage_limit_reached"] * 2)
    assert told.details["resets_in_seconds"] == 300
    assert "ada" in told.message


async def test_with_one_account_the_client_is_told_what_it_said() -> None:
    side = Side(own=accounts("ada"))
    exchange = side.exchange()
    await side.sent(exchange)
    verdict = side.answered(exchange, 429, LIMIT)
    assert isinstance(verdict, NextAccount)
    assert (await side.refused(exchange)).error is verdict.error


async def test_a_verdict_counts_though_nothing_is_tried_again() -> None:
    """The last attempt that is allowed, or a client that has left."""
    side = Side()
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 429, LIMIT)
    await side.over(exchange, Outcome.FAILED)
    assert await side.served_by(side.exchange(body=other())) == "ben"


async def test_a_verdict_counts_once() -> None:
    side = Side()
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 200, OVERLOAD)
    await side.sent(exchange)
    side.answered(exchange, 200, OUTPUT)
    await side.over(exchange)
    (cooldown,) = side.provider._memory.pool.cooldowns
    assert (cooldown.handle, cooldown.level) == (side.own[0].handle, 1)


async def test_no_account_at_all() -> None:
    told = (await Side(own=[]).refused(Side(own=[]).exchange())).error
    assert (told.status, told.code) == (503, "no_accounts")


async def test_trouble_of_the_transport_asks_the_same_account_first() -> None:
    side = Side()
    exchange = side.exchange()
    await side.sent(exchange)
    assert isinstance(side.answered(exchange, None, ended=Ended.BROKEN), SameAccount)
    await side.sent(exchange)
    assert isinstance(side.answered(exchange, None, ended=Ended.BROKEN), NextAccount)
    await side.sent(exchange)
    assert [attempt.account for attempt in exchange.attempts] == ["ada", "ada", "ben"]
    assert list(side.provider._memory.pool.cooldowns) == []


# --- credentials ---------------------------------------------------------------------------------


def file_account(tmp_path: Path, label: str, token: str) -> Path:
    file = tmp_path / f"{label}.json"
    file.write_text(json.dumps(sign_in(label, token)))
    return file


def with_files(tmp_path: Path, *labels: str) -> Side:
    entries = [
        {"provider": "codex", "label": label, "auth_file": file_account(tmp_path, label, "old")}
        for label in labels
    ]
    _, own = roster.configured(Settings(accounts=entries))  # type: ignore[arg-type]
    return Side(own=own)


async def test_a_token_that_the_official_client_has_refreshed_is_read_again(
    tmp_path: Path,
) -> None:
    side = with_files(tmp_path, "ada", "ben")
    exchange = side.exchange()
    assert header(await side.sent(exchange), "authorization") == "Bearer old"
    verdict = side.answered(exchange, 401, {"error": {"code": "token_expired"}})
    assert isinstance(verdict, RefreshCredentials)
    file_account(tmp_path, "ada", "fresh-token")
    assert header(await side.sent(exchange), "authorization") == "Bearer fresh-token"
    assert [attempt.account for attempt in exchange.attempts] == ["ada", "ada"]

    side.answered(exchange, 401, {"error": {"code": "token_expired"}})
    await side.sent(exchange)
    assert exchange.attempts[-1].account == "ben", "read again once, then the account cools"


async def test_a_reset_before_the_401_does_not_cost_the_second_look(tmp_path: Path) -> None:
    side = with_files(tmp_path, "ada", "ben")
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, None, ended=Ended.BROKEN)
    await side.sent(exchange)
    side.answered(exchange, 401)
    file_account(tmp_path, "ada", "fresh-token")
    assert header(await side.sent(exchange), "authorization") == "Bearer fresh-token"


async def test_requests_that_are_refused_together_do_not_undo_each_other(tmp_path: Path) -> None:
    """The first one reads the new token; the second one must not take it for refused."""
    side = with_files(tmp_path, "ada", "ben")
    one, two = (side.exchange(headers=[("x-session-affinity", "s")]) for _ in range(2))
    for exchange in (one, two):
        await side.sent(exchange)
        assert exchange.attempts[-1].account == "ada"
    for exchange in (one, two):
        side.answered(exchange, 401, {"error": {"code": "token_expired"}})
    file_account(tmp_path, "ada", "fresh-token")
    for exchange in (one, two):
        assert header(await side.sent(exchange), "authorization") == "Bearer fresh-token"


async def test_a_token_that_nobody_refreshed(tmp_path: Path) -> None:
    side = with_files(tmp_path, "ada", "ben")
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 401, {"error": {"code": "token_expired"}})
    await side.sent(exchange)
    assert exchange.attempts[-1].account == "ben"
    assert await side.served_by(side.exchange(body=other())) == "ben"


async def test_a_401_that_nobody_follows_up(tmp_path: Path) -> None:
    side = with_files(tmp_path, "ada", "ben")
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 401)
    await side.over(exchange, Outcome.FAILED)
    assert await side.served_by(side.exchange(body=other())) == "ben"


# --- parameters ----------------------------------------------------------------------------------


async def test_an_unsupported_member_is_left_out_at_once_and_ever_after() -> None:
    store = MemoryStore()
    side = Side(store=store)
    body = {**other(), "brand_new": True}
    exchange = side.exchange(body=body)
    assert "brand_new" in body_of(await side.sent(exchange))
    assert isinstance(side.answered(exchange, 400, UNSUPPORTED), SameAccount)
    assert "brand_new" not in body_of(await side.sent(exchange))
    assert [attempt.account for attempt in exchange.attempts] == ["ada", "ada"]
    side.answered(exchange, 200, OUTPUT)
    await side.over(exchange)
    assert "brand_new" not in body_of(await side.sent(side.exchange(body=body)))

    later = Side(store=store, own=accounts("ada"))
    await later.provider.start()
    assert "brand_new" not in body_of(await later.sent(later.exchange(body=body)))


async def test_a_member_that_was_not_sent_cannot_be_learned() -> None:
    side = Side()
    exchange = side.exchange(body=other())
    await side.sent(exchange)
    assert isinstance(side.answered(exchange, 400, UNSUPPORTED), Fail)


async def test_it_is_learned_though_nothing_is_tried_again() -> None:
    side = Side()
    body = {**other(), "brand_new": True}
    exchange = side.exchange(body=body)
    await side.sent(exchange)
    side.answered(exchange, 400, UNSUPPORTED)
    await side.over(exchange, Outcome.FAILED)
    assert "brand_new" not in body_of(await side.sent(side.exchange(body=body)))


class BrokenStore(MemoryStore):
    async def put(self, *_: Any, **__: Any) -> Any:
        raise StoreError("the disk is full")


async def test_a_store_that_fails_costs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    side = Side(store=BrokenStore())
    exchange = side.exchange(body={**other(), "brand_new": True})
    await side.sent(exchange)
    side.answered(exchange, 400, UNSUPPORTED)
    assert "brand_new" not in body_of(await side.sent(exchange))
    assert "the disk is full" in caplog.text


async def test_records_of_another_version_are_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    await store.put("codex.parameters", "refused", {"u": ["of old"]})
    await Side(store=store).provider.start()
    assert "is forgotten" in caplog.text


async def test_an_installation_id_is_kept() -> None:
    store: Store = MemoryStore()
    found = []
    for _ in range(2):
        side = Side(store=store)
        await side.provider.start()
        found.append(body_of(await side.sent(side.exchange()))["client_metadata"])
    name = "x-codex-installation-id"
    assert found[0][name] == found[1][name]


async def test_reasoning_of_another_account_is_left_out() -> None:
    side = Side()
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "sealed"}
    body = {**other(), "input": [SAID, sealed, SAID]}
    exchange = side.exchange(body=body)
    assert "sealed" in json.dumps(body_of(await side.sent(exchange)))
    refused = {"error": {"code": "invalid_encrypted_content", "message": "no"}}
    assert isinstance(side.answered(exchange, 400, refused), SameAccount)
    assert "sealed" not in json.dumps(body_of(await side.sent(exchange)))


# --- answers -------------------------------------------------------------------------------------


async def test_limits_are_read_from_the_head_of_every_answer() -> None:
    side = Side()
    exchange = side.exchange()
    await side.sent(exchange)
    verdict = side.answered(
        exchange,
        200,
        b"",
        [("x-codex-primary-used-percent", "42"), ("x-codex-plan-type", "plus")],
        Ended.OPEN,
    )
    assert isinstance(verdict, Hold)
    quota = side.own[0].quota
    assert quota is not None
    assert quota.windows[0].used_percent == 42
    side.provider.observe(
        exchange,
        {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 77}}},
    )
    assert side.own[0].quota is not None
    assert side.own[0].quota.windows[0].used_percent == 77


async def test_usage_is_noted() -> None:
    side = Side()
    exchange = side.exchange()
    await side.sent(exchange)
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
    }
    side.provider.observe(exchange, {"type": "response.completed", "response": {"usage": usage}})
    assert exchange.usage is not None
    assert exchange.usage.reasoning_tokens == 1
    assert exchange.summary["usage"] == {"input": 10, "cached": 4, "output": 3}


async def test_what_was_moved_is_moved_back() -> None:
    side = Side().with_models()
    tools = [{"type": "function", "name": "f", "parameters": {}, "strict": False}]
    body = {"model": "gpt-5.6-terra", "input": "Hi", "instructions": "Brief.", "tools": tools}
    exchange = side.exchange(body=body)
    sent = body_of(await side.sent(exchange))
    assert "tools" not in sent
    response = {"instructions": sent.get("instructions"), "tools": [], "store": False}
    assert side.provider.restore(exchange, {"type": "response.created", "response": response})
    assert response["instructions"] == "Brief."
    assert response["tools"] == tools
    assert not side.provider.restore(exchange, {"type": "response.created"})


@pytest.mark.parametrize(
    ("path", "headers", "status", "passed"),
    [
        ("/v1/responses", [], 429, False),
        (RESPONSES, [], 429, True),
        (RESPONSES, [], 400, True),
        (RESPONSES, [], 401, False),
        ("/v1/responses", [("originator", "codex_exec")], 429, True),
        ("/v1/responses", [("originator", "made_up")], 429, False),
    ],
)
async def test_who_is_given_the_upstream_s_own_error(
    path: str, headers: list[tuple[str, str]], status: int, passed: bool
) -> None:
    side = Side()
    exchange = side.exchange(path, headers=headers)
    await side.sent(exchange)
    body = {"error": {"code": "token_expired"}} if status == 401 else LIMIT
    told = side.provider.explain(exchange, status, [], json.dumps(body).encode())
    assert (told is None) is passed
    if status == 401 and told is not None:
        assert told.status == 502, "the client's own sign-in is not in doubt"


async def test_an_account_check_and_a_model_list_are_answered_here() -> None:
    side = Side().with_models()
    exchange = side.exchange(
        "/backend-api/wham/accounts/check",
        method="GET",
        headers=[("host", "127.0.0.1:8080"), ("chatgpt-account-id", "own")],
    )
    _, found = await side.generated(exchange)
    assert found["accounts"][0]["workspace_backend_origin"] == "https://127.0.0.1:8080"
    assert found["default_account_id"] == "own"
    _, models = await side.generated(side.exchange("/v1/models", method="GET"))
    assert [model["id"] for model in models["data"]] == [FULL, "gpt-5.6-terra"]


async def test_an_account_that_cools_still_serves_the_start_up_calls() -> None:
    side = Side(own=accounts("ada"))
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 429, LIMIT)
    await side.over(exchange, Outcome.FAILED)
    assert isinstance((await side.refused(side.exchange(body=other()))).error, ClientError)
    await side.sent(side.exchange("/backend-api/wham/usage", method="GET"))


@pytest.mark.parametrize(
    ("method", "verdict"), [("GET", SameAccount), ("HEAD", SameAccount), ("POST", Commit)]
)
async def test_a_side_call_is_sent_again_only_if_that_does_no_harm(
    method: str, verdict: type
) -> None:
    side = Side()
    exchange = side.exchange("/backend-api/wham/tasks", b"", method=method)
    await side.sent(exchange)
    assert isinstance(side.answered(exchange, None, ended=Ended.BROKEN), verdict)
    await side.sent(exchange)
    for status in (200, 401, 429, 500):
        assert isinstance(side.answered(exchange, status, ended=Ended.OPEN), Commit)


# --- the sandbox and the settings ----------------------------------------------------------------


def test_from_the_settings(tmp_path: Path) -> None:
    file = file_account(tmp_path, "ada", "t")
    entries = [{"provider": "codex", "label": "ada", "auth_file": file}]
    provider = CodexProvider.of_settings(Settings(accounts=entries), None)  # type: ignore[arg-type]
    assert [account.label for account in provider.accounts] == ["ada"]
    assert provider._planner.upstream.url == "https://chatgpt.com"
    assert {route.host for route in provider.routes()} == {None, "chatgpt.com"}
    more = Settings(accounts=entries, forward_hosts=["api.openai.com"])  # type: ignore[arg-type]
    assert "api.openai.com" in {r.host for r in CodexProvider.of_settings(more, None).routes()}


def test_from_the_sandbox() -> None:
    provider = CodexProvider.of_sandbox(
        Settings(), None, "https://127.0.0.1:4443", "ca.pem", [("ada", sign_in("ada"))]
    )
    assert [account.label for account in provider.accounts] == ["ada"]
    assert provider._planner.upstream.url == "https://127.0.0.1:4443"


# --- memory --------------------------------------------------------------------------------------


async def test_no_exchange_is_kept() -> None:
    side = Side()
    before = alive(Exchange)

    async def one(number: int) -> None:
        exchange = side.exchange(body=other(number))
        await side.sent(exchange)
        side.answered(
            exchange, 429 if number % 3 == 0 else 200, LIMIT if number % 3 == 0 else OUTPUT
        )
        await side.over(exchange, Outcome.FAILED if number % 3 == 0 else Outcome.COMPLETED)
        side.clock.now += 3600

    for number in range(12):
        await one(number)
    await asyncio.sleep(0)  # the loop holds the future of the last connect for one more turn
    assert added(before, Exchange) == []
