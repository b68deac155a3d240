from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.failures.errors import (
    BrokenStream,
    ConnectError,
    CursorError,
    Cut,
    Goaway,
    StreamReset,
)
from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    AgentServerMessage,
    InteractionQuery,
)
from addons.providers.cursor.proto.exec_pb2 import (
    ExecServerMessage,
    PathArgs,
    RequestContext,
    RequestContextArgs,
    RequestContextEnv,
    Unread,
)
from addons.providers.cursor.run import run_messages
from addons.providers.cursor.run.run import NEVER, RunMachine
from addons.providers.cursor.run.run_errors import BlobMissing, EndedInCall
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    Image,
    Note,
    Output,
    Send,
    Text,
    Thinking,
    ThinkingDone,
    ToolCall,
    ToolResult,
    TurnEnded,
)
from addons.providers.cursor.telling.blobs import BlobLimits, BlobMap
from tests.providers.cursor import server_messages as server
from tests.providers.cursor.machines import LIMITS, REQUEST, failure, feed, machine, parked
from tests.providers.cursor.server_messages import kinds, said

MESSAGES = [
    server.text("text"),
    server.thinking("thought"),
    server.call(1, args={"path": "a", "lines": [1, {"x": None}]}, call_id="t1"),
    server.get_blob(2, b"b" * 32),
    server.set_blob(3, b"b" * 32, b"content"),
    server.execute(ExecServerMessage(id=4, read_args=PathArgs(path="/p"))),
    server.announced("t1"),
    server.abort(1),
    server.checkpoint(server.state(7)),
    server.turn_ended(input_tokens=5, output_tokens=2),
]


# --- a whole answer ------------------------------------------------------------------------------


def test_an_answer_of_thoughts_and_text() -> None:
    run = machine()
    out = feed(
        run,
        server.thinking("hm"),
        server.thinking_done(),
        server.text("Hel"),
        server.heartbeat(),
        server.text("lo"),
        server.checkpoint(server.state()),
        server.turn_ended(input_tokens=100, output_tokens=7, cache_read_tokens=40),
    )
    assert out == [Thinking("hm"), ThinkingDone(), Text("Hel"), Text("lo")]
    (end,) = run.ended(None, 1.1)
    assert isinstance(end, TurnEnded)
    assert end.checkpoint == server.state()
    assert (end.usage.input_tokens, end.usage.cached_tokens, end.usage.output_tokens) == (
        100,
        40,
        7,
    )
    assert run.over
    assert run.wakes_at == NEVER


def test_the_end_does_not_wait_for_a_server_that_leaves_the_stream_open() -> None:
    run = machine()
    feed(run, server.text("x"), server.turn_ended())
    assert run.wakes_at == 1.0 + LIMITS.drain
    assert run.tick(1.0 + LIMITS.drain - 0.01) == []
    (end,) = run.tick(1.0 + LIMITS.drain)
    assert isinstance(end, TurnEnded)


def test_a_checkpoint_after_the_end_of_the_turn_counts() -> None:
    run = machine()
    feed(run, server.checkpoint(b"\x08\x01"), server.text("x"), server.turn_ended())
    feed(run, server.checkpoint(b"\x08\x02"))
    (end,) = run.ended(None, 1.2)
    assert isinstance(end, TurnEnded)
    assert end.checkpoint == b"\x08\x02"


def test_a_state_is_passed_on_as_it_came_even_if_nobody_can_read_it() -> None:
    run = machine()
    strange = b"\xff\xff\xff"
    feed(run, server.text("x"), server.checkpoint(strange), server.turn_ended())
    (end,) = run.ended(None, 1.2)
    assert isinstance(end, TurnEnded)
    assert end.checkpoint == strange


def test_messages_of_unknown_kinds_are_a_sign_of_life_and_no_more() -> None:
    run = machine()
    unknown = b"\xfa\x01\x01x"  # field 31
    assert AgentServerMessage.FromString(unknown).WhichOneof("message") is None
    assert feed(run, unknown, b"", now=25.0) == []
    assert feed(run, server.update(server.InteractionUpdate()), now=25.0) == []
    assert not any(isinstance(o, Failed) for o in run.tick(25.0 + LIMITS.silence - 1))


# --- ends ----------------------------------------------------------------------------------------


def test_an_end_without_the_end_of_the_turn_is_a_cut_answer() -> None:
    run = machine()
    feed(run, server.text("half"))
    assert isinstance(failure(run.ended(None, 2.0)), Cut)


