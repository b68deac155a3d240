"""The upstream's model list: fetched once, kept by its ETag, served while it cannot be had."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from addons.errors import ClientError, FlowayError
from addons.providers.codex.catalogue import Catalogue
from tests.providers.codex.exchanges import FULL, MODELS, Clock
from tests.stream.behaviours import refuse, reset, succeed
from tests.stream.upstreams import Received, Upstream

LIST = json.dumps(MODELS).encode()
HEADERS = [("Authorization", "Bearer t"), ("x-order", "2"), ("X-Case", "3")]


class Case:
    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.clock = Clock()
        self.catalogue = Catalogue(clock=self.clock)
        self.asked = 0

    def ask(self) -> tuple[str, list[tuple[str, str]]]:
        self.asked += 1
        return f"http://127.0.0.1:{self.upstream.port}/models?v=1", HEADERS

    async def slugs(self) -> list[str]:
        return [model.slug for model in await self.catalogue.refreshed(self.ask)]


@pytest.fixture
async def case(upstream: Upstream) -> AsyncIterator[Case]:
    upstream.answers(succeed(LIST, headers=[("etag", '"one"')]))
    case = Case(upstream)
    yield case
    await case.catalogue.close()


ALL = [FULL, "gpt-5.6-terra", "hidden"]


async def test_a_list_is_asked_for_once_and_again_after_an_hour(case: Case) -> None:
    assert case.catalogue.models == ()
    for _ in range(3):
        assert await case.slugs() == ALL
    assert case.asked == 1
    seen = case.upstream.seen[0]
    assert (seen.method, seen.path) == ("GET", "/models?v=1")
    assert seen.headers[1:] == HEADERS, "no header of httpx's own"
    case.clock.now += 3600
    case.upstream.answers(refuse(304, framing="headers-only"))
    assert await case.slugs() == ALL
    assert case.upstream.seen[1].header("if-none-match") == '"one"'
    assert await case.slugs() == ALL
    assert case.asked == 2


async def test_an_answer_that_names_another_etag(case: Case) -> None:
    await case.slugs()
    case.catalogue.announced('"one"')
    await case.slugs()
    assert case.asked == 1
    case.catalogue.announced('"two"')
    await case.slugs()
    assert case.asked == 2
    case.catalogue.announced(None)
    await case.slugs()
    assert case.asked == 2


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (refuse(503), "HTTP 503"),
        (refuse(401), "HTTP 401"),
        (refuse(302), "HTTP 302"),
        (reset(), "Error"),
        (succeed(b"<html>"), "Error"),
        (succeed(b"[]"), "no array 'models'"),
        (succeed(b"\xff"), "Error"),
    ],
)
async def test_a_list_that_cannot_be_had(
    case: Case, behaviour: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    case.upstream.answers(behaviour)
    assert await case.slugs() == []
    (record,) = [r for r in caplog.records if r.name.startswith("addons.")]
    assert said in record.getMessage()
    assert "127.0.0.1" not in record.getMessage()
    assert await case.slugs() == []
    assert case.asked == 1, "not with every request"
    with pytest.raises(ClientError) as caught:
        await case.catalogue.required(case.ask)
    assert (caught.value.status, caught.value.code) == (502, "models_unavailable")
    case.upstream.answers(succeed(LIST))
    case.clock.now += 31
    assert await case.slugs() == ALL


async def test_the_last_good_list_is_served(case: Case) -> None:
    await case.slugs()
    case.upstream.answers(refuse(500))
    case.clock.now += 3600
    assert await case.slugs() == ALL
    assert [model.slug for model in await case.catalogue.required(case.ask)] == ALL


async def test_a_request_that_cannot_be_made_is_no_list(case: Case) -> None:
    for mishap in (FlowayError("no such kind of request"), OSError("no such file")):

        def ask(mishap: Exception = mishap) -> Any:
            raise mishap

        assert await case.catalogue.refreshed(ask) == ()
        case.clock.now += 3600
    assert await case.catalogue.refreshed(lambda: ("http://[", [])) == ()


async def test_an_authority_that_is_not_there_is_no_list(upstream: Upstream) -> None:
    catalogue = Catalogue(clock=Clock(), ca_file="/nowhere/ca.pem")
    assert await catalogue.refreshed(lambda: ("https://127.0.0.1:1/", [])) == ()
    await catalogue.close()


async def test_many_at_once_ask_once_and_wait_only_for_the_first_list(case: Case) -> None:
    go_on = asyncio.Event()

    async def slow(received: Received) -> None:
        await go_on.wait()
        await succeed(LIST)(received)

    case.upstream.answers(slow)
    waiting = [asyncio.ensure_future(case.slugs()) for _ in range(5)]
    await case.upstream.arrival(1)
    assert not any(work.done() for work in waiting)
    go_on.set()
    assert [await work for work in waiting] == [ALL] * 5
    assert case.asked == 1

    case.clock.now += 3600
    go_on.clear()
    first = asyncio.ensure_future(case.slugs())
    await case.upstream.arrival(2)
    assert await case.slugs() == ALL, "the last good one, without waiting"
    go_on.set()
    assert await first == ALL


async def test_who_waits_may_leave(case: Case) -> None:
    async def forever(received: Received) -> None:
        await received.gone.wait()

    case.upstream.answers(forever, succeed(LIST))
    work = asyncio.ensure_future(case.slugs())
    await case.upstream.arrival(1)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await case.slugs() == ALL
