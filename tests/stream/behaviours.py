"""What a scripted upstream may do with a request; the same for HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import asyncio

from tests.stream.upstreams import Behaviour, Framing, Headers, Http1Received, Received


def succeed(
    *parts: bytes, framing: Framing = "chunked", headers: Headers = (), gap: float = 0
) -> Behaviour:
    """200, and the parts one by one (``output`` when none are given)."""

    async def behave(received: Received) -> None:
        chunks = parts or (b"output ", b"and more")
        await received.head(200, headers, framing=framing, length=sum(map(len, chunks)))
        for chunk in chunks:
            await received.data(chunk)
            await asyncio.sleep(gap)
        await received.end()

    return behave


def refuse(
    status: int = 429, body: bytes = b"quota", framing: Framing = "length", headers: Headers = ()
) -> Behaviour:
    """An error with a body that ends."""

    async def behave(received: Received) -> None:
        await received.head(status, headers, framing=framing, length=len(body))
        if framing != "headers-only":
            await received.data(body)
            await received.end()

    return behave


def refuse_without_end(status: int = 429) -> Behaviour:
    """An error whose body goes on until the peer has enough."""

    async def behave(received: Received) -> None:
        await received.head(status)
        while not received.gone.is_set():
            await received.data(b"x" * 8192)
            await asyncio.sleep(0)

    return behave


def reset() -> Behaviour:
    """No headers: a reset stream (HTTP/2) or connection (HTTP/1.1)."""
    return lambda received: received.reset()


def close() -> Behaviour:
    """No headers: the connection is closed."""
    return lambda received: received.close()


def silence() -> Behaviour:
    """Nothing, until the peer goes away."""

    async def behave(received: Received) -> None:
        await received.gone.wait()

    return behave


def stall(*parts: bytes, status: int = 200) -> Behaviour:
    """Headers and these parts, then nothing until the peer goes away."""

    async def behave(received: Received) -> None:
        await received.head(status)
        for part in parts:
            await received.data(part)
        await received.gone.wait()

    return behave


def break_off(*parts: bytes, framing: Framing = "chunked", length: int = 0) -> Behaviour:
    """A good beginning, then the connection or stream is reset once the test says so."""

    async def behave(received: Received) -> None:
        await received.head(200, framing=framing, length=length)
        for part in parts:
            await received.data(part)
            await asyncio.sleep(0.01)
        if isinstance(received, Http1Received):
            await received.close()
        else:
            await received.reset()

    return behave
