"""The HTTP/2 connections that are open, and who may share one.

Runs of one account share a connection while it has room; two accounts never do.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire import tls
from addons.providers.cursor.wire.connection import ALPN, Connection
from addons.providers.cursor.wire.endpoint import Endpoint
from addons.providers.cursor.wire.stream import Limits, Stream

type _Key = tuple[str, str, int, str]


class Connections:
    """Opens streams, on an open connection where there is one.

    Args:
        ca_file: see :func:`.tls.context`.
        limits: see :class:`.connection.Limits`.
    """

    def __init__(self, *, ca_file: Path | str | None = None, limits: Limits | None = None) -> None:
        self.limits = limits if limits is not None else Limits()
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self._open: dict[_Key, list[Connection]] = {}
        self._opening: dict[_Key, asyncio.Task[Connection]] = {}
        self._closed = False

    def __len__(self) -> int:
        """Connections that are open."""
        return sum(len(each) for each in self._open.values())

    async def stream(
        self, endpoint: Endpoint, headers: Sequence[tuple[bytes, bytes]], *, lane: str
    ) -> Stream:
        """Begin a request. Pseudo headers first.

        Args:
            lane: requests with different lanes never share a connection: an account's handle.

        Raises:
            TransportError: none could be opened; ``unprocessed``.
        """
        key = (endpoint.scheme, endpoint.host, endpoint.port, lane)
        while True:
            connection = self._with_room(key) or await self._opened(key, endpoint)
            # Others may have waited for the same connection and filled it. One that takes nobody
            # at all says so itself.
            if connection.capacity > 0 or connection.streams == 0:
                return connection.open(headers)

    def close(self) -> None:
        """Close all; their streams fail, and none are opened any more."""
        self._closed = True
        for opening in list(self._opening.values()):
            opening.cancel()
        for connection in [each for own in self._open.values() for each in own]:
            connection.close()

    def _with_room(self, key: _Key) -> Connection | None:
        if self._closed:
            raise self._closing()
        return next((each for each in self._open.get(key, ()) if each.capacity > 0), None)

    async def _opened(self, key: _Key, endpoint: Endpoint) -> Connection:
        """A new connection; whoever wants one at the same time waits for the same."""
        opening = self._opening.get(key)
        if opening is None:
            opening = asyncio.create_task(self._connect(key, endpoint))
            self._opening[key] = opening
            opening.add_done_callback(lambda done: self._settled(key, done))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if self._closed and opening.cancelled():
                raise self._closing() from None
            raise

    def _settled(self, key: _Key, opening: asyncio.Task[Connection]) -> None:
        del self._opening[key]
        if not opening.cancelled():
            opening.exception()  # it may be that nobody waits for it any more

    async def _connect(self, key: _Key, endpoint: Endpoint) -> Connection:
        if self._tls is None:
            self._tls = tls.context(self._ca_file, alpn=ALPN)
        connection = await Connection.connect(
            endpoint,
            self.limits,
            tls=self._tls,
            closed=lambda closed: self._forget(key, closed),
        )
        self._open.setdefault(key, []).append(connection)
        return connection

    def _forget(self, key: _Key, connection: Connection) -> None:
        own = self._open.get(key, [])
        if connection in own:
            own.remove(connection)
        if not own:
            self._open.pop(key, None)

    def _closing(self) -> errors.ConnectFailed:
        return errors.ConnectFailed("Floway is shutting down.")
