"""A run without a two-way stream: ``RunSSE`` for what comes, ``BidiAppend`` for what goes.

cursor-protocol.md §1.4. The two are joined by the request id, and appended messages are in the
order of their numbers, whichever arrives first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Self

import httpx

from addons.providers.cursor.failures import errors
from addons.providers.cursor.proto.aiserver_pb2 import BidiAppendRequest, BidiRequestId
from addons.providers.cursor.wire import http_clients
from addons.providers.cursor.wire.answer import AnswerReader, refusal
from addons.providers.cursor.wire.connect import DEFAULT_LIMIT, frame
from addons.providers.cursor.wire.endpoint import APPEND, RUN_SSE, Endpoint
from addons.providers.cursor.wire.stream import Limits

IN_FLIGHT: Final = 16
"""Appended messages that are not answered yet, at most: the official client's limit."""

APPEND_SECONDS: Final = 60.0
"""The official client's limit for one, to which it adds some for its size."""

BYTES_PER_SECOND: Final = 64 * 1024
"""What the size adds: a slow line's speed."""

AHEAD: Final = 1024 * 1024
"""Bytes of messages that are read ahead of who wants them."""


class SplitRun:
    """A run in many requests. A :class:`~.channel.Channel`.

    Args:
        request_id: joins the requests.
        run_sse, append: headers of the two; ``connect-timeout-ms`` is set anew where it is there.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoint: Endpoint,
        request_id: str,
        run_sse: Sequence[tuple[str, str]],
        append: Sequence[tuple[str, str]],
        *,
        limits: Limits,
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._id = BidiRequestId(request_id=request_id)
        self._run_sse = list(run_sse)
        self._append = list(append)
        self._limits = limits
        self._answer = AnswerReader(limit)
        self._payloads: deque[bytes] = deque()
        self._ahead = 0
        self._news = asyncio.Event()
        self._taken = asyncio.Event()
        self._error: errors.CursorError | None = None
        self._next = 0
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._receive())

    @property
    def response_headers(self) -> Sequence[tuple[str, str]]:
        return self._answer.headers

    # --- what goes ---

    async def send(self, payload: bytes) -> None:
        """As :meth:`.channel.Channel.send`; an append that fails ends the run for its reader."""
        try:
            async with asyncio.timeout(self._limits.send):
                await self._slots.acquire()
        except TimeoutError:
            raise errors.SendTimeout(self._limits.send) from None
        if self._over:
            self._slots.release()
            raise self._error or errors.ConnectionLost("The run is over.")
        number, self._next = self._next, self._next + 1
        self._spawn(self._send(number, payload))

    async def _send(self, number: int, payload: bytes) -> None:
        seconds = APPEND_SECONDS + len(payload) / BYTES_PER_SECOND
        timeout = httpx.Timeout(seconds, connect=self._limits.connect, pool=None)
        message = BidiAppendRequest(data=payload.hex(), request_id=self._id, append_seqno=number)
        headers = [
            (name, str(round(seconds * 1000)) if name == "connect-timeout-ms" else value)
            for name, value in self._append
        ]
        body = message.SerializeToString()
        request = http_clients.request(self._endpoint, APPEND, headers, body, timeout)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._client.send(request)
        except httpx.HTTPError as error:
            self._fail(http_clients.translated(error, timeout))
        except TimeoutError:
            self._fail(errors.SendTimeout(seconds))
        else:
            if answer.status_code != 200:
                self._fail(
                    refusal(answer.status_code, answer.content, http_clients.metadata(answer))
                )
        finally:
            self._slots.release()

    # --- what comes ---

    async def _receive(self) -> None:
        timeout = httpx.Timeout(None, connect=self._limits.connect, write=self._limits.send)
        body = frame(self._id.SerializeToString())
        request = http_clients.request(self._endpoint, RUN_SSE, self._run_sse, body, timeout)
        try:
            answer = await self._client.send(request, stream=True)
            try:
                self._answer.head(answer.status_code, answer.headers.raw)
                self._news.set()
                async for piece in answer.aiter_raw():
                    self._came(self._answer.feed(piece))
                    if self._answer.finished:
                        break
                    while self._ahead > AHEAD:
                        self._taken.clear()
                        await self._taken.wait()
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            self._fail(http_clients.translated(error, timeout))
        except httpx.StreamError as error:  # the client was closed under it
            self._fail(errors.ConnectionLost(f"The answer broke off: {type(error).__name__}."))
        self._answer.close()
        self._news.set()

    def _came(self, payloads: list[bytes]) -> None:
        self._payloads += payloads
        self._ahead += sum(map(len, payloads))
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._payloads:
            if self._error is not None:
                raise self._error
            if self._answer.finished:
                if self._answer.error is not None:
                    raise self._answer.error
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        payload = self._payloads.popleft()
        self._ahead -= len(payload)
        self._taken.set()
        return payload

    # --- the end ---

    async def close(self) -> None:
        self._fail(errors.ConnectionLost("The run was cancelled."))
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _over(self) -> bool:
        return self._error is not None or self._answer.finished

    def _fail(self, error: errors.CursorError) -> None:
        if not self._over:
            self._error = error
        self._news.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
