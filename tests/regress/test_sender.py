"""Recorded requests sent again: to a plain server that writes down what it gets."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fingerprints.trace import Exchange
from replay.regress.sender import Sender, SendFailed
from tests.fingerprints.made_traces import payload


class Server(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, list[tuple[str, str]], bytes]] = []
        self.answers: list[tuple[int, bytes]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, list(self.headers.items()), body))
        status, content = self.server.answers.pop(0) if self.server.answers else (200, b"{}")
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def exchange(data: Any, **changes: Any) -> Exchange:
    given = {
        "number": 1,
        "method": "POST",
        "authority": "x.example",
        "path": "/v1/responses?a=1",
        "headers": (
            ("Host", "x.example"),
            ("Authorization", "Bearer ⟨secret:1⟩"),
            ("x-B", "1"),
            ("Content-Length", "5"),
        ),
        "body": payload(data),
    }
    return Exchange(**{**given, **changes})


def test_a_request_as_it_was(server: Server) -> None:
    sender = Sender(server.server_address[1])
    sender.send(exchange({"model": "m", "input": "⟨text:300:00000000⟩"}))
    ((path, headers, body),) = server.seen
    assert path == "/v1/responses?a=1"
    assert [name for name, _ in headers] == ["Host", "Authorization", "x-B", "Content-Length"]
    assert "⟨" not in dict(headers)["Authorization"]
    assert len(json.loads(body)["input"]) == 300
    assert sender.statuses == [200]


def test_sealed_content_is_that_of_this_run(server: Server) -> None:
    sender = Sender(server.server_address[1])
    item = {"type": "compaction", "encrypted_content": "of this run"}
    event = {"type": "response.output_item.done", "item": item}
    server.answers.append((200, b"event: x\ndata: " + json.dumps(event).encode() + b"\n\n"))
    sender.send(exchange({"input": []}))
    recorded = {"type": "compaction", "encrypted_content": "⟨secret:7⟩"}
    sender.send(exchange({"input": [recorded, {"type": "message"}]}))
    assert json.loads(server.seen[1][2])["input"][0] == item


def test_a_refusal_says_why(server: Server) -> None:
    server.answers.append((400, b'{"error": "no such thing"}'))
    with pytest.raises(SendFailed, match=r"400.*no such thing"):
        Sender(server.server_address[1]).send(exchange({}))


def test_no_server_at_all() -> None:
    with pytest.raises(SendFailed, match="ConnectionRefused"):
        Sender(9).send(exchange({}))
    upgrade = exchange({}, method="GET", headers=(("Upgrade", "websocket"),), body=None)
    with pytest.raises(OSError, match="refused"):
        Sender(9).send(upgrade)
