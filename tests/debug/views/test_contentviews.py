"""mitmproxy's side of the views: on flows as they are, and as they come back from a file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import contentviews, http
from mitmproxy.contentviews import Contentview, Metadata, prettify_message
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.test import taddons, tflow, tutils

from addons.debug.client_side import CLIENT
from addons.debug.description import METADATA, TIMES
from addons.debug.views.contentviews import EventsView, Views, parity_of, shipped
from addons.providers.codex.lens import RequestLens
from addons.providers.cursor.lens import ConnectLens
from tests.fakes import answer_events, wire

BODY = json.dumps({"model": "gpt-5.5", "input": [], "prompt_cache_key": "k-1"}).encode()
STREAM = wire(answer_events("Hel", "lo"))


def served(body: bytes = BODY, answer: bytes = STREAM) -> http.HTTPFlow:
    """A flow as floway leaves it."""
    request = tutils.treq(
        method=b"POST",
        path=b"/backend-api/codex/responses",
        content=body,
        headers=http.Headers([(b"content-type", b"application/json"), (b"session-id", b"k-1")]),
    )
    response = tutils.tresp(
        content=answer, headers=http.Headers(content_type="text/event-stream; charset=utf-8")
    )
    flow = tflow.tflow(req=request, resp=response)
    flow.metadata[METADATA] = {"exchange": "e", "account": "ben", "profile": "codex@0.169.0"}
    flow.metadata[TIMES] = [[len(STREAM) // 2, 0.25], [len(STREAM), 1.5]]
    flow.metadata[CLIENT] = {
        "line": "POST /v1/responses",
        "headers": [["accept", "*/*"], ["authorization", "Bearer of-the-client"]],
        "body": b'{"model": "gpt-5.5", "input": "Hi"}',
        "left_out": 0,
    }
    return flow


def read_back(flow: http.HTTPFlow) -> http.HTTPFlow:
    file = io.BytesIO()
    FlowWriter(file).add(flow)
    file.seek(0)
    (loaded,) = FlowReader(file).stream()
    assert isinstance(loaded, http.HTTPFlow)
    return loaded


@pytest.fixture(scope="module", autouse=True)
def views() -> Iterator[list[Contentview]]:
    """Registered, as they are in a running floway, and not afterwards."""
    before = dict(contentviews.registry)
    addon = Views([RequestLens(), ConnectLens()])
    addon.load(None)  # type: ignore[arg-type]
    with taddons.context():  # mitmproxy's own views read options
        yield addon.views
    for name in {*contentviews.registry} - {*before}:
        del contentviews.registry._by_name[name]


def shown(flow: http.HTTPFlow, message: http.Message, view: str = "auto") -> tuple[str, str]:
    result = prettify_message(message, flow, view)
    return result.view_name, result.text


@pytest.mark.parametrize("loaded", [False, True], ids=["live", "from a file"])
def test_each_view_on_its_own_traffic(loaded: bool) -> None:
    flow = read_back(served()) if loaded else served()
    assert flow.response is not None
    name, text = shown(flow, flow.request)
    assert name == "floway codex request"
    assert "k-1" in text
    assert "prompt_cache_key" in text
    name, text = shown(flow, flow.response)
    assert name == "floway events"
    assert "Hello" in text
    assert "1.500 s" in text
    name, text = shown(flow, flow.request, "floway parity")
    assert name == "floway parity"
    assert "client    POST /v1/responses" in text
    assert "Check against codex@0.169.0: " in text
    assert "of-the-client" not in text
    name, text = shown(flow, flow.request, "floway explain")
    assert name == "floway explain"
    assert "account  ben" in text


def test_a_message_of_a_websocket() -> None:
    flow = tflow.twebsocketflow()
    assert flow.websocket is not None
    message = flow.websocket.messages[-1]
    message.content = b'{"type": "response.output_text.delta", "delta": "Hi"}'
    name, text = shown(flow, message)  # type: ignore[arg-type]
    assert name == "floway message"
    assert "delta: Hi" in text
    message.from_client = True
    message.content = b'{"type": "response.create", "model": "m"}'
    flow.request.path = "/backend-api/codex/responses"
    assert shown(flow, message)[0] == "floway codex request"  # type: ignore[arg-type]


def test_other_traffic_keeps_mitmproxy_s_views() -> None:
    flow = tflow.tflow(
        req=tutils.treq(method=b"POST", content=b'{"a": 1}'),
        resp=tutils.tresp(content=b"<p>", headers=http.Headers(content_type="text/html")),
    )
    flow.request.headers["content-type"] = "application/json"
    assert flow.response is not None
    assert shown(flow, flow.request)[0] == "JSON"
    assert not shown(flow, flow.response)[0].startswith("floway")


def test_of_a_request_without_a_body_the_parity_is_shown() -> None:
    flow = served(body=b"")
    assert shown(flow, flow.request)[0] == "floway parity"
    del flow.metadata[CLIENT]
    assert not shown(flow, flow.request)[0].startswith("floway")


def test_without_the_client_s_side_the_check_is_left() -> None:
    flow = served()
    del flow.metadata[CLIENT]
    assert parity_of(flow, shipped).startswith("── Check against codex@0.169.0")
    flow.metadata.clear()
    assert "no profile" in parity_of(flow, shipped)
    assert "there is no profile 'codex@0.0.1' here" in parity_of(flow, shipped, "codex@0.0.1")


def test_without_a_flow_nothing_fails(views: list[Contentview]) -> None:
    for view in views:
        assert view.render_priority(b"{}", Metadata()) <= 0
        assert isinstance(view.prettify(b"{}", Metadata()), str)
    assert EventsView().render_priority(b"", Metadata(content_type="text/event-stream")) < 0


BROKEN = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda cut: BODY[:cut], st.integers(0, len(BODY))),
    st.builds(lambda cut: STREAM[:cut], st.integers(0, len(STREAM))),
    st.builds(lambda cut: b"\0\0\0\0" + bytes([cut]) + b"\x0a\x03abc", st.integers(0, 20)),
)
ODD = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@settings(max_examples=40)
@given(BROKEN, st.sampled_from([METADATA, CLIENT, TIMES]), ODD, st.booleans())
def test_broken_and_cut_data_never_raises(data: bytes, key: str, odd: Any, dropped: bool) -> None:
    flow = served(data, data)
    flow.metadata[key] = odd
    flow = read_back(flow)
    assert flow.response is not None
    if dropped:
        flow.server_conn.alpn = b"h2"
    for view in Views([RequestLens(), ConnectLens()]).views:
        for message in (flow.request, flow.response):
            metadata = Metadata(flow=flow, content_type="text/event-stream", http_message=message)
            view.render_priority(data, metadata)
            assert isinstance(view.prettify(data, metadata), str)
