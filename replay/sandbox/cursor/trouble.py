"""A fault inside a run: when it is due, and what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from replay.sandbox.cursor.failures import RunFailed
from replay.sandbox.cursor.faults import AgentFault, AgentPlace
from replay.sandbox.cursor.link import Link


class BrokenOff(Exception):
    """The run is to have no end, or not the usual one.

    Attributes:
        carry_out: breaks it off. The run's own task has to call it: a reset ends every other one.
    """

    def __init__(self, carry_out: Callable[[], Awaitable[None]]) -> None:
        super().__init__("broken off by a fault")
        self.carry_out = carry_out


class Trouble:
    """What was ordered for one run.

    Attributes:
        silent: heartbeats are withheld.
    """

    def __init__(self, fault: AgentFault | None, link: Link) -> None:
        self._fault = fault
        self._link = link
        self._outputs = 0
        self.silent = False

    async def output(self) -> None:
        """One more piece of output was sent."""
        self._outputs += 1
        await self.at(self._outputs)
        if self._outputs == 1:
            await self.at("after_output")

    async def at(self, place: AgentPlace) -> None:
        """Carry the fault out, once, if this is its place.

        Raises:
            RunFailed: it ends the run with an error.
            BrokenOff: it ends the run without one.
        """
        fault = self._fault
        if fault is None or fault.at != place:
            return
        self._fault = None
        await self._link.flush()
        channel = self._link.channel
        match fault.how:
            case "error":
                raise RunFailed(fault.failure)
            case "reset":
                raise BrokenOff(partial(channel.abort, fault.number))
            case "goaway":
                raise BrokenOff(partial(channel.go_away, fault.number))
            case "close":
                raise BrokenOff(channel.finish)
            case "stall":
                self.silent = not fault.heartbeats
                await asyncio.sleep(fault.seconds)
                self.silent = False
            case "abort":
                await self._link.abort_execs()
            case "windows":
                channel.set_window(fault.window)
