"""A channel without a network: a test is its server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from addons.providers.cursor.failures.errors import CursorError
from addons.providers.cursor.proto.agent_pb2 import AgentClientMessage

_END: Final = object()


class FakeChannel:
    """What is put in is received; what is sent is kept.

    Attributes:
        sent: messages of the client, in order.
        closed: it was closed.
        refuse: raised by the next sending.
        blocked: while set, sending does not return.
    """

    def __init__(self) -> None:
        self.sent: list[AgentClientMessage] = []
        self.response_headers: list[tuple[str, str]] = []
        self.closed = asyncio.Event()
        self.refuse: CursorError | None = None
        self.blocked = False
        self._incoming: asyncio.Queue[bytes | CursorError | object] = asyncio.Queue()
        self._news = asyncio.Event()

    async def send(self, payload: bytes) -> None:
        if self.refuse is not None:
            raise self.refuse
        if self.blocked:
            await self.closed.wait()
        self.sent.append(AgentClientMessage.FromString(payload))
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._incoming.get()
            if message is _END:
                return
            if isinstance(message, Exception):
                raise message
            assert isinstance(message, bytes)
            yield message

    async def close(self) -> None:
        self.closed.set()

    # --- for the test ------------------------------------------------------------------------

    def say(self, *messages: bytes) -> None:
        for message in messages:
            self._incoming.put_nowait(message)

    def end(self, error: CursorError | None = None) -> None:
        self._incoming.put_nowait(_END if error is None else error)

    @property
    def unread(self) -> int:
        """Messages that the client has not read yet."""
        return self._incoming.qsize()

    async def heard(self, kind: str, count: int = 1) -> list[AgentClientMessage]:
        """Wait until so many messages of this kind were sent."""
        while len(found := [m for m in self.sent if m.WhichOneof("message") == kind]) < count:
            self._news.clear()
            await self._news.wait()
        return found
