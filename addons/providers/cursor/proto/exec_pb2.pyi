from addons.providers.cursor.proto import mcp_pb2 as _mcp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CursorRuleSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CURSOR_RULE_SOURCE_UNSPECIFIED: _ClassVar[CursorRuleSource]
    CURSOR_RULE_SOURCE_TEAM: _ClassVar[CursorRuleSource]
    CURSOR_RULE_SOURCE_USER: _ClassVar[CursorRuleSource]
CURSOR_RULE_SOURCE_UNSPECIFIED: CursorRuleSource
CURSOR_RULE_SOURCE_TEAM: CursorRuleSource
CURSOR_RULE_SOURCE_USER: CursorRuleSource

class ExecServerMessage(_message.Message):
    __slots__ = ("id", "shell_args", "write_args", "delete_args", "grep_args", "read_args", "ls_args", "diagnostics_args", "request_context_args", "mcp_args", "shell_stream_args", "background_shell_spawn_args", "list_mcp_resources_exec_args", "read_mcp_resource_exec_args", "fetch_args", "record_screen_args", "computer_use_args", "write_shell_stdin_args", "execute_hook_args", "subagent_args", "redacted_read_args", "force_background_shell_args", "force_background_subagent_args", "mcp_state_exec_args", "subagent_await_args", "smart_mode_classifier_args", "canvas_diagnostics_args", "shell_allowlist_precheck_args", "mcp_allowlist_precheck_args", "web_fetch_allowlist_precheck_args", "git_diff_request", "pi_read_args", "pi_bash_args", "pi_edit_args", "pi_write_args", "pi_grep_args", "pi_find_args", "pi_ls_args", "mini_swe_agent_bash_args", "conversation_search_args", "agent_store_conflict_args", "adopt_args", "exec_id", "span_context")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHELL_ARGS_FIELD_NUMBER: _ClassVar[int]
    WRITE_ARGS_FIELD_NUMBER: _ClassVar[int]
    DELETE_ARGS_FIELD_NUMBER: _ClassVar[int]
    GREP_ARGS_FIELD_NUMBER: _ClassVar[int]
    READ_ARGS_FIELD_NUMBER: _ClassVar[int]
    LS_ARGS_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_ARGS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_CONTEXT_ARGS_FIELD_NUMBER: _ClassVar[int]
    MCP_ARGS_FIELD_NUMBER: _ClassVar[int]
    SHELL_STREAM_ARGS_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_SHELL_SPAWN_ARGS_FIELD_NUMBER: _ClassVar[int]
    LIST_MCP_RESOURCES_EXEC_ARGS_FIELD_NUMBER: _ClassVar[int]
    READ_MCP_RESOURCE_EXEC_ARGS_FIELD_NUMBER: _ClassVar[int]
    FETCH_ARGS_FIELD_NUMBER: _ClassVar[int]
    RECORD_SCREEN_ARGS_FIELD_NUMBER: _ClassVar[int]
    COMPUTER_USE_ARGS_FIELD_NUMBER: _ClassVar[int]
    WRITE_SHELL_STDIN_ARGS_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_HOOK_ARGS_FIELD_NUMBER: _ClassVar[int]
    SUBAGENT_ARGS_FIELD_NUMBER: _ClassVar[int]
    REDACTED_READ_ARGS_FIELD_NUMBER: _ClassVar[int]
    FORCE_BACKGROUND_SHELL_ARGS_FIELD_NUMBER: _ClassVar[int]
    FORCE_BACKGROUND_SUBAGENT_ARGS_FIELD_NUMBER: _ClassVar[int]
    MCP_STATE_EXEC_ARGS_FIELD_NUMBER: _ClassVar[int]
    SUBAGENT_AWAIT_ARGS_FIELD_NUMBER: _ClassVar[int]
    SMART_MODE_CLASSIFIER_ARGS_FIELD_NUMBER: _ClassVar[int]
    CANVAS_DIAGNOSTICS_ARGS_FIELD_NUMBER: _ClassVar[int]
    SHELL_ALLOWLIST_PRECHECK_ARGS_FIELD_NUMBER: _ClassVar[int]
    MCP_ALLOWLIST_PRECHECK_ARGS_FIELD_NUMBER: _ClassVar[int]
    WEB_FETCH_ALLOWLIST_PRECHECK_ARGS_FIELD_NUMBER: _ClassVar[int]
    GIT_DIFF_REQUEST_FIELD_NUMBER: _ClassVar[int]
    PI_READ_ARGS_FIELD_NUMBER: _ClassVar[int]
    PI_BASH_ARGS_FIELD_NUMBER: _ClassVar[int]
    PI_EDIT_ARGS_FIELD_NUMBER: _ClassVar[int]
    PI_WRITE_ARGS_FIELD_NUMBER: _ClassVar[int]
    PI_GREP_ARGS_FIELD_NUMBER: _ClassVar[int]
    PI_FIND_ARGS_FIELD_NUMBER: _ClassVar[int]
    PI_LS_ARGS_FIELD_NUMBER: _ClassVar[int]
    MINI_SWE_AGENT_BASH_ARGS_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_SEARCH_ARGS_FIELD_NUMBER: _ClassVar[int]
    AGENT_STORE_CONFLICT_ARGS_FIELD_NUMBER: _ClassVar[int]
    ADOPT_ARGS_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    id: int
    shell_args: ShellArgs
    write_args: PathArgs
    delete_args: PathArgs
    grep_args: GrepArgs
    read_args: PathArgs
    ls_args: PathArgs
    diagnostics_args: PathArgs
    request_context_args: RequestContextArgs
    mcp_args: _mcp_pb2.McpArgs
    shell_stream_args: ShellArgs
    background_shell_spawn_args: ShellArgs
    list_mcp_resources_exec_args: Unread
    read_mcp_resource_exec_args: ReadMcpResourceExecArgs
    fetch_args: FetchArgs
    record_screen_args: Unread
    computer_use_args: Unread
    write_shell_stdin_args: Unread
    execute_hook_args: Unread
    subagent_args: Unread
    redacted_read_args: PathArgs
    force_background_shell_args: Unread
    force_background_subagent_args: Unread
    mcp_state_exec_args: Unread
    subagent_await_args: Unread
    smart_mode_classifier_args: Unread
    canvas_diagnostics_args: PathArgs
    shell_allowlist_precheck_args: Unread
    mcp_allowlist_precheck_args: Unread
    web_fetch_allowlist_precheck_args: Unread
    git_diff_request: Unread
    pi_read_args: Unread
    pi_bash_args: Unread
    pi_edit_args: Unread
    pi_write_args: Unread
    pi_grep_args: Unread
    pi_find_args: Unread
    pi_ls_args: Unread
    mini_swe_agent_bash_args: ShellArgs
    conversation_search_args: Unread
    agent_store_conflict_args: Unread
    adopt_args: Unread
    exec_id: str
    span_context: SpanContext
    def __init__(self, id: _Optional[int] = ..., shell_args: _Optional[_Union[ShellArgs, _Mapping]] = ..., write_args: _Optional[_Union[PathArgs, _Mapping]] = ..., delete_args: _Optional[_Union[PathArgs, _Mapping]] = ..., grep_args: _Optional[_Union[GrepArgs, _Mapping]] = ..., read_args: _Optional[_Union[PathArgs, _Mapping]] = ..., ls_args: _Optional[_Union[PathArgs, _Mapping]] = ..., diagnostics_args: _Optional[_Union[PathArgs, _Mapping]] = ..., request_context_args: _Optional[_Union[RequestContextArgs, _Mapping]] = ..., mcp_args: _Optional[_Union[_mcp_pb2.McpArgs, _Mapping]] = ..., shell_stream_args: _Optional[_Union[ShellArgs, _Mapping]] = ..., background_shell_spawn_args: _Optional[_Union[ShellArgs, _Mapping]] = ..., list_mcp_resources_exec_args: _Optional[_Union[Unread, _Mapping]] = ..., read_mcp_resource_exec_args: _Optional[_Union[ReadMcpResourceExecArgs, _Mapping]] = ..., fetch_args: _Optional[_Union[FetchArgs, _Mapping]] = ..., record_screen_args: _Optional[_Union[Unread, _Mapping]] = ..., computer_use_args: _Optional[_Union[Unread, _Mapping]] = ..., write_shell_stdin_args: _Optional[_Union[Unread, _Mapping]] = ..., execute_hook_args: _Optional[_Union[Unread, _Mapping]] = ..., subagent_args: _Optional[_Union[Unread, _Mapping]] = ..., redacted_read_args: _Optional[_Union[PathArgs, _Mapping]] = ..., force_background_shell_args: _Optional[_Union[Unread, _Mapping]] = ..., force_background_subagent_args: _Optional[_Union[Unread, _Mapping]] = ..., mcp_state_exec_args: _Optional[_Union[Unread, _Mapping]] = ..., subagent_await_args: _Optional[_Union[Unread, _Mapping]] = ..., smart_mode_classifier_args: _Optional[_Union[Unread, _Mapping]] = ..., canvas_diagnostics_args: _Optional[_Union[PathArgs, _Mapping]] = ..., shell_allowlist_precheck_args: _Optional[_Union[Unread, _Mapping]] = ..., mcp_allowlist_precheck_args: _Optional[_Union[Unread, _Mapping]] = ..., web_fetch_allowlist_precheck_args: _Optional[_Union[Unread, _Mapping]] = ..., git_diff_request: _Optional[_Union[Unread, _Mapping]] = ..., pi_read_args: _Optional[_Union[Unread, _Mapping]] = ..., pi_bash_args: _Optional[_Union[Unread, _Mapping]] = ..., pi_edit_args: _Optional[_Union[Unread, _Mapping]] = ..., pi_write_args: _Optional[_Union[Unread, _Mapping]] = ..., pi_grep_args: _Optional[_Union[Unread, _Mapping]] = ..., pi_find_args: _Optional[_Union[Unread, _Mapping]] = ..., pi_ls_args: _Optional[_Union[Unread, _Mapping]] = ..., mini_swe_agent_bash_args: _Optional[_Union[ShellArgs, _Mapping]] = ..., conversation_search_args: _Optional[_Union[Unread, _Mapping]] = ..., agent_store_conflict_args: _Optional[_Union[Unread, _Mapping]] = ..., adopt_args: _Optional[_Union[Unread, _Mapping]] = ..., exec_id: _Optional[str] = ..., span_context: _Optional[_Union[SpanContext, _Mapping]] = ...) -> None: ...

