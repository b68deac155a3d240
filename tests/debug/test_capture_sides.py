"""A real floway that captures: both sides of what it rewrites, and no harm when it cannot write."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from fingerprints import leaks, trace_file
from fingerprints.trace import Exchange, Trace
from tests.floway_process import Floway, running_floway, until

pytestmark = pytest.mark.slow

SECONDS = 20.0
RESPONSES = "/backend-api/codex/responses"
STALL = {"kind": "stall", "at": "before_headers", "seconds": 60}
CHAT = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "hello"}], "stream": True}
KEY = "sk-abcdefgh12345678"
CLIENT = {"User-Agent": "OpenCode/1.2.3 sdk", "Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def floway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floway]:
    home = tmp_path_factory.mktemp("capture")
    with running_floway(home, floway_capture=str(home / "traces")) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(floway: Floway) -> None:
    floway.sandbox.forget()


def traces(floway: Floway) -> list[Trace]:
    folder = floway.home / "traces"
    found = sorted(folder.rglob(f"*{trace_file.SUFFIX}")) if folder.exists() else []
    return [trace_file.read(file) for file in found]


def captured(floway: Floway, condition: Callable[[Trace], bool]) -> Trace:
    """The one trace for which the condition holds, once it is written."""
    found: list[Trace] = []

    def there() -> bool:
        found[:] = [trace for trace in traces(floway) if condition(trace)]
        return bool(found)

    until(there, SECONDS, "no such trace was written")
    [trace] = found
    return trace


def ask(floway: Floway, marker: str, body: Any, path: str = "/chat/completions") -> httpx.Response:
    headers = [*CLIENT.items(), ("X-Marker", marker)]
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        return client.post(floway.base_url + path, json=body, headers=headers)


def marked(marker: str, answers: int = 2) -> Callable[[Trace], bool]:
    def holds(trace: Trace) -> bool:
        found = [each for each in trace.exchanges if each.header("x-marker") == marker]
        return bool(found) and sum(each.answer is not None for each in trace.exchanges) >= answers

    return holds


def names(exchange: Exchange) -> list[str]:
    return [name for name, _ in exchange.headers]


def test_both_sides_of_a_stream(floway: Floway) -> None:
    answer = ask(floway, "both", CHAT)
    assert answer.status_code == 200
    trace = captured(floway, marked("both"))
    assert (trace.client, trace.release) == ("opencode", "1.2.3")
    client, upstream = trace.exchanges
    # as the client sent it
    assert (client.side, client.http_version, client.path) == (
        "client",
        "HTTP/1.1",
        "/v1/chat/completions",
    )
    assert dict(client.headers)["Authorization"] == "Bearer sk-⟨secret:1⟩"
    assert dict(client.headers)["User-Agent"] == CLIENT["User-Agent"]
    assert client.body is not None
    assert client.body.data == CHAT
    assert client.answer is not None
    told = [event.payload.data for event in client.answer.events]
    assert told[-1] == "[DONE]"
    assert [each["object"] for each in told[:-1]] == ["chat.completion.chunk"] * (len(told) - 1)
    # as it left
    assert (upstream.side, upstream.of, upstream.attempt) == ("upstream", client.number, 1)
    assert upstream.path.endswith("/codex/responses")
    assert upstream.answer is not None
    kinds = [event.event for event in upstream.answer.events]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert leaks.in_trace(trace) == []


def test_the_upstream_side_is_what_the_upstream_saw(floway: Floway) -> None:
    ask(floway, "seen", CHAT)
    upstream = captured(floway, marked("seen")).exchanges[1]
    [seen] = floway.sandbox.requests(RESPONSES)
    assert names(upstream) == [name for name, _ in seen["headers"] if not name.startswith(":")]
    assert (upstream.http_version, seen["http_version"]) in [
        ("HTTP/2.0", "2"),
        ("HTTP/1.1", "1.1"),
    ]
    assert upstream.method == seen["method"]
    assert upstream.body is not None
    assert upstream.body.coding is not None
    assert upstream.body.coding.level == 3


def test_each_attempt_is_there(floway: Floway) -> None:
    limit = {"kind": "status", "status": 429, "body": '{"error":{"type":"usage_limit_reached"}}'}
    floway.sandbox.fault(limit, times=1, path=RESPONSES)
    assert ask(floway, "twice", CHAT).status_code == 200
    trace = captured(floway, marked("twice", answers=3))
    found = [
        (each.side, each.of, each.attempt, each.answer.status)
        for each in trace.exchanges
        if each.answer
    ]
    assert found == [
        ("client", None, None, 200),
        ("upstream", 1, 1, 429),
        ("upstream", 1, 2, 200),
    ]
    first, second = trace.exchanges[1:]
    assert first.answer is not None
    assert first.answer.body is not None
    assert first.answer.body.data == {"error": {"type": "usage_limit_reached"}}
    accounts = [dict(each.headers)["chatgpt-account-id"] for each in (first, second)]
    assert accounts == ["⟨account:1⟩", "⟨account:2⟩"]


def test_an_answer_that_is_put_together(floway: Floway) -> None:
    answer = ask(floway, "whole", {**CHAT, "stream": False})
    trace = captured(floway, marked("whole"))
    client, upstream = trace.exchanges
    assert client.answer is not None
    assert client.answer.body is not None
    assert client.answer.body.data["object"] == answer.json()["object"]
    assert upstream.answer is not None
    assert upstream.answer.events[-1].event == "response.completed"


def test_an_error_of_floway_s_own_has_no_upstream_side(floway: Floway) -> None:
    assert ask(floway, "bad", {"model": 5}).status_code == 400
    trace = captured(floway, marked("bad", answers=1))
    [client] = trace.exchanges
    assert client.side == "client"
    assert client.answer is not None
    assert client.answer.status == 400


def test_what_floway_answers_itself_has_one_side(floway: Floway) -> None:
    headers = {"X-Marker": "health"}
    httpx.get(f"{floway.url}/healthz", headers=headers, trust_env=False, timeout=SECONDS)
    [exchange] = captured(floway, marked("health", answers=1)).exchanges
    assert exchange.side == ""
    assert exchange.answer is not None
    assert exchange.answer.status == 200


class Foreign(BaseHTTPRequestHandler):
    """A server that floway knows nothing of."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_what_is_left_alone_has_one_side_and_its_bodies(floway: Floway) -> None:
    server = HTTPServer(("127.0.0.1", 0), Foreign)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    with httpx.Client(proxy=floway.url, trust_env=False, timeout=SECONDS) as client:
        url = f"http://127.0.0.1:{server.server_port}/far"
        assert client.post(url, content=b"abc", headers={"X-Marker": "far"}).content == b"cba"
    thread.join()
    server.server_close()
    [exchange] = captured(floway, marked("far", answers=1)).exchanges
    assert (exchange.side, exchange.path) == ("", "/far")
    assert exchange.body is not None
    assert exchange.body.data == "abc"
    assert exchange.answer is not None
    assert exchange.answer.body is not None
    assert exchange.answer.body.data == "cba"


