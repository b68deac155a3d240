"""Ground common to the protocol edges: the transport, its back-pressure, and the tasks on it."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import cast

from replay.sandbox.messages import Application, ClientGone, DuplexApplication

logger = logging.getLogger(__name__)

RESET_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends a TCP RST instead of a FIN."""
WINDOW = 4 * 1024 * 1024
"""Bytes that an HTTP/2 client may send ahead, per stream and per connection."""


class ConnectionRegistry:
    """All open connections of a sandbox, so that ``stop`` can end them."""

    def __init__(
        self,
        application: Application,
        max_body: int,
        *,
        deflate: bool,
        window: int = WINDOW,
        duplex: DuplexApplication | None = None,
    ) -> None:
        self.application = application
        self.duplex = duplex
        self.window = window
        self.max_body = max_body
        self.deflate = deflate
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._count = 0

    def number(self) -> int:
        self._count += 1
        return self._count

    async def close(self) -> None:
        """Abort every connection, then wait until every task on them has ended."""
        for connection in list(self.connections):
            connection.transport.abort()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Connection(asyncio.Protocol):
    """One accepted connection. Subclasses parse ``data_received``."""

    transport: asyncio.Transport

    def __init__(self, registry: ConnectionRegistry, *, secure: bool, alpn: str = "") -> None:
        self.registry = registry
        self.secure = secure
        self.alpn = alpn
        self.number = registry.number()
        self.lost = False
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.registry.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._writable.set()
        self.registry.connections.discard(self)
        self.cancel_tasks()

    def cancel_tasks(self) -> None:
        """End whatever runs for this connection's client."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def drain(self) -> None:
        """Wait until the transport takes bytes again.

        Raises:
            ClientGone: the connection is lost.
        """
        if not self._writable.is_set():
            await self._writable.wait()
        if self.lost or self.transport.is_closing():
            raise ClientGone

    def spawn(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run a handler; the registry keeps the task until it has ended.

        ``work`` makes its coroutine only when the task starts, so that none is left over when the
        client leaves before that.
        """
        # Not through the loop's factory: mitmproxy's is eager, so that a handler would run before
        # its caller has finished reading the request.
        task = asyncio.Task(self._guarded(work), loop=asyncio.get_running_loop())
        self.registry.tasks.add(task)
        task.add_done_callback(self.registry.tasks.discard)
        return task

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except ClientGone:
            logger.debug("connection %d: the client left", self.number)
        except Exception:
            logger.exception("connection %d: the sandbox itself failed", self.number)
            self.reset_connection()

    def reset_connection(self) -> None:
        """Break the connection off with a TCP RST."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            try:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_LINGER)
            except OSError as error:  # already closed by the peer
                logger.debug("connection %d: no linger: %s", self.number, error)
        self.transport.abort()
