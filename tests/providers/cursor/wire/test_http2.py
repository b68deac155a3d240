from __future__ import annotations

from itertools import pairwise

import pytest
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire.http2 import (
    CONNECTION_WINDOW,
    MAX_STREAMS,
    STREAM_WINDOW,
    Data,
    Ended,
    Failed,
    Head,
    Machine,
    Pong,
    Ready,
    Trailers,
    Writable,
)
from tests.providers.cursor.h2_peers import OK, REQUEST, Server, connected, exchange, goaway

BODY = bytes(range(256)) * 4096  # 1 MiB


def opened(window: int = 65535) -> tuple[Machine, Server, int]:
    machine, server = connected(window)
    stream = machine.open(REQUEST)
    exchange(machine, server)
    return machine, server, stream


def test_nothing_is_opened_before_the_server_s_settings() -> None:
    machine = Machine()
    assert machine.capacity == 0
    with pytest.raises(errors.ConnectFailed) as raised:
        machine.open(REQUEST)
    assert raised.value.unprocessed
    server = Server()
    server.received(machine.outgoing())
    assert Ready() in machine.received(server.take())
    assert machine.capacity == MAX_STREAMS


def test_the_server_may_send_a_stream_window_ahead_on_every_stream() -> None:
    _, server, stream = opened()
    assert server.h2.remote_settings.initial_window_size == STREAM_WINDOW
    assert server.h2.outbound_flow_control_window == CONNECTION_WINDOW
    assert server.h2.local_flow_control_window(stream) == STREAM_WINDOW


def test_a_whole_exchange() -> None:
    machine, server, stream = opened()
    assert machine.send(stream, memoryview(b"question")) == 8
    exchange(machine, server)
    assert (server.requests[stream], server.bodies[stream]) == (REQUEST, b"question")
    server.h2.send_headers(stream, OK)
    server.h2.send_data(stream, b"answer")
    server.h2.send_headers(stream, [(b"x-trailer", b"1")], end_stream=True)
    assert exchange(machine, server) == [
        Head(stream, 200, OK[1:]),
        Data(stream, b"answer", 6),
        Trailers(stream, [(b"x-trailer", b"1")]),
        Ended(stream),
    ]
    assert stream in server.ended  # our half is ended with the server's
    assert machine.streams == 0


def drain(machine: Machine, server: Server, stream: int, body: bytes) -> None:
    """Send all of ``body``; the server gives back what it has taken."""
    view, given_back = memoryview(body), 0
    while len(view):
        view = view[machine.send(stream, view) :]
        exchange(machine, server)
        taken = len(server.bodies[stream]) - given_back
        assert taken > 0, "neither side can go on"
        server.h2.increment_flow_control_window(taken)
        server.h2.increment_flow_control_window(taken, stream)
        given_back += taken
        exchange(machine, server)


@pytest.mark.parametrize("window", [1, 16 * 1024, 65535])
def test_a_large_body_goes_through_small_windows(window: int) -> None:
    body = BODY if window > 1 else BODY[:300]
    machine, server, stream = opened(window)
    drain(machine, server, stream, body)  # h2's server raises on a byte too many
    assert server.bodies[stream] == body


def test_a_window_that_is_made_smaller_while_it_is_used_may_be_below_zero() -> None:
    machine, server, stream = opened(60_000)
    assert machine.send(stream, memoryview(BODY)) == 60_000
    exchange(machine, server)
    server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10_000})
    exchange(machine, server)
    assert machine.send(stream, memoryview(BODY)) == 0  # now at -50,000
    server.h2.increment_flow_control_window(50_000, stream)
    exchange(machine, server)
    assert machine.send(stream, memoryview(BODY)) == 0  # at 0
    server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10_007})
    assert Writable(0) in exchange(machine, server)
    assert machine.send(stream, memoryview(BODY)) == 7  # from the initial value, not what is left
    exchange(machine, server)
    assert len(server.bodies[stream]) == 60_007


