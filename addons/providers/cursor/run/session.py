"""A run on a channel: the machine of :mod:`.run` with a clock, a stream and clients.

The session owns the channel from the run request to the end of the run, over all responses that
the run gives; a client's request owns a :class:`RunResponse` at a time. When the client leaves a
response before its end, the run is cancelled; when the response ends with tool calls, the run is
parked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence

from addons.providers.cursor.failures.errors import BrokenStream, CursorError
from addons.providers.cursor.run.parking import Parking, RunOwner
from addons.providers.cursor.run.run import NEVER, RunMachine
from addons.providers.cursor.run.run_buffer import RunBuffer
from addons.providers.cursor.run.run_errors import RunCancelled
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    Note,
    Output,
    ResponseOutput,
    Send,
    Text,
    Thinking,
    ToolResult,
    TurnEnded,
)
from addons.providers.cursor.wire.channel import Channel

logger = logging.getLogger(__name__)

COALESCE = 0.008
"""Seconds that a piece of text waits for the next one, when the client was given one just now."""

UNSENT = 1024 * 1024
"""Bytes of answers that wait to be sent, from which the upstream is not read any further."""

_LAST_WORDS = 1.0
"""Seconds that a cancellation may take to be sent."""

_EXPLANATION = 0.5
"""Seconds in which the upstream may say why it took no message, before that itself is the error."""


class RunSession:
    """One run. To be made and used in one event loop.

    Args:
        parking: where the run waits for the results of tool calls; None: it does not wait, and is
            cancelled instead.
        coalesce: see :data:`COALESCE`.
    """

    def __init__(
        self,
        channel: Channel,
        machine: RunMachine,
        owner: RunOwner,
        *,
        parking: Parking[RunSession] | None = None,
        coalesce: float = COALESCE,
    ) -> None:
        self.owner = owner
        self._channel = channel
        self._machine = machine
        self._parking = parking
        self._coalesce = coalesce
        self._loop = asyncio.get_running_loop()
        self._buffer = RunBuffer()
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._to_send = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._room = asyncio.Event()
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._task: asyncio.Task[None] | None = None
        self._next_text = 0.0
        self._current: RunResponse | None = None

    def __repr__(self) -> str:
        return f"<RunSession {self._machine.phase.name}>"

    @property
    def waiting_for(self) -> frozenset[str]:
        """Ids of the tool calls whose results would let the run go on."""
        return self._machine.waiting_for

    # --- from request to request -------------------------------------------------------------

    def start(self, run_request: bytes) -> RunResponse:
        """Send the run request; the first response. Errors come out of it, not from here."""
        self._apply(self._machine.start(run_request, self._loop.time()))
        self._task = self._loop.create_task(self._live(), name="floway agent run")
        return self._respond()

    def resume(self, results: Sequence[ToolResult]) -> RunResponse | None:
        """Give the results of tool calls; the next response.

        None: the run has ended meanwhile, or waits for none of these. It is cancelled then.
        """
        if not self.waiting_for.intersection(result.call_id for result in results):
            self.abandon("its results are not among those that came")
            return None
        if self._parking is not None:
            self._parking.forget(self)
        self._apply(self._machine.answer(results, self._loop.time()))
        return self._respond()

    def abandon(self, reason: str) -> None:
        """Cancel the run. What was begun ends in the background; see :meth:`ended`."""
        if not self._machine.over:
            logger.debug("run of conversation %.12s cancelled: %s", self.owner.conversation, reason)
            if self._current is not None and not self._current.finished:
                self._buffer.push(Failed(RunCancelled(reason)))
        self._apply(self._machine.cancel(self._loop.time()))

    async def ended(self) -> None:
        """Wait until nothing of the run is left."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def _respond(self) -> RunResponse:
        if self._current is not None and not self._current.finished:
            raise RuntimeError("a run gives one response at a time")
        self._current = RunResponse(self)
        return self._current

    # --- the stream --------------------------------------------------------------------------

    async def _live(self) -> None:
        tasks = [self._loop.create_task(each) for each in (self._read(), self._write())]
        try:
            await self._over.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_sent.wait(), _LAST_WORDS)
        finally:
            self.abandon("the proxy stops")  # unless it is over already
            if self._timer is not None:
                self._timer.cancel()
            if self._parking is not None:
                self._parking.forget(self)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            with contextlib.suppress(CursorError, OSError):  # it is over, however it closes
                await self._channel.close()

    async def _read(self) -> None:
        machine, time = self._machine, self._loop.time
        error: CursorError | None = None
        try:
            async for payload in self._channel:
                self._apply(machine.received(payload, time()))
                if machine.over:
                    return
                while self._crowded:
                    self._room.clear()
                    await self._room.wait()
        except CursorError as problem:
            error = problem
        except Exception:
            logger.exception("a run's stream failed")
            error = BrokenStream("see the log")
        self._apply(machine.ended(error, time()))

    async def _write(self) -> None:
        try:
            while True:
                while self._unsent:
                    payload = self._unsent.popleft()
                    await self._channel.send(payload)
                    self._unsent_bytes -= len(payload)
                    self._make_room()
                self._all_sent.set()
                self._to_send.clear()
                await self._to_send.wait()
        except CursorError as problem:
            error = problem
        except Exception:
            logger.exception("a run's stream failed")
            error = BrokenStream("see the log")
        self._all_sent.set()  # there will be no more
        # The upstream may have said why, and what it said is about to be read.
        await asyncio.sleep(_EXPLANATION)
        self._apply(self._machine.ended(error, self._loop.time()))

    @property
    def _crowded(self) -> bool:
        return self._buffer.full or self._unsent_bytes >= UNSENT

    def _make_room(self) -> None:
        if not self._crowded:
            self._room.set()

    # --- the machine -------------------------------------------------------------------------

    def _apply(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self._unsent.append(output.payload)
                self._unsent_bytes += len(output.payload)
                self._all_sent.clear()
                self._to_send.set()
            elif isinstance(output, Note):
                logger.info("run of conversation %.12s: %s", self.owner.conversation, output.text)
            else:
                self._buffer.push(output)
        if self._machine.over:
            self._over.set()
        else:
            self._arm()

    def _arm(self) -> None:
        """See to it that the machine is told the time when it wants to.

        A timer that comes too early does no harm, so it is only ever moved forward.
        """
        wanted = self._machine.wakes_at
        if wanted >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = wanted
        self._timer = self._loop.call_at(wanted, self._tick)

    def _tick(self) -> None:
        self._timer_at = NEVER
        held = self._crowded or not self._all_sent.is_set()
        self._apply(self._machine.tick(self._loop.time(), held=held))

    # --- for the response --------------------------------------------------------------------

    async def _next(self) -> ResponseOutput:
        await self._buffer.arrived.wait()
        if isinstance(self._buffer.first(), Text | Thinking):
            wait = self._next_text - self._loop.time()
            if wait > 0 and not self._buffer.urgent.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._buffer.urgent.wait(), wait)
            self._next_text = self._loop.time() + self._coalesce
        output = self._buffer.take()
        self._make_room()
        if isinstance(output, AwaitTools):
            self._park()
        return output

    def _park(self) -> None:
        if self._parking is None:
            self.abandon("nothing waits for results of tools")
        elif not self._machine.over:
            self._parking.park(self)


class RunResponse:
    """What of a run is one client's response: an iterator that ends with one of its three ends.

    To be closed in every case; before the end that means that the client has left.
    """

    def __init__(self, session: RunSession) -> None:
        self._session = session
        self.finished = False

    def __aiter__(self) -> RunResponse:
        return self

    async def __anext__(self) -> ResponseOutput:
        if self.finished:
            raise StopAsyncIteration
        output = await self._session._next()
        self.finished = isinstance(output, AwaitTools | TurnEnded | Failed)
        return output

    async def aclose(self) -> None:
        """The client reads no more; a response that has not ended is cancelled with its run."""
        if not self.finished:
            self.finished = True
            self._session.abandon("the client left")
