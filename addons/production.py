"""A response body that is produced while it is sent: an async iterator behind a bounded buffer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

HIGH_WATER = 256 * 1024
"""Bytes kept ready before the producer has to wait."""


class Production:
    """Runs an async iterator in a task of its own, and hands over all that is ready at once.

    One hook call of mitmproxy costs about 150 µs, so chunks that are ready are taken together.

    Attributes:
        ended: nothing more will become ready (the iterator ended, failed or was cancelled).
        error: why the iterator failed; None when it ended well or was cancelled.
    """

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._chunks: list[bytes] = []
        self._size = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None
        self._finished = False
        self.error: BaseException | None = None
        self.on_end: Callable[[], None] | None = None

    @property
    def ready(self) -> bool:
        return bool(self._chunks)

    @property
    def ended(self) -> bool:
        return self._finished and not self._chunks

    async def wait(self) -> None:
        """Return when something is ready or nothing more will come. Starts the work."""
        if self._task is None and not self._finished:
            self._task = asyncio.create_task(self._run(), name="floway body production")
        if not self._chunks and not self._finished:
            self._news.clear()
            await self._news.wait()

    def take(self) -> bytes:
        """All bytes that are ready."""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._room.set()
        return data

    def cancel(self) -> None:
        """Stop the work at once; what is ready is thrown away."""
        self._chunks.clear()
        if self._task is not None and not self._task.done():
            self._task.cancel()
        elif self._task is None:
            self._finish()

    async def _run(self) -> None:
        try:
            async for chunk in self._source:
                if not chunk:
                    continue
                await self._room.wait()
                self._chunks.append(chunk)
                self._size += len(chunk)
                if self._size >= HIGH_WATER:
                    self._room.clear()
                self._news.set()
        except asyncio.CancelledError:
            self._chunks.clear()
            raise
        except Exception as error:  # noqa: BLE001 - told to the client by whoever reads `error`
            self.error = error
        finally:
            try:
                close = getattr(self._source, "aclose", None)
                if close is not None:
                    await close()
            finally:
                self._finish()

    def _finish(self) -> None:
        if not self._finished:
            self._finished = True
            self._news.set()
            if self.on_end is not None:
                self.on_end()
