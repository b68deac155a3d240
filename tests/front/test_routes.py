"""Routes as data: exact paths before prefixes, upgrades apart from other requests."""

from __future__ import annotations

import pytest

from addons.front.routes import Route, RouteTable

MODEL = Route(None, "POST", "/v1/responses", "model", "responses", "p")
SOCKET = Route(None, "GET", "/v1/responses", "model_socket", "responses", "p")
ONE = Route(None, "GET", "/v1/models/*", "models", "responses", "p")
MODELS = Route(None, "GET", "/v1/models", "models", "responses", "p")
CHECK = Route("host.test", "GET", "/api/check", "passthrough", "responses", "p", native=True)
REST = Route("host.test", "*", "/api/*", "passthrough", "responses", "p", native=True)
FAMILY = Route("host.test", "POST", "/api.v1.*", "passthrough", "responses", "p", native=True)
TABLE = RouteTable([REST, FAMILY, ONE, MODEL, SOCKET, MODELS, CHECK])


@pytest.mark.parametrize(
    ("host", "method", "path", "upgrade", "route"),
    [
        (None, "POST", "/v1/responses", False, MODEL),
        (None, "POST", "/v1/responses?x=/v1/models", False, MODEL),
        (None, "GET", "/v1/responses", True, SOCKET),
        (None, "GET", "/v1/responses", False, None),
        (None, "POST", "/v1/responses", True, None),
        (None, "post", "/v1/responses", False, None),
        (None, "POST", "/v1/responses/", False, None),
        (None, "POST", "/V1/responses", False, None),
        (None, "POST", "//v1/responses", False, None),
        (None, "GET", "/v1/models", False, MODELS),
        (None, "GET", "/v1/models/m", False, ONE),
        (None, "GET", "/v1/models/a/b", False, ONE),
        (None, "GET", "/v1/models/", False, None),
        (None, "GET", "/v1/modelsx", False, None),
        ("host.test", "GET", "/api/check", False, CHECK),
        ("host.test", "POST", "/api/check", False, REST),
        ("host.test", "PATCH", "/api/x/y?z", False, REST),
        ("host.test", "GET", "/api/x", True, None),
        ("host.test", "GET", "/api/../secret", False, None),
        ("host.test", "GET", "/api/x/..", False, None),
        ("host.test", "GET", "/api/%2E%2e/secret", False, None),
        ("host.test", "GET", "/api/x%2f..%2Fsecret", False, None),
        ("host.test", "GET", "/api/x\\..\\secret", False, None),
        ("host.test", "GET", "/api/..x/a..b", False, REST),
        ("host.test", "GET", "/api/x?a=/../", False, REST),
        ("host.test", "POST", "/api.v1.Service/Call", False, FAMILY),
        ("host.test", "POST", "/api.v1.", False, None),
        ("host.test", "POST", "/v1/responses", False, None),
        ("other.test", "GET", "/api/x", False, None),
        (None, "GET", "/api/x", False, None),
    ],
)
def test_the_route_of_a_request(
    host: str | None, method: str, path: str, upgrade: bool, route: Route | None
) -> None:
    assert TABLE.match(host, method, path, upgrade=upgrade) is route


def test_the_first_of_equals_wins() -> None:
    twin = Route(None, "POST", "/v1/responses", "model", "chat", "q")
    assert RouteTable([MODEL, twin]).match(None, "POST", "/v1/responses", upgrade=False) is MODEL


def test_hosts_to_decrypt() -> None:
    assert TABLE.hosts == {"host.test"}
    assert RouteTable([]).hosts == set()


def test_the_table_keeps_all_routes() -> None:
    assert sorted(TABLE.routes, key=str) == sorted(
        [REST, FAMILY, ONE, MODEL, SOCKET, MODELS, CHECK], key=str
    )
