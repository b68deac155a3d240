"""Answers to what the server wants carried out on the client's machine, the client's tools aside.

floway carries out nothing: the built-in tools are refused in the words of their own kind, with a
reason that tells the model which tools there are. Every request is answered, also one of a kind
that is not known here: an unanswered one hangs the turn (cursor-protocol.md §4.2, §4.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from addons.providers.cursor.proto.exec_pb2 import (
    AllowlistPrecheckResult,
    BackgroundShellSpawnResult,
    DeleteResult,
    DiagnosticsResult,
    ErrorResult,
    ExecClientMessage,
    ExecServerMessage,
    Failure,
    ListMcpResourcesExecResult,
    LsResult,
    McpStateExecResult,
    ReadMcpResourceExecResult,
    ReadResult,
    RecordScreenResult,
    Refusal,
    RejectableResult,
    RequestContext,
    RequestContextResult,
    RequestContextSuccess,
    ShellArgs,
    ShellRejected,
    ShellResult,
    ShellStream,
    SubagentAwaitResult,
    SubagentResult,
    SubjectErrorResult,
    SubjectFailure,
    SubjectRefusal,
    Unread,
    WriteResult,
)
from addons.providers.cursor.run.run_messages import exec_close, exec_result, exec_throw
from addons.providers.cursor.run.run_outputs import Send

REASON: Final = (
    "This tool is not available here. Only the tools that were given to you in this conversation "
    "(the MCP tools) exist; use those."
)

STREAM: Final = "shell_stream_args"
"""Its answer is a stream of events, which ends with a close and not otherwise."""

type _Refusal = Callable[[ExecServerMessage], ExecClientMessage]


def _shell(args: ShellArgs) -> ShellRejected:
    return ShellRejected(
        command=args.command, working_directory=args.working_directory, reason=REASON
    )


def _subject(subject: str) -> SubjectRefusal:
    return SubjectRefusal(subject=subject, reason=REASON)


def _error() -> ErrorResult:
    return ErrorResult(error=Failure(error=REASON))


def _rejection() -> RejectableResult:
    return RejectableResult(rejected=Refusal(reason=REASON))


def _subject_error(subject: str) -> SubjectErrorResult:
    return SubjectErrorResult(error=SubjectFailure(subject=subject, error=REASON))


_REFUSALS: Final[dict[str, _Refusal]] = {
    "shell_args": lambda m: ExecClientMessage(
        shell_result=ShellResult(rejected=_shell(m.shell_args))
    ),
    "write_args": lambda m: ExecClientMessage(
        write_result=WriteResult(rejected=_subject(m.write_args.path))
    ),
    "delete_args": lambda m: ExecClientMessage(
        delete_result=DeleteResult(rejected=_subject(m.delete_args.path))
    ),
    "grep_args": lambda _: ExecClientMessage(grep_result=_error()),
    "read_args": lambda m: ExecClientMessage(
        read_result=ReadResult(rejected=_subject(m.read_args.path))
    ),
    "ls_args": lambda m: ExecClientMessage(ls_result=LsResult(rejected=_subject(m.ls_args.path))),
    "diagnostics_args": lambda m: ExecClientMessage(
        diagnostics_result=DiagnosticsResult(rejected=_subject(m.diagnostics_args.path))
    ),
    STREAM: lambda m: ExecClientMessage(
        shell_stream=ShellStream(rejected=_shell(m.shell_stream_args))
    ),
    "background_shell_spawn_args": lambda m: ExecClientMessage(
        background_shell_spawn_result=BackgroundShellSpawnResult(
            rejected=_shell(m.background_shell_spawn_args)
        )
    ),
    # There are no resources and no servers: that is an answer, not a refusal.
    "list_mcp_resources_exec_args": lambda _: ExecClientMessage(
        list_mcp_resources_exec_result=ListMcpResourcesExecResult(success=Unread())
    ),
    "mcp_state_exec_args": lambda _: ExecClientMessage(
        mcp_state_exec_result=McpStateExecResult(success=Unread())
    ),
    "read_mcp_resource_exec_args": lambda m: ExecClientMessage(
        read_mcp_resource_exec_result=ReadMcpResourceExecResult(
            rejected=_subject(m.read_mcp_resource_exec_args.uri)
        )
    ),
    "fetch_args": lambda m: ExecClientMessage(fetch_result=_subject_error(m.fetch_args.url)),
    "record_screen_args": lambda _: ExecClientMessage(
        record_screen_result=RecordScreenResult(failure=Failure(error=REASON))
    ),
    "computer_use_args": lambda _: ExecClientMessage(computer_use_result=_error()),
    "write_shell_stdin_args": lambda _: ExecClientMessage(write_shell_stdin_result=_error()),
    # An empty result: there is no hook, and so nothing against going on.
    "execute_hook_args": lambda _: ExecClientMessage(execute_hook_result=Unread()),
    "subagent_args": lambda _: ExecClientMessage(
        subagent_result=SubagentResult(error=SubjectFailure(error=REASON))
    ),
    "subagent_await_args": lambda _: ExecClientMessage(
        subagent_await_result=SubagentAwaitResult(error=SubjectFailure(error=REASON))
    ),
    "redacted_read_args": lambda m: ExecClientMessage(
        redacted_read_result=ReadResult(rejected=_subject(m.redacted_read_args.path))
    ),
    "smart_mode_classifier_args": lambda _: ExecClientMessage(
        smart_mode_classifier_result=_error()
    ),
    "canvas_diagnostics_args": lambda m: ExecClientMessage(
        canvas_diagnostics_result=_subject_error(m.canvas_diagnostics_args.path)
    ),
    # Nothing is approved on behalf of a user who was not asked.
    "shell_allowlist_precheck_args": lambda _: ExecClientMessage(
        shell_allowlist_precheck_result=AllowlistPrecheckResult(allowlisted=False)
    ),
    "mcp_allowlist_precheck_args": lambda _: ExecClientMessage(
        mcp_allowlist_precheck_result=AllowlistPrecheckResult(allowlisted=False)
    ),
    "web_fetch_allowlist_precheck_args": lambda _: ExecClientMessage(
        web_fetch_allowlist_precheck_result=AllowlistPrecheckResult(allowlisted=False)
    ),
    "pi_read_args": lambda _: ExecClientMessage(pi_read_result=_error()),
    "pi_bash_args": lambda _: ExecClientMessage(pi_bash_result=_error()),
    "pi_edit_args": lambda _: ExecClientMessage(pi_edit_result=_rejection()),
    "pi_write_args": lambda _: ExecClientMessage(pi_write_result=_rejection()),
    "pi_grep_args": lambda _: ExecClientMessage(pi_grep_result=_error()),
    "pi_find_args": lambda _: ExecClientMessage(pi_find_result=_error()),
    "pi_ls_args": lambda _: ExecClientMessage(pi_ls_result=_error()),
    "mini_swe_agent_bash_args": lambda m: ExecClientMessage(
        mini_swe_agent_bash_result=ShellResult(rejected=_shell(m.mini_swe_agent_bash_args))
    ),
    "conversation_search_args": lambda _: ExecClientMessage(conversation_search_result=_error()),
    "agent_store_conflict_args": lambda _: ExecClientMessage(agent_store_conflict_result=_error()),
}


def kind(message: ExecServerMessage) -> str:
    """The kind of a request, in the schema's word; ``unknown`` for one that is newer."""
    return message.WhichOneof("message") or "unknown"


