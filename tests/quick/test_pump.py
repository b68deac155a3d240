"""The pump does what mitmproxy's own does, in fewer turns and fewer writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO
from mitmproxy.utils.asyncio_utils import set_eager_task_factory

from addons.quick import pump

ORIGINAL = (ConnectionHandler.server_event, ConnectionHandler.hook_task)

type Step = str
"""``c1`` sends "1" to the client, ``s1`` to the server; ``hook`` is one that ends at once,
``wait`` one that has to wait, ``aside`` one that nobody waits for; ``close c``, ``half c``;
``crash`` raises, ``log`` logs."""


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    yield
    assert (ConnectionHandler.server_event, ConnectionHandler.hook_task) == ORIGINAL


@dataclass
class PumpTestHook(commands.StartHook):
    """Ends at once, or waits for ``until``."""

    until: asyncio.Event | None


@dataclass
class PumpTestAsideHook(commands.StartHook):
    """Nobody waits for its end."""

    until: asyncio.Event | None
    blocking = False


@dataclass
class Trace:
    """What a handler did.

    Attributes:
        said: hooks, crashes, closings with the bytes that had been written before them.
        written: bytes by connection.
        writes: number of writes.
    """

    said: list[str] = field(default_factory=list)
    written: dict[str, bytes] = field(default_factory=dict)
    writes: int = 0


class Writer:
    def __init__(self, name: str, trace: Trace) -> None:
        self._name, self._trace = name, trace

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self._trace.written[self._name] = self._trace.written.get(self._name, b"") + data
        self._trace.writes += 1

    def write_eof(self) -> None:
        self._trace.said.append(f"end {self._name} after {self._trace.written.get(self._name)!r}")


class Scripted(layer.Layer):
    """Does the steps of a script for each event that it is given."""

    def __init__(self, context: Context, scripts: list[list[Step]], trace: Trace) -> None:
        super().__init__(context)
        self._scripts, self._trace = scripts, trace
        self.waits: list[asyncio.Event] = []

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.DataReceived):
            return
        self._trace.said.append(f"event {event.data.decode()}")
        for step in self._scripts[int(event.data)]:
            connection = self.context.client if step[-1] == "c" else self.context.server
            if step == "crash":
                raise ValueError("a layer fails")
            if step == "log":
                yield commands.Log("a line")
            elif step == "hook":
                yield PumpTestHook(None)
            elif step in ("wait", "aside"):
                self.waits.append(asyncio.Event())
                yield (PumpTestHook if step == "wait" else PumpTestAsideHook)(self.waits[-1])
            elif step.startswith("close"):
                yield commands.CloseConnection(connection)
            elif step.startswith("half"):
                yield commands.CloseTcpConnection(connection, half_close=True)
            else:
                target = self.context.client if step[0] == "c" else self.context.server
                yield commands.SendData(target, step[1:].encode())


class Handler(ConnectionHandler):
    """A connection without sockets."""

    def __init__(self, scripts: list[list[Step]]) -> None:
        client = Client(
            peername=("127.0.0.1", 1),
            sockname=("127.0.0.1", 2),
            timestamp_start=0.0,
            proxy_mode=ProxyMode.parse("regular"),
            state=ConnectionState.OPEN,
        )
        context = Context(client, Options())
        context.server = Server(address=("127.0.0.1", 3))
        context.server.state = ConnectionState.OPEN
        super().__init__(context)
        self.trace = Trace()
        self.layer = self.scripted = Scripted(context, scripts, self.trace)
        self.names: dict[Connection, str] = {client: "c", context.server: "s"}
        for connection, name in self.names.items():
            writer = cast("asyncio.StreamWriter", Writer(name, self.trace))
            self.transports[connection] = ConnectionIO(
                handler=asyncio.ensure_future(self._until_closed(connection)), writer=writer
            )

    async def _until_closed(self, connection: Connection) -> None:
        """What is left of ``handle_connection`` where nothing is read."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await self.server_event(events.ConnectionClosed(connection))
            self.transports.pop(connection)
            raise

    def close_connection(self, connection: Connection, half_close: bool = False) -> None:
        before = self.trace.written.get(self.names[connection])
        self.trace.said.append(f"close {self.names[connection]} after {before!r}")
        super().close_connection(connection, half_close)

    async def handle_hook(self, hook: commands.StartHook) -> None:
        (until,) = hook.args()
        self.trace.said.append(f"{hook.name} begins")
        if until is not None:
            await until.wait()
            self.trace.said.append(f"{hook.name} ends")

    def log(self, message: str, level: int = logging.INFO, exc_info: object = None) -> None:
        self.trace.said.append(message)

    async def end(self) -> None:
        tasks = [io.handler for io in self.transports.values() if io.handler]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def settled() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


