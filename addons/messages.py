"""Messages of an open WebSocket: rewritten or dropped, and not kept for ever."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

from mitmproxy.websocket import WebSocketData, WebSocketMessage

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.providers.contract import Outcome

logger = logging.getLogger(__name__)

GOOD_CLOSE_CODES = (1000, 1001, 1005)
"""Normal, going away, and a close frame without a code (RFC 6455 §7.4.1)."""


def rewrite(message: WebSocketMessage, exchange: Exchange) -> bytes | None:
    """Change a message in place, or drop it. Never raises.

    The result is a text message for the client that says why the message was dropped. Injected
    messages, floway's own or the debugger's, stay as they are.
    """
    if message.injected:
        return None
    provider = exchange.provider
    try:
        if not message.is_text:
            if message.from_client:
                raise ClientError(
                    400,
                    "unsupported_message",
                    "Binary messages are not part of this protocol; send JSON as text.",
                )
        elif message.from_client:
            message.content = provider.client_frame(exchange, message.content)
        else:
            message.content = provider.server_frame(exchange, message.content)
        return None
    except ClientError as error:
        failure = error
    except Exception:
        logger.exception("a WebSocket message could not be rewritten; it was not passed on")
        failure = ClientError(502, "rewrite_failed", "floway could not rewrite this message.")
    message.drop()
    try:
        return provider.error_frame(exchange, failure)
    except Exception:
        logger.exception("a client could not be told of an error")
        return None


class MessageWindow:
    """The messages that an open connection keeps for the debugger.

    mitmproxy keeps every message for as long as the connection lives (facts: trap 20).

    Args:
        limit: bytes of their contents; the last message is always kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sizes: deque[int] = deque()
        self._total = 0

    def trim(self, messages: list[WebSocketMessage]) -> int:
        """Drop the oldest messages, and say how many; to be called after each new one."""
        if len(self._sizes) != len(messages) - 1:
            self._recount(messages[:-1])
        self._add(len(messages[-1].content))
        surplus = 0
        while self._total > self._limit and len(self._sizes) > 1:
            self._total -= self._sizes.popleft()
            surplus += 1
        del messages[:surplus]
        return surplus

    def _recount(self, messages: Sequence[WebSocketMessage]) -> None:
        """Someone else has taken messages away."""
        self._sizes.clear()
        self._total = 0
        for message in messages:
            self._add(len(message.content))

    def _add(self, size: int) -> None:
        self._sizes.append(size)
        self._total += size


def outcome(socket: WebSocketData) -> Outcome:
    """How the connection ended."""
    if socket.close_code in GOOD_CLOSE_CODES:
        return Outcome.COMPLETED
    return Outcome.CLIENT_LEFT if socket.closed_by_client else Outcome.TRUNCATED