@pytest.mark.parametrize("last", [server.step_completed(), server.checkpoint(b"")])
def test_some_servers_end_a_finished_text_without_saying_so(last: bytes) -> None:
    run = machine()
    feed(run, server.text("whole"), last)
    (end,) = run.ended(None, 2.0)
    assert isinstance(end, TurnEnded)
    assert end.usage.estimated


def test_text_after_a_finished_step_is_unfinished_again() -> None:
    run = machine()
    feed(run, server.text("a"), server.step_completed(), server.text("b"))
    assert isinstance(failure(run.ended(None, 2.0)), Cut)


def test_an_end_with_nothing_in_it_is_no_answer() -> None:
    run = machine()
    feed(run, server.step_completed())
    assert isinstance(failure(run.ended(None, 2.0)), Cut)


def test_an_error_at_the_end_is_the_run_s_error() -> None:
    run = machine()
    feed(run, server.tokens(3), server.text("abc"))
    error = ConnectError("resource_exhausted", "Error")
    (failed,) = run.ended(error, 2.0)
    assert failed == Failed(error, 3)


@pytest.mark.parametrize("error", [StreamReset(8), Goaway(0)])
def test_a_reset_after_the_end_of_the_turn_is_how_streams_are_taken_down(error: Exception) -> None:
    run = machine()
    feed(run, server.text("x"), server.checkpoint(b""), server.turn_ended())
    (end,) = run.ended(error, 2.0)  # type: ignore[arg-type]
    assert isinstance(end, TurnEnded)
    assert end.late_error is None
    assert end.checkpoint == b""


def test_an_error_after_a_whole_answer_is_the_account_s_and_spoils_the_state() -> None:
    run = machine()
    feed(run, server.text("x"), server.checkpoint(b""), server.turn_ended())
    error = ConnectError("resource_exhausted", "Error")
    (end,) = run.ended(error, 2.0)
    assert isinstance(end, TurnEnded)
    assert end.late_error is error
    assert end.checkpoint is None


def test_an_error_after_an_empty_turn_is_a_failure() -> None:
    run = machine()
    feed(run, server.turn_ended())
    error = ConnectError("resource_exhausted", "Error")
    assert failure(run.ended(error, 2.0)) is error


@pytest.mark.parametrize("last", [server.turn_ended(), server.step_completed()])
def test_a_response_without_anything_is_none_whatever_was_in_the_one_before(last: bytes) -> None:
    run = machine()
    parked(run, server.text("Let me look."), server.call(1))
    run.answer([ToolResult(*run.waiting_for, ("x",))], 5.0)
    feed(run, last, now=6.0)
    error = ConnectError("resource_exhausted", "Error")
    assert failure(run.ended(error, 6.0)) is error


def test_a_message_that_can_t_be_read_ends_the_run() -> None:
    run = machine()
    assert isinstance(failure(run.received(b"\x0a\x05ab", 1.0)), BrokenStream)
    assert run.received(server.text("late"), 1.0) == []


def test_cancelling_says_so_once() -> None:
    run = machine()
    feed(run, server.text("x"))
    assert kinds(run.cancel(2.0)) == ["conversation_action"]
    assert run.cancel(2.0) == []
    assert run.ended(None, 2.0) == []
    assert feed(run, server.text("late")) == []


def test_a_run_whose_turn_is_over_needs_no_cancelling() -> None:
    run = machine()
    feed(run, server.text("x"), server.turn_ended())
    assert run.cancel(2.0) == []


def test_a_run_begins_once() -> None:
    with pytest.raises(ValueError, match="once"):
        machine().start(REQUEST, 1.0)


def test_nothing_comes_of_a_run_that_has_not_begun() -> None:
    run = RunMachine(BlobMap(), run_id="r")
    assert feed(run, server.text("x")) == []
    assert run.tick(1e9) == []
    assert run.wakes_at == NEVER
    assert run.cancel(0.0) == []


def test_what_the_service_says_is_shown_only_where_it_is_all_there_is() -> None:
    run = machine()
    out = feed(run, server.text("You moved to Auto.", notice=True), server.text("Hi"))
    assert [o for o in out if isinstance(o, Text)] == [Text("Hi")]
    alone = machine()
    feed(alone, server.text("No usage left.", notice=True), server.turn_ended())
    text, end = alone.ended(None, 2.0)
    assert text == Text("No usage left.")
    assert isinstance(end, TurnEnded)


# --- blobs, the request context, what is refused -------------------------------------------------


