from __future__ import annotations

import pytest
from google.protobuf.message import Message

from addons.providers.cursor.proto.agent_pb2 import AgentClientMessage
from addons.providers.cursor.proto.exec_pb2 import (
    ExecClientMessage,
    ExecServerMessage,
    FetchArgs,
    PathArgs,
    ReadMcpResourceExecArgs,
    RequestContext,
    RequestContextArgs,
    ShellArgs,
    Unread,
)
from addons.providers.cursor.run import run_execs
from addons.providers.cursor.run.run_outputs import Send

OWN = {"request_context_args", "mcp_args"}
"""Kinds that are not refused."""

THROWN = {
    "force_background_shell_args",
    "force_background_subagent_args",
    "git_diff_request",
    "adopt_args",
}
"""Kinds whose results have no word for a refusal."""

KINDS = [f.name for f in ExecServerMessage.DESCRIPTOR.oneofs_by_name["message"].fields]


def asked(kind: str) -> ExecServerMessage:
    """A request of this kind, with ids."""
    request = ExecServerMessage(id=7, exec_id="e7")
    getattr(request, kind).SetInParent()
    return request


def parsed(sends: list[Send]) -> list[AgentClientMessage]:
    return [AgentClientMessage.FromString(send.payload) for send in sends]


def result_of(request: ExecServerMessage) -> ExecClientMessage:
    return parsed(run_execs.refuse(request, close=False))[0].exec_client_message


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in OWN])
def test_every_kind_is_answered_with_its_ids_in_its_place(kind: str) -> None:
    request = asked(kind)
    answers = parsed(run_execs.refuse(request, close=False))
    thrown = answers[0].exec_client_control_message
    assert run_execs.has_refusal(request) == (kind not in THROWN)
    if kind in THROWN:
        assert thrown.throw.id == 7
        assert thrown.throw.error == run_execs.REASON
        assert answers[1].exec_client_control_message.stream_close.id == 7
        return
    result = answers[0].exec_client_message
    assert (result.id, result.exec_id) == (7, "e7")
    word = result.WhichOneof("message")
    assert word is not None
    # The results' numbers are the requests', up to 44; then one higher, and 52 is answered by 55.
    fields = {
        f.name: f.number
        for d in (ExecServerMessage.DESCRIPTOR, ExecClientMessage.DESCRIPTOR)
        for f in d.oneofs_by_name["message"].fields
    }
    shift = {52: 3}.get(fields[kind], 1 if 45 <= fields[kind] <= 51 else 0)
    assert fields[word] == fields[kind] + shift


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in OWN | THROWN])
def test_a_refusal_gives_the_reason_unless_it_says_no_by_itself(kind: str) -> None:
    silent = {
        "list_mcp_resources_exec_args",
        "mcp_state_exec_args",
        "execute_hook_args",
        "shell_allowlist_precheck_args",
        "mcp_allowlist_precheck_args",
        "web_fetch_allowlist_precheck_args",
    }
    told = run_execs.REASON.encode() in result_of(asked(kind)).SerializeToString()
    assert told == (kind not in silent)


def test_a_refusal_repeats_what_was_asked_for() -> None:
    shell = ShellArgs(command="ls -l", working_directory="/w")
    rejected = result_of(ExecServerMessage(shell_args=shell)).shell_result.rejected
    assert (rejected.command, rejected.working_directory) == ("ls -l", "/w")
    path = PathArgs(path="/p")
    subjects: list[tuple[ExecServerMessage, str]] = [
        (ExecServerMessage(write_args=path), "write_result.rejected.subject"),
        (ExecServerMessage(delete_args=path), "delete_result.rejected.subject"),
        (ExecServerMessage(read_args=path), "read_result.rejected.subject"),
        (ExecServerMessage(redacted_read_args=path), "redacted_read_result.rejected.subject"),
        (ExecServerMessage(ls_args=path), "ls_result.rejected.subject"),
        (ExecServerMessage(diagnostics_args=path), "diagnostics_result.rejected.subject"),
        (
            ExecServerMessage(canvas_diagnostics_args=path),
            "canvas_diagnostics_result.error.subject",
        ),
        (ExecServerMessage(fetch_args=FetchArgs(url="/p")), "fetch_result.error.subject"),
        (
            ExecServerMessage(read_mcp_resource_exec_args=ReadMcpResourceExecArgs(uri="/p")),
            "read_mcp_resource_exec_result.rejected.subject",
        ),
    ]
    for request, place in subjects:
        found: Message | str = result_of(request)
        for name in place.split("."):
            found = getattr(found, name)
        assert found == "/p", place


def test_a_stream_is_refused_as_a_stream_and_closed() -> None:
    request = ExecServerMessage(id=3, shell_stream_args=ShellArgs(command="ls"))
    event, closing = parsed(run_execs.refuse(request, close=False))
    assert event.exec_client_message.shell_stream.rejected.command == "ls"
    assert closing.exec_client_control_message.stream_close.id == 3


def test_a_kind_that_is_newer_is_thrown() -> None:
    request = ExecServerMessage(id=3, exec_id="e")
    request.MergeFromString(b"\xa2\x06\x00")  # field 100, empty
    assert run_execs.kind(request) == "unknown"
    thrown, closing = parsed(run_execs.refuse(request, close=False))
    assert thrown.exec_client_control_message.throw.id == 3
    assert closing.exec_client_control_message.stream_close.id == 3


def test_every_exec_may_be_closed() -> None:
    _, closing = parsed(run_execs.refuse(asked("read_args"), close=True))
    assert closing.exec_client_control_message.stream_close.id == 7
    request = ExecServerMessage(id=3, request_context_args=RequestContextArgs())
    assert len(run_execs.request_context(request, b"", close=True)) == 2


def test_an_empty_context_is_an_answer() -> None:
    request = ExecServerMessage(id=3, request_context_args=RequestContextArgs())
    (answer,) = parsed(run_execs.request_context(request, b"", close=False))
    result = answer.exec_client_message.request_context_result
    assert result.success.HasField("request_context")
    assert result.success.request_context == RequestContext()


def test_unread_arguments_do_not_matter() -> None:
    request = ExecServerMessage(id=1, pi_bash_args=Unread.FromString(b"\x0a\x02ls"))
    assert result_of(request).pi_bash_result.error.error == run_execs.REASON
