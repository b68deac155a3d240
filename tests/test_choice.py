"""Several providers behind one base URL: the model decides, and the list is that of all."""

from __future__ import annotations

import json

import pytest

from addons import choice
from addons.errors import ClientError
from addons.exchange import Candidate, Exchange
from addons.front import protocols
from addons.front.routes import Route, RouteTable
from addons.providers.contract import Forward, Generated
from tests.fakes import COMPACT_ROUTE, MODEL_ROUTE, MODELS_ROUTE, FakeProvider

ONE_MODEL = Route(None, "GET", "/v1/models/*", "models", "responses", "fake")


def providers() -> tuple[FakeProvider, FakeProvider]:
    first = FakeProvider(name="fake", listed=("m", "n"))
    second = FakeProvider(name="other", listed=("other/m", "m"))
    return first, second


def asked(
    route: Route, candidates: tuple[Candidate, ...], model: str = "m", path: str = ""
) -> Exchange:
    exchange = Exchange(
        "e0",
        route,
        candidates[0].provider,
        protocols.get(route.protocol),
        "local",
        route.method,
        path or route.path,
        [],
        candidates=candidates,
    )
    body = json.dumps({"model": model, "input": "Hi"}).encode()
    exchange.read(body if route.kind == "model" else b"", None, limit=10_000)
    return exchange


def both(route: Route, *, second: bool = True) -> tuple[Candidate, Candidate]:
    one, two = providers()
    return Candidate(one, route), Candidate(two, route if second else None)


@pytest.mark.parametrize(
    ("model", "served"), [("m", "fake"), ("other/m", "other"), ("fake/x", "fake"), ("odd", "fake")]
)
def test_the_model_decides(model: str, served: str) -> None:
    assert asked(MODEL_ROUTE, both(MODEL_ROUTE), model).provider.name == served


def test_what_nobody_claims_goes_to_the_first_that_has_accounts() -> None:
    candidates = both(MODEL_ROUTE)
    first = candidates[0].provider
    assert isinstance(first, FakeProvider)
    first.idle = True
    assert asked(MODEL_ROUTE, candidates, "m").provider.name == "other"
    assert asked(MODEL_ROUTE, candidates, "fake/m").provider.name == "fake", "it says so itself"


def test_the_route_is_that_of_the_provider_that_serves() -> None:
    one, two = providers()
    own = Route(None, "POST", "/v1/responses", "model", "responses", "other", "/run")
    exchange = asked(MODEL_ROUTE, (Candidate(one, MODEL_ROUTE), Candidate(two, own)), "other/m")
    assert exchange.route is own


def test_a_model_where_its_provider_serves_nothing() -> None:
    with pytest.raises(ClientError) as caught:
        asked(COMPACT_ROUTE, both(COMPACT_ROUTE, second=False), "other/m")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    assert "/v1/responses/compact" in caught.value.message
    assert caught.value.param == "model"


def test_routes_of_other_providers_for_the_same_requests() -> None:
    own = Route(None, "POST", "/v1/responses", "model", "responses", "other")
    elsewhere = Route("model.test", "POST", "/v1/responses", "model", "responses", "third")
    table = RouteTable([MODEL_ROUTE, MODELS_ROUTE, own, elsewhere])
    assert table.of_provider("other", MODEL_ROUTE) is own
    assert table.of_provider("fake", own) is MODEL_ROUTE
    assert table.of_provider("other", MODELS_ROUTE) is None
    assert table.of_provider("third", MODEL_ROUTE) is None


# --- the list of models --------------------------------------------------------------------------


async def listed(exchange: Exchange) -> dict[str, object]:
    plan = await choice.plan(exchange)
    assert isinstance(plan, Generated)
    found: dict[str, object] = json.loads(b"".join([chunk async for chunk in plan.body]))
    return found


async def test_the_list_is_that_of_all_and_the_first_wins() -> None:
    found = await listed(asked(MODELS_ROUTE, both(MODELS_ROUTE)))
    data = found["data"]
    assert isinstance(data, list)
    assert [entry["id"] for entry in data] == ["m", "n", "other/m"]


@pytest.mark.parametrize("path", ["/v1/models/other/m", "/v1/models/other%2Fm?x=1"])
async def test_one_model(path: str) -> None:
    found = await listed(asked(ONE_MODEL, both(ONE_MODEL), path=path))
    assert found["id"] == "other/m"


async def test_a_model_that_nobody_has() -> None:
    with pytest.raises(ClientError) as caught:
        await listed(asked(ONE_MODEL, both(ONE_MODEL), path="/v1/models/none"))
    assert caught.value.code == "model_not_found"


async def test_a_provider_without_a_list_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    candidates = both(MODELS_ROUTE)
    first = candidates[0].provider
    assert isinstance(first, FakeProvider)
    first.listed = ClientError(502, "models_unavailable", "No list.")
    found = await listed(asked(MODELS_ROUTE, candidates))
    data = found["data"]
    assert isinstance(data, list)
    assert [entry["id"] for entry in data] == ["other/m", "m"]
    assert "fake" in caplog.text


async def test_where_none_has_a_list_the_first_says_why() -> None:
    candidates = both(MODELS_ROUTE)
    for candidate in candidates:
        assert isinstance(candidate.provider, FakeProvider)
        candidate.provider.listed = ClientError(502, candidate.provider.name, "No list.")
    with pytest.raises(ClientError) as caught:
        await listed(asked(MODELS_ROUTE, candidates))
    assert caught.value.code == "fake"


async def test_an_official_client_is_given_its_provider_s_own_answer() -> None:
    exchange = asked(MODELS_ROUTE, both(MODELS_ROUTE))
    exchange.headers.append((b"x-official", b"other"))
    assert isinstance(await choice.plan(exchange), Forward)
    assert exchange.provider.name == "other"


async def test_one_provider_alone_plans_by_itself() -> None:
    one, _ = providers()
    exchange = asked(MODELS_ROUTE, (Candidate(one, MODELS_ROUTE), Candidate(one, None)))
    assert isinstance(await choice.plan(exchange), Forward)
    assert one.calls == ["plan"]
