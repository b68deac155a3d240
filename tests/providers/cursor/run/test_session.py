from __future__ import annotations

import asyncio
import dataclasses

import pytest

from addons.providers.cursor.failures.errors import (
    ConnectError,
    Cut,
    FirstFrameTimeout,
    StreamReset,
)
from addons.providers.cursor.run import run_buffer
from addons.providers.cursor.run.parking import Parking, RunOwner
from addons.providers.cursor.run.run import RunMachine
from addons.providers.cursor.run.run_errors import RunCancelled
from addons.providers.cursor.run.run_limits import RunLimits
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    ResponseOutput,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    TurnEnded,
)
from addons.providers.cursor.run.session import RunResponse, RunSession
from addons.providers.cursor.telling.blobs import BlobMap
from tests.providers.cursor import server_messages as server
from tests.providers.cursor.fake_channel import FakeChannel

QUICK = RunLimits(siblings=0.005, announced_siblings=0.02, drain=0.005)
OWNER = RunOwner("principal", "conversation", "account", "model")


class Bench:
    """A session on a fake channel."""

    def __init__(self, *, limits: RunLimits = QUICK, coalesce: float = 0.0) -> None:
        self.channel = FakeChannel()
        self.blobs = BlobMap()
        self.parking: Parking[RunSession] = Parking()
        machine = RunMachine(self.blobs, run_id="r", tools=("read",), limits=limits)
        self.session = RunSession(
            self.channel, machine, OWNER, parking=self.parking, coalesce=coalesce
        )

    def start(self) -> RunResponse:
        return self.session.start(server.RUN_REQUEST)

    async def over(self) -> None:
        await self.session.ended()
        assert self.channel.closed.is_set()
        assert len(self.parking) == 0


async def collected(response: RunResponse) -> list[ResponseOutput]:
    async with asyncio.timeout(5):
        return [output async for output in response]


async def parked(bench: Bench) -> ToolCall:
    """Begins a run that waits for one call."""
    response = bench.start()
    bench.channel.say(server.call(1, args={"path": "a"}))
    call, end = await collected(response)
    assert isinstance(call, ToolCall)
    assert isinstance(end, AwaitTools)
    assert len(bench.parking) == 1
    return call


async def test_an_answer_comes_through_and_the_stream_is_closed() -> None:
    bench = Bench()
    response = bench.start()
    bench.channel.say(server.thinking("hm"), server.text("Hi"), server.turn_ended())
    bench.channel.end()
    thought, text, end = await collected(response)
    assert (thought, text) == (Thinking("hm"), Text("Hi"))
    assert isinstance(end, TurnEnded)
    await bench.over()
    assert bench.channel.sent[0].WhichOneof("message") == "run_request"


async def test_a_server_that_leaves_the_stream_open_is_not_waited_for() -> None:
    bench = Bench()
    response = bench.start()
    bench.channel.say(server.text("Hi"), server.turn_ended())
    assert isinstance((await collected(response))[-1], TurnEnded)
    await bench.over()


async def test_text_that_comes_quickly_is_given_in_few_pieces() -> None:
    bench = Bench(coalesce=0.02)
    response = bench.start()
    for number in range(100):
        bench.channel.say(server.text(f"{number} "))
    bench.channel.say(server.turn_ended())
    bench.channel.end()
    *texts, end = await collected(response)
    assert "".join(t.text for t in texts if isinstance(t, Text)) == "".join(
        f"{number} " for number in range(100)
    )
    assert len(texts) <= 3
    assert isinstance(end, TurnEnded)


async def test_a_run_waits_for_results_and_goes_on_into_the_next_response() -> None:
    bench = Bench()
    call = await parked(bench)
    known = bench.blobs.put(b"blob")
    bench.channel.say(server.get_blob(3, known))  # nobody is there, and it is answered
    await bench.channel.heard("kv_client_message")
    run = bench.parking.claim("principal", [call.call_id], "model")
    assert run is bench.session
    response = run.resume([ToolResult(call.call_id, ("content",))])
    assert response is not None
    (answer,) = await bench.channel.heard("exec_client_message")
    assert answer.exec_client_message.mcp_result.success.content[0].text.text == "content"
    bench.channel.say(server.text("So"), server.turn_ended())
    text, end = await collected(response)
    assert text == Text("So")
    assert isinstance(end, TurnEnded)
    await bench.over()


async def test_signs_of_life_go_on_while_nobody_is_there() -> None:
    bench = Bench(limits=dataclasses.replace(QUICK, heartbeat=0.005, exec_heartbeat=0.005))
    await parked(bench)
    await bench.channel.heard("client_heartbeat", 3)
    beats = await bench.channel.heard("exec_client_control_message", 3)
    assert {beat.exec_client_control_message.heartbeat.id for beat in beats} == {1}
    bench.session.abandon("test")
    await bench.over()


async def test_a_run_that_ends_while_parked_is_gone() -> None:
    bench = Bench()
    call = await parked(bench)
    bench.channel.end(ConnectError("unavailable"))
    await bench.over()
    assert bench.parking.claim("principal", [call.call_id], "model") is None
    assert bench.session.resume([ToolResult(call.call_id, ())]) is None


async def test_a_run_that_nobody_comes_back_to_is_cancelled() -> None:
    bench = Bench(limits=dataclasses.replace(QUICK, parked=0.01))
    await parked(bench)
    await bench.over()


