"""One request on an HTTP/2 connection, as its run sees it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire.http2 import Data, Ended, Failed, Head, Trailers


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds.

    Attributes:
        connect: until the connection stands, TLS and the server's settings included.
        send: without one byte taken by the server.
        ping_after: of silence while a run is open; then a PING goes out.
        ping_answer: for any byte to come after that.
        idle: without a run; then the connection is closed.
    """

    connect: float = 15.0
    send: float = 30.0
    ping_after: float = 10.0
    ping_answer: float = 20.0
    idle: float = 90.0


class Carrier(Protocol):
    """What a stream needs of its connection."""

    limits: Limits
    congested: bool

    def next_ticket(self) -> int: ...

    def send(self, number: int, data: memoryview) -> int: ...

    def acknowledge(self, number: int, cost: int) -> None: ...

    def finish(self, number: int) -> None: ...

    def cancel(self, number: int) -> None: ...


class Stream:
    """One request on a connection. One task reads, any number may send, one after the other.

    Attributes:
        ticket: its place in the queue of streams that wait to send.
    """

    def __init__(self, connection: Carrier, number: int) -> None:
        self._connection = connection
        self.number = number
        self.ticket = 0
        self._happened: deque[Head | Data | Trailers | Ended] = deque()
        self._error: errors.TransportError | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def send(self, data: bytes) -> None:
        """Send all of ``data``, as the windows allow.

        Once a part of it is sent, the stream is cancelled if the rest can't follow: what comes
        after half a message has no meaning.

        Raises:
            TransportError: the stream is over; SendTimeout: the server took no byte in time.
        """
        rest = memoryview(data)
        self.ticket = self._connection.next_ticket()
        try:
            while len(rest):
                self._room.clear()
                taken = 0
                if not self._connection.congested:
                    taken = self._connection.send(self.number, rest)
                    rest = rest[taken:]
                if taken:
                    self.ticket = self._connection.next_ticket()
                if len(rest) and not taken:
                    await self._wait_for_room()
        except BaseException:
            if len(rest) != len(data):
                self.cancel()
            raise

    async def _wait_for_room(self) -> None:
        limit = self._connection.limits.send
        try:
            async with asyncio.timeout(limit):
                await self._room.wait()
        except TimeoutError:
            raise errors.SendTimeout(limit) from None
        if self._error is not None:
            raise self._error

    async def receive(self) -> Head | Data | Trailers | Ended:
        """What comes next. Body bytes are to be given back with :meth:`acknowledge`.

        Raises:
            TransportError: the stream failed; what came before is given first.
        """
        while not self._happened:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        return self._happened.popleft()

    def acknowledge(self, cost: int) -> None:
        """Body bytes that were taken; the server may send as many more."""
        self._connection.acknowledge(self.number, cost)

    def finish(self) -> None:
        """End our half of the stream."""
        self._connection.finish(self.number)

    def cancel(self) -> None:
        """Reset the stream, if it is open. Whoever waits on it is told that it is over."""
        self._connection.cancel(self.number)
        self.put(Failed(self.number, errors.ConnectionLost("The stream was cancelled.")))

    def put(self, event: Head | Data | Trailers | Ended | Failed) -> None:
        """Of the connection: something came."""
        if isinstance(event, Failed):
            self._error = self._error or event.error
            self._room.set()
        else:
            self._happened.append(event)
        self._news.set()

    def wake(self) -> None:
        """Of the connection: there may be room to send."""
        self._room.set()
