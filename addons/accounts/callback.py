"""The end of a browser login: a page on this machine, to which the authorization server sends back.

A listener on the loopback address that answers one path, and tells what came in the address.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import html
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

from addons.accounts.errors import AccountError

_MAX_HEAD = 64 * 1024
_SECONDS = 10.0
"""For one request of a browser."""


class Callback:
    """A listener that waits for one good call.

    Attributes:
        port: where it listens.
    """

    def __init__(self, path: str, state: str) -> None:
        self._path = path
        self._state = state
        self.port = 0
        self._answer: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()

    async def wait(self, seconds: float) -> Mapping[str, str]:
        """The members of the address that the browser came with, ``state`` being right.

        Raises:
            AccountError: nobody came in time.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._answer
        except TimeoutError:
            raise AccountError(
                f"nobody signed in within {seconds / 60:.0f} minutes; begin again"
            ) from None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; anything but the expected call is answered and forgotten."""
        with contextlib.suppress(TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                status, text, found = self._judged(head.split(b"\r\n", 1)[0].decode("latin-1"))
                body = _page(text)
                writer.write(
                    f"HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\n"
                    f"content-length: {len(body)}\r\nconnection: close\r\n"
                    "cache-control: no-store\r\nreferrer-policy: no-referrer\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
                if found is not None and not self._answer.done():
                    self._answer.set_result(found)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _judged(self, line: str) -> tuple[str, str, Mapping[str, str] | None]:
        """Status, text of the page, and the members of a good call."""
        method, _, rest = line.partition(" ")
        target = urlsplit(rest.rpartition(" ")[0])
        if target.path != self._path:
            return "404 Not Found", "There is nothing here.", None
        if method != "GET":
            return "405 Method Not Allowed", "Only GET is understood.", None
        members = dict(parse_qsl(target.query))
        if not hmac.compare_digest(members.get("state", "").encode(), self._state.encode()):
            return "400 Bad Request", "This is not the sign-in that was begun here.", None
        if "error" in members:
            return "200 OK", "The sign-in was declined. Go back to your terminal.", members
        return "200 OK", "Go back to your terminal: floway finishes the sign-in there.", members


@asynccontextmanager
async def callback(path: str, state: str, ports: Sequence[int]) -> AsyncIterator[Callback]:
    """Listen on the first of the ports that is free; 0 is any.

    Raises:
        AccountError: none is.
    """
    waiting = Callback(path, state)
    server = None
    for port in ports:
        with contextlib.suppress(OSError):
            server = await asyncio.start_server(waiting.serve, "127.0.0.1", port, limit=_MAX_HEAD)
            break
    if server is None:
        tried = " and ".join(str(port) for port in ports)
        raise AccountError(
            f"the sign-in comes back to port {tried} of this machine, which other programs use; "
            "end them (another sign-in, perhaps), or use --device"
        )
    waiting.port = server.sockets[0].getsockname()[1]
    try:
        yield waiting
    finally:
        server.close()


def _page(text: str) -> bytes:
    return (
        "<!doctype html><meta charset=utf-8><title>floway</title>"
        '<body style="font-family: system-ui; margin: 4em auto; max-width: 30em">'
        f"<h1>floway</h1><p>{html.escape(text)}</p>\n"
    ).encode()
