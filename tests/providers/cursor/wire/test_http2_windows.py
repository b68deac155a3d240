"""The send windows as a model: whatever the server does to them, exactly what fits is sent.

h2's server is the judge: it raises on a byte too many. The model says that there is none too few.
"""

from __future__ import annotations

from h2.settings import SettingCodes
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire.http2 import SEND_AT_ONCE
from tests.providers.cursor.h2_peers import REQUEST, connected, exchange

BODY = bytes(i % 251 for i in range(400_000))


class Windows(RuleBasedStateMachine):
    streams = Bundle("streams")

    @initialize(window=st.sampled_from([0, 1, 16_384, 65_535]))
    def connect(self, window: int) -> None:
        self.machine, self.server = connected(window)
        self.initial = window
        self.connection = 65_535
        self.windows: dict[int, int] = {}
        self.sent: dict[int, int] = {}

    @rule(target=streams)
    def open(self) -> int:
        stream = self.machine.open(REQUEST)
        exchange(self.machine, self.server)
        self.windows[stream] = self.initial
        self.sent[stream] = 0
        return stream

    @rule(stream=streams, size=st.integers(1, 100_000))
    def send(self, stream: int, size: int) -> None:
        if stream not in self.windows:
            return
        start = self.sent[stream]
        data = BODY[start : start + size]
        fits = max(0, min(len(data), self.windows[stream], self.connection, SEND_AT_ONCE))
        assert self.machine.send(stream, memoryview(data)) == fits
        self.windows[stream] -= fits
        self.connection -= fits
        self.sent[stream] += fits
        exchange(self.machine, self.server)

    @rule(value=st.integers(0, 100_000))
    def change_the_initial_window(self, value: int) -> None:
        self.server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: value})
        exchange(self.machine, self.server)
        for stream in self.windows:
            self.windows[stream] += value - self.initial
        self.initial = value

    @rule(stream=streams, by=st.integers(1, 50_000))
    def open_a_stream_s_window(self, stream: int, by: int) -> None:
        if stream in self.windows:
            self.server.h2.increment_flow_control_window(by, stream)
            self.windows[stream] += by
            exchange(self.machine, self.server)

    @rule(by=st.integers(1, 50_000))
    def open_the_connection_s_window(self, by: int) -> None:
        self.server.h2.increment_flow_control_window(by)
        self.connection += by
        exchange(self.machine, self.server)

    @rule(stream=streams)
    def reset(self, stream: int) -> None:
        if self.windows.pop(stream, None) is None:
            return
        self.server.h2.reset_stream(stream, 2)
        (failed,) = exchange(self.machine, self.server)
        assert isinstance(failed.error, errors.StreamReset)  # type: ignore[union-attr]

    @invariant()
    def what_arrived_is_what_was_sent(self) -> None:
        for stream, size in getattr(self, "sent", {}).items():
            assert self.server.bodies[stream] == BODY[:size]


TestWindows = Windows.TestCase
TestWindows.settings = settings(max_examples=15, stateful_step_count=20)
