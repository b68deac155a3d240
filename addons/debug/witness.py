"""Failed attempts, made visible: each becomes a flow of its own, linked to the one that went on.

A flow has one request and one response. What an attempt sent and what came back would be gone
once the next attempt replaces them, so a copy goes through mitmproxy's own hooks: it is in the
list of mitmweb and the console, on mitmdump's screen and in ``-w`` recordings like any other flow.
"""

from __future__ import annotations

import time

from mitmproxy import ctx, flow, http
from mitmproxy.proxy.layers.http import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpResponseHook,
)

from addons.debug.description import FAILED, METADATA, attempted
from addons.driver import Replan
from addons.exchange import Exchange


async def show_attempt(original: http.HTTPFlow, replan: Replan, exchange: Exchange) -> None:
    """Put a marked copy of an attempt that was not given to the client on record."""
    attempt = exchange.attempts[-1]
    copy = original.copy()
    copy.live = False
    copy.marked = FAILED
    number = len(exchange.attempts)
    copy.comment = f"attempt {number} · {attempt.account} · not given to the client: " + (
        attempt.reason or replan.error
    )
    copy.metadata[METADATA] = attempted(exchange, original.id)
    if copy.response is not None:
        copy.response.raw_content = replan.body
        copy.response.timestamp_end = time.time()
    if copy.response is None or replan.error:
        copy.error = flow.Error(replan.error or "no answer")
    manager = ctx.master.addons
    await manager.handle_lifecycle(HttpRequestHeadersHook(copy))
    if copy.response is not None and copy.error is None:
        await manager.handle_lifecycle(HttpResponseHook(copy))
    else:
        await manager.handle_lifecycle(HttpErrorHook(copy))
