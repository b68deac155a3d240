"""Channels to servers of the tests, closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from addons.providers.cursor.wire.channel import Channel, Channels, Opening
from addons.providers.cursor.wire.connections import Connections
from addons.providers.cursor.wire.endpoint import Endpoint, Hosts, Way
from addons.providers.cursor.wire.http_clients import HttpClients
from addons.providers.cursor.wire.stream import Limits

QUICK = Limits(connect=5, send=5, ping_after=5, ping_answer=5, idle=30)

OPENING = Opening(
    "0b9c2e0a-1f2d-4c3b-8a7d-0123456789ab",
    run=[("content-type", "application/connect+proto"), ("authorization", "Bearer t")],
    run_sse=[("content-type", "application/connect+proto"), ("authorization", "Bearer t")],
    append=[("content-type", "application/proto"), ("connect-timeout-ms", "0")],
)


class Opener:
    """Channels with their connections."""

    def __init__(self, limits: Limits, ca_file: Path | None, limit: int) -> None:
        self.connections = Connections(ca_file=ca_file, limits=limits)
        self.clients = HttpClients(ca_file=ca_file)
        self.channels = Channels(self.connections, self.clients, limit=limit)

    async def open(
        self, endpoint: Endpoint, *, way: Way = "http2", lane: str = "account"
    ) -> Channel:
        return await self.channels.open(Hosts(endpoint, endpoint, way), OPENING, lane=lane)


@asynccontextmanager
async def opener(
    limits: Limits = QUICK, ca_file: Path | None = None, limit: int = 64 * 1024 * 1024
) -> AsyncIterator[Opener]:
    made = Opener(limits, ca_file, limit)
    try:
        yield made
    finally:
        made.connections.close()
        await made.clients.close()
