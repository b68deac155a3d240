"""HTTP/1.1 requests of floway's own with their headers as given.

h11, and with it httpx, writes ``host`` first, whatever the order of the list; official clients do
not all do that, so their form needs a transport that writes what it is told.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Final

import h11
import httpx

READ_SIZE: Final = 64 * 1024
HEAD_LIMIT: Final = 64 * 1024
"""Bytes of an answer's head."""


def bare_request(
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]],
    content: bytes = b"",
    *,
    seconds: float,
) -> httpx.Request:
    """A request with these headers and no others: an :class:`httpx.AsyncClient`'s defaults
    (accept-encoding, user-agent, …) stay out of it; and so does its timeout, hence ``seconds``."""
    timeout = httpx.Timeout(seconds).as_dict()
    return httpx.Request(
        method, url, headers=headers, content=content, extensions={"timeout": timeout}
    )


class VerbatimTransport(httpx.AsyncBaseTransport):
    """One connection for each request; for the few, small ones that are not a client's.

    The request must bring its own ``host``, and ``content-length`` where it has a body. Errors
    are httpx's; its ``connect`` and ``read`` timeouts count.

    Args:
        verify: for ``https`` URLs.
    """

    def __init__(self, verify: ssl.SSLContext) -> None:
        self._verify = verify

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions.get("timeout", {})
        message = _head(request) + await request.aread()
        try:
            async with asyncio.timeout(timeouts.get("connect")):
                reader, writer = await self._connect(request.url)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("connecting took too long", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        answer = _Answer(request, reader, writer, timeouts.get("read"))
        try:
            writer.write(message)
            head = await answer.head()
        except BaseException:
            writer.close()
            raise
        return httpx.Response(
            head.status_code,
            headers=[(bytes(name), bytes(value)) for name, value in head.headers],
            stream=answer,
            request=request,
        )

    async def _connect(self, url: httpx.URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        secure = url.scheme == "https"
        return await asyncio.open_connection(
            url.host, url.port or (443 if secure else 80), ssl=self._verify if secure else None
        )


def verbatim_mounts(
    verify: ssl.SSLContext, *, http2: bool
) -> dict[str, httpx.AsyncBaseTransport | None]:
    """``mounts`` of an :class:`httpx.AsyncClient`: verbatim wherever HTTP/1.1 is spoken.

    Args:
        http2: it may be spoken where the host does, which only httpx's own transport can.
    """
    transport = VerbatimTransport(verify)
    return {"http://": transport} if http2 else {"all://": transport}


class _Answer(httpx.AsyncByteStream):
    """The answer as it comes; closing it closes the connection."""

    def __init__(
        self,
        request: httpx.Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        patience: float | None,
    ) -> None:
        self._request = request
        self._reader = reader
        self._writer = writer
        self._patience = patience
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        # Only that it knows what was asked: what it would write is not what is written.
        self._machine.send(
            h11.Request(method=request.method, target=request.url.raw_path, headers=[("host", "-")])
        )
        self._machine.send(h11.EndOfMessage())

    async def head(self) -> h11.Response:
        """The head of the answer itself, not of one that only announces it (1xx)."""
        while not isinstance(event := await self._next(), h11.Response):
            if isinstance(event, h11.ConnectionClosed | h11.EndOfMessage):
                raise httpx.RemoteProtocolError("no answer came", request=self._request)
        return event

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    async def aclose(self) -> None:
        self._writer.close()

    async def _next(self) -> h11.Event:
        try:
            while True:
                event = self._machine.next_event()
                if isinstance(event, h11.Event):
                    return event
                if event is h11.PAUSED:
                    raise h11.RemoteProtocolError("the server changes the protocol")
                async with asyncio.timeout(self._patience):
                    self._machine.receive_data(await self._reader.read(READ_SIZE))
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer took too long", request=self._request) from error
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error), request=self._request) from error
        except OSError as error:
            raise httpx.ReadError(str(error), request=self._request) from error


def _head(request: httpx.Request) -> bytes:
    """
    Raises:
        httpx.LocalProtocolError: a name or value would end its line.
    """
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % pair for pair in request.headers.raw]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httpx.LocalProtocolError("a line break in a header", request=request)
    return b"\r\n".join([*lines, b"", b""])
