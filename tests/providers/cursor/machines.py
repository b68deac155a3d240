"""Runs as machines, for tests: begun at 0, fed at once."""

from __future__ import annotations

from addons.providers.cursor.run.run import RunMachine
from addons.providers.cursor.run.run_limits import RunLimits
from addons.providers.cursor.run.run_outputs import AwaitTools, Failed, Output, Send
from addons.providers.cursor.telling.blobs import BlobMap

LIMITS = RunLimits()
REQUEST = b"\x0a\x00"


def machine(
    *, blobs: BlobMap | None = None, limits: RunLimits = LIMITS, **more: object
) -> RunMachine:
    """It has begun at 0."""
    made = RunMachine(
        BlobMap() if blobs is None else blobs,
        tools=("read", "write"),
        limits=limits,
        **{"run_id": "run-1", **more},  # type: ignore[arg-type]
    )
    assert made.start(REQUEST, 0.0) == [Send(REQUEST)]
    return made


def feed(run: RunMachine, *messages: bytes, now: float = 1.0) -> list[Output]:
    return [output for message in messages for output in run.received(message, now)]


def parked(run: RunMachine, *messages: bytes, now: float = 1.0) -> list[Output]:
    """Feeds the messages, and lets the time pass in which more could have come."""
    out = feed(run, *messages, now=now)
    out += run.tick(now + LIMITS.announced_siblings)
    assert isinstance(out[-1], AwaitTools)
    return out


def failure(outputs: list[Output]) -> Exception:
    (failed,) = [output for output in outputs if isinstance(output, Failed)]
    return failed.error
