"""WebSocket messages: rewritten or dropped with a word to the client, and not kept for ever."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
import wsproto.events
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from addons import messages
from addons.errors import ClientError
from addons.messages import MessageWindow
from addons.providers.contract import Outcome
from tests.fakes import SOCKET_ROUTE, FakeProvider, Mishap, exchange_of
from tests.proxies import Proxy
from tests.stream.behaviours import refuse
from tests.stream.conftest import until
from tests.stream.sockets import End, accept, dial
from tests.stream.upstreams import Upstream

REFUSED = ClientError(400, "unknown_message_type", "The type must be response.create.")


def message(content: bytes, *, from_client: bool = True, text: bool = True) -> WebSocketMessage:
    return WebSocketMessage(Opcode.TEXT if text else Opcode.BINARY, from_client, content)


def shout(text: bytes) -> bytes:
    return text.upper()


# --- one message ---------------------------------------------------------------------------------


@pytest.mark.parametrize("from_client", [True, False])
def test_a_message_is_rewritten(*, from_client: bool) -> None:
    exchange = exchange_of(FakeProvider(frames=shout), SOCKET_ROUTE)
    given_message = message(b"hi", from_client=from_client)
    assert messages.rewrite(given_message, exchange) is None
    assert given_message.content == b"HI"
    assert not given_message.dropped


@pytest.mark.parametrize("from_client", [True, False])
@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [(REFUSED, 400, "unknown_message_type"), (Mishap("secret"), 502, "rewrite_failed")],
)
def test_what_cannot_be_rewritten_does_not_pass(
    failure: Exception, status: int, code: str, from_client: bool
) -> None:
    def fails(text: bytes) -> bytes:
        raise failure

    exchange = exchange_of(FakeProvider(frames=fails), SOCKET_ROUTE)
    given_message = message(b"secret", from_client=from_client)
    told = messages.rewrite(given_message, exchange)
    assert told is not None
    assert json.loads(told) == {"type": "error", "status": status, "code": code}
    assert given_message.dropped


def test_even_when_nobody_can_be_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> bytes:
        raise Mishap("no words")

    provider = FakeProvider(frames=fails)
    monkeypatch.setattr(provider, "error_frame", fails)
    given_message = message(b"x")
    assert messages.rewrite(given_message, exchange_of(provider, SOCKET_ROUTE)) is None
    assert given_message.dropped
    assert "could not be told" in caplog.text


def test_binary_messages() -> None:
    exchange = exchange_of(FakeProvider(frames=shout), SOCKET_ROUTE)
    theirs = message(b"hi", text=False)
    told = messages.rewrite(theirs, exchange)
    assert told is not None
    assert json.loads(told)["code"] == "unsupported_message"
    assert theirs.dropped
    ours = message(b"hi", from_client=False, text=False)
    assert messages.rewrite(ours, exchange) is None
    assert (ours.content, ours.dropped) == (b"hi", False)


def test_injected_messages_are_not_rewritten() -> None:
    own = message(b"hi")
    own.injected = True
    assert messages.rewrite(own, exchange_of(FakeProvider(frames=shout), SOCKET_ROUTE)) is None
    assert own.content == b"hi"


# --- what is kept --------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 60))
def test_the_newest_messages_that_have_room_are_kept(sizes: list[int], limit: int) -> None:
    window = MessageWindow(limit)
    kept: list[WebSocketMessage] = []
    everything: list[WebSocketMessage] = []
    gone = 0
    for size in sizes:
        new = message(b"x" * size)
        kept.append(new)
        everything.append(new)
        gone += window.trim(kept)
        assert gone == len(everything) - len(kept)
        assert kept == everything[len(everything) - len(kept) :]
        assert sum(len(each.content) for each in kept) <= limit or len(kept) == 1
        more = everything[len(everything) - len(kept) - 1 :]
        whole = len(kept) == len(everything)
        assert whole or sum(len(each.content) for each in more) > limit, "dropped without need"


def test_messages_that_someone_else_takes_away() -> None:
    window = MessageWindow(10)
    kept: list[WebSocketMessage] = []
    for _ in range(5):
        kept.append(message(b"xx"))
        window.trim(kept)
    del kept[:3]
    for _ in range(3):
        kept.append(message(b"xx"))
        window.trim(kept)
    assert len(kept) == 5


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "by_client", "outcome"),
    [
        (1000, True, Outcome.COMPLETED),
        (1000, False, Outcome.COMPLETED),
        (1001, True, Outcome.COMPLETED),
        (1005, True, Outcome.COMPLETED),
        (1006, True, Outcome.CLIENT_LEFT),
        (1006, False, Outcome.TRUNCATED),
        (1011, False, Outcome.TRUNCATED),
        (None, None, Outcome.TRUNCATED),
    ],
)
def test_how_a_connection_ended(code: int | None, by_client: bool | None, outcome: Outcome) -> None:
    assert messages.outcome(WebSocketData(closed_by_client=by_client, close_code=code)) is outcome


# --- through the gateway -------------------------------------------------------------------------


class Line:
    """Opens sockets through the gateway."""

    def __init__(self, proxy: Proxy, upstream: Upstream) -> None:
        self.proxy = proxy
        self.upstream = upstream
        self.accepted: asyncio.Queue[End] = asyncio.Queue()
        self.ends: list[End] = []

    async def open(self) -> tuple[End, End]:
        """The client's and the upstream's end."""
        self.upstream.answers(accept(self.accepted))
        head, client = await dial(self.proxy.port)
        assert head.startswith(b"HTTP/1.1 101 "), head
        server = await asyncio.wait_for(self.accepted.get(), 5)
        self.ends += [client, server]
        return client, server


@pytest.fixture
async def line(proxy: Proxy, upstream: Upstream) -> AsyncIterator[Line]:
    line = Line(proxy, upstream)
    yield line
    for end in line.ends:
        end.abort()


async def test_both_ways(line: Line) -> None:
    line.proxy.provider.frames = shout
    client, server = await line.open()
    client.text("hello")
    assert (await server.message()).data == "HELLO"
    server.text("fine")
    assert (await client.message()).data == "FINE"
    assert line.upstream.seen[0].header("x-account") == "a"


async def test_a_refused_message_is_answered_and_the_connection_stays(line: Line) -> None:
    def picky(text: bytes) -> bytes:
        if b"bad" in text:
            raise REFUSED
        return text

    line.proxy.provider.frames = picky
    client, server = await line.open()
    client.text("bad one")
    assert json.loads((await client.message()).data)["status"] == 400
    client.text("good one")
    assert (await server.message()).data == "good one"
    assert server.messages.empty()


async def test_a_provider_that_breaks_lets_nothing_through(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    def fails(text: bytes) -> bytes:
        raise Mishap("secret")

    line.proxy.provider.frames = fails
    client, server = await line.open()
    for sender in (client, server):
        sender.text("secret")
        assert json.loads((await client.message()).data) == {
            "type": "error",
            "status": 502,
            "code": "rewrite_failed",
        }
    assert server.messages.empty()
    assert client.messages.empty()
    assert "could not be rewritten" in caplog.text


async def test_a_binary_message_is_refused(line: Line) -> None:
    client, server = await line.open()
    client.send(wsproto.events.BytesMessage(b'{"type":"response.create"}'))
    assert json.loads((await client.message()).data)["code"] == "unsupported_message"
    assert server.messages.empty()


async def test_old_messages_are_dropped(line: Line) -> None:
    line.proxy.serve(websocket_keep_bytes=1000)
    client, server = await line.open()
    for number in range(20):
        client.text(f"{number:>100}")
        await server.message()
    socket = line.proxy.flow.websocket
    assert socket is not None
    assert [int(each.content) for each in socket.messages] == list(range(10, 20))


@pytest.mark.parametrize(
    ("by", "ends", "outcome"),
    [
        ("client", "close", "completed"),
        ("client", "abort", "client_left"),
        ("server", "close", "completed"),
        ("server", "error", "truncated"),
        ("server", "abort", "truncated"),
    ],
)
async def test_a_connection_has_one_end(line: Line, by: str, ends: str, outcome: str) -> None:
    client, server = await line.open()
    side = client if by == "client" else server
    if ends == "abort":
        side.abort()
    else:
        side.send(wsproto.events.CloseConnection(1000 if ends == "close" else 1011))
    await line.proxy.ended()
    await asyncio.sleep(0.01)
    assert line.proxy.provider.ends == [outcome]
    assert line.proxy.flow.metadata["floway"]["outcome"] == outcome
    await until(lambda: client.cut.is_set(), "the client's end is open")


async def test_a_refused_upgrade_is_an_answer(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answers(refuse(401, b"{}"))
    head, end = await dial(proxy.port)
    assert head.startswith(b"HTTP/1.1 401 ")
    end.abort()
    await proxy.ended()
    assert proxy.provider.ends == ["failed"]
