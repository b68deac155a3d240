"""What this provider serves."""

from __future__ import annotations

import pytest

from addons.front.routes import Route, RouteTable
from addons.providers.codex.routes import routes as others
from addons.providers.cursor.routes import AGENTS, BACKEND, routes

TABLE = RouteTable(routes("cursor", ["agentn.eu.api5.cursor.sh", "elsewhere.test"]))


def route(host: str | None, path: str, method: str = "POST") -> Route | None:
    return TABLE.match(host, method, path, upgrade=False)


@pytest.mark.parametrize("host", [None, BACKEND, *AGENTS, "agentn.eu.api5.cursor.sh"])
def test_official_clients_are_served_on_the_base_url_and_on_each_host(host: str | None) -> None:
    run = route(host, "/agent.v1.AgentService/Run")
    side = route(host, "/aiserver.v1.BidiService/BidiAppend")
    split = route(host, "/agent.v1.AgentService/RunSSE")
    assert run is not None
    assert side is not None
    assert split is not None
    assert [run.kind, side.kind, split.kind] == ["duplex", "passthrough", "passthrough"]
    assert run.native


def test_what_is_left_alone() -> None:
    assert route(BACKEND, "/auth/poll", "GET") is not None
    assert route(AGENTS[0], "/auth/poll", "GET") is None
    assert route(BACKEND, "/telemetry") is None
    assert route("elsewhere.test", "/auth/poll", "GET") is None
    assert route(BACKEND, "/aiserver.v1.") is None


def test_models_are_shared_with_the_other_provider() -> None:
    both = RouteTable([*others("codex", ()), *TABLE.routes])
    shared = [each for each in TABLE.routes if each.host is None and not each.native]
    for each in shared:
        assert both.of_provider("codex", each) is not None, each.path
        found = both.match(None, each.method, each.path.replace("*", "x"), upgrade=False)
        assert found is not None
        assert found.provider == "codex", "the first one, which serves what nobody claims"
