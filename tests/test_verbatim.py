"""Requests over a real socket: what is written, byte for byte, and what comes back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from addons.verbatim import VerbatimTransport, bare_request, verbatim_mounts

HEADERS = [("Accept", "*/*"), ("x-Mixed", "1"), ("host", "example.org"), ("content-length", "2")]
WRITTEN = (
    b"POST /a?b=%20 HTTP/1.1\r\nAccept: */*\r\nx-Mixed: 1\r\nhost: example.org\r\n"
    b"content-length: 2\r\n\r\n{}"
)


@asynccontextmanager
async def server(answer: bytes, *, stay: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that reads one request of :data:`WRITTEN`'s length and writes ``answer``."""
    received: list[bytes] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readexactly(len(WRITTEN)))
        writer.write(answer)
        if stay:
            await over.wait()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", received
    finally:
        over.set()
        listening.close()


async def post(url: str, patience: float = 5.0) -> httpx.Response:
    verify = ssl.create_default_context()
    mounts = verbatim_mounts(verify, http2=True)
    async with httpx.AsyncClient(mounts=mounts, timeout=patience, trust_env=False) as client:
        return await client.send(
            httpx.Request("POST", f"{url}/a?b=%20", headers=HEADERS, content=b"{}")
        )


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", 404, b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200, b"ab"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 204 None\r\n\r\n", 204, b""),
    ],
)
async def test_headers_as_given(answer: bytes, status: int, content: bytes) -> None:
    async with server(answer) as (url, received):
        found = await post(url)
    assert received == [WRITTEN]
    assert (found.status_code, found.content) == (status, content)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"nonsense\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, httpx.RemoteProtocolError),
    ],
)
async def test_a_broken_answer(answer: bytes, error: type[Exception]) -> None:
    async with server(answer) as (url, _):
        with pytest.raises(error):
            await post(url)


async def test_patience() -> None:
    async with server(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na", stay=True) as (url, _):
        with pytest.raises(httpx.ReadTimeout):
            await post(url, patience=0.1)


async def test_a_bare_request_has_its_patience_with_it() -> None:
    """A client's own timeout does not count for a request that it has not made itself."""
    async with server(b"", stay=True) as (url, _), httpx.AsyncClient(trust_env=False) as client:
        asked = bare_request("POST", f"{url}/a?b=%20", HEADERS, b"{}", seconds=0.1)
        with pytest.raises(httpx.ReadTimeout):
            await client.send(asked)


async def test_nobody_there(unused_tcp_port_factory: Callable[[], int]) -> None:
    with pytest.raises(httpx.ConnectError):
        await post(f"http://127.0.0.1:{unused_tcp_port_factory()}")


async def test_a_line_break_goes_nowhere() -> None:
    transport = VerbatimTransport(ssl.create_default_context())
    async with server(b"") as (url, received):
        request = httpx.Request("GET", url, headers=[("x", "a\r\nevil: 1")])
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request)
    assert received == []