def test_both_sides_of_a_websocket(floway: Floway) -> None:
    url = floway.base_url.replace("http://", "ws://") + "/responses"
    create = {
        "type": "response.create",
        "model": "gpt-5.5",
        "input": [{"role": "user", "content": "hello"}],
    }
    with connect(url, additional_headers={"X-Marker": "socket"}, proxy=None) as socket:
        socket.send(json.dumps(create))
        while json.loads(socket.recv(SECONDS))["type"] != "response.completed":
            continue
    trace = captured(floway, marked("socket"))
    client, upstream = trace.exchanges
    assert client.is_upgrade
    assert upstream.is_upgrade
    for exchange in (client, upstream):
        assert exchange.answer is not None
        assert (exchange.answer.status, exchange.answer.ended) == (101, "closed")
        assert exchange.answer.closed_by == "client"
        assert exchange.messages[-1].payload.data["type"] == "response.completed"
    [sent] = client.sent()
    assert sent.payload.data == create
    [left] = [each for each in upstream.sent() if each.payload.data.get("input")]
    assert left.payload.data != create
    assert names(upstream) == [
        name for name, _ in floway.sandbox.requests(RESPONSES)[-1]["headers"]
    ]


def test_a_client_that_leaves(floway: Floway) -> None:
    floway.sandbox.fault(STALL, times=1, path=RESPONSES)
    url = f"{floway.base_url}/chat/completions"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json=CHAT, headers={"X-Marker": "left"}, trust_env=False, timeout=1.0)
    trace = captured(floway, marked("left", answers=0))
    assert [each.side for each in trace.exchanges] == ["client", "upstream"]
    assert [each.answer for each in trace.exchanges] == [None, None]


def test_one_trace_of_a_run_with_a_filter(tmp_path: Path) -> None:
    meta = {"client": "sdk", "release": "1.0", "scenario": "turn"}
    with running_floway(
        tmp_path / "floway",
        floway_capture=str(tmp_path / "out"),
        floway_capture_trace=json.dumps(meta),
        floway_capture_match="~u chat/completions",
    ) as floway:
        ask(floway, "one", CHAT)
        httpx.get(f"{floway.url}/healthz", trust_env=False, timeout=SECONDS)
        ask(floway, "two", CHAT)
    trace = trace_file.read(tmp_path / "out" / "sdk" / "1.0" / "turn-http-1.trace.json")
    assert [each.side for each in trace.exchanges] == ["client", "upstream"] * 2
    assert [each.of for each in trace.exchanges] == [None, 1, None, 3]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with running_floway(tmp_path / "floway", floway_capture=str(blocked / "deep")) as floway:
        assert ask(floway, "a", CHAT).status_code == 200
        assert ask(floway, "b", CHAT).status_code == 200
        floway.wait_log("traces cannot be written")
    assert floway.log().count("traces cannot be written") == 1
