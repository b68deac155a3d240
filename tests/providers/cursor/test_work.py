"""A floway without accounts of Cursor's: nothing of it is loaded until it is asked."""

from __future__ import annotations

import asyncio
import sys

import pytest

from addons.errors import FlowayError
from addons.exchange import Exchange
from addons.front import protocols
from addons.front.routes import Route
from addons.providers.contract import Forward, Outcome, Plan, Refuse
from addons.providers.cursor.provider import CursorProvider
from addons.providers.cursor.sign_in.authority import CursorAuthority
from addons.settings import Settings

WORK = "addons.providers.cursor.work"
MODEL = Route(None, "POST", "/v1/responses", "model", "responses", "cursor")
PASSED = Route(None, "POST", "/aiserver.v1.*", "passthrough", "responses", "cursor", native=True)


def provided(**settings: object) -> CursorProvider:
    return CursorProvider.of_settings(Settings.model_validate(settings), None)


def exchange(provider: CursorProvider, route: Route, path: str) -> Exchange:
    protocol = protocols.get("responses")
    made = Exchange("e0e0e0e0", route, provider, protocol, "p", "POST", path, [])
    made.request = {"model": "cursor/composer-2", "input": "Hello"}
    made.turn = protocol.parse(made.request)
    return made


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, WORK, raising=False)


@pytest.mark.usefixtures("unloaded")
async def test_it_is_there_without_its_work() -> None:
    provider = provided()
    await provider.start()
    assert provider.idle
    assert provider.routes()
    assert provider.claims("cursor/composer-2")
    assert await provider.models() == []
    made = exchange(provider, MODEL, MODEL.path)
    await provider.after(made, Outcome.CLIENT_LEFT)  # it left before it was planned
    await provider.stop()
    assert WORK not in sys.modules


@pytest.mark.usefixtures("unloaded")
async def test_the_first_requests_begin_its_work_once() -> None:
    provider = provided()
    await provider.start()
    model = exchange(provider, MODEL, MODEL.path)
    passed = exchange(provider, PASSED, "/aiserver.v1.AiService/AvailableModels")
    plans: list[Plan] = await asyncio.gather(provider.plan(model), provider.plan(passed))
    assert isinstance(plans[0], Refuse)
    assert plans[0].error.code == "no_accounts"
    assert isinstance(plans[1], Forward), "the official client has its own"
    works = {id(await provider._at_work()) for _ in range(2)}
    assert len(works) == 1
    await provider.stop()


@pytest.mark.parametrize(
    "settings",
    [{"upstreams": {"cursor": "https://[x"}}, {"agent_upstreams": {"cursor": "https://[x"}}],
)
def test_a_mistake_of_the_settings_is_told_at_start(settings: dict[str, object]) -> None:
    known = Settings.model_construct(**{**Settings().model_dump(), **settings})
    with pytest.raises(FlowayError):
        CursorProvider(known, None, CursorAuthority(Settings()), None, [])


def test_settings_of_its_clients_begin_its_work() -> None:
    assert provided(client_versions={"cursor": "2.0.0"})._work is not None
    assert provided()._work is None
