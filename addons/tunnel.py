"""The WebSocket half of ``stream.py``: what mitmproxy's relay would hide from the two ends.

Two differences from mitmproxy 12.2.3:

- an upstream that dies without a close frame is passed on as such. mitmproxy sends the client a
  close frame with code 1000, which reads as a good end;
- each side has the extensions that *it* negotiated. mitmproxy takes both from the upstream's
  answer, so a client that offered no compression would be sent compressed frames.

A changed message leaves in one frame: ``stream.install`` raises mitmproxy's 4,000 bytes to
:data:`FRAME_BYTES`.
"""

from __future__ import annotations

import logging
import time

import wsproto
import wsproto.extensions
import wsproto.utilities
from mitmproxy.connection import Connection
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import websocket
from wsproto.frame_protocol import CloseReason

type Commands = layer.CommandGenerator[None]

logger = logging.getLogger(__name__)

FRAME_BYTES = 64 * 1024 * 1024


def deflate(header: str) -> list[wsproto.extensions.Extension]:
    """permessage-deflate as accepted in ``header``, or nothing.

    Parameters that make no sense count as no compression: a peer that compresses all the same is
    told of a protocol error (1002), frame by frame.
    """
    for accepted in wsproto.utilities.split_comma_header(header.encode("ascii", "replace")):
        if accepted.split(";", 1)[0].strip() == wsproto.extensions.PerMessageDeflate.name:
            extension = wsproto.extensions.PerMessageDeflate()
            try:
                extension.finalize(accepted)
            except (ValueError, IndexError):  # a parameter with no value, or not with this one
                logger.warning("WebSocket compression with unreadable parameters: %.100r", accepted)
                continue
            return [extension]
    return []


class ClosingWebsocketLayer(websocket.WebsocketLayer):
    """mitmproxy's relay, with honest endings and extensions for each side."""

    def __init__(
        self, context: Context, flow: HTTPFlow, *, client: str = "", server: str = ""
    ) -> None:
        """``client`` and ``server``: the ``sec-websocket-extensions`` agreed on each side."""
        super().__init__(context, flow)
        self._extensions = {True: client, False: server}

    def _side(self, conn: Connection, *, client: bool) -> websocket.WebsocketConnection:
        kind = wsproto.ConnectionType.SERVER if client else wsproto.ConnectionType.CLIENT
        return websocket.WebsocketConnection(kind, deflate(self._extensions[client]), conn=conn)

    def start(self, _: events.Event) -> Commands:
        self.client_ws = self._side(self.context.client, client=True)
        self.server_ws = self._side(self.context.server, client=False)
        yield websocket.WebsocketStartHook(self.flow)
        self._handle_event = self.relay_messages  # type: ignore[assignment, method-assign]

    _handle_event = start  # as in mitmproxy: one method a state

    def relay_messages(self, event: events.Event) -> Commands:
        if isinstance(event, events.ConnectionClosed):
            source = self.client_ws if event.connection == self.context.client else self.server_ws
            if source.state is wsproto.connection.ConnectionState.OPEN:
                yield from self._lost(from_client=source is self.client_ws)
                return
        yield from super().relay_messages(event)

    def _lost(self, *, from_client: bool) -> Commands:
        """One end is gone without a word: the other one is cut off in the same way."""
        assert self.flow.websocket
        self.flow.websocket.timestamp_end = time.time()
        self.flow.websocket.closed_by_client = from_client
        self.flow.websocket.close_code = int(CloseReason.ABNORMAL_CLOSURE)
        self.flow.websocket.close_reason = ""
        for ws in (self.server_ws, self.client_ws):
            yield commands.CloseConnection(ws.conn)
        yield websocket.WebsocketEndHook(self.flow)
        self.flow.live = False
        self._handle_event = self.done  # type: ignore[method-assign]
