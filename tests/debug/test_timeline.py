"""What is written down of a WebSocket as it goes through the hooks."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import flow as mitm_flow
from mitmproxy import http
from mitmproxy.test import taddons, tflow, tutils
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from addons.attempts import ExchangeDriver
from addons.debug.description import METADATA
from addons.debug.timeline import Timeline
from addons.driver import drive
from addons.exchange import Attempt, Exchange
from addons.settings import Settings
from fingerprints.redaction import Redactor
from tests.fakes import SOCKET_ROUTE, FakeProvider, exchange_of

TOKEN = "opaque-token-of-a-client"


async def nobody(*_: Any) -> None:
    """Watches no attempts."""


class Play:
    """A WebSocket's way through both places of the addon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings.model_construct(timeline=folder)
        self.timeline = Timeline(lambda: self.settings, lambda: Redactor(b"salt"))
        self.flow = tflow.twebsocketflow(messages=False)
        self.flow.live = True
        self.flow.request.headers["upgrade"] = "websocket"
        self.flow.request.headers["authorization"] = f"Bearer {TOKEN}"
        self.flow.response = None
        self.exchange: Exchange = exchange_of(FakeProvider(), SOCKET_ROUTE)
        self.exchange.conversation = "local:one"
        self.driver = ExchangeDriver(self.flow, self.exchange, self.settings, nobody)

    def begin(self) -> None:
        self.timeline.configure(set())
        self.timeline.before.requestheaders(self.flow)
        drive(self.flow, self.driver)
        self.exchange.attempts.append(Attempt("ada"))
        self.timeline.request(self.flow)

    def refused(self, response: http.Response | None, error: str = "") -> None:
        copy = self.flow.copy()
        copy.live = False
        number = len(self.exchange.attempts)
        copy.metadata[METADATA] = {
            "continued_in": self.flow.id,
            "attempt": number,
            "account": "ada",
            "reason": "limit",
            "status": response.status_code if response else None,
        }
        copy.response, copy.websocket = response, None
        if error:
            copy.error = mitm_flow.Error(error)
            self.timeline.error(copy)
        else:
            self.timeline.response(copy)
        self.exchange.attempts.append(Attempt("ben"))

    def upgraded(self) -> None:
        self.flow.response = tutils.tresp(status_code=101)
        self.exchange.committed = True
        self.timeline.before.responseheaders(self.flow)
        self.timeline.responseheaders(self.flow)

    def message(self, content: bytes, *, from_client: bool, passed: bytes | None = None) -> None:
        assert self.flow.websocket is not None
        message = WebSocketMessage(Opcode.TEXT, from_client, content)
        self.flow.websocket.messages.append(message)
        self.timeline.before.websocket_message(self.flow)
        if passed == b"":
            message.drop()
        elif passed is not None:
            message.content = passed
        self.timeline.websocket_message(self.flow)

    def lines(self) -> list[dict[str, Any]]:
        """What was written; ends the addon."""
        self.timeline.done()
        found = []
        for path in sorted(self.folder.glob("*")):
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return found


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    with taddons.context():
        yield Play(tmp_path / "timelines")


def test_from_the_request_to_the_close(play: Play) -> None:
    play.begin()
    play.refused(tutils.tresp(status_code=403, content=b'{"detail": "no"}'))
    play.refused(None, "connection reset")
    play.upgraded()
    play.message(b'{"type": "response.create"}', from_client=True, passed=b'{"type": "x"}')
    play.exchange.conversation = "local:two"
    play.message(b'{"type": "error"}', from_client=False)
    play.message(b"{}", from_client=False, passed=b"")
    assert play.flow.websocket is not None
    play.flow.websocket.close_code, play.flow.websocket.closed_by_client = 1000, True
    play.timeline.websocket_end(play.flow)
    play.timeline.error(play.flow)
    lines = play.lines()
    assert TOKEN not in json.dumps(lines)
    told = [
        {name: line[name] for name in line if name not in ("t", "at", "headers", "url", "size")}
        for line in lines
    ]
    plan = {"event": "plan", "exchange": play.exchange.id, "protocol": "responses"}
    plan |= {"provider": "fake"}
    sent = {"event": "attempt", "method": "GET"}
    answer = {"event": "handshake", "side": "upstream"}
    assert told == [
        {"event": "request", "method": "GET", "path": "/ws"},
        {**plan, "conversation": "local:one"},
        {**sent, "attempt": 1, "account": "ada"},
        {**answer, "attempt": 1, "account": "ada", "reason": "limit", "status": 403}
        | {"body": {"detail": "no"}},
        {**sent, "attempt": 2, "account": "ada"},
        {**answer, "attempt": 2, "account": "ada", "reason": "limit", "status": None}
        | {"text": "connection reset"},
        {**sent, "attempt": 3, "account": "ben"},
        {**answer, "status": 101},
        {"event": "handshake", "side": "client", "status": 101},
        {"event": "frame", "from": "client", "type": "response.create"}
        | {"body": {"type": "response.create"}, "passed": {"size": 13, "body": {"type": "x"}}},
        {**plan, "conversation": "local:two"},
        {"event": "frame", "from": "server", "type": "error", "error": True}
        | {"body": {"type": "error"}},
        {"event": "frame", "from": "server", "dropped": True, "body": {}},
        {"event": "close", "code": 1000, "reason": "", "by": "client"},
    ]
    times = [line["t"] for line in lines]
    assert times[0] == 0.0
    assert all(time >= 0 for time in times)


def test_a_client_that_is_refused(play: Play) -> None:
    play.begin()
    play.exchange.summary["error"] = "no_account"
    play.flow.websocket = None
    play.flow.response = tutils.tresp(status_code=429, content=b"{}")
    play.timeline.responseheaders(play.flow)
    play.timeline.response(play.flow)
    last = play.lines()[-1]
    assert (last["side"], last["status"], last["reason"]) == ("client", 429, "no_account")


def test_a_client_that_leaves_early(play: Play) -> None:
    play.begin()
    play.flow.error = mitm_flow.Error("Client disconnected.")
    play.timeline.error(play.flow)
    assert play.lines()[-1]["text"] == "Client disconnected."


def test_other_requests_are_not_followed(play: Play) -> None:
    del play.flow.request.headers["upgrade"]
    play.begin()
    play.upgraded()
    play.timeline.websocket_end(play.flow)
    assert play.lines() == []


def test_raw_ones_hold_everything_and_there_is_a_warning(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    play.settings = play.settings.model_copy(update={"timeline_raw": True})
    play.begin()
    first = play.lines()[0]
    assert first["raw"]
    assert ["authorization", f"Bearer {TOKEN}"] in first["headers"]
    (path,) = play.folder.iterdir()
    assert path.name.startswith("raw-")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Share none" in caplog.text


def test_it_is_off_without_a_folder(play: Play) -> None:
    play.settings = play.settings.model_copy(update={"timeline": None})
    play.begin()
    play.upgraded()
    assert play.lines() == []


def test_a_mistake_in_here_reaches_nobody(
    play: Play, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.begin()
    monkeypatch.setattr(play.timeline, "_put", None)
    play.upgraded()
    play.message(b"{}", from_client=True)
    assert caplog.text.count("a connection could not be written down") == 1
