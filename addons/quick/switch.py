"""mitmproxy's HTTP layer between its connections and streams, with fewer questions.

The layer asks of each command which of nine kinds it is, one after the other; most are of the last
ones. Here a command's class is looked at, the usual ones first. Nothing else is different.

Rests on ``HttpLayer.event_to_child`` of mitmproxy 12.2.3; ``tests/quick/test_switch.py`` compares.
"""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpLayer,
    RegisterHttpConnection,
    RequestHeaders,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import ReceiveHttp

type Commands = layer.CommandGenerator[None]


def _event_to_child(self: HttpLayer, child: layer.Layer, event: events.Event) -> Commands:
    for command in child.handle_event(event):
        if type(command) is commands.SendData:
            yield command
        elif type(command) is SendHttp:
            yield from self.event_to_child(self.connections[command.connection], command.event)
        elif type(command) is ReceiveHttp:
            received = command.event
            if isinstance(received, RequestHeaders):
                yield from self.make_stream(received.stream_id)
            stream = self.streams.get(received.stream_id)
            if stream is not None:  # else it is over, and what still comes for it is of no use
                yield from self.event_to_child(stream, received)
        else:
            yield from _others(self, child, command)


def _others(http: HttpLayer, child: layer.Layer, command: commands.Command) -> Commands:
    """What is seldom; whose end, if it has one, is for ``child``."""
    if command.blocking or isinstance(command, commands.RequestWakeup):
        http.command_sources[command] = child
    if isinstance(command, DropStream):
        http.streams.pop(command.stream_id, None)
    elif isinstance(command, GetHttpConnection):
        yield from http.get_connection(command)
    elif isinstance(command, RegisterHttpConnection):
        yield from http.register_connection(command)
    else:
        if isinstance(command, commands.OpenConnection):
            http.connections[command.connection] = child
        yield command


def install() -> Callable[[], None]:
    """From now on; the result undoes it."""
    event_to_child = HttpLayer.event_to_child
    HttpLayer.event_to_child = _event_to_child  # type: ignore[method-assign]

    def uninstall() -> None:
        HttpLayer.event_to_child = event_to_child  # type: ignore[method-assign]

    return uninstall