def test_streams_share_the_connection_s_window() -> None:
    machine, server = connected(65535)
    first, second = machine.open(REQUEST), machine.open(REQUEST)
    assert machine.send(first, memoryview(BODY)) == 65535
    assert machine.send(second, memoryview(BODY)) == 0
    exchange(machine, server)
    server.h2.increment_flow_control_window(100)
    assert exchange(machine, server) == [Writable(0)]
    assert machine.send(second, memoryview(BODY)) == 100


def test_the_server_s_limit_on_streams_is_kept() -> None:
    machine, server = connected(max_streams=2)
    first = machine.open(REQUEST)
    machine.open(REQUEST)
    assert machine.capacity == 0
    with pytest.raises(errors.ConnectFailed):
        machine.open(REQUEST)
    machine.cancel(first)
    exchange(machine, server)
    assert machine.capacity == 1
    machine.open(REQUEST)
    exchange(machine, server)
    assert len(server.requests) == 3


def test_what_is_not_taken_is_not_given_back() -> None:
    machine, server, stream = opened()
    server.h2.send_headers(stream, OK)
    happened = []
    for _ in range(STREAM_WINDOW // 16384):
        server.h2.send_data(stream, b"x" * 16384)
        happened += exchange(machine, server)
    assert server.h2.local_flow_control_window(stream) == 0
    for event in happened:
        if isinstance(event, Data):
            machine.acknowledge(stream, event.cost)
    exchange(machine, server)
    assert server.h2.local_flow_control_window(stream) >= STREAM_WINDOW // 2  # h2 does it in lumps


def test_padding_is_given_back_too() -> None:
    machine, server, stream = opened()
    server.h2.send_headers(stream, OK)
    server.h2.send_data(stream, b"abc", pad_length=100)
    events = exchange(machine, server)
    assert events[-1] == Data(stream, b"abc", 104)


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "unprocessed"), [(2, False), (7, True), (3, False), (99, False)])
def test_a_reset_is_the_stream_s_own_trouble(code: int, unprocessed: bool) -> None:
    machine, server = connected()
    first, second = machine.open(REQUEST), machine.open(REQUEST)
    exchange(machine, server)
    server.h2.reset_stream(first, code)
    (failed,) = exchange(machine, server)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, errors.StreamReset)
    assert (failed.stream, failed.error.error_code) == (first, code)
    assert failed.error.unprocessed is unprocessed
    with pytest.raises(errors.ConnectionLost):
        machine.send(first, memoryview(b"x"))
    assert machine.send(second, memoryview(b"x")) == 1


def test_an_orderly_goaway_lets_the_streams_end_that_it_names() -> None:
    machine, server = connected()
    first, second = machine.open(REQUEST), machine.open(REQUEST)
    exchange(machine, server)
    (failed,) = machine.received(goaway(first, 0, b"draining"))
    assert isinstance(failed, Failed)
    assert failed.stream == second
    assert failed.error.unprocessed
    assert "draining" in str(failed.error)
    assert machine.capacity == 0
    server.h2.send_headers(first, OK)
    server.h2.send_data(first, b"the end", end_stream=True)
    assert exchange(machine, server) == [
        Head(first, 200, OK[1:]),
        Data(first, b"the end", 7),
        Ended(first),
    ]


def test_a_goaway_in_two_steps_as_load_balancers_do_it() -> None:
    machine, _, stream = opened()
    assert machine.received(goaway(2**31 - 1)) == []
    assert machine.received(goaway(stream)) == []
    assert machine.streams == 1
    (failed,) = machine.lost(errors.ConnectionLost("The connection ended."))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, errors.Goaway)  # the server's own reason
    assert not failed.error.unprocessed


def test_a_goaway_with_an_error_ends_all_streams() -> None:
    machine, _, stream = opened()
    (failed,) = machine.received(goaway(stream, 11, b"too_many_pings"))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, errors.Goaway)
    assert (failed.error.error_code, failed.error.text) == (11, "too_many_pings")
    assert not failed.error.unprocessed