def test_blobs_are_given_and_kept() -> None:
    blobs = BlobMap()
    known = blobs.put(b"content")
    run = machine(blobs=blobs)
    out = feed(run, server.get_blob(7, known), server.set_blob(8, b"k" * 32, b"new"))
    given, kept = said(out)
    assert given.kv_client_message.id == 7
    assert given.kv_client_message.get_blob_result.blob_data == b"content"
    assert kept.kv_client_message.id == 8
    assert kept.kv_client_message.HasField("set_blob_result")
    assert not kept.kv_client_message.set_blob_result.HasField("error")
    assert blobs.get(b"k" * 32) == b"new"


def test_an_empty_blob_is_there() -> None:
    blobs = BlobMap({b"e" * 32: b""})
    (given,) = said(feed(machine(blobs=blobs), server.get_blob(1, b"e" * 32)))
    result = given.kv_client_message.get_blob_result
    assert result.HasField("blob_data")
    assert result.blob_data == b""


def test_a_missing_blob_ends_a_run_that_showed_nothing_yet() -> None:
    run = machine()
    feed(run, server.set_blob(1, b"k" * 32, b""))
    assert isinstance(failure(feed(run, server.get_blob(2, b"?" * 32))), BlobMissing)


def test_a_missing_blob_in_a_shown_answer_spoils_the_state_only() -> None:
    run = machine()
    out = feed(run, server.text("x"), server.get_blob(2, b"?" * 32))
    (answer,) = said(out)
    assert answer.kv_client_message.get_blob_result.error.message
    feed(run, server.checkpoint(b""), server.turn_ended())
    (end,) = run.ended(None, 2.0)
    assert isinstance(end, TurnEnded)
    assert end.checkpoint is None


def test_a_blob_that_can_t_be_kept_is_refused_and_the_state_not_trusted() -> None:
    run = machine(blobs=BlobMap(limits=BlobLimits(each=3)))
    (answer,) = said(feed(run, server.text("x"), server.set_blob(1, b"k" * 32, b"four")))
    assert "4 bytes" in answer.kv_client_message.set_blob_result.error.message
    feed(run, server.checkpoint(b""), server.turn_ended())
    (end,) = run.ended(None, 2.0)
    assert isinstance(end, TurnEnded)
    assert end.checkpoint is None


def test_the_request_context_is_given() -> None:
    context = RequestContext(env=RequestContextEnv(time_zone="UTC"))
    run = machine(request_context=context.SerializeToString())
    asked = ExecServerMessage(id=3, exec_id="e3", request_context_args=RequestContextArgs())
    (answer,) = said(feed(run, server.execute(asked)))
    result = answer.exec_client_message
    assert (result.id, result.exec_id) == (3, "e3")
    assert result.request_context_result.success.request_context == context


def test_built_in_tools_are_refused_and_the_run_goes_on() -> None:
    run = machine()
    asked = ExecServerMessage(id=3, exec_id="e3", read_args=PathArgs(path="/etc/hosts"))
    out = feed(run, server.execute(asked))
    (answer,) = said(out)
    assert answer.exec_client_message.read_result.rejected.subject == "/etc/hosts"
    assert any(isinstance(output, Note) for output in out)
    assert feed(run, server.text("then")) == [Text("then")]


def test_questions_are_answered_with_their_id() -> None:
    run = machine()
    query = InteractionQuery(id=9, switch_mode_request_query=Unread())
    message = AgentServerMessage(interaction_query=query).SerializeToString()
    (answer,) = said(feed(run, message))
    assert answer.interaction_response.id == 9
    assert answer.interaction_response.switch_mode_request_response.rejected.reason


# --- tool calls ----------------------------------------------------------------------------------


def test_calls_in_parallel_are_collected_and_answered() -> None:
    run = machine()
    out = parked(
        run,
        server.text("Let me look."),
        server.call(1, args={"path": "a"}, call_id="t1"),
        server.call(2, "write", {"path": "b", "lines": 3}, "t2"),
    )
    first, second = (output for output in out if isinstance(output, ToolCall))
    assert (first.name, first.arguments) == ("read", '{"path":"a"}')
    assert (second.name, second.arguments) == ("write", '{"lines":3,"path":"b"}')
    assert run.waiting_for == {first.call_id, second.call_id}
    results = [
        ToolResult(second.call_id, ("done",)),
        ToolResult(first.call_id, ("text", Image(b"\x89PNG", "image/png")), is_error=True),
    ]
    answers = {
        m.exec_client_message.id: m.exec_client_message for m in said(run.answer(results, 9.0))
    }
    assert answers[1].exec_id == "exec-1"
    success = answers[1].mcp_result.success
    assert success.is_error
    assert success.content[0].text.text == "text"
    assert (success.content[1].image.data, success.content[1].image.mime_type) == (
        b"\x89PNG",
        "image/png",
    )
    assert answers[2].mcp_result.success.content[0].text.text == "done"
    assert feed(run, server.text("So:"), now=10.0) == [Text("So:")]


