"""A response body that is produced while it is sent: an async iterator behind a bounded buffer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

logger = logging.getLogger(__name__)

HIGH_WATER = 256 * 1024
"""Bytes kept ready before the producer has to wait; the same again may wait for the client."""

PATIENCE = 0.02
"""Seconds between looks at a client that does not read: mitmproxy tells nobody when it does."""


class Production:
    """Runs an async iterator in a task of its own, and hands over all that is ready at once.

    One hook call of mitmproxy costs about 150 µs, so chunks that are ready are taken together.
    An iterator that has an ``aclose`` is closed at the end, whatever the end was, also when it
    was never asked for a chunk.

    Attributes:
        error: why the iterator failed; None when it ended well or was cancelled.
        unsent: bytes that were taken and have not left yet; set by whoever takes them.
    """

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._chunks: list[bytes] = []
        self._size = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._cancelled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._begun = False
        self._finished = False
        self.error: Exception | None = None
        self.unsent: Callable[[], int] = int

    @property
    def ready(self) -> bool:
        return bool(self._chunks)

    @property
    def ended(self) -> bool:
        """Nothing more will become ready: the iterator ended or failed, or was cancelled."""
        return (self._finished or self._cancelled.is_set()) and not self._chunks

    async def wait(self) -> None:
        """Return when something is ready (and can leave) or nothing more will come.

        The first call starts the work.
        """
        if self._task is None and not self._cancelled.is_set():
            self._task = asyncio.create_task(self._run(), name="floway body production")
        while self.unsent() >= HIGH_WATER and not self._cancelled.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._cancelled.wait(), PATIENCE)
        while not self._chunks and not self.ended:
            self._news.clear()
            await self._news.wait()

    def take(self) -> bytes:
        """All bytes that are ready."""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._clear()
        self._room.set()
        return data

    def cancel(self) -> None:
        """Stop the work at once; what is ready is thrown away. Does nothing the second time."""
        if self._cancelled.is_set():
            return
        self._cancelled.set()
        self._clear()
        self._news.set()
        if self._task is not None:
            self._task.cancel()
        if not self._begun:
            self._task = asyncio.create_task(self._close(), name="floway body production")

    def _clear(self) -> None:
        self._chunks.clear()
        self._size = 0

    async def _run(self) -> None:
        self._begun = True
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
        except Exception as error:  # noqa: BLE001 - told to the client by whoever reads `error`
            self.error = error
        finally:
            await self._close()

    async def _close(self) -> None:
        try:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()
        except Exception as error:
            self.error = self.error or error
            if self._cancelled.is_set():
                logger.warning("the producer of a body failed when it was stopped", exc_info=error)
        finally:
            self._finished = True
            self._news.set()
