"""An upstream's answer at the client: its head, its body, how it ended."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from mitmproxy import http

from addons.delivery import Delivery
from addons.errors import ClientError
from addons.front.routes import Route
from addons.providers.contract import Outcome
from addons.relay import EventRelay
from tests.fakes import (
    CHAT_ROUTE,
    COMPACT_ROUTE,
    MODEL_ROUTE,
    NATIVE_ROUTE,
    SIDE_ROUTE,
    SOCKET_ROUTE,
    FakeProvider,
    Mishap,
    answer_events,
    exchange_of,
    wire,
)


def delivery(
    route: Route = MODEL_ROUTE,
    *,
    stream: bool = True,
    provider: FakeProvider | None = None,
    http2: bool = False,
    method: str = "POST",
    offer: str = "",
) -> Delivery:
    exchange = exchange_of(provider or FakeProvider(), route, stream=stream)
    if offer:
        exchange.headers.append((b"Sec-WebSocket-Extensions", offer.encode()))
    client = http.Request.make(method, "http://floway.test/")
    client.http_version = "HTTP/2.0" if http2 else "HTTP/1.1"
    return Delivery(exchange, client)


def answer(status: int = 200, body: bytes = b"", **headers: str) -> http.Response:
    response = http.Response.make(status)
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    response.headers = http.Headers(pairs)
    response.raw_content = body
    return response


def names(response: http.Response) -> list[str]:
    return [name.decode() for name, _ in response.headers.fields]


# --- heads ---------------------------------------------------------------------------------------

UPSTREAM_S_OWN = {
    "connection": "keep-alive, X-Hop",
    "keep_alive": "timeout=5",
    "x_hop": "1",
    "transfer_encoding": "chunked",
    "alt_svc": 'h3=":443"',
    "trailer": "x",
    "set_cookie": "__cf_bm=secret; path=/",
    "proxy_authenticate": "Basic",
}
KEPT = {
    "x_request_id": "req_1",
    "retry_after": "3",
    "x_codex_primary_used_percent": "12.5",
    "cf_ray": "8a",
    "content_type": "application/json",
    "content_length": "2",
    "etag": '"e"',
}


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("status", [200, 204, 304, 400, 429, 503])
def test_what_belongs_to_the_upstream_s_connection_or_account_stays_there(
    status: int, http2: bool
) -> None:
    response = answer(status, **UPSTREAM_S_OWN, **KEPT)
    delivery(SIDE_ROUTE, http2=http2).prepare(response)
    assert names(response) == [name.replace("_", "-") for name in KEPT]


def test_a_header_that_the_provider_hides_is_not_shown() -> None:
    for status in (101, 200, 429):
        given = delivery(SOCKET_ROUTE)
        given._exchange.hidden_headers.add("x-model")
        response = answer(status, x_model="m", x_other="1")
        given.prepare(response)
        assert "x-model" not in response.headers
        assert response.headers["x-other"] == "1"


def test_of_an_accepted_upgrade_only_the_cookies_go() -> None:
    response = answer(
        101, connection="Upgrade", upgrade="websocket", sec_websocket_accept="x", set_cookie="a=1"
    )
    delivery(SOCKET_ROUTE).prepare(response)
    assert names(response) == ["connection", "upgrade", "sec-websocket-accept"]


@pytest.mark.parametrize(
    ("offer", "accepted", "client"),
    [
        ("permessage-deflate; client_max_window_bits", "permessage-deflate", "permessage-deflate"),
        ("permessage-deflate", "", ""),
        ("", "permessage-deflate; server_no_context_takeover", ""),
        ("x-other", "x-other", ""),
    ],
)
def test_each_side_has_the_extensions_that_it_agreed_to(
    offer: str, accepted: str, client: str
) -> None:
    response = answer(101, upgrade="websocket")
    if accepted:
        response.headers["sec-websocket-extensions"] = accepted
    given = delivery(SOCKET_ROUTE, offer=offer)
    given.prepare(response)
    assert given.extensions == (client, accepted)
    assert response.headers.get("sec-websocket-extensions", "") == client


@pytest.mark.parametrize(
    ("status", "method", "http2", "length", "chunked"),
    [
        (200, "GET", False, "", True),
        (200, "GET", False, "5", False),
        (200, "GET", True, "", False),
        (200, "HEAD", False, "", False),
        (204, "POST", False, "", False),
        (205, "POST", False, "", False),
        (304, "GET", False, "", False),
    ],
)
def test_a_cut_upstream_is_seen_by_the_framing(
    status: int, method: str, http2: bool, length: str, chunked: bool
) -> None:
    """And what has no body has no framing: its end would be read as the next answer."""
    response = answer(status, **({"content_length": length} if length else {}))
    delivery(SIDE_ROUTE, method=method, http2=http2).prepare(response)
    assert response.stream is True
    assert ("transfer-encoding" in response.headers) is chunked


@pytest.mark.parametrize("route", [MODEL_ROUTE, CHAT_ROUTE])
def test_a_stream_is_relayed(route: Route) -> None:
    coded = gzip.compress(wire(answer_events("Hi")))
    response = answer(content_encoding="gzip", content_length="7", content_type="text/odd")
    given = delivery(route)
    given.prepare(response)
    assert isinstance(response.stream, EventRelay)
    assert dict(response.headers) == {
        "content-type": "text/event-stream; charset=utf-8",
        "transfer-encoding": "chunked",
    }
    assert given.early_outcome() is Outcome.CLIENT_LEFT
    (out,) = response.stream(coded)
    assert b"Hi" in out
    response.stream(b"")
    assert given.outcome(response) is Outcome.COMPLETED


# --- bodies --------------------------------------------------------------------------------------


def test_a_whole_answer_is_put_together() -> None:
    response = answer(
        body=gzip.compress(wire(answer_events("a", "b", moved=1))),
        content_encoding="gzip",
        content_type="text/event-stream",
    )
    given = delivery(stream=False)
    given.prepare(response)
    assert response.stream is False
    assert given.collect(response) is None
    whole = json.loads(response.raw_content or b"")
    assert whole["output"][0]["content"][0]["text"] == "ab"
    assert whole["own"] == 1
    assert dict(response.headers) == {
        "content-type": "application/json",
        "content-length": str(len(response.raw_content or b"")),
    }
    assert given.outcome(response) is Outcome.COMPLETED


@pytest.mark.parametrize(
    ("body", "encoding", "code", "outcome"),
    [
        (wire(answer_events("a", end="")), "", "upstream_truncated", Outcome.TRUNCATED),
        (wire(answer_events("a", end="failed")), "", "server_error", Outcome.FAILED),
        (
            gzip.compress(wire(answer_events("a")), mtime=0)[:-9],
            "gzip",
            "upstream_encoding",
            Outcome.FAILED,
        ),
        (b"odd bytes", "gzip", "upstream_encoding", Outcome.FAILED),
    ],
)
def test_a_whole_answer_that_is_none(
    body: bytes, encoding: str, code: str, outcome: Outcome
) -> None:
    response = answer(body=body, **({"content_encoding": encoding} if encoding else {}))
    given = delivery(stream=False)
    given.prepare(response)
    error = given.collect(response)
    assert error is not None
    assert (error.status, error.code) == (502, code)
    assert given.outcome(answer(502)) is outcome


def test_a_compaction_is_put_together() -> None:
    item = {"type": "compaction", "encrypted_content": "x"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    end = {"type": "response.completed", "response": {"id": "r", "output": []}}
    given = delivery(COMPACT_ROUTE, stream=False)
    response = answer(body=wire([done, end]))
    given.prepare(response)
    assert given.collect(response) is None
    assert json.loads(response.raw_content or b"")["output"] == [item]


def test_an_upstream_s_error_is_explained_or_passed() -> None:
    body = gzip.compress(b'{"detail":"no"}')
    told = ClientError(400, "x", "No.")
    for route, expected in ((MODEL_ROUTE, told), (NATIVE_ROUTE, None), (SIDE_ROUTE, None)):
        provider = FakeProvider(explained=told)
        given = delivery(route, provider=provider)
        response = answer(400, body, content_encoding="gzip", x_request_id="r")
        given.prepare(response)
        assert response.stream is False, "its body decides"
        assert given.collect(response) is expected
        assert provider.calls == ['explain 400 {"detail":"no"}']
        assert response.raw_content == body
        assert given.outcome(response) is Outcome.FAILED


def test_an_error_whose_coding_cannot_be_read_is_explained_by_its_status() -> None:
    provider = FakeProvider()
    given = delivery(provider=provider)
    response = answer(400, b"odd", content_encoding="made-up")
    given.prepare(response)
    assert given.collect(response) is not None
    assert provider.calls == ["explain 400 "]


# --- trouble -------------------------------------------------------------------------------------


def test_a_coding_that_is_not_known_is_told_before_the_first_byte() -> None:
    given = delivery()
    response = answer(body=b"odd", content_encoding="made-up")
    given.prepare(response)
    assert response.stream is False
    error = given.collect(response)
    assert error is not None
    assert error.code == "upstream_encoding"
    assert given.outcome(answer(502)) is Outcome.FAILED


def test_what_fails_inside_is_an_error_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    given = delivery(provider=FakeProvider(explained=Mishap("secret")))
    response = answer(400, b"{}")
    given.prepare(response)
    error = given.collect(response)
    assert error is not None
    assert error.code == "relay_failed"
    assert "secret" not in error.message

    broken = delivery()
    broken._exchange.renderer = None
    response = answer(200)
    broken.prepare(response)
    error = broken.collect(response)
    assert error is not None
    assert error.code == "relay_failed"
    assert "could not be given" in caplog.text
    assert "could not be prepared" in caplog.text


def streaming(given: Delivery) -> Any:
    response = answer()
    given.prepare(response)
    return response.stream


def test_a_cut_stream() -> None:
    given = delivery()
    streaming(given)(wire(answer_events("a", end="")))
    assert b"response.failed" in given.cut_short("reset")
    assert given.cut == "reset"
    assert given.early_outcome() is Outcome.TRUNCATED
    assert given.outcome(answer()) is Outcome.TRUNCATED


def test_a_reset_or_a_farewell_behind_the_last_event_changes_nothing() -> None:
    """The official client closes its connection at the terminal event, before the stream's end."""
    given = delivery()
    streaming(given)(wire(answer_events("a")))
    assert given.early_outcome() is Outcome.COMPLETED
    assert given.cut_short("reset") == b""
    assert given.early_outcome() is Outcome.COMPLETED
    failed = delivery()
    streaming(failed)(wire(answer_events("a", end="failed")))
    assert failed.early_outcome() is Outcome.FAILED


def test_other_endpoints_have_no_last_words() -> None:
    given = delivery(SIDE_ROUTE)
    response = answer()
    given.prepare(response)
    assert given.outcome(response) is Outcome.COMPLETED
    assert given.cut_short("reset") == b""
    assert given.early_outcome() is Outcome.TRUNCATED
    assert given.outcome(None) is Outcome.TRUNCATED


def test_no_answer_at_all_is_a_failure() -> None:
    assert delivery().outcome(None) is Outcome.FAILED
    assert delivery().outcome(answer(503)) is Outcome.FAILED
