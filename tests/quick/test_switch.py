"""Commands go where mitmproxy sends them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Client, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpErrorHook,
    HttpLayer,
    HTTPMode,
    RegisterHttpConnection,
    RequestData,
    RequestHeaders,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.test import tflow

from addons.quick import switch

ORIGINAL = HttpLayer.event_to_child

CLIENT = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0)
SERVER = Server(address=("a.example", 80))
OTHER = Server(address=("b.example", 80))


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    yield
    assert HttpLayer.event_to_child is ORIGINAL


class Loud(commands.SendData):
    """A subclass is treated as what it is."""


class Beside(HttpErrorHook):
    """Nobody waits for its end."""

    name = "switch_test_beside"
    blocking = False


def command(kind: str, number: int) -> commands.Command:
    """``number``: of a stream."""
    data: HttpEvent = RequestData(number, b"x")
    flow = tflow.tflow()
    head: HttpEvent = RequestHeaders(number, flow.request, end_stream=True)
    made: dict[str, Any] = {
        "data": lambda: commands.SendData(CLIENT, b"x"),
        "loud": lambda: Loud(CLIENT, b"x"),
        "send": lambda: SendHttp(data, SERVER),
        "send head": lambda: SendHttp(head, CLIENT),
        "receive": lambda: ReceiveHttp(data),
        "receive head": lambda: ReceiveHttp(head),
        "drop": lambda: DropStream(number),
        "get": lambda: GetHttpConnection(("a.example", 80), False, None, "tcp"),
        "register": lambda: RegisterHttpConnection(SERVER, None),
        "open": lambda: commands.OpenConnection(OTHER),
        "close": lambda: commands.CloseConnection(SERVER),
        "wake": lambda: commands.RequestWakeup(1.0),
        "hook": lambda: HttpErrorHook(flow),
        "beside": lambda: Beside(flow),
        "log": lambda: commands.Log("said"),
        "no command": object,
    }
    found: commands.Command = made[kind]()
    return found


KINDS = [
    *("data", "loud", "send", "send head", "receive", "receive head", "drop", "get"),
    *("register", "open", "close", "wake", "hook", "beside", "log", "no command"),
]
STEPS = st.tuples(st.sampled_from(KINDS), st.integers(1, 3))
SCRIPTS = st.lists(st.lists(STEPS, max_size=3), max_size=8)


@dataclass
class Play:
    """What the layers of a connection do, one after the other, whoever is asked."""

    scripts: list[list[tuple[str, int]]]
    said: list[object] = field(default_factory=list)


class Child(layer.Layer):
    def __init__(self, name: str, play: Play) -> None:
        """Part of no connection."""
        self.name, self._play = name, play

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self._play.said.append((self.name, type(event).__name__))
        if self._play.scripts:
            for kind, number in self._play.scripts.pop(0):
                yield command(kind, number)

    _handle_event = handle_event


class Http(HttpLayer):
    """Says what it is asked for."""

    def __init__(self, play: Play) -> None:
        super().__init__(Context(CLIENT, Options()), HTTPMode.regular)
        self.play = play
        self.connections = {CLIENT: Child("client", play), SERVER: Child("server", play)}
        streams: Any = {1: Child("1", play), 2: Child("2", play)}
        self.streams = streams

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        made: Any = Child(f"new {stream_id}", self.play)
        self.streams[stream_id] = made
        yield from self.event_to_child(made, events.Start())

    def get_connection(
        self, event: GetHttpConnection, *, reuse: bool = True
    ) -> layer.CommandGenerator[None]:
        self.play.said.append(("get", self.named(self.command_sources[event])))
        yield commands.Log("got")

    def register_connection(self, command: RegisterHttpConnection) -> layer.CommandGenerator[None]:
        self.play.said.append("register")
        yield commands.Log("registered")

    def named(self, child: layer.Layer) -> str:
        assert isinstance(child, Child)
        return child.name


def play(scripts: list[list[tuple[str, int]]]) -> list[object]:
    """All that can be seen of it from outside."""
    playing = Play([list(script) for script in scripts])
    http = Http(playing)
    said = playing.said
    try:
        for each in http.event_to_child(http.connections[CLIENT], events.Start()):
            source = http.command_sources.get(each)
            said.append((type(each).__name__, source and http.named(source)))
    except (AssertionError, AttributeError) as error:  # what is no command
        said.append("refused")
        del error
    said.append(sorted(http.streams))
    said.append({str(at): http.named(child) for at, child in http.connections.items()})
    return said


@pytest.mark.parametrize("number", [1, 3], ids=["a stream", "no stream"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_command_goes_where_mitmproxy_sends_it(kind: str, number: int) -> None:
    compare([[(kind, number)], [("data", 1), (kind, number)]])


@given(scripts=SCRIPTS)
def test_every_command_goes_where_mitmproxy_sends_it(
    scripts: list[list[tuple[str, int]]],
) -> None:
    compare(scripts)


def compare(scripts: list[list[tuple[str, int]]]) -> None:
    theirs = play(scripts)
    undo = switch.install()
    try:
        assert HttpLayer.event_to_child is not ORIGINAL
        ours = play(scripts)
    finally:
        undo()
    assert ours == theirs
