"""mitmproxy's flows as recordings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from addons.debug import flow_recording
from addons.debug.flow_recording import Tap


def flow(**request: object) -> http.HTTPFlow:
    made = tflow.tflow(resp=True)
    made.request = tutils.treq(**request)
    return made


def test_a_request_s_head() -> None:
    headers = http.Headers([(b"Host", b"a.test"), (b"X-b", b"1"), (b"x-B", b"\xe9")])
    recording = flow_recording.of_request(
        flow(headers=headers, path=b"/x?y=1", host="a.test", port=443, scheme=b"https")
    )
    assert recording.headers == [("Host", "a.test"), ("X-b", "1"), ("x-B", "é")]
    assert (recording.path, recording.authority, recording.scheme) == ("/x?y=1", "a.test", "https")
    assert recording.http_version == "HTTP/1.1"
    assert recording.body is None, "it has not come yet"


@pytest.mark.parametrize(
    ("scheme", "port", "authority"),
    [
        (b"https", 443, "a.test"),
        (b"https", 8443, "a.test:8443"),
        (b"http", 80, "a.test"),
        (b"http", 443, "a.test:443"),
    ],
)
def test_the_authority_without_a_host_header(scheme: bytes, port: int, authority: str) -> None:
    made = flow(headers=http.Headers(), host="a.test", port=port, scheme=scheme)
    assert flow_recording.of_request(made).authority == authority


def test_http2() -> None:
    made = flow(http_version=b"HTTP/2.0", authority=b"b.test:1", headers=http.Headers())
    recording = flow_recording.of_request(made)
    assert (recording.http_version, recording.authority) == ("HTTP/2.0", "b.test:1")


def test_an_answer_and_its_body() -> None:
    response = tutils.tresp(content=b"body", timestamp_start=1.0, timestamp_end=2.0)
    answer = flow_recording.of_response(response)
    assert (answer.at, answer.status, answer.chunks) == (1.0, 200, [(2.0, b"body")])
    assert flow_recording.of_response(response, [(1.5, b"b")]).chunks == [(1.5, b"b")]
    empty = tutils.tresp(content=b"")
    assert flow_recording.of_response(empty).chunks == []


@pytest.mark.parametrize(
    ("by_client", "closed_by"), [(True, "client"), (False, "server"), (None, None)]
)
def test_the_end_of_a_websocket(by_client: bool | None, closed_by: str | None) -> None:
    data = tflow.twebsocketflow().websocket
    assert data is not None
    data.closed_by_client, data.close_code = by_client, 1001
    answer = flow_recording.of_response(tutils.tresp())
    flow_recording.closed(answer, data)
    assert (answer.ended, answer.close_code, answer.closed_by) == ("closed", 1001, closed_by)


def test_a_tap_leaves_the_data_alone() -> None:
    tap = Tap(True)
    assert [tap(b"a"), tap(b"b"), tap(b"")] == [b"a", b"b", b""]
    assert [data for _, data in tap.taken] == [b"a", b"b"]
    assert tap.given is tap.taken


def test_a_tap_before_another_one() -> None:
    def double(data: bytes) -> Iterator[bytes] | bytes:
        return iter([data, data]) if data else b"end"

    tap = Tap(double)
    assert tap(b"a") == [b"a", b"a"]
    assert tap(b"") == b"end"
    assert [data for _, data in tap.taken] == [b"a"]
    assert [data for _, data in tap.given] == [b"aa", b"end"]


def test_a_tap_has_a_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_recording, "STREAM_BYTES", 3)
    tap = Tap(True)
    assert [tap(b"ab"), tap(b"cd"), tap(b"e")] == [b"ab", b"cd", b"e"]
    assert tap.full
    assert [data for _, data in tap.taken] == [b"ab"]