def test_a_lost_connection_fails_what_is_open() -> None:
    machine, _, stream = opened()
    error = errors.ConnectionLost("The connection was reset.")
    assert machine.lost(error) == [Failed(stream, error)]
    with pytest.raises(errors.ConnectionLost):
        machine.send(stream, memoryview(b"x"))
    assert machine.received(goaway(1)) == []
    machine.cancel(stream)
    machine.ping()
    assert machine.capacity == 0


@pytest.mark.parametrize("status", [b"", b"20", b"2000", b"abc", b"\xb2\xb2\xb2", b"900"])
def test_a_status_that_is_none_is_refused(status: bytes) -> None:
    machine, server, stream = opened()
    server.h2.config.validate_outbound_headers = False
    server.h2.send_headers(stream, [(b":status", status)])
    (failed,) = exchange(machine, server)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, errors.BrokenStream)
    assert server.reset[stream] == 8  # CANCEL


def test_an_answer_without_a_status_breaks_the_connection() -> None:
    machine, server, stream = opened()
    server.h2.config.validate_outbound_headers = False
    server.h2.send_headers(stream, [(b"content-type", b"text/plain")])
    (failed,) = machine.received(server.take())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, errors.BrokenStream)
    assert machine.broken is failed.error
    assert machine.outgoing()  # our GOAWAY


def test_an_informational_answer_is_not_the_answer() -> None:
    machine, server, stream = opened()
    server.h2.send_headers(stream, [(b":status", b"103")])
    server.h2.send_headers(stream, OK)
    assert exchange(machine, server) == [Head(stream, 200, OK[1:])]


def test_pings_in_both_directions() -> None:
    machine, server, _ = opened()
    machine.ping()
    server.h2.ping(b"12345678")
    assert exchange(machine, server) == [Pong()]


def test_a_frame_over_the_limit_breaks_the_connection_at_its_head() -> None:
    machine, _, stream = opened()
    (failed,) = machine.received(b"\x00\x40\x01\x00\x00" + stream.to_bytes(4))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, errors.BrokenStream)


def test_a_goaway_that_is_too_short_breaks_the_connection() -> None:
    machine, _, _ = opened()
    (failed,) = machine.received(b"\x00\x00\x04\x07\x00\x00\x00\x00\x00abcd")
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, errors.BrokenStream)


# --- any bytes -----------------------------------------------------------------------------------


def answer() -> bytes:
    """What a server says to stream 1, with a broken frame at the end."""
    _, server, stream = opened()
    server.h2.send_headers(stream, OK)
    server.h2.send_data(stream, b"one")
    server.h2.ping(b"12345678")
    server.h2.send_data(stream, b"two")
    server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 70_000})
    return server.take() + goaway(stream) + b"\x00\x00\x01\x06\x00\x00\x00\x00\x00!"


ANSWER = answer()


@given(st.lists(st.integers(0, len(ANSWER)), max_size=8))
@settings(max_examples=40)
def test_how_the_bytes_are_cut_has_no_meaning(cuts: list[int]) -> None:
    whole, _, _ = opened()
    cut, _, _ = opened()
    expected = [str(each) for each in whole.received(ANSWER)]
    assert "broke the protocol" in expected[-1]
    places = sorted({0, *cuts, len(ANSWER)})
    got = [
        str(each) for start, stop in pairwise(places) for each in cut.received(ANSWER[start:stop])
    ]
    assert got == expected


@given(st.integers(0, len(ANSWER) - 1), st.integers(1, 255), st.binary(max_size=30))
@settings(max_examples=60)
def test_spoiled_bytes_raise_nothing(place: int, flip: int, more: bytes) -> None:
    machine, _, stream = opened()
    spoiled = bytearray(ANSWER)
    spoiled[place] ^= flip
    machine.received(bytes(spoiled) + more)
    machine.lost(errors.ConnectionLost("The connection ended."))
    assert machine.streams == 0
    assert machine.broken is not None
    machine.cancel(stream)
    machine.outgoing()
