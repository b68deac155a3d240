"""Answers that a provider makes: rendered as they come, put together, broken off, left alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons import generation
from addons.errors import ClientError
from addons.exchange import Exchange, Usage
from addons.front.sse import KEEP_ALIVE, EventStream
from addons.generation import AHEAD, Feed, answer
from addons.providers.contract import Generated, Outcome
from tests.fakes import (
    CHAT_ROUTE,
    Event,
    FakeProvider,
    Mishap,
    answer_events,
    events_of,
    exchange_of,
    wire,
)

BUSY = ClientError(429, "usage_limit_reached", "The limit is reached.")
CUT = ClientError(502, "upstream_reset", "The stream was reset.")


async def told(plan: Generated) -> bytes:
    return b"".join([chunk async for chunk in plan.body])


def kinds(body: bytes) -> list[str]:
    return [event.event for event in EventStream().feed(body) if event.data]


async def silent_after(*events: Event) -> AsyncIterator[Event]:
    for event in events:
        yield event
    await asyncio.Event().wait()


# --- before any output ---------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1])
async def test_what_fails_before_output_is_raised_and_closed(before: int) -> None:
    closed: list[str] = []
    feed = Feed(events_of([*answer_events("Hi")[:before], BUSY], closed))
    with pytest.raises(ClientError, match="limit is reached"):
        await feed.opened(5)
    assert closed == ["closed"]


async def test_what_fails_after_the_first_output_is_not_raised_yet() -> None:
    exchange = exchange_of(FakeProvider())
    feed = Feed(events_of([*answer_events("Hi")[:2], CUT]))
    await feed.opened(5)
    body = await told(await answer(exchange, feed, "a"))
    assert kinds(body) == ["response.created", "response.output_item.added", "response.failed"]
    assert b"The stream was reset." in body
    assert exchange.given is Outcome.TRUNCATED


async def test_waiting_for_output_is_bounded_and_loses_nothing() -> None:
    events = answer_events("Hi")
    release = asyncio.Event()

    async def slow() -> AsyncIterator[Event]:
        yield events[0]
        await release.wait()
        for event in events[1:]:
            yield event

    exchange = exchange_of(FakeProvider())
    feed = Feed(slow())
    await feed.opened(0.01)
    plan = await answer(exchange, feed, "a")
    release.set()
    assert await told(plan) == wire(events)


# --- a stream ------------------------------------------------------------------------------------


@given(words=st.lists(st.text(max_size=8), max_size=4), cut=st.integers(0, 9))
async def test_a_stream_has_exactly_one_end(words: list[str], cut: int) -> None:
    events = answer_events(*words)[:cut]
    exchange, closed = exchange_of(FakeProvider()), list[str]()
    feed = Feed(events_of(events, closed))
    await feed.opened(5)
    body = await told(await answer(exchange, feed, "a"))
    whole = bool(events) and events[-1]["type"] == "response.completed"
    assert kinds(body)[-1] == ("response.completed" if whole else "response.failed")
    assert [kind in ("response.completed", "response.failed") for kind in kinds(body)].count(
        True
    ) == 1
    assert exchange.given is (Outcome.COMPLETED if whole else Outcome.TRUNCATED)
    assert closed == ["closed"]


async def test_a_stream_in_another_protocol_and_what_is_learned() -> None:
    provider = FakeProvider()
    exchange = exchange_of(provider, CHAT_ROUTE)
    plan = await answer(exchange, Feed(events_of(answer_events("Hel", "lo"))), "a")
    body = await told(plan)
    assert (plan.status, plan.account) == (200, "a")
    assert body.endswith(b"data: [DONE]\n\n")
    assert b'"content":"Hel"' in body
    assert exchange.usage == Usage(3, 0, 2, 0)
    assert exchange.summary["usage"] == {"input": 3, "cached": 0, "output": 2}
    assert [event["type"] for event in provider.seen] == ["response.created", "response.completed"]


async def test_a_failed_response_is_the_answer() -> None:
    exchange = exchange_of(FakeProvider())
    body = await told(await answer(exchange, Feed(events_of(answer_events(end="failed"))), "a"))
    assert kinds(body)[-1] == "response.failed"
    assert exchange.given is Outcome.FAILED


async def test_what_nobody_expects_is_told_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exchange = exchange_of(FakeProvider())
    feed = Feed(events_of([*answer_events("Hi")[:2], Mishap("secret-token")]))
    body = await told(await answer(exchange, feed, "a"))
    assert b"response.failed" in body
    assert b"secret-token" not in body
    assert exchange.id in body.decode()
    assert "broke off" in caplog.text


async def test_silence_is_bridged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "KEEP_ALIVE_SECONDS", 0.001)
    first = answer_events("Hi")[0]
    plan = await answer(exchange_of(FakeProvider()), Feed(silent_after(first)), "a")
    assert [await anext(plan.body), await anext(plan.body)] == [wire([first]), KEEP_ALIVE]
    await plan.body.aclose()  # type: ignore[attr-defined]


# --- one answer ----------------------------------------------------------------------------------


async def test_a_whole_answer() -> None:
    exchange = exchange_of(FakeProvider(), stream=False)
    plan = await answer(exchange, Feed(events_of(answer_events("Hel", "lo"))), "a")
    found = json.loads(await told(plan))
    assert dict(plan.headers)[b"content-type"] == b"application/json"
    assert found["output"][0]["content"][0]["text"] == "Hello"
    assert exchange.given is Outcome.COMPLETED


@pytest.mark.parametrize(
    ("events", "code", "outcome"),
    [
        (answer_events("Hi")[:3], "upstream_truncated", Outcome.TRUNCATED),
        ([*answer_events("Hi")[:3], CUT], "upstream_reset", Outcome.TRUNCATED),
        (answer_events(end="failed"), "server_error", Outcome.FAILED),
        ([Mishap("secret-token")], "generation_failed", Outcome.TRUNCATED),
    ],
    ids=["cut", "reset", "failed", "mishap"],
)
async def test_a_whole_answer_that_fails(
    events: list[Any], code: str, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    exchange, closed = exchange_of(FakeProvider(), stream=False), list[str]()
    with pytest.raises(ClientError) as caught:
        await answer(exchange, Feed(events_of(events, closed)), "a")
    assert caught.value.code == code
    assert "secret-token" not in caught.value.message
    assert exchange.given is outcome
    assert closed == ["closed"]


# --- the client leaves ---------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [0, 1], ids=["before a chunk", "in mid-stream"])
async def test_closing_the_body_closes_the_source(taken: int) -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[Event]:
        try:
            async for event in silent_after(*answer_events("Hi")[:2]):
                yield event
        finally:
            closed.set()

    exchange: Exchange = exchange_of(FakeProvider())
    feed = Feed(source())
    await feed.opened(5)
    plan = await answer(exchange, feed, "a")
    for _ in range(taken):
        await anext(plan.body)
    await plan.body.aclose()  # type: ignore[attr-defined]
    assert closed.is_set()


async def test_a_client_that_does_not_read_holds_the_source_back() -> None:
    made = 0

    async def source() -> AsyncIterator[Event]:
        nonlocal made
        while True:
            made += 1
            yield {"type": "response.output_text.delta", "delta": "x"}
            await asyncio.sleep(0)

    feed = Feed(source())
    await feed.opened(5)
    for _ in range(4 * AHEAD):
        await asyncio.sleep(0)
    assert made <= AHEAD + 3
    await feed.aclose()
