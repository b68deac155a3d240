"""A plan's request in mitmproxy's form."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import http

from addons.native import native_request
from addons.providers.contract import UpstreamRequest


def request_with(headers: list[tuple[bytes, bytes]]) -> UpstreamRequest:
    return UpstreamRequest(
        "POST", "https", "up.test", 8443, "/p?q=1", "up.test:8443", headers, b"body"
    )


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ([(b"A", b"1"), (b"b", b"2")], [b"host", b"A", b"b"]),
        ([(b"A", b"1"), (b"Host", b"ignored"), (b"b", b"2")], [b"A", b"Host", b"b"]),
    ],
)
def test_a_native_request_over_http_1(headers: Any, names: list[bytes]) -> None:
    client = http.Request.make("GET", "http://own.test/x", b"own", {"authorization": "own"})
    client.timestamp_start = 7.0
    client.trailers = http.Headers([(b"own", b"1")])
    native = native_request(request_with(headers), client)
    assert [name for name, _ in native.headers.fields] == names
    assert native.headers["host"] == "up.test:8443"
    assert (native.method, native.scheme, native.host, native.port, native.path) == (
        *("POST", "https", "up.test", 8443, "/p?q=1"),
    )
    assert native.raw_content == b"body"
    assert native.trailers is None
    assert native.authority == ""
    assert native.timestamp_start == 7.0
    assert native.http_version == "HTTP/1.1"
    assert (client.method, client.raw_content, client.headers["authorization"]) == (
        *("GET", b"own", "own"),
    )


def test_a_native_request_over_http_2() -> None:
    client = http.Request.make("GET", "http://own.test/x")
    client.http_version = "HTTP/2.0"
    native = native_request(request_with([(b"a", b"1"), (b"host", b"")]), client)
    assert native.headers.fields == ((b"a", b"1"),)
    assert native.authority == "up.test:8443"
    assert native.http_version == "HTTP/2.0"
