"""What a run does when time passes."""

from __future__ import annotations

from addons.providers.cursor.failures.errors import FirstFrameTimeout, Silence, StuckExec
from addons.providers.cursor.proto.exec_pb2 import ExecServerMessage, Unread
from addons.providers.cursor.run import run_messages
from addons.providers.cursor.run.run_errors import ParkedTooLong
from addons.providers.cursor.run.run_outputs import Failed, Output, ToolResult
from tests.providers.cursor import server_messages as server
from tests.providers.cursor.machines import LIMITS, failure, feed, machine, parked


def test_heartbeats_go_out_every_five_seconds() -> None:
    run = machine()
    assert run.wakes_at == LIMITS.heartbeat
    assert run.tick(4.9) == []
    assert run.tick(5.0) == [run_messages.HEARTBEAT]
    assert run.wakes_at == 10.0


def test_no_first_message() -> None:
    run = machine()
    run.tick(20.0, held=True)  # the request is still on its way
    assert not any(isinstance(o, Failed) for o in run.tick(LIMITS.first_frame + 19.9))
    assert isinstance(failure(run.tick(LIMITS.first_frame + 20.0)), FirstFrameTimeout)
    assert run.over


def test_silence() -> None:
    run = machine()
    feed(run, server.text("x"), now=3.0)
    assert not any(isinstance(o, Failed) for o in run.tick(3.0 + LIMITS.silence - 0.1))
    assert isinstance(failure(run.tick(3.0 + LIMITS.silence)), Silence)


def test_heartbeats_and_nothing_else() -> None:
    run = machine()
    out: list[Output] = []
    for now in range(1, 300):
        out += feed(run, server.heartbeat(), now=float(now)) + run.tick(float(now))
    error = failure(out)
    assert isinstance(error, Silence)
    assert error.seconds == LIMITS.progress


def test_an_exec_that_could_only_be_thrown_may_stick() -> None:
    run = machine()
    feed(run, server.execute(ExecServerMessage(id=1, adopt_args=Unread())))
    out: list[Output] = []
    for now in range(2, 100):
        out += feed(run, server.heartbeat(), now=float(now)) + run.tick(float(now))
    error = failure(out)
    assert isinstance(error, StuckExec)
    assert error.kind == "adopt_args"
    assert error.seconds == LIMITS.stuck_exec


def test_a_parked_run_is_not_kept_for_ever_and_its_server_may_be_silent() -> None:
    run = machine()
    parked(run, server.call(1))
    began = 1.0 + LIMITS.announced_siblings
    assert not any(isinstance(o, Failed) for o in run.tick(began + LIMITS.parked - 0.1))
    assert isinstance(failure(run.tick(began + LIMITS.parked)), ParkedTooLong)


def test_silence_counts_anew_when_a_run_goes_on() -> None:
    run = machine()
    parked(run, server.call(1))
    (call_id,) = run.waiting_for
    run.answer([ToolResult(call_id, ("x",))], 200.0)
    assert not any(isinstance(o, Failed) for o in run.tick(200.0 + LIMITS.silence - 0.1))
    assert isinstance(failure(run.tick(200.0 + LIMITS.silence)), Silence)


def test_a_slow_client_is_not_the_server_s_silence() -> None:
    run = machine()
    feed(run, server.text("x"))
    for now in range(2, 200, 5):
        assert not any(isinstance(o, Failed) for o in run.tick(float(now), held=True))
    assert isinstance(failure(run.tick(197.0 + LIMITS.silence)), Silence)