def has_refusal(message: ExecServerMessage) -> bool:
    """Whether there are words for a refusal of this kind; else only a throw is left."""
    return kind(message) in _REFUSALS


def refuse(message: ExecServerMessage, *, close: bool) -> list[Send]:
    """The answer to a request of a built-in or unknown kind.

    Args:
        close: say after each result that nothing more comes, as the official SDK does for every
            exec (recorded from 1.1.0); others report that a server took it for the end of the turn
            (§4.3, §9). A thrown exec and a stream are closed always.
    """
    word = kind(message)
    refusal = _REFUSALS.get(word)
    if refusal is None:
        return [exec_throw(message.id, REASON), exec_close(message.id)]
    return answered(message, refusal(message), close=close or word == STREAM)


def request_context(message: ExecServerMessage, context: bytes, *, close: bool) -> list[Send]:
    """The answer to the question for the request context, a serialized ``RequestContext``."""
    success = RequestContextSuccess(request_context=RequestContext.FromString(context))
    answer = ExecClientMessage(request_context_result=RequestContextResult(success=success))
    return answered(message, answer, close=close)


def answered(
    message: ExecServerMessage, answer: ExecClientMessage, *, close: bool = False
) -> list[Send]:
    """An answer with the ids of its request: both are repeated as they came."""
    answer.id = message.id
    answer.exec_id = message.exec_id
    return sent(answer, close=close)


def sent(answer: ExecClientMessage, *, close: bool) -> list[Send]:
    """An answer that has its ids."""
    return [exec_result(answer), exec_close(answer.id)] if close else [exec_result(answer)]
