"""Playing an answer back to a client, with a fault in the middle when one was ordered.

:func:`script` is pure: events and a fault become steps. :func:`play` performs the steps on a sink,
which is an HTTP reply or a WebSocket.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from replay.sandbox import faults
from replay.sandbox.events import Event
from replay.sandbox.messages import Reply, Socket


@dataclass(frozen=True, slots=True)
class Emit:
    """Send one event."""

    data: str
    type: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Send what is due, then nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """From here on, send in pieces of so many bytes with a pause after each."""

    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Reset:
    """Break off; nothing follows."""


@dataclass(frozen=True, slots=True)
class Close:
    """End cleanly; nothing follows. ``code`` is for WebSockets."""

    code: int = 1000
    reason: str = ""


type Step = Emit | Pause | Drip | Reset | Close
type Failure = Callable[[dict[str, Any], int], Event]
"""Makes a ``response.failed`` event from its error and its sequence number."""

RESET_GRACE = 0.02
"""Seconds between the last bytes and a reset, so that the client can read what came before it."""
FAILURE_MESSAGES = {
    "server_is_overloaded": "Our servers are currently overloaded. Please try again later.",
    "slow_down": "Too many requests. Please slow down.",
    "usage_limit_reached": "The usage limit has been reached",
    "rate_limit_exceeded": "Rate limit reached. Please try again in 1.5s.",
    "insufficient_quota": "You exceeded your current quota.",
    "context_length_exceeded": "Your input exceeds the context window of this model.",
}


def script(
    events: Iterable[Event],
    fault: faults.Fault | None,
    *,
    failed: Failure,
    pace: float = 0.0,
) -> list[Step]:
    """Steps of an answer.

    Args:
        fault: None, or one that applies within an answer; others change nothing here.
        failed: called at most once, and no event is taken afterwards.
        pace: seconds between events.
    """
    steps: list[Step] = []
    if isinstance(fault, faults.DripFault):
        steps.append(Drip(fault.bytes, fault.seconds))
    place = getattr(fault, "at", None)
    done = place is None or place == "before_headers"
    seen_output = False
    count = 0
    for event in events:
        due = (
            (isinstance(place, int) and count >= place)
            or (place == "before_output" and event.output)
            or (place == "after_output" and seen_output)
        )
        if not done and due:
            done = True
            steps += _fault_steps(fault, failed, count)
            if not isinstance(fault, faults.StallFault):
                return steps
        if pace and steps:
            steps.append(Pause(pace))
        steps.append(Emit(event.data, event.type))
        count += 1
        seen_output = seen_output or event.output
    if not done:  # the answer was shorter than the place
        steps += _fault_steps(fault, failed, count)
    return steps


def _fault_steps(fault: faults.Fault | None, failed: Failure, count: int) -> list[Step]:
    match fault:
        case faults.FailureFault():
            message = fault.message or FAILURE_MESSAGES.get(fault.code, "The response failed.")
            event = failed({"code": fault.code, "message": message, **fault.error}, count)
            return [Emit(event.data, event.type)]
        case faults.ResetFault():
            return [Reset()]
        case faults.CloseFault():
            return [Close()]
        case faults.StallFault():
            return [Pause(fault.seconds)]
        case faults.CloseSocketFault():
            return [Close(fault.code, fault.reason)]
        case faults.ErrorFrameFault():
            return [Emit(error_frame(fault), "error")]
    return []


def error_frame(fault: faults.ErrorFrameFault) -> str:
    """Text of an ordered ``error`` frame."""
    frame: dict[str, object] = {"type": "error"}
    if fault.status is not None:
        frame["status"] = fault.status
    frame["error"] = {
        "type": fault.type,
        "code": fault.code,
        "message": fault.message,
        **fault.error,
    }
    frame["headers"] = fault.headers
    return json.dumps(frame)


class Sink(Protocol):
    """Where steps are performed."""

    async def emit(self, steps: Sequence[Emit]) -> None: ...

    async def close(self, step: Close) -> None: ...

    def reset(self) -> None: ...


@dataclass(slots=True)
class SseSink:
    """Server-sent events on an HTTP reply whose head was given."""

    reply: Reply
    drip: Drip | None = None

    async def emit(self, steps: Sequence[Emit]) -> None:
        data = b"".join([f"event: {step.type}\ndata: {step.data}\n\n".encode() for step in steps])
        await write_body(self.reply, data, self.drip)

    async def close(self, step: Close) -> None:
        await self.reply.finish()

    def reset(self) -> None:
        self.reply.reset()


@dataclass(slots=True)
class SocketSink:
    """One text message per event on a WebSocket."""

    socket: Socket
    drip: Drip | None = None

    async def emit(self, steps: Sequence[Emit]) -> None:
        for step in steps:
            await self.socket.send(step.data)
            if self.drip is not None:
                await asyncio.sleep(self.drip.seconds)

    async def close(self, step: Close) -> None:
        await self.socket.close(step.code, step.reason)

    def reset(self) -> None:
        self.socket.reset()


async def write_body(reply: Reply, data: bytes, drip: Drip | None) -> None:
    """Write body bytes, in pieces when dripping."""
    if drip is None:
        await reply.write(data)
        return
    for start in range(0, len(data), drip.bytes):
        await reply.write(data[start : start + drip.bytes])
        await asyncio.sleep(drip.seconds)


async def play(steps: Sequence[Step], sink: SseSink | SocketSink, *, per_write: int = 0) -> bool:
    """Perform the steps; events that are due together go out together.

    Args:
        per_write: events put into one write; 0 puts all of them.

    Returns:
        Whether the answer came to its end; False after a reset or an early close, when nothing
        may be sent any more.
    """
    due: list[Emit] = []
    for step in steps:
        if isinstance(step, Emit):
            due.append(step)
            if per_write and len(due) >= per_write:
                await sink.emit(due)
                due = []
            continue
        if due or isinstance(step, Pause | Reset | Close):
            await sink.emit(due)
            due = []
        match step:
            case Pause():
                await asyncio.sleep(step.seconds)
            case Drip():
                sink.drip = step
            case Reset():
                # A TCP reset discards what the kernel has not yet handed over.
                await asyncio.sleep(RESET_GRACE)
                sink.reset()
                return False
            case Close():
                await sink.close(step)
                return False
    if due:
        await sink.emit(due)
    return True
