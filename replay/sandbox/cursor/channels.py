"""What carries a run: a stream of HTTP/2, or ``RunSSE`` with ``BidiAppend`` (§1.4)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from addons.providers.cursor.failures.errors import BrokenStream
from addons.providers.cursor.wire.connect import FrameReader
from replay.sandbox.cursor.failures import FAILURES, RunFailed
from replay.sandbox.cursor.side import Appended
from replay.sandbox.messages import ClientGone, Duplex, Reply


@dataclass(slots=True)
class StreamChannel:
    """One stream of HTTP/2, both ways."""

    stream: Duplex
    reader: FrameReader
    _due: deque[bytes] = field(default_factory=deque)

    async def receive(self) -> bytes | None:
        """
        Raises:
            RunFailed: what comes is no message.
        """
        try:
            while not self._due:
                data = await self.stream.read()
                if not data:
                    self.reader.close()
                    return None
                self._due.extend(frame.payload for frame in self.reader.feed(data))
        except BrokenStream as error:
            raise RunFailed(FAILURES["parse_error"]) from error
        return self._due.popleft()

    async def write(self, data: bytes) -> None:
        await self.stream.write(data)

    async def finish(self) -> None:
        await self.stream.finish()

    async def abort(self, code: int) -> None:
        self.stream.abort(code)

    async def go_away(self, code: int) -> None:
        self.stream.go_away(code)

    def set_window(self, size: int) -> None:
        self.stream.set_window(size)


@dataclass(slots=True)
class AppendedChannel:
    """The answer to ``RunSSE``, and what is appended by other requests."""

    reply: Reply
    appended: Appended

    async def receive(self) -> bytes | None:
        return await self.appended.ready.get()

    async def write(self, data: bytes) -> None:
        await self.reply.write(data)

    async def finish(self) -> None:
        await self.reply.finish()

    async def abort(self, code: int) -> None:
        """HTTP/1.1 has no error codes."""
        self.reply.reset()

    async def go_away(self, code: int) -> None:
        self.reply.reset()

    def set_window(self, size: int) -> None:
        """HTTP/1.1 has no windows.

        Raises:
            ClientGone: always; a fault that makes no sense breaks the run off.
        """
        self.reply.reset()
        raise ClientGone