def test_a_run_parks_when_no_further_call_comes() -> None:
    run = machine()
    feed(run, server.call(1))
    assert run.wakes_at == 1.0 + LIMITS.siblings
    assert run.tick(1.0 + LIMITS.siblings / 2) == []
    feed(run, server.call(2), now=1.04)
    assert run.wakes_at == 1.04 + LIMITS.siblings
    assert isinstance(run.tick(1.04 + LIMITS.siblings)[-1], AwaitTools)


def test_a_server_that_reports_all_the_time_does_not_keep_a_client_from_its_calls() -> None:
    run = machine()
    out = feed(run, server.call(1))
    for hundredth in range(101, 110):
        now = hundredth / 100
        out += feed(run, server.tokens(1), server.checkpoint(b""), now=now) + run.tick(now)
    assert isinstance(out[-1], AwaitTools)


@pytest.mark.parametrize("speak", [server.announced, server.announced_in_part])
def test_a_call_that_was_announced_is_waited_for_longer(speak: object) -> None:
    run = machine()
    feed(run, speak("t1"), speak("t2"), server.call(1, call_id="t1"))  # type: ignore[operator]
    assert run.wakes_at == 1.0 + LIMITS.announced_siblings
    feed(run, server.call(2, call_id="t2"), now=2.0)
    assert run.wakes_at == 2.0 + LIMITS.siblings


def test_ids_are_unique_among_runs_and_fit_every_client() -> None:
    odd = server.call(1, call_id="toolu_1\nmc_1")
    one = parked(machine(run_id="a"), odd)
    other = parked(machine(run_id="b"), odd)
    ids = {output.call_id for output in [*one, *other] if isinstance(output, ToolCall)}
    assert len(ids) == 2
    assert all(each.replace("_", "").isalnum() and len(each) <= 40 for each in ids)


def RunMachine_started(run_id: str) -> RunMachine:
    run = RunMachine(BlobMap(), run_id=run_id, tools=("read",))
    run.start(REQUEST, 0.0)
    return run


def test_a_repeated_request_is_one_call() -> None:
    run = machine()
    out = parked(run, server.call(1), server.call(1))
    assert len([output for output in out if isinstance(output, ToolCall)]) == 1
    assert len(said(run.answer([ToolResult(*run.waiting_for, ("x",))], 3.0))) == 1


def test_a_call_without_a_result_is_answered_as_such() -> None:
    run = machine()
    out = parked(run, server.call(1), server.call(2))
    first, _ = (output for output in out if isinstance(output, ToolCall))
    answered = run.answer([ToolResult(first.call_id, ("x",))], 3.0)
    assert [m.exec_client_message.mcp_result.WhichOneof("result") for m in said(answered)] == [
        "success",
        "error",
    ]
    assert any(isinstance(output, Note) for output in answered)


def test_results_of_other_calls_are_said_and_change_nothing() -> None:
    run = machine()
    out = parked(run, server.call(1))
    assert run.answer([ToolResult("call_of_nobody", ("x",))], 3.0) == []
    assert run.waiting_for
    (call,) = (output for output in out if isinstance(output, ToolCall))
    answered = run.answer([ToolResult("old", ("x",)), ToolResult(call.call_id, ("y",))], 3.0)
    assert len(said(answered)) == 1
    assert any(isinstance(output, Note) for output in answered)


def test_a_call_that_came_late_opens_the_next_response() -> None:
    run = machine()
    parked(run, server.call(1, call_id="t1"))
    (first_id,) = run.waiting_for
    assert [o for o in feed(run, server.call(2), now=5.0) if isinstance(o, ToolCall)] == []
    answered = run.answer([ToolResult(first_id, ("x",))], 6.0)
    (late,) = (output for output in answered if isinstance(output, ToolCall))
    assert kinds(answered) == ["exec_client_message"]  # of the first; the late one waits
    assert isinstance(run.tick(6.0 + LIMITS.siblings)[-1], AwaitTools)
    assert run.waiting_for == {late.call_id}


