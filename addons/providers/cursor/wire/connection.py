"""One HTTP/2 connection on asyncio, and the streams on it.

The machine of :mod:`.http2` decides; this moves the bytes, waits within bounds, asks a silent
server for a sign of life, and closes what nobody uses.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire.endpoint import Endpoint
from addons.providers.cursor.wire.http2 import (
    Ended,
    Failed,
    Happened,
    Machine,
    Pong,
    Ready,
    Writable,
)
from addons.providers.cursor.wire.stream import Limits, Stream

ALPN = "h2"


class Connection(asyncio.Protocol):
    """One connection. Use :meth:`connect`.

    Attributes:
        congested: the network takes no more bytes for now.
    """

    def __init__(
        self, limits: Limits, closed: Callable[[Connection], None] = lambda _: None
    ) -> None:
        self.limits = limits
        self.congested = False
        self._closed = closed
        self._machine = Machine()
        self._streams: dict[int, Stream] = {}
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tickets = itertools.count(1)
        self._heard = self._used = self._loop.time()
        self._asked: float | None = None  # when a PING went out that is not answered

    @classmethod
    async def connect(
        cls,
        endpoint: Endpoint,
        limits: Limits,
        *,
        tls: ssl.SSLContext | None,
        closed: Callable[[Connection], None] = lambda _: None,
    ) -> Connection:
        """A connection that is ready for streams.

        Args:
            tls: to be used where the endpoint is secure; offers ``h2``.
            closed: called once, when the connection has ended.

        Raises:
            ConnectFailed, NoHttp2, ConnectTimeout.
        """
        loop = asyncio.get_running_loop()
        connection: Connection | None = None
        try:
            async with asyncio.timeout(limits.connect):
                _, connection = await loop.create_connection(
                    lambda: cls(limits, closed),
                    endpoint.host,
                    endpoint.port,
                    ssl=tls if endpoint.secure else None,
                )
                await connection._ready
        except TimeoutError:
            if connection is not None:
                connection.abort()
            raise errors.ConnectTimeout(limits.connect) from None
        except OSError as error:
            raise connect_failed(error) from error
        except asyncio.CancelledError:
            if connection is not None:
                connection.abort()
            raise
        return connection

    # --- streams ---

    @property
    def capacity(self) -> int:
        """Streams that may be opened now."""
        return self._machine.capacity

    @property
    def retired(self) -> bool:
        """Whether no stream will ever be opened here again."""
        return self._machine.broken is not None or self._machine.goaway is not None

    @property
    def streams(self) -> int:
        """Streams that are open."""
        return self._machine.streams

    def open(self, headers: Sequence[tuple[bytes, bytes]]) -> Stream:
        """Begin a request. Pseudo headers first.

        Raises:
            TransportError: no stream can be opened.
        """
        number = self._machine.open(headers)
        stream = self._streams[number] = Stream(self, number)
        now = self._loop.time()
        if now - self._heard > self.limits.ping_after and self._asked is None:
            self._ask(now)  # a connection that lay idle may be dead: find out at once
        self._used = now
        self._flush()
        return stream

    def send(self, number: int, data: memoryview) -> int:
        """How many bytes were sent; see :meth:`.http2.Machine.send`."""
        taken = self._machine.send(number, data)
        self._flush()
        return taken

    def next_ticket(self) -> int:
        """The last place in the queue of those that wait to send."""
        return next(self._tickets)

    def acknowledge(self, number: int, cost: int) -> None:
        self._machine.acknowledge(number, cost)
        self._flush()

    def finish(self, number: int) -> None:
        self._machine.finish(number)
        self._flush()

    def cancel(self, number: int) -> None:
        self._machine.cancel(number)
        self._streams.pop(number, None)
        self._flush()
        self._after_use()

    # --- the end ---

    def close(self) -> None:
        """Say goodbye and close; open streams fail."""
        self._machine.close()
        self._dispatch(self._machine.lost(errors.ConnectionLost("The connection is closed.")))
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever was not sent."""
        if self._transport is not None:
            self._transport.abort()

    # --- of asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != ALPN:
            self._ready.set_exception(errors.NoHttp2("The upstream does not speak HTTP/2."))
            self._transport.abort()
            return
        self._flush()
        self._later(self.limits.ping_after)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._asked = None
        self._dispatch(self._machine.received(data))
        self._flush()
        if self._machine.broken is not None and self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f": {errors.problem(exc)}" if isinstance(exc, OSError) else ""
        error = errors.ConnectionLost(f"The upstream closed the connection{reason}.")
        self._dispatch(self._machine.lost(error))
        if not self._ready.done():
            self._ready.set_exception(
                self._machine.broken
                if isinstance(self._machine.broken, errors.Goaway)
                else errors.ConnectFailed(
                    f"The upstream closed the connection before it was ready{reason}."
                )
            )
        if self._ready.done() and not self._ready.cancelled():
            self._ready.exception()  # it may be that nobody waits for it any more
        if self._timer is not None:
            self._timer.cancel()
        self._closed(self)

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        self._wake(0)

    # --- inside ---

    def _flush(self) -> None:
        data = self._machine.outgoing()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _dispatch(self, happened: Iterable[Happened]) -> None:
        for event in happened:
            match event:
                case Writable(number):
                    self._wake(number)
                case Ready():
                    if not self._ready.done():
                        self._ready.set_result(None)
                case Pong():
                    pass  # any byte is a sign of life
                case Ended() | Failed():
                    stream = self._streams.pop(event.stream, None)
                    if stream is not None:
                        stream.put(event)
                    self._after_use()
                case _:
                    stream = self._streams.get(event.stream)
                    if stream is not None:
                        stream.put(event)

    def _wake(self, number: int) -> None:
        """There may be room on a stream, or, for 0, on the connection.

        Whoever comes first may take all the room there is. Those that waited longest since they
        last sent come first, so that a large body does not starve the heartbeats of other runs.
        """
        if number:
            stream = self._streams.get(number)
            if stream is not None:
                stream.wake()
            return
        for stream in sorted(self._streams.values(), key=lambda each: each.ticket):
            stream.wake()

    def _after_use(self) -> None:
        self._used = self._loop.time()
        if not self._streams and self.retired:
            self.close()

    # --- signs of life ---

    def _ask(self, now: float) -> None:
        self._machine.ping()
        self._asked = now

    def _later(self, seconds: float) -> None:
        self._timer = self._loop.call_later(max(seconds, 0.01), self._look)

    def _look(self) -> None:
        """Look whether the connection lives, or is of use. Sets the time of the next look."""
        self._timer = None
        if self._machine.broken is not None:
            return
        now = self._loop.time()
        if not self._streams:
            left = self._used + self.limits.idle - now
            if left <= 0:
                self.close()
                return
            self._asked = None
            self._later(min(left, self.limits.ping_after))
        elif self._asked is not None:
            left = self._asked + self.limits.ping_answer - now
            if left <= 0:
                self._dispatch(self._machine.lost(errors.PingTimeout(self.limits.ping_answer)))
                self.abort()
                return
            self._later(min(left, self.limits.ping_after))
        else:
            left = self._heard + self.limits.ping_after - now
            if left <= 0:
                self._ask(now)
                self._flush()
                left = min(self.limits.ping_after, self.limits.ping_answer)
            self._later(left)


def connect_failed(error: OSError) -> errors.ConnectFailed:
    """Why there is no connection, in words that name no address."""
    if isinstance(error, ssl.SSLError) and "NO_APPLICATION_PROTOCOL" in str(error):
        return errors.NoHttp2("The upstream does not speak HTTP/2.")
    return errors.ConnectFailed(f"The upstream could not be connected to: {errors.problem(error)}.")