class ExecClientMessage(_message.Message):
    __slots__ = ("id", "shell_result", "write_result", "delete_result", "grep_result", "read_result", "ls_result", "diagnostics_result", "request_context_result", "mcp_result", "shell_stream", "background_shell_spawn_result", "list_mcp_resources_exec_result", "read_mcp_resource_exec_result", "fetch_result", "record_screen_result", "computer_use_result", "write_shell_stdin_result", "execute_hook_result", "subagent_result", "redacted_read_result", "mcp_state_exec_result", "subagent_await_result", "smart_mode_classifier_result", "canvas_diagnostics_result", "shell_allowlist_precheck_result", "mcp_allowlist_precheck_result", "web_fetch_allowlist_precheck_result", "pi_read_result", "pi_bash_result", "pi_edit_result", "pi_write_result", "pi_grep_result", "pi_find_result", "pi_ls_result", "conversation_search_result", "agent_store_conflict_result", "mini_swe_agent_bash_result", "exec_id", "local_execution_time_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHELL_RESULT_FIELD_NUMBER: _ClassVar[int]
    WRITE_RESULT_FIELD_NUMBER: _ClassVar[int]
    DELETE_RESULT_FIELD_NUMBER: _ClassVar[int]
    GREP_RESULT_FIELD_NUMBER: _ClassVar[int]
    READ_RESULT_FIELD_NUMBER: _ClassVar[int]
    LS_RESULT_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_RESULT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_CONTEXT_RESULT_FIELD_NUMBER: _ClassVar[int]
    MCP_RESULT_FIELD_NUMBER: _ClassVar[int]
    SHELL_STREAM_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_SHELL_SPAWN_RESULT_FIELD_NUMBER: _ClassVar[int]
    LIST_MCP_RESOURCES_EXEC_RESULT_FIELD_NUMBER: _ClassVar[int]
    READ_MCP_RESOURCE_EXEC_RESULT_FIELD_NUMBER: _ClassVar[int]
    FETCH_RESULT_FIELD_NUMBER: _ClassVar[int]
    RECORD_SCREEN_RESULT_FIELD_NUMBER: _ClassVar[int]
    COMPUTER_USE_RESULT_FIELD_NUMBER: _ClassVar[int]
    WRITE_SHELL_STDIN_RESULT_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_HOOK_RESULT_FIELD_NUMBER: _ClassVar[int]
    SUBAGENT_RESULT_FIELD_NUMBER: _ClassVar[int]
    REDACTED_READ_RESULT_FIELD_NUMBER: _ClassVar[int]
    MCP_STATE_EXEC_RESULT_FIELD_NUMBER: _ClassVar[int]
    SUBAGENT_AWAIT_RESULT_FIELD_NUMBER: _ClassVar[int]
    SMART_MODE_CLASSIFIER_RESULT_FIELD_NUMBER: _ClassVar[int]
    CANVAS_DIAGNOSTICS_RESULT_FIELD_NUMBER: _ClassVar[int]
    SHELL_ALLOWLIST_PRECHECK_RESULT_FIELD_NUMBER: _ClassVar[int]
    MCP_ALLOWLIST_PRECHECK_RESULT_FIELD_NUMBER: _ClassVar[int]
    WEB_FETCH_ALLOWLIST_PRECHECK_RESULT_FIELD_NUMBER: _ClassVar[int]
    PI_READ_RESULT_FIELD_NUMBER: _ClassVar[int]
    PI_BASH_RESULT_FIELD_NUMBER: _ClassVar[int]
    PI_EDIT_RESULT_FIELD_NUMBER: _ClassVar[int]
    PI_WRITE_RESULT_FIELD_NUMBER: _ClassVar[int]
    PI_GREP_RESULT_FIELD_NUMBER: _ClassVar[int]
    PI_FIND_RESULT_FIELD_NUMBER: _ClassVar[int]
    PI_LS_RESULT_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_SEARCH_RESULT_FIELD_NUMBER: _ClassVar[int]
    AGENT_STORE_CONFLICT_RESULT_FIELD_NUMBER: _ClassVar[int]
    MINI_SWE_AGENT_BASH_RESULT_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    LOCAL_EXECUTION_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    id: int
    shell_result: ShellResult
    write_result: WriteResult
    delete_result: DeleteResult
    grep_result: ErrorResult
    read_result: ReadResult
    ls_result: LsResult
    diagnostics_result: DiagnosticsResult
    request_context_result: RequestContextResult
    mcp_result: _mcp_pb2.McpResult
    shell_stream: ShellStream
    background_shell_spawn_result: BackgroundShellSpawnResult
    list_mcp_resources_exec_result: ListMcpResourcesExecResult
    read_mcp_resource_exec_result: ReadMcpResourceExecResult
    fetch_result: SubjectErrorResult
    record_screen_result: RecordScreenResult
    computer_use_result: ErrorResult
    write_shell_stdin_result: ErrorResult
    execute_hook_result: Unread
    subagent_result: SubagentResult
    redacted_read_result: ReadResult
    mcp_state_exec_result: McpStateExecResult
    subagent_await_result: SubagentAwaitResult
    smart_mode_classifier_result: ErrorResult
    canvas_diagnostics_result: SubjectErrorResult
    shell_allowlist_precheck_result: AllowlistPrecheckResult
    mcp_allowlist_precheck_result: AllowlistPrecheckResult
    web_fetch_allowlist_precheck_result: AllowlistPrecheckResult
    pi_read_result: ErrorResult
    pi_bash_result: ErrorResult
    pi_edit_result: RejectableResult
    pi_write_result: RejectableResult
    pi_grep_result: ErrorResult
    pi_find_result: ErrorResult
    pi_ls_result: ErrorResult
    conversation_search_result: ErrorResult
    agent_store_conflict_result: ErrorResult
    mini_swe_agent_bash_result: ShellResult
    exec_id: str
    local_execution_time_ms: int
    def __init__(self, id: _Optional[int] = ..., shell_result: _Optional[_Union[ShellResult, _Mapping]] = ..., write_result: _Optional[_Union[WriteResult, _Mapping]] = ..., delete_result: _Optional[_Union[DeleteResult, _Mapping]] = ..., grep_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., read_result: _Optional[_Union[ReadResult, _Mapping]] = ..., ls_result: _Optional[_Union[LsResult, _Mapping]] = ..., diagnostics_result: _Optional[_Union[DiagnosticsResult, _Mapping]] = ..., request_context_result: _Optional[_Union[RequestContextResult, _Mapping]] = ..., mcp_result: _Optional[_Union[_mcp_pb2.McpResult, _Mapping]] = ..., shell_stream: _Optional[_Union[ShellStream, _Mapping]] = ..., background_shell_spawn_result: _Optional[_Union[BackgroundShellSpawnResult, _Mapping]] = ..., list_mcp_resources_exec_result: _Optional[_Union[ListMcpResourcesExecResult, _Mapping]] = ..., read_mcp_resource_exec_result: _Optional[_Union[ReadMcpResourceExecResult, _Mapping]] = ..., fetch_result: _Optional[_Union[SubjectErrorResult, _Mapping]] = ..., record_screen_result: _Optional[_Union[RecordScreenResult, _Mapping]] = ..., computer_use_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., write_shell_stdin_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., execute_hook_result: _Optional[_Union[Unread, _Mapping]] = ..., subagent_result: _Optional[_Union[SubagentResult, _Mapping]] = ..., redacted_read_result: _Optional[_Union[ReadResult, _Mapping]] = ..., mcp_state_exec_result: _Optional[_Union[McpStateExecResult, _Mapping]] = ..., subagent_await_result: _Optional[_Union[SubagentAwaitResult, _Mapping]] = ..., smart_mode_classifier_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., canvas_diagnostics_result: _Optional[_Union[SubjectErrorResult, _Mapping]] = ..., shell_allowlist_precheck_result: _Optional[_Union[AllowlistPrecheckResult, _Mapping]] = ..., mcp_allowlist_precheck_result: _Optional[_Union[AllowlistPrecheckResult, _Mapping]] = ..., web_fetch_allowlist_precheck_result: _Optional[_Union[AllowlistPrecheckResult, _Mapping]] = ..., pi_read_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., pi_bash_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., pi_edit_result: _Optional[_Union[RejectableResult, _Mapping]] = ..., pi_write_result: _Optional[_Union[RejectableResult, _Mapping]] = ..., pi_grep_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., pi_find_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., pi_ls_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., conversation_search_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., agent_store_conflict_result: _Optional[_Union[ErrorResult, _Mapping]] = ..., mini_swe_agent_bash_result: _Optional[_Union[ShellResult, _Mapping]] = ..., exec_id: _Optional[str] = ..., local_execution_time_ms: _Optional[int] = ...) -> None: ...

class ExecClientControlMessage(_message.Message):
    __slots__ = ("stream_close", "throw", "heartbeat")
    STREAM_CLOSE_FIELD_NUMBER: _ClassVar[int]
    THROW_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    stream_close: ExecClientStreamClose
    throw: ExecClientThrow
    heartbeat: ExecClientHeartbeat
    def __init__(self, stream_close: _Optional[_Union[ExecClientStreamClose, _Mapping]] = ..., throw: _Optional[_Union[ExecClientThrow, _Mapping]] = ..., heartbeat: _Optional[_Union[ExecClientHeartbeat, _Mapping]] = ...) -> None: ...

class ExecClientStreamClose(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class ExecClientThrow(_message.Message):
    __slots__ = ("id", "error", "stack_trace", "error_code")
    ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    STACK_TRACE_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    id: int
    error: str
    stack_trace: str
    error_code: str
    def __init__(self, id: _Optional[int] = ..., error: _Optional[str] = ..., stack_trace: _Optional[str] = ..., error_code: _Optional[str] = ...) -> None: ...

class ExecClientHeartbeat(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class ExecServerControlMessage(_message.Message):
    __slots__ = ("abort",)
    ABORT_FIELD_NUMBER: _ClassVar[int]
    abort: ExecServerAbort
    def __init__(self, abort: _Optional[_Union[ExecServerAbort, _Mapping]] = ...) -> None: ...

class ExecServerAbort(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class SpanContext(_message.Message):
    __slots__ = ("trace_id", "span_id", "trace_flags", "trace_state")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_FLAGS_FIELD_NUMBER: _ClassVar[int]
    TRACE_STATE_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    span_id: str
    trace_flags: int
    trace_state: str
    def __init__(self, trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., trace_flags: _Optional[int] = ..., trace_state: _Optional[str] = ...) -> None: ...

class Unread(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShellArgs(_message.Message):
    __slots__ = ("command", "working_directory")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    command: str
    working_directory: str
    def __init__(self, command: _Optional[str] = ..., working_directory: _Optional[str] = ...) -> None: ...

class PathArgs(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class GrepArgs(_message.Message):
    __slots__ = ("pattern", "path")
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    pattern: str
    path: str
    def __init__(self, pattern: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class FetchArgs(_message.Message):
    __slots__ = ("url", "tool_call_id")
    URL_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    url: str
    tool_call_id: str
    def __init__(self, url: _Optional[str] = ..., tool_call_id: _Optional[str] = ...) -> None: ...

class ReadMcpResourceExecArgs(_message.Message):
    __slots__ = ("server", "uri")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    server: str
    uri: str
    def __init__(self, server: _Optional[str] = ..., uri: _Optional[str] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: str
    def __init__(self, error: _Optional[str] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class SubjectRefusal(_message.Message):
    __slots__ = ("subject", "reason")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    subject: str
    reason: str
    def __init__(self, subject: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ShellRejected(_message.Message):
    __slots__ = ("command", "working_directory", "reason", "is_readonly")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IS_READONLY_FIELD_NUMBER: _ClassVar[int]
    command: str
    working_directory: str
    reason: str
    is_readonly: bool
    def __init__(self, command: _Optional[str] = ..., working_directory: _Optional[str] = ..., reason: _Optional[str] = ..., is_readonly: _Optional[bool] = ...) -> None: ...

class ShellResult(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: ShellRejected
    def __init__(self, rejected: _Optional[_Union[ShellRejected, _Mapping]] = ...) -> None: ...

class ShellStream(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: ShellRejected
    def __init__(self, rejected: _Optional[_Union[ShellRejected, _Mapping]] = ...) -> None: ...

class BackgroundShellSpawnResult(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: ShellRejected
    def __init__(self, rejected: _Optional[_Union[ShellRejected, _Mapping]] = ...) -> None: ...

class WriteResult(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: SubjectRefusal
    def __init__(self, rejected: _Optional[_Union[SubjectRefusal, _Mapping]] = ...) -> None: ...

class DeleteResult(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: SubjectRefusal
    def __init__(self, rejected: _Optional[_Union[SubjectRefusal, _Mapping]] = ...) -> None: ...

class ReadResult(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: SubjectRefusal
    def __init__(self, rejected: _Optional[_Union[SubjectRefusal, _Mapping]] = ...) -> None: ...

class LsResult(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: SubjectRefusal
    def __init__(self, rejected: _Optional[_Union[SubjectRefusal, _Mapping]] = ...) -> None: ...

class DiagnosticsResult(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: SubjectRefusal
    def __init__(self, rejected: _Optional[_Union[SubjectRefusal, _Mapping]] = ...) -> None: ...

class ErrorResult(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: Failure
    def __init__(self, error: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class RejectableResult(_message.Message):
    __slots__ = ("error", "rejected")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    error: Failure
    rejected: Refusal
    def __init__(self, error: _Optional[_Union[Failure, _Mapping]] = ..., rejected: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class SubjectErrorResult(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: SubjectFailure
    def __init__(self, error: _Optional[_Union[SubjectFailure, _Mapping]] = ...) -> None: ...

class SubjectFailure(_message.Message):
    __slots__ = ("subject", "error")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    subject: str
    error: str
    def __init__(self, subject: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class RecordScreenResult(_message.Message):
    __slots__ = ("failure",)
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class SubagentResult(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: SubjectFailure
    def __init__(self, error: _Optional[_Union[SubjectFailure, _Mapping]] = ...) -> None: ...

class SubagentAwaitResult(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: SubjectFailure
    def __init__(self, error: _Optional[_Union[SubjectFailure, _Mapping]] = ...) -> None: ...

class AllowlistPrecheckResult(_message.Message):
    __slots__ = ("allowlisted",)
    ALLOWLISTED_FIELD_NUMBER: _ClassVar[int]
    allowlisted: bool
    def __init__(self, allowlisted: _Optional[bool] = ...) -> None: ...

class ListMcpResourcesExecResult(_message.Message):
    __slots__ = ("success", "error", "rejected")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    success: Unread
    error: Failure
    rejected: Refusal
    def __init__(self, success: _Optional[_Union[Unread, _Mapping]] = ..., error: _Optional[_Union[Failure, _Mapping]] = ..., rejected: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class ReadMcpResourceExecResult(_message.Message):
    __slots__ = ("rejected",)
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    rejected: SubjectRefusal
    def __init__(self, rejected: _Optional[_Union[SubjectRefusal, _Mapping]] = ...) -> None: ...

class McpStateExecResult(_message.Message):
    __slots__ = ("success", "error", "rejected")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    success: Unread
    error: Failure
    rejected: Refusal
    def __init__(self, success: _Optional[_Union[Unread, _Mapping]] = ..., error: _Optional[_Union[Failure, _Mapping]] = ..., rejected: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class RequestContextArgs(_message.Message):
    __slots__ = ("notes_session_id", "workspace_id", "use_cached")
    NOTES_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    USE_CACHED_FIELD_NUMBER: _ClassVar[int]
    notes_session_id: str
    workspace_id: str
    use_cached: bool
    def __init__(self, notes_session_id: _Optional[str] = ..., workspace_id: _Optional[str] = ..., use_cached: _Optional[bool] = ...) -> None: ...

class RequestContextResult(_message.Message):
    __slots__ = ("success", "error", "rejected")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    success: RequestContextSuccess
    error: Failure
    rejected: Refusal
    def __init__(self, success: _Optional[_Union[RequestContextSuccess, _Mapping]] = ..., error: _Optional[_Union[Failure, _Mapping]] = ..., rejected: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class RequestContextSuccess(_message.Message):
    __slots__ = ("request_context",)
    REQUEST_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    request_context: RequestContext
    def __init__(self, request_context: _Optional[_Union[RequestContext, _Mapping]] = ...) -> None: ...

class RequestContext(_message.Message):
    __slots__ = ("rules", "env", "tools", "mcp_instructions", "web_search_enabled", "web_fetch_enabled")
    RULES_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    MCP_INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    WEB_SEARCH_ENABLED_FIELD_NUMBER: _ClassVar[int]
    WEB_FETCH_ENABLED_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[CursorRule]
    env: RequestContextEnv
    tools: _containers.RepeatedCompositeFieldContainer[_mcp_pb2.McpToolDefinition]
    mcp_instructions: _containers.RepeatedCompositeFieldContainer[_mcp_pb2.McpInstructions]
    web_search_enabled: bool
    web_fetch_enabled: bool
    def __init__(self, rules: _Optional[_Iterable[_Union[CursorRule, _Mapping]]] = ..., env: _Optional[_Union[RequestContextEnv, _Mapping]] = ..., tools: _Optional[_Iterable[_Union[_mcp_pb2.McpToolDefinition, _Mapping]]] = ..., mcp_instructions: _Optional[_Iterable[_Union[_mcp_pb2.McpInstructions, _Mapping]]] = ..., web_search_enabled: _Optional[bool] = ..., web_fetch_enabled: _Optional[bool] = ...) -> None: ...

class RequestContextEnv(_message.Message):
    __slots__ = ("os_version", "workspace_paths", "shell", "sandbox_enabled", "time_zone", "project_folder")
    OS_VERSION_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_PATHS_FIELD_NUMBER: _ClassVar[int]
    SHELL_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ENABLED_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FOLDER_FIELD_NUMBER: _ClassVar[int]
    os_version: str
    workspace_paths: _containers.RepeatedScalarFieldContainer[str]
    shell: str
    sandbox_enabled: bool
    time_zone: str
    project_folder: str
    def __init__(self, os_version: _Optional[str] = ..., workspace_paths: _Optional[_Iterable[str]] = ..., shell: _Optional[str] = ..., sandbox_enabled: _Optional[bool] = ..., time_zone: _Optional[str] = ..., project_folder: _Optional[str] = ...) -> None: ...

class CursorRule(_message.Message):
    __slots__ = ("full_path", "content", "type", "source")
    FULL_PATH_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    full_path: str
    content: str
    type: CursorRuleType
    source: CursorRuleSource
    def __init__(self, full_path: _Optional[str] = ..., content: _Optional[str] = ..., type: _Optional[_Union[CursorRuleType, _Mapping]] = ..., source: _Optional[_Union[CursorRuleSource, str]] = ...) -> None: ...

class CursorRuleType(_message.Message):
    __slots__ = ()
    GLOBAL_FIELD_NUMBER: _ClassVar[int]
    def __init__(self, **kwargs) -> None: ...
