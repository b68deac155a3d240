"""How long streams may wait: one timer for all streams of an HTTP layer.

mitmproxy's timers are tasks that cannot be stopped. One for each wait would be several in every
request, each of which sleeps on for seconds after it; so a wait that begins finds the timer that
earlier waits have ordered, and orders one only where that would fire too late.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HttpLayer

TICK = 5.0
"""Most seconds between looks at what a stream waits for."""

_EARLY = 0.01
"""Seconds by which a timer may fire late without another being ordered."""

type Commands = layer.CommandGenerator[None]


@dataclass
class Tick(events.Event):
    """Time to look whether what a stream waits for is late."""


class Clock(layer.Layer):
    """The timers of one HTTP layer, which stands between it and its streams.

    A timer's event goes to whoever the HTTP layer believes has ordered it: that is the clock.
    """

    def __init__(self, http: HttpLayer) -> None:
        """Without a context: it is part of no connection."""
        self._http = http
        self._waiting: set[layer.Layer] = set()
        self._timers: dict[commands.Command, float] = {}

    @classmethod
    def of(cls, http: HttpLayer) -> Clock:
        """The one of ``http``, which keeps it."""
        found: Clock | None = vars(http).get(_CLOCK)
        if found is None:
            found = vars(http)[_CLOCK] = cls(http)
        return found

    def wake(self, stream: layer.Layer, at: float) -> Commands:
        """Let ``stream`` have a :class:`Tick` then, or earlier.

        Args:
            at: monotonic seconds.
        """
        self._waiting.add(stream)
        now = time.monotonic()
        at = min(at, now + TICK)
        if all(other > at + _EARLY for other in self._timers.values()):
            timer = commands.RequestWakeup(max(at - now, 0.0))
            self._timers[timer] = at
            yield timer
            self._http.command_sources[timer] = self

    def forget(self, stream: layer.Layer) -> None:
        """It waits for nothing any more; a timer that fires later must not find it in memory."""
        self._waiting.discard(stream)

    def handle_event(self, event: events.Event) -> Commands:
        """A timer has fired: all that wait look at what they wait for, and may wait on."""
        assert isinstance(event, events.Wakeup)
        self._timers.pop(event.command, None)
        waiting, self._waiting = self._waiting, set()
        for stream in waiting:
            for command in self._http.event_to_child(stream, Tick()):
                yield command
                if command.blocking:  # its end is for the stream, not for whom it came through
                    self._http.command_sources[command] = stream

    _handle_event = handle_event


_CLOCK = "floway_clock"
"""Attribute of an HTTP layer. (A weak dictionary would keep a layer that its clock knows.)"""


class Deadline:
    """How long the current wait of one stream may last.

    It is told of the stream and does not keep it, which would be a circle.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = 0.0

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._at

    def start(self, stream: layer.Layer, seconds: float) -> Commands:
        """The wait that begins now may last this long."""
        self._at = time.monotonic() + seconds
        yield from self.wake(stream)

    def wake(self, stream: layer.Layer) -> Commands:
        """Have a :class:`Tick` at the deadline, or earlier."""
        yield from self._clock.wake(stream, self._at)

    def forget(self, stream: layer.Layer) -> None:
        """The stream is over."""
        self._clock.forget(stream)
