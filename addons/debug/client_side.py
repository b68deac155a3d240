"""The client's own request, kept in the flow whose request becomes the upstream's.

In ``flow.metadata``, so that it is saved with the flow. A small addon in front of the gateway.
"""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import ctx, http

from addons.attempts import ExchangeDriver
from addons.debug import flow_recording
from addons.debug.views.parity import Side
from addons.driver import driver_of

CLIENT = "floway_client"
"""Key of ``flow.metadata``: line, headers as pairs of bytes, body as it came; saved with it."""


class ClientSide:
    """
    Args:
        limit: bytes of a body that are kept; of a larger one, nothing.
    """

    name = "floway-client-side"

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit

    def request(self, flow: http.HTTPFlow) -> None:
        """The body has come; nothing was rewritten yet."""
        driver = driver_of(flow)
        if not isinstance(driver, ExchangeDriver) or flow.response is not None:
            return
        if ctx.options.store_streamed_bodies:  # else the stream itself is not kept
            driver.exchange.times = []
        request = flow.request
        body = request.raw_content or b""
        limit = self._limit()
        if limit <= 0:
            return
        flow.metadata[CLIENT] = {
            "line": f"{request.method} {request.path}",
            "headers": [[name, value] for name, value in request.headers.fields],
            "body": body if len(body) <= limit else b"",
            "left_out": max(0, len(body) - limit),
        }


def kept_whole(flow: http.HTTPFlow) -> Side:
    """The client's request, to be sent again.

    Raises:
        ValueError: it was not kept, or not as a whole; names the remedy.
    """
    kept, side = flow.metadata.get(CLIENT), client_side(flow)
    if side is None or not isinstance(kept, dict):
        raise ValueError(
            "the client's own request was not kept: floway had no part in this flow, or the "
            "setting client_keep_bytes is 0"
        )
    if kept.get("left_out"):
        raise ValueError(
            f"the client's body was {kept['left_out']} bytes larger than what is kept; raise the "
            "setting client_keep_bytes, and ask again"
        )
    return side


def client_side(flow: http.HTTPFlow) -> Side | None:
    """What was kept; None where nothing was, or it can't be read."""
    kept = flow.metadata.get(CLIENT)
    if not isinstance(kept, dict):
        return None
    try:
        headers = [(_text(name), _text(value)) for name, value in kept["headers"]]
        return Side(str(kept["line"]), headers, bytes(kept["body"]))
    except (KeyError, TypeError, ValueError):
        return None


def _text(word: object) -> str:
    return flow_recording.text(word) if isinstance(word, bytes) else str(word)
