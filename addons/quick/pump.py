"""mitmproxy's event pump with fewer turns, for every connection of the process.

mitmproxy feeds each event of a connection (bytes, the end of a hook, a timer) to its outermost
layer and does what the layers command. Two things in there cost more than all else in a small
request, and are done differently here, with the same outcome:

- each piece of data is a write of its own: a head, a body, each chunk. Here, what an event and
  all that follows from it at once have to say to one connection is one write;
- each hook ends with an event that waits for the event loop to come round, even where no addon
  had to wait for anything. Here, such an event is fed as soon as the one before it is done.

Rests on two methods of mitmproxy 12.2.3, ``server_event`` and ``hook_task`` of
``mitmproxy/proxy/server.py``: the first feeds events one at a time, the second feeds the end of a
hook. ``tests/quick/test_pump.py`` compares the two pumps.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.server import ConnectionHandler


class Pump(layer.Layer):
    """Stands in the place of a connection's outermost layer."""

    def __init__(self, handler: ConnectionHandler) -> None:
        """Without its own context: it is the layer that it stands for."""
        self._handler = handler
        self._layer = handler.layer
        self._coming: deque[events.Event] = deque()
        self._turning = False
        self.context = handler.layer.context
        self.debug = handler.layer.debug

    def follows(self, event: events.Event) -> bool:
        """Whether ``event`` was taken to be fed in the turn that is under way; False: there is
        none, so nothing would feed it."""
        if self._turning:
            self._coming.append(event)
        return self._turning

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """A turn: an event, and all events that follow from it at once."""
        coming = self._coming
        coming.append(event)
        unsent: list[tuple[Connection, list[bytes]]] = []
        self._turning = True
        try:
            while coming:
                try:
                    for command in self._layer.handle_event(coming.popleft()):
                        if isinstance(command, commands.SendData):
                            _keep(unsent, command)
                            continue
                        if isinstance(command, commands.CloseConnection):
                            yield from _sending(unsent)
                        yield command
                except Exception:  # noqa: BLE001 - said as mitmproxy says it
                    self._handler.log("mitmproxy has crashed!", logging.ERROR, exc_info=True)
        finally:
            self._turning = False
        yield from _sending(unsent)

    _handle_event = handle_event


def _keep(unsent: list[tuple[Connection, list[bytes]]], command: commands.SendData) -> None:
    for connection, pieces in unsent:
        if connection is command.connection:
            pieces.append(command.data)
            return
    unsent.append((command.connection, [command.data]))


def _sending(
    unsent: list[tuple[Connection, list[bytes]]],
) -> layer.CommandGenerator[None]:
    while unsent:
        connection, pieces = unsent.pop(0)
        yield commands.SendData(connection, pieces[0] if len(pieces) == 1 else b"".join(pieces))


def install() -> Callable[[], None]:
    """Use such pumps from now on; the result undoes it.

    A connection that has one keeps it, as a layer that feeds one event at a time.
    """
    server_event, hook_task = ConnectionHandler.server_event, ConnectionHandler.hook_task

    async def server_event_pumped(self: ConnectionHandler, event: events.Event) -> None:
        if not isinstance(self.layer, Pump):
            self.layer = Pump(self)
        await server_event(self, event)

    async def hook_task_at_once(self: ConnectionHandler, hook: commands.StartHook) -> None:
        await self.handle_hook(hook)
        if hook.blocking:
            done = events.HookCompleted(hook)
            if not (isinstance(self.layer, Pump) and self.layer.follows(done)):
                await self.server_event(done)

    ConnectionHandler.server_event = server_event_pumped  # type: ignore[method-assign]
    ConnectionHandler.hook_task = hook_task_at_once  # type: ignore[method-assign]

    def uninstall() -> None:
        ConnectionHandler.server_event = server_event  # type: ignore[method-assign]
        ConnectionHandler.hook_task = hook_task  # type: ignore[method-assign]

    return uninstall
