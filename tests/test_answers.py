"""What floway answers itself."""

from __future__ import annotations

import json

import h11
import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.answers import (
    UNREAD_BYTES,
    error_response,
    no_route,
    oversized_head,
    proxy_key_needed,
    refuse,
    starting,
)
from addons.driver import driver_of
from addons.errors import ClientError
from addons.front.routes import Route, RouteTable

TABLE = RouteTable(
    [
        Route(None, "POST", "/v1/both", "model", "chat", "p"),
        Route(None, "GET", "/v1/both", "model_socket", "responses", "p"),
        Route(None, "GET", "/v1/socket", "model_socket", "responses", "p"),
        Route(None, "GET", "/v1/plain", "models", "responses", "p"),
        Route(None, "POST", "/v1/plain", "models", "responses", "p"),
        Route(None, "*", "/any/*", "passthrough", "responses", "p"),
        Route("other.test", "GET", "/elsewhere", "models", "responses", "p"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "upgrade", "status", "allow"),
    [
        ("GET", "/v1/both", False, 426, None),
        ("PUT", "/v1/both?x=1", False, 405, "GET, POST"),
        ("GET", "/v1/socket", False, 426, None),
        ("POST", "/v1/socket", False, 404, None),
        ("DELETE", "/v1/plain", False, 405, "GET, POST"),
        ("GET", "/v1/plain", True, 404, None),
        ("GET", "/any/thing", True, 404, None),
        ("GET", "/elsewhere", False, 404, None),
        ("GET", "/v1/plainer", False, 404, None),
    ],
)
def test_no_route(method: str, path: str, upgrade: bool, status: int, allow: str | None) -> None:
    for http2 in (False, True):
        request = http.Request.make(method, f"http://floway.test{path}")
        request.http_version = "HTTP/2.0" if http2 else "HTTP/1.1"
        answer = no_route(TABLE, request, upgrade=upgrade)
        assert answer.status_code == status
        assert answer.headers.get("allow") == allow
        assert ("upgrade" in answer.headers) is (status == 426 and not http2)
        message = json.loads(answer.raw_content or b"")["error"]["message"]
        assert path.partition("?")[0] in message
        assert "*" not in message


def test_an_error_in_a_protocol() -> None:
    answer = error_response("chat", starting(), {"x-more": "1"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-more"] == "1"
    assert json.loads(answer.raw_content or b"")["error"]["code"] == "starting"
    with pytest.raises(LookupError, match="unknown client protocol"):
        error_response("made-up", ClientError(400, "x", "y"))


async def test_a_refused_request_has_its_answer_and_a_small_limit() -> None:
    flow = tflow.tflow()
    answer = proxy_key_needed()
    refuse(flow, answer)
    driver = driver_of(flow)
    assert driver is not None
    assert driver.max_request_bytes == UNREAD_BYTES
    driver.refuse_body()
    assert flow.response is answer
    assert driver.cut_short("x") == b""


def test_the_answer_to_an_endless_head_is_http() -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    client.receive_data(oversized_head())
    head, data, end = client.next_event(), client.next_event(), client.next_event()
    assert isinstance(head, h11.Response)
    assert head.status_code == 431
    assert isinstance(data, h11.Data)
    assert json.loads(bytes(data.data))["error"]["code"] == "headers_too_large"
    assert isinstance(end, h11.EndOfMessage)
