"""Where a request wants to go."""

from __future__ import annotations

import socket

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons import destinations
from addons.destinations import is_own, is_this_machine, named_host
from addons.driver import mark_origin_form


def flow(host: str, port: int = 8080, *, own: str = "127.0.0.1", sni: str = "") -> http.HTTPFlow:
    made = tflow.tflow()
    made.client_conn.sockname = (own, 8080)
    made.client_conn.sni = sni or None
    made.request.data.host, made.request.port = host, port
    return made


@pytest.mark.parametrize(
    ("host", "port", "own", "expected"),
    [
        ("127.0.0.1", 8080, "127.0.0.1", True),
        ("localhost", 8080, "127.0.0.1", True),
        ("LocalHost.", 8080, "127.0.0.1", True),
        ("::1", 8080, "::1", True),
        ("10.0.0.5", 8080, "10.0.0.5", True),
        ("127.0.0.1", 8080, "10.0.0.5", True),
        ("127.0.0.1", 8081, "127.0.0.1", False),
        ("10.0.0.6", 8080, "10.0.0.5", False),
        ("model.test", 8080, "127.0.0.1", False),
    ],
)
def test_floway_s_own_address(host: str, port: int, own: str, *, expected: bool) -> None:
    assert is_own(flow(host, port, own=own)) is expected


def test_a_base_url_is_its_own_whatever_the_host_header_says() -> None:
    made = flow("model.test", 80)
    assert not is_own(made)
    mark_origin_form(made)
    assert is_own(made)


@pytest.mark.parametrize(
    ("host", "sni", "named"),
    [
        ("Model.TEST", "", "model.test"),
        ("model.test.", "", "model.test"),
        ("10.0.0.5", "Model.test", "model.test"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("::1", "model.test", "model.test"),
        ("other.test", "model.test", "other.test"),
    ],
)
def test_the_name_of_a_host(host: str, sni: str, named: str) -> None:
    assert named_host(flow(host, sni=sni)) == named


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("0.0.0.0", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),  # of documentation (RFC 5737): nobody's address
        ("2001:db8::1", False),
    ],
)
async def test_this_machine(host: str, *, expected: bool) -> None:
    assert await is_this_machine(host) is expected


async def test_an_address_of_an_interface() -> None:
    for address in {entry[4][0] for entry in _own_addresses()}:
        assert await is_this_machine(str(address))


def _own_addresses() -> list[tuple[object, ...]]:
    try:
        return list(socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET))
    except OSError:
        return []


async def test_a_name_that_leads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    async def resolve(host: str, port: object) -> list[tuple[object, ...]]:
        if not found:
            raise socket.gaierror("no such name")
        return [(0, 0, 0, "", (address, 0)) for address in found]

    class Loop:
        getaddrinfo = staticmethod(resolve)

    monkeypatch.setattr(destinations.asyncio, "get_running_loop", Loop)
    assert not await is_this_machine("evil.test")
    found += ["192.0.2.1", "127.0.0.1"]
    assert await is_this_machine("evil.test"), "one of its addresses is enough"
