"""Timelines of a real floway: a conversation is followed over three connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from addons.debug import timeline_view
from addons.debug.timeline_view import Connection
from tests.floway_process import Floway, running_floway

pytestmark = pytest.mark.slow

SESSION = "019b2b4f-bc42-7770-a4f1-514ac408d28e"
OTHER = "019b2b4f-bc42-7770-a4f1-514ac408d28f"
TOKEN = "opaque-token-of-the-client"


@pytest.fixture
def floway(tmp_path: Path) -> Iterator[Floway]:
    folder = str(tmp_path / "timelines")
    with running_floway(tmp_path / "floway", floway_timeline=folder) as started:
        yield started


def dial(floway: Floway, session: str) -> ClientConnection:
    headers = {"session-id": session, "authorization": f"Bearer {TOKEN}"}
    url = floway.base_url.replace("http:", "ws:") + "/responses"
    return connect(url, additional_headers=headers, proxy=None)


def ask(socket: ClientConnection) -> str:
    """The type of the last frame of an answer."""
    said = {"role": "user", "content": "Say hello."}
    socket.send(json.dumps({"type": "response.create", "model": "gpt-5.4", "input": [said]}))
    while True:
        kind: str = json.loads(socket.recv(timeout=20))["type"]
        if kind in ("response.completed", "response.failed", "error"):
            return kind


def events(connection: Connection, name: str) -> list[dict[str, Any]]:
    return [line for line in connection.lines if line["event"] == name]


def test_three_connections_of_one_conversation(floway: Floway, tmp_path: Path) -> None:
    floway.sandbox.fault({"kind": "refuse_upgrade", "status": 429})
    with dial(floway, SESSION) as socket:
        assert ask(socket) == "response.completed"
    with dial(floway, OTHER) as socket:
        assert ask(socket) == "response.completed"
    floway.sandbox.fault({"kind": "close_socket", "code": 1011, "reason": "restart", "at": 2})
    with dial(floway, SESSION) as socket, pytest.raises(ConnectionClosed):
        ask(socket)
    with dial(floway, SESSION) as socket:
        assert ask(socket) == "response.completed"
    floway.stop()

    found = timeline_view.of_conversation(timeline_view.read(tmp_path / "timelines"), SESSION)
    first, second, third = found
    refused, answered = (line for line in events(first, "handshake") if line["side"] == "upstream")
    assert (refused["status"], refused["attempt"], refused["account"]) == (429, 1, "ada")
    assert answered["status"] == 101
    assert [line["account"] for line in events(first, "attempt")] == ["ada", "ben"]
    (asked,) = (line for line in events(first, "frame") if line["from"] == "client")
    assert asked["type"] == "response.create"
    assert asked["passed"]["body"]["type"] == "response.create"
    last = events(first, "frame")[-1]
    assert (last["type"], last["from"]) == ("response.completed", "server")
    assert last["response"]
    (close,) = events(second, "close")
    assert (close["code"], close["by"]) == (1011, "server")
    assert events(third, "close")[0]["by"] == "client"

    text = timeline_view.shown(found)
    assert "connection 3 of conversation" in text
    assert "after the end of the one before" in text
    whole = "".join(path.read_text() for path in (tmp_path / "timelines").iterdir())
    assert TOKEN not in whole
    assert "eyJ" not in whole