async def run(scripts: list[list[Step]]) -> Trace:
    """Give a handler one event for each script, then let what waits go on, oldest first."""
    with set_eager_task_factory():
        handler = Handler(scripts)
        for number in range(len(scripts)):
            data = events.DataReceived(handler.client, str(number).encode())
            await handler.server_event(data)
            await settled()
        waits = handler.scripted.waits
        while waits:
            waits.pop(0).set()
            await settled()
        await handler.end()
    return handler.trace


def pumped(work: Callable[[], Awaitable[Trace]]) -> Trace:
    undo = pump.install()
    try:
        return asyncio.run(work())  # type: ignore[arg-type]  # an async function
    finally:
        undo()


STEPS = st.sampled_from(
    [*("c1", "c22", "s3", "s44", "hook", "wait", "aside", "crash", "log"), "close c", "half s"]
)


def closing_once(scripts: list[list[Step]]) -> list[list[Step]]:
    """No layer speaks to a connection that it has closed, or closes it again. (mitmproxy would
    cancel the end of that connection then.)"""
    alive = True
    out: list[list[Step]] = []
    for script in scripts:
        out.append([])
        for step in script:
            if alive or step not in ("c1", "c22", "close c"):
                out[-1].append(step)
            alive = alive and step != "close c"
    return out


@given(st.lists(st.lists(STEPS, max_size=7), min_size=1, max_size=4).map(closing_once))
@example([["c1", "hook", "c2", "wait", "c3", "hook", "close c"], ["s1"], ["crash"]])
def test_the_outcome_is_that_of_mitmproxy_s_pump(scripts: list[list[Step]]) -> None:
    theirs = asyncio.run(run(scripts))
    ours = pumped(lambda: run(scripts))
    assert ours.said == theirs.said
    assert ours.written == theirs.written
    assert ours.writes <= theirs.writes


def test_one_write_for_each_connection_and_turn() -> None:
    script = ["chead", "cbody", "hook", "s1", "cend", "hook", "s2"]
    theirs = asyncio.run(run([script]))
    ours = pumped(lambda: run([script]))
    assert theirs.writes == 5
    assert ours.writes == 2
    assert ours.written == {"c": b"headbodyend", "s": b"12"}


def test_what_a_waiting_hook_holds_up_is_not_what_came_before_it() -> None:
    async def work() -> Trace:
        with set_eager_task_factory():
            handler = Handler([["c1", "wait", "c2"]])
            await handler.server_event(events.DataReceived(handler.client, b"0"))
            assert handler.trace.written == {"c": b"1"}
            handler.scripted.waits[0].set()
            await settled()
            await handler.end()
        return handler.trace

    assert pumped(work).written == {"c": b"12"}


def test_a_crash_costs_one_event() -> None:
    class Two(layer.Layer):
        """Two streams: both wait for a hook, and the first one crashes when it is over."""

        def __init__(self, context: Context, trace: Trace) -> None:
            super().__init__(context)
            self.streams = [Scripted(context, [steps], trace) for steps in (CRASHING, FINE)]
            self.owners: dict[commands.Command, layer.Layer] = {}

        def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            if isinstance(event, events.CommandCompleted):
                streams = [self.owners.pop(event.command)]
            else:
                streams = list(self.streams)
            for stream in streams:
                for command in stream.handle_event(event):
                    if command.blocking:
                        self.owners[command] = stream
                    yield command

        def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            yield from self.handle_event(event)

    async def work() -> Trace:
        with set_eager_task_factory():
            handler = Handler([[]])
            handler.layer = Two(handler.layer.context, handler.trace)
            await handler.server_event(events.DataReceived(handler.client, b"0"))
            await settled()
            await handler.end()
        return handler.trace

    CRASHING, FINE = ["hook", "crash"], ["c1", "hook", "c2"]
    ours = pumped(work)
    assert ours.written == asyncio.run(work()).written == {"c": b"12"}
    assert "mitmproxy has crashed!" in ours.said


def test_connections_outlive_the_installation() -> None:
    async def work() -> Trace:
        with set_eager_task_factory():
            handler = Handler([["c1", "hook", "c2"], ["c3", "hook", "c4"]])
            undo = pump.install()
            try:
                await handler.server_event(events.DataReceived(handler.client, b"0"))
            finally:
                undo()
            await handler.server_event(events.DataReceived(handler.client, b"1"))
            await settled()
            await handler.end()
        return handler.trace

    assert asyncio.run(work()).written == {"c": b"1234"}


def test_without_eager_tasks_a_hook_ends_in_a_turn_of_its_own() -> None:
    async def work() -> Trace:
        handler = Handler([["c1", "hook", "c2"]])
        await handler.server_event(events.DataReceived(handler.client, b"0"))
        await settled()
        await handler.end()
        return handler.trace

    assert pumped(work).written == {"c": b"12"}


def test_installed_twice_and_undone() -> None:
    with ExitStack() as stack:
        stack.callback(pump.install())
        stack.callback(pump.install())
        assert ConnectionHandler.server_event is not ORIGINAL[0]
