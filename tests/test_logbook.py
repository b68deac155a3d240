"""The log of a running floway: one line for each request, and what was decided."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import taddons, tflow, tutils
from mitmproxy.websocket import WebSocketMessage
from pydantic import SecretStr
from wsproto.frame_protocol import Opcode

from addons.attempts import ExchangeDriver
from addons.debug.description import METADATA
from addons.driver import drive
from addons.exchange import Attempt, Exchange, Usage
from addons.logbook import Logbook
from addons.operate.logs.records import FIELDS
from addons.providers.contract import Outcome
from addons.settings import Settings
from tests.fakes import SOCKET_ROUTE, FakeProvider, exchange_of

KEY = "client-key-of-joe"


async def nobody(*_: Any) -> None:
    """Watches no attempts."""


class Desk:
    """A logbook in mitmproxy, and what it says."""

    def __init__(self, home: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.settings = Settings.model_construct(home=home, client_keys=[SecretStr(KEY)])
        self.book = Logbook(lambda: self.settings)
        self.caplog = caplog

    def flow(self, exchange: Exchange, *, socket: bool = False) -> http.HTTPFlow:
        flow = tflow.twebsocketflow() if socket else tflow.tflow(resp=True)
        flow.live = True
        driver = ExchangeDriver(flow, exchange, self.settings, nobody)
        drive(flow, driver)
        self.kept = driver
        return flow

    def use(self, **settings: Any) -> None:
        self.settings = self.settings.model_copy(update=settings)
        self.book.configure(set())

    @property
    def said(self) -> list[dict[str, Any]]:
        return [record.__dict__.get(FIELDS, {}) for record in self.caplog.records]


@pytest.fixture
def desk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Desk]:
    desk = Desk(tmp_path / "home", caplog)
    caplog.set_level(logging.INFO, "addons.logbook")
    with taddons.context() as context:
        context.master.addons.register(desk.book)
        desk.book.configure(set())
        yield desk
        desk.book.done()


def test_one_line_for_a_request(desk: Desk) -> None:
    exchange = exchange_of(FakeProvider())
    flow = desk.flow(exchange)
    exchange.attempts = [Attempt("ada")]
    desk.book.request(flow)
    desk.book.responseheaders(flow)
    exchange.usage, exchange.outcome = Usage(10, 8, 3), Outcome.COMPLETED
    desk.book.response(flow)
    desk.book.error(flow)  # the client leaves afterwards
    (told,) = desk.said
    assert (told["status"], told["outcome"], told["account"]) == (200, "completed", "ada")
    assert (told["tokens_in"], told["tokens_cached"], told["tokens_out"]) == (10, 8, 3)
    assert 0 <= told["first_seconds"] <= told["seconds"]
    assert desk.caplog.messages[0].startswith("m · fake:ada · 200 completed")


def test_debug_explains_what_was_decided(desk: Desk) -> None:
    desk.caplog.set_level(logging.DEBUG, "addons.logbook")
    exchange = exchange_of(FakeProvider())
    exchange.conversation = "local:abc"
    exchange.attempts = [Attempt("ada")]
    exchange.summary |= {"sources": {"session_id": "header"}, "profile": "p@1"}
    desk.book.request(desk.flow(exchange))
    (line,) = desk.caplog.messages
    assert "route /v1/responses (model) of fake; key of local; model m" in line
    assert "conversation local:abc (session_id: header); account ada; profile p@1" in line
    assert desk.said == [{"exchange": exchange.id, "conversation": "local:abc", "account": "ada"}]


def test_an_attempt_that_was_not_given(desk: Desk) -> None:
    desk.caplog.set_level(logging.DEBUG, "addons.logbook")
    flow = tflow.tflow(resp=True)
    flow.comment = "attempt 1 · ada · not given to the client: limit"
    flow.metadata[METADATA] = {"exchange": "e", "account": "ada", "continued_in": "x"}
    desk.book.response(flow)
    assert desk.caplog.messages == [f"e: {flow.comment}"]
    assert desk.said == [{"exchange": "e", "account": "ada"}]


def test_secrets_are_learned_and_masked_from_then_on(desk: Desk) -> None:
    exchange = exchange_of(FakeProvider())
    exchange.headers = [(b"x-api-key", b"opaque-token-of-a-client")]
    flow = desk.flow(exchange)
    flow.response = None
    flow.request.headers["authorization"] = "Bearer opaque-token-of-an-account"
    desk.book.request(flow)
    log = logging.getLogger("elsewhere")
    log.warning("%s opaque-token-of-a-client opaque-token-of-an-account", KEY)
    assert "opaque" not in desk.caplog.text
    assert KEY not in desk.caplog.text


def test_a_line_for_each_response_of_a_websocket_and_one_for_the_whole(desk: Desk) -> None:
    exchange = exchange_of(FakeProvider(), SOCKET_ROUTE)
    flow = desk.flow(exchange, socket=True)
    assert flow.websocket is not None
    desk.book.request(flow)

    def message(*, from_client: bool, content: bytes = b"{}") -> None:
        assert flow.websocket is not None
        flow.websocket.messages.append(WebSocketMessage(Opcode.TEXT, from_client, content))
        desk.book.websocket_message(flow)

    for tokens in (5, 6):
        message(from_client=True)
        message(from_client=False)
        exchange.usage = Usage(tokens)
        message(from_client=False)
        message(from_client=False)
    message(from_client=True, content=b'{"type": "error"}')  # a client's own
    message(from_client=False, content=b'{"type": "error", "error": {}}')
    exchange.outcome = Outcome.COMPLETED
    desk.book.response(flow)  # of the upgrade
    desk.book.websocket_end(flow)
    kinds = [(told["kind"], told.get("tokens_in")) for told in desk.said]
    assert kinds == [("response", 5), ("response", 6), ("response", None), ("socket", None)]
    assert [told["outcome"] for told in desk.said[:3]] == ["completed", "completed", "failed"]
    assert "closed" in desk.said[-1]["outcome"]


@pytest.mark.parametrize(
    ("path", "told"), [("/nowhere?key=x", ["GET /nowhere · 404"]), ("/metrics", [])]
)
def test_what_is_no_exchange(desk: Desk, path: str, told: list[str]) -> None:
    request = tutils.treq(host="", port=0, path=path.encode(), authority=b"")
    flow = tflow.tflow(req=request, resp=tutils.tresp(status_code=404))
    flow.live = True
    desk.book.response(flow)
    assert desk.caplog.messages == told


def test_a_mistake_in_here_disturbs_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.book, "_say", None)
    for _ in range(2):
        exchange = exchange_of(FakeProvider())
        flow = desk.flow(exchange)
        desk.book.request(flow)
        desk.book.response(flow)
    assert len(desk.caplog.messages) == 1
    assert desk.caplog.messages[0].startswith("a request could not be told in the log")


def test_the_log_is_kept_where_the_settings_say(desk: Desk, tmp_path: Path) -> None:
    logging.getLogger("addons.logbook").warning("to the first")
    desk.use(log_file=str(tmp_path / "other.log"))
    logging.getLogger("addons.logbook").warning("to the second")
    desk.use(log_file="")
    logging.getLogger("addons.logbook").warning("to none")
    first, second = (
        [json.loads(line)["event"] for line in path.read_text().splitlines()]
        for path in (tmp_path / "home" / "logs" / "floway.log", tmp_path / "other.log")
    )
    assert (first, second) == (["to the first"], ["to the second"])
