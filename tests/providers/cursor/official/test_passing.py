"""Official clients' calls on their way, and what is seen of their runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.exchange import Exchange
from addons.front import protocols
from addons.front.keys import principal_id
from addons.front.routes import Route
from addons.providers.cursor.failures.errors import ConnectError
from addons.providers.cursor.official import passing
from addons.providers.cursor.official.watching import KINDS, RunWatch
from addons.providers.cursor.wire.connect import END_STREAM, frame
from addons.providers.cursor.wire.endpoint import BACKEND, RUN, RUN_SSE, Endpoint, Hosts
from tests.fakes import FakeProvider
from tests.providers.cursor import server_messages as server

HOSTS = Hosts(Endpoint.parse("https://api.test/base"), Endpoint.parse("https://agent.test:8443"))
OWN = (b"Authorization", b"Bearer own")


def called(
    path: str,
    *headers: tuple[bytes, bytes],
    kind: str = "passthrough",
    host: str | None = None,
    method: str = "POST",
) -> Exchange:
    route = Route(host, method, path, kind, "responses", "cursor", native=True)
    made = Exchange(
        "e0", route, FakeProvider(), protocols.get("responses"), "p", method, path, list(headers)
    )
    made.body = b"" if kind == "duplex" else b"\x0a\x00"
    return made


# --- where it goes, and with what ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "host", "to"),
    [
        ("/auth/poll?x=1", None, ("api.test", 443, "/base/auth/poll?x=1")),
        (RUN, None, ("agent.test", 8443, RUN)),
        (RUN_SSE, None, ("api.test", 443, "/base" + RUN_SSE)),
        (RUN, "agentn.api5.cursor.sh", ("agent.test", 8443, RUN)),
        ("/auth/poll", "api2.cursor.sh", ("api.test", 443, "/base/auth/poll")),
    ],
)
def test_where_a_call_goes(path: str, host: str | None, to: tuple[str, int, str]) -> None:
    request = passing.request(called(path, host=host), HOSTS)
    assert (request.host, request.port, request.path) == to
    assert request.scheme == "https"


def test_without_another_backend_a_call_goes_to_the_host_that_was_meant() -> None:
    real = Endpoint.parse(BACKEND)
    request = passing.request(called(RUN, host="agentn.api5.cursor.sh"), Hosts(real, real))
    assert (request.host, request.port, request.path) == ("agentn.api5.cursor.sh", 443, RUN)


def test_headers_stay_but_for_those_of_the_connection() -> None:
    exchange = called(
        "/auth/x", (b"Host", b"floway"), OWN, (b"TE", b"trailers"), (b"Connection", b"x-hop"),
        (b"X-Hop", b"1"), (b"x-Cursor-Odd", b"\xff"), (b"Content-Length", b"99"),
    )  # fmt: skip
    assert passing.request(exchange, HOSTS).headers == [
        OWN,
        (b"TE", b"trailers"),
        (b"x-Cursor-Odd", b"\xff"),
        (b"content-length", b"2"),
    ]


def test_a_token_that_is_lent_stands_in_the_place_of_the_client_s() -> None:
    exchange = called(RUN, OWN, kind="duplex")
    request = passing.request(exchange, HOSTS, token="lent", lane="handle")
    assert request.headers == [(b"Authorization", b"Bearer lent")], "and no length: it goes on"
    assert request.lane == "handle"
    assert passing.is_swappable(exchange)
    assert not passing.is_swappable(called("/auth/exchange_user_api_key"))


def test_a_key_of_floway_s_is_not_shown_to_cursor() -> None:
    exchange = called("/auth/x", OWN, (b"X-Api-Key", b"sesame"), (b"api-key", b"other"))
    exchange.principal = principal_id("sesame")
    headers = [pair[0] for pair in passing.request(exchange, HOSTS).headers]
    assert headers == [b"Authorization", b"api-key", b"content-length"]
    exchange.principal = principal_id("own")
    assert OWN not in passing.request(exchange, HOSTS).headers
    lent = passing.request(exchange, HOSTS, token="lent").headers
    assert (b"Authorization", b"Bearer lent") in lent


def test_two_official_clients_and_others() -> None:
    assert passing.is_official(called("/v1/models", (b"X-Cursor-Client-Type", b"sdk")))
    assert not passing.is_official(called("/v1/models", OWN))


# --- what is seen --------------------------------------------------------------------------------

LIMIT = b'{"error": {"code": "resource_exhausted", "message": "Error"}}'
HEAD = (200, [(b"content-type", b"application/connect+proto")])


@given(cuts=st.lists(st.integers(1, 40), max_size=8))
def test_a_run_is_seen_however_its_bytes_are_cut(cuts: list[int]) -> None:
    watch = RunWatch.of_path(RUN, None)
    assert watch is not None
    watch.head(*HEAD)
    body = frame(server.text("Hi")) + frame(server.tokens(3)) + frame(LIMIT, END_STREAM)
    start = 0
    for size in [*cuts, len(body)]:
        if body[start : start + size]:
            watch.server(body[start : start + size])
        start += size
    watch.server(b"")
    assert isinstance(watch.error, ConnectError)
    assert watch.produced == 3
    told = watch.summary()
    assert told["messages"] == {
        "< interaction_update.text_delta": 1,
        "< interaction_update.token_delta": 1,
    }
    assert "resource_exhausted" in told["error"]
    assert "Hi" not in str(told)


def test_a_run_that_ends_well() -> None:
    watch = RunWatch()
    watch.head(*HEAD)
    watch.client(frame(b"\x3a\x00"))
    watch.server(frame(server.turn_ended(output_tokens=4)) + frame(b"{}", END_STREAM))
    watch.server(b"")
    assert watch.error is None
    assert watch.summary()["tokens"] == 4


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_passes_nothing_is_raised(client: bytes, served: bytes) -> None:
    watch = RunWatch()
    watch.client(client)
    watch.head(*HEAD)
    watch.server(served)
    watch.server(b"")
    watch.summary()


def test_kinds_are_bounded() -> None:
    watch = RunWatch()
    for number in range(100, 100 + 2 * KINDS):
        tag = number << 3
        watch.client(frame(bytes([tag & 0x7F | 0x80, tag >> 7, 0])))
    assert len(watch.summary()["messages"]) == KINDS + 1


@pytest.mark.parametrize("path", ["/auth/poll", "/aiserver.v1.BidiService/BidiAppend", ""])
def test_only_runs_are_watched(path: str) -> None:
    assert RunWatch.of_path(path, None) is None