def test_a_call_that_the_server_gave_up_may_still_be_answered() -> None:
    run = machine()
    parked(run, server.call(1))
    (call_id,) = run.waiting_for
    feed(run, server.abort(1), now=4.0)
    assert run.waiting_for == {call_id}
    assert said(run.answer([ToolResult(call_id, ("x",))], 5.0)) == []
    assert feed(run, server.text("on"), now=6.0) == [Text("on")]


def test_a_call_that_was_given_up_before_it_was_shown_is_not_waited_for() -> None:
    run = machine()
    feed(run, server.call(1), server.abort(1))
    assert not any(isinstance(o, AwaitTools) for o in run.tick(4.0))


def test_a_tool_that_was_not_given_is_refused_and_no_client_sees_it() -> None:
    run = machine()
    out = feed(run, server.call(1, "rm"))
    (answer,) = said(out)
    missing = answer.exec_client_message.mcp_result.tool_not_found
    assert missing.name == "rm"
    assert list(missing.available_tools) == ["read", "write"]
    assert not any(isinstance(output, ToolCall) for output in out)


def test_while_parked_questions_are_answered_and_signs_of_life_go_on() -> None:
    blobs = BlobMap()
    known = blobs.put(b"c")
    run = machine(blobs=blobs)
    parked(run, server.call(4))
    assert kinds(feed(run, server.get_blob(1, known), now=100.0)) == ["kv_client_message"]
    messages = said(run.tick(100.0))
    assert messages[0].SerializeToString() == run_messages.HEARTBEAT.payload == b"\x3a\x00"
    assert messages[1].exec_client_control_message.heartbeat.id == 4


def test_an_end_while_parked_is_a_failure_for_nobody() -> None:
    run = machine()
    parked(run, server.call(1))
    assert isinstance(failure(feed(run, server.turn_ended())), EndedInCall)
    run = machine()
    parked(run, server.call(1))
    assert isinstance(failure(run.ended(None, 9.0)), EndedInCall)
    assert run.waiting_for == frozenset()


def test_an_exec_may_be_closed_after_its_result() -> None:
    run = machine(close_execs=True)
    parked(run, server.call(5))
    (call_id,) = run.waiting_for
    result, closing = said(run.answer([ToolResult(call_id, ("x",))], 3.0))
    assert result.exec_client_message.id == 5
    assert closing.exec_client_control_message.stream_close.id == 5


@pytest.mark.parametrize("error", [None, ConnectError("resource_exhausted"), StreamReset(2)])
def test_calls_that_were_given_are_good_when_the_run_breaks_off(error: CursorError | None) -> None:
    run = machine()
    feed(run, server.call(1))
    (end,) = run.ended(error, 1.01)
    assert isinstance(end, AwaitTools)
    assert end.late_error is error or isinstance(end.late_error, Cut)
    assert run.over
    assert run.waiting_for == frozenset()


def test_a_failure_counts_what_its_own_response_has_produced() -> None:
    run = machine()
    parked(run, server.tokens(50), server.call(1))
    (call_id,) = run.waiting_for
    run.answer([ToolResult(call_id, ("x",))], 5.0)
    (failed,) = run.ended(StreamReset(2), 6.0)
    assert isinstance(failed, Failed)
    assert failed.produced_tokens == 0


# --- anything -----------------------------------------------------------------------------------


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.tuples(st.sampled_from(MESSAGES), st.integers(0, 60), st.integers(0, 255)),
        ),
        max_size=8,
    )
)
@settings(max_examples=60)
def test_no_bytes_break_the_machine(messages: list[bytes | tuple[bytes, int, int]]) -> None:
    """What can't be read ends the run, what can be read is taken for what it says."""
    run = machine()
    out: list[Output] = []
    for each in messages:
        message = each if isinstance(each, bytes) else damaged(*each)
        out += run.received(message, 1.0) + run.tick(1.0)
    for output in out:
        if isinstance(output, Send):
            AgentClientMessage.FromString(output.payload)
    ends = [output for output in out if isinstance(output, Failed)]
    assert len(ends) == (run.over and not any(isinstance(o, AwaitTools) for o in out))
    run.tick(1e9)
    assert run.over or run.waiting_for


def damaged(message: bytes, at: int, byte: int) -> bytes:
    """With one byte replaced."""
    at %= len(message)
    return message[:at] + bytes([byte]) + message[at + 1 :]