async def test_a_response_that_is_left_cancels_its_run() -> None:
    bench = Bench()
    response = bench.start()
    bench.channel.say(server.text("long"))
    assert await anext(response) == Text("long")
    await response.aclose()
    await bench.over()
    assert bench.channel.sent[-1].conversation_action.HasField("cancel_action")


async def test_a_response_that_was_never_read_cancels_its_run_too() -> None:
    bench = Bench()
    response = bench.start()
    await response.aclose()
    await bench.over()


async def test_a_client_that_leaves_before_it_was_told_of_the_calls_cancels_the_run() -> None:
    bench = Bench()
    response = bench.start()
    bench.channel.say(server.call(1))
    assert isinstance(await anext(response), ToolCall)
    await response.aclose()
    await bench.over()


async def test_closing_after_the_end_keeps_a_parked_run() -> None:
    bench = Bench()
    response = bench.start()
    bench.channel.say(server.call(1))
    await collected(response)
    await response.aclose()
    assert len(bench.parking) == 1
    bench.parking.clear()
    await bench.over()


async def test_who_reads_a_run_that_is_cancelled_by_others_is_told() -> None:
    bench = Bench()
    response = bench.start()
    reading = asyncio.create_task(collected(response))
    await bench.channel.heard("run_request")
    bench.session.abandon("its account serves no more")
    (failed,) = await reading
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RunCancelled)
    await bench.over()


async def test_an_error_of_the_stream_ends_the_response() -> None:
    bench = Bench()
    response = bench.start()
    error = ConnectError("resource_exhausted", "Error")
    bench.channel.end(error)
    assert await collected(response) == [Failed(error)]
    await bench.over()


async def test_an_early_end_is_not_an_end() -> None:
    bench = Bench()
    response = bench.start()
    bench.channel.say(server.text("half"))
    bench.channel.end()
    _, failed = await collected(response)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, Cut)
    await bench.over()


async def test_a_silent_upstream_is_given_up() -> None:
    bench = Bench(limits=dataclasses.replace(QUICK, first_frame=0.01))
    (failed,) = await collected(bench.start())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, FirstFrameTimeout)
    await bench.over()


async def test_a_request_that_takes_long_to_send_is_not_the_upstream_s_silence() -> None:
    bench = Bench(limits=dataclasses.replace(QUICK, first_frame=0.005))
    bench.channel.blocked = True
    response = bench.start()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await anext(response)
    bench.channel.closed.set()  # lets it through
    (failed,) = await collected(response)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, FirstFrameTimeout)
    await bench.over()


async def test_what_the_upstream_says_explains_why_it_takes_nothing() -> None:
    bench = Bench()
    bench.channel.refuse = StreamReset(8)
    response = bench.start()
    error = ConnectError("unauthenticated")
    bench.channel.end(error)
    assert await collected(response) == [Failed(error)]
    await bench.over()


async def test_an_upstream_that_takes_nothing_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("addons.providers.cursor.run.session._EXPLANATION", 0.005)
    bench = Bench()
    bench.channel.refuse = StreamReset(8)
    assert await collected(bench.start()) == [Failed(bench.channel.refuse)]
    await bench.over()


async def test_a_cancellation_does_not_wait_for_an_upstream_that_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("addons.providers.cursor.run.session._LAST_WORDS", 0.005)
    bench = Bench()
    bench.channel.blocked = True
    await bench.start().aclose()
    await bench.over()


async def test_a_slow_client_slows_the_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_buffer, "FULL", 1000)
    bench = Bench()
    response = bench.start()
    for _ in range(50):
        bench.channel.say(server.text("x" * 100))
    first = await anext(response)
    assert isinstance(first, Text)
    assert len(first.text) < 1500
    assert bench.channel.unread >= 30
    bench.channel.say(server.turn_ended())
    outputs = await collected(response)
    assert sum(len(o.text) for o in [first, *outputs] if isinstance(o, Text)) == 5000
    await bench.over()


async def test_a_bug_in_the_channel_ends_the_response(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    response = bench.start()
    bench.channel.end(ValueError("bug"))  # type: ignore[arg-type]
    (failed,) = await collected(response)
    assert isinstance(failed, Failed)
    assert "bug" in caplog.text
    await bench.over()


async def test_a_loop_that_stops_closes_the_stream() -> None:
    bench = Bench()
    response = bench.start()
    await bench.channel.heard("run_request")
    assert bench.session._task is not None
    bench.session._task.cancel()
    (failed,) = await collected(response)
    assert isinstance(failed, Failed)
    await bench.over()


async def test_a_run_gives_one_response_at_a_time() -> None:
    bench = Bench()
    response = bench.start()
    with pytest.raises(RuntimeError, match="one response"):
        bench.session._respond()
    await response.aclose()
    await bench.over()


async def test_without_a_parking_a_run_does_not_wait() -> None:
    channel = FakeChannel()
    machine = RunMachine(BlobMap(), run_id="r", tools=("read",), limits=QUICK)
    session = RunSession(channel, machine, OWNER)
    response = session.start(server.RUN_REQUEST)
    channel.say(server.call(1))
    assert isinstance((await collected(response))[-1], AwaitTools)
    await session.ended()
    assert channel.closed.is_set()
