"""One timer for all streams of an HTTP layer; what it does to requests is in tests/stream."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import options
from mitmproxy.connection import Client
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpErrorHook, HttpLayer, HTTPMode
from mitmproxy.test import tflow

from addons.deadlines import TICK, Clock, Deadline, Tick


@dataclass
class Time:
    """Stands for the module ``time``."""

    now: float = 100.0

    def monotonic(self) -> float:
        return self.now


class Stream(layer.Layer):
    """Waits on for as long as it is told to, and says when it was woken."""

    def __init__(self, http: HttpLayer, time: Time) -> None:
        """Part of no connection."""
        self.deadline = Deadline(Clock.of(http))
        self.woken: list[float] = []
        self.says: list[commands.Command] = []
        self._time = time

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        assert isinstance(event, Tick)
        self.woken.append(self._time.now)
        yield from self.says
        if not self.deadline.over:
            yield from self.deadline.wake(self)

    _handle_event = handle_event


@dataclass
class Proxy:
    """The timers of a connection, as mitmproxy keeps them."""

    http: HttpLayer
    time: Time
    timers: list[tuple[float, commands.RequestWakeup]] = field(default_factory=list)

    def starts(self, stream: Stream, seconds: float) -> None:
        for command in stream.deadline.start(stream, seconds):
            self.http.command_sources[command] = stream
            self._takes(command)

    def goes_on(self, until: float) -> list[commands.Command]:
        """Let timers fire; gives the other commands of that."""
        out = []
        while due := [timer for timer in self.timers if timer[0] <= until]:
            timer = min(due, key=lambda each: each[0])
            self.timers.remove(timer)
            self.time.now = max(self.time.now, timer[0])
            out += [
                command
                for command in self.http.handle_event(events.Wakeup(timer[1]))
                if not self._takes(command)
            ]
        self.time.now = until
        return out

    def _takes(self, command: commands.Command) -> bool:
        if not isinstance(command, commands.RequestWakeup):
            return False
        self.timers.append((self.time.now + command.delay, command))
        return True


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with pytest.MonkeyPatch.context() as patched:
        time = Time()
        patched.setattr("addons.deadlines.time", time)
        client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0)
        yield Proxy(HttpLayer(Context(client, options.Options()), HTTPMode.regular), time)


def test_many_waits_have_one_timer(proxy: Proxy) -> None:
    streams = [Stream(proxy.http, proxy.time) for _ in range(20)]
    for stream in streams:
        proxy.starts(stream, 60.0)
        proxy.starts(stream, 30.0)
    assert len(proxy.timers) == 1
    proxy.goes_on(proxy.time.now + 2 * TICK)
    assert len(proxy.timers) == 1
    assert all(len(stream.woken) == 2 for stream in streams)


@given(waits=st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), min_size=1, max_size=8))
def test_nobody_waits_much_longer_than_wanted(waits: list[tuple[float, float]]) -> None:
    """Each stream is woken at its deadline, and within every tick before it."""
    with pytest.MonkeyPatch.context() as patched:
        time = Time(0.0)
        patched.setattr("addons.deadlines.time", time)
        client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0)
        proxy = Proxy(HttpLayer(Context(client, options.Options()), HTTPMode.regular), time)
        streams = []
        for begin, seconds in sorted(waits):
            proxy.goes_on(begin)
            stream = Stream(proxy.http, time)
            proxy.starts(stream, seconds)
            streams.append((stream, begin, begin + seconds))
        proxy.goes_on(100.0)
        assert not proxy.timers, "nobody waits, and none was ordered"
    for stream, begin, end in streams:
        assert end <= stream.woken[-1] <= end + 0.02
        times = [begin, *stream.woken]
        assert max(b - a for a, b in itertools.pairwise(times)) <= TICK + 0.02


def test_who_is_over_is_not_kept(proxy: Proxy) -> None:
    stream = Stream(proxy.http, proxy.time)
    proxy.starts(stream, 60.0)
    stream.deadline.forget(stream)
    known = weakref.ref(stream)
    del stream
    gc.collect()
    assert known() is None
    assert proxy.goes_on(proxy.time.now + 100) == []
    assert proxy.timers == []


def test_the_end_of_a_hook_is_the_stream_s(proxy: Proxy) -> None:
    """Though its beginning has come through the clock."""
    stream = Stream(proxy.http, proxy.time)
    hook = HttpErrorHook(tflow.tflow())
    hook.blocking = stream  # as every layer says of what it waits for itself
    stream.says = [hook]
    proxy.starts(stream, 1.0)
    assert proxy.goes_on(proxy.time.now + 1) == [hook]
    assert proxy.http.command_sources[hook] is stream
