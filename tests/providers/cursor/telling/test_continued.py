"""Responses that are continued by their id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from addons.errors import BadRequest
from addons.exchange import Exchange
from addons.front.contract import Turn
from addons.providers.cursor.telling.continued import Continued
from addons.settings import Settings
from addons.store.memory import MemoryStore
from tests.fakes import MODEL_ROUTE, FakeProvider, exchange_of
from tests.providers.cursor.said import Json, body, called, gave, said, user


def clock() -> float:
    return 1000.0


def asking(given: Json, *, principal: str = "local", chat: bool = False) -> Exchange:
    route = replace(MODEL_ROUTE, protocol="chat" if chat else "responses")
    exchange = exchange_of(FakeProvider(), route)
    exchange.principal = principal
    exchange.turn = Turn("cursor/m", given, stream=True)
    return exchange


def response(name: str, *output: Json) -> Json:
    return {"id": name, "output": list(output)}


@pytest.fixture
def continued(tmp_path: Path) -> Continued:
    return Continued(None, Settings(home=tmp_path), clock)


async def test_a_body_without_an_id_is_itself(continued: Continued) -> None:
    given = body(user("hi"))
    assert await continued.whole(asking(given)) is given


async def test_the_history_stands_in_the_place_of_the_id(continued: Continued) -> None:
    continued.completed(asking(body(user("go"))), "ada", response("resp_1", called("c", "f")))
    second = body(gave("c", "done"), previous_response_id="resp_1")
    assert await continued.whole(asking(second)) == body(
        user("go"), called("c", "f"), gave("c", "done")
    )
    continued.completed(asking(second), "ada", response("resp_2", said("Done.")))
    third = body(user("more"), previous_response_id="resp_2")
    assert await continued.whole(asking(third)) == body(
        user("go"), called("c", "f"), gave("c", "done"), said("Done."), user("more")
    )
    nothing_new: dict[str, Any] = {"model": "cursor/m", "previous_response_id": "resp_2"}
    assert (await continued.whole(asking(nothing_new)))["input"][-1] == said("Done.")


async def test_it_outlives_a_restart(tmp_path: Path) -> None:
    store = MemoryStore(clock=clock)
    first = Continued(store, Settings(home=tmp_path), clock)
    first.completed(asking(body(user("go"))), "ada", response("resp_1", said("ok")))
    await first.close()
    second = Continued(store, Settings(home=tmp_path), clock)
    await second.load()
    more = body(user("more"), previous_response_id="resp_1")
    assert len((await second.whole(asking(more)))["input"]) == 3


@pytest.mark.parametrize(
    ("members", "chat", "code"),
    [
        ({"store": False}, False, "previous_response_not_stored"),
        ({}, True, "previous_response_not_stored"),
    ],
)
async def test_what_is_not_to_be_kept_is_not(
    continued: Continued, members: Json, chat: bool, code: str
) -> None:
    continued.completed(
        asking(body(user("go"), **members), chat=chat), "ada", response("resp_1", said("ok"))
    )
    with pytest.raises(BadRequest) as caught:
        await continued.whole(asking(body(user("more"), previous_response_id="resp_1")))
    assert caught.value.code == code


async def test_a_response_is_its_principals(continued: Continued) -> None:
    continued.completed(asking(body(user("go"))), "ada", response("resp_1", said("ok")))
    other = asking(body(user("more"), previous_response_id="resp_1"), principal="other")
    with pytest.raises(BadRequest, match="not found"):
        await continued.whole(other)
