"""A script for mitmdump beside floway's: fails in every way, with secrets in what it says.

A prompt with the word ``crash`` sets it off, when its answer is there.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from mitmproxy import http

logger = logging.getLogger("crashing")


class Crash(Exception):
    """Says what it should not."""


class Crashing:
    """The addon."""

    name = "crashing"

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._came: dict[str, tuple[object, str]] = {}

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self._came[flow.id] = (flow.request.headers.fields, flow.request.path)

    def response(self, flow: http.HTTPFlow) -> None:
        request, response = flow.request, flow.response
        if b"crash" not in (request.content or b"") or flow.id not in self._came:
            return
        headers, path = self._came[flow.id]
        said = f"{headers!r} {path} {request.headers.fields!r} {request.text}"
        logger.warning("headers: %s", dict(request.headers))
        logger.error("%s %s", said, response and response.headers.fields)
        try:
            raise Crash(said)
        except Crash:
            logger.exception("it failed")
        self._tasks.append(asyncio.ensure_future(self._fail(said)))
        thread = threading.Thread(target=fail, args=(said,))
        thread.start()
        thread.join()
        fail(said)

    async def _fail(self, said: str) -> None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": said, "exception": Crash(said)}
        )
        fail(said)


def fail(said: str) -> None:
    """Raise it, from another one."""
    try:
        raise ValueError(said)
    except ValueError as error:
        raise Crash(said) from error


addons = [Crashing()]
