"""Calls of the client's tools in one run: which are open, what the client was shown, what came.

The server asks for each call by an exec message and may ask for several without waiting
(cursor-protocol.md §4.4). All of them are kept until they are answered.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from addons.providers.cursor.proto.exec_pb2 import ExecClientMessage, ExecServerMessage
from addons.providers.cursor.proto.mcp_pb2 import (
    McpArgs,
    McpError,
    McpImageContent,
    McpResult,
    McpSuccess,
    McpTextContent,
    McpToolNotFound,
    McpToolResultContentItem,
)
from addons.providers.cursor.run.run_outputs import Image, Part, ToolCall, ToolResult

NO_RESULT: Final = "The client went on without a result of this call."

_EXACT = 2.0**53
"""Whole numbers below it are exact in a double, and shown without a fraction."""

type Json = str | float | bool | list[Json] | dict[str, Json] | None


@dataclass(slots=True)
class OpenCall:
    """A call that the server waits for."""

    request: ExecServerMessage
    call: ToolCall
    shown: bool = False
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What the results of one client request come to.

    Attributes:
        messages: for the server, one for each call that was shown and still waits.
        missing: calls that were shown and got no result; the server is told so.
        unknown: ids of results that belong to no call of this run.
    """

    messages: tuple[ExecClientMessage, ...]
    missing: int
    unknown: tuple[str, ...]


class ToolCalls:
    """The calls of one run.

    Args:
        run_id: makes call ids unique among runs.
        tools: names of the client's tools.
    """

    def __init__(self, run_id: str, tools: Collection[str]) -> None:
        self._run_id = run_id
        self._tools = tools
        self._count = 0
        self._open: dict[int, OpenCall] = {}
        self._announced: set[str] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def exec_ids(self) -> Iterator[int]:
        """Of the calls that the server waits for."""
        return (number for number, entry in self._open.items() if not entry.aborted)

    @property
    def shown_ids(self) -> frozenset[str]:
        """Ids of the calls that a client was given and whose results are not here yet."""
        return frozenset(entry.call.call_id for entry in self._open.values() if entry.shown)

    @property
    def unshown(self) -> list[ToolCall]:
        """Calls that came after the client was told to go and work on the others."""
        return [e.call for e in self._open.values() if not (e.shown or e.aborted)]

    @property
    def more_announced(self) -> bool:
        """The server has begun to speak of a call that it did not ask for yet."""
        return bool(self._announced)

    def announce(self, server_id: str) -> None:
        """The server shows that a call of the client's tools is being made."""
        if all(e.request.mcp_args.tool_call_id != server_id for e in self._open.values()):
            self._announced.add(server_id)

    def settle(self, server_id: str) -> None:
        """The server shows that a call is over."""
        self._announced.discard(server_id)

    def open(self, request: ExecServerMessage, name: str) -> ToolCall | None:
        """Take a request for a call of the tool; None: the server repeats an open one."""
        args = request.mcp_args
        self._announced.discard(args.tool_call_id)
        if request.id in self._open:
            return None
        self._count += 1
        # The server's own ids may repeat among runs and hold characters that no client takes.
        seed = f"{self._run_id}\n{self._count}\n{request.id}\n{args.tool_call_id}"
        call_id = f"call_{hashlib.sha256(seed.encode()).hexdigest()[:24]}"
        call = ToolCall(call_id, name, arguments(args.args))
        self._open[request.id] = OpenCall(request, call)
        return call

    def name_of(self, args: McpArgs) -> str | None:
        """The client's tool that is meant; ``name`` may carry a label of who provides it."""
        name = args.name
        for label in (args.provider_identifier, args.server_identifier):
            if label and name.startswith(label) and name not in self._tools:
                name = name[len(label) :].lstrip("-_./:")
        for candidate in (args.tool_name, args.name, name):
            if candidate and candidate in self._tools:
                return candidate
        return None

    def not_found(self, args: McpArgs) -> McpResult:
        """The answer to a call of a tool that was not given."""
        missing = McpToolNotFound(name=args.tool_name or args.name)
        missing.available_tools.extend(sorted(self._tools))
        return McpResult(tool_not_found=missing)

    def show(self) -> None:
        """The client is given all calls that are open."""
        self._announced.clear()
        for entry in self._open.values():
            entry.shown = True

    def abort(self, exec_id: int) -> bool:
        """The server no longer waits for a call. The client may still answer it."""
        entry = self._open.get(exec_id)
        if entry is None:
            return False
        if entry.shown:
            entry.aborted = True
        else:
            del self._open[exec_id]
        return True

    def answer(self, results: Sequence[ToolResult]) -> Answers:
        """Close all calls that were shown, with their results; the last of two for one call."""
        given = {result.call_id: result for result in results}
        messages = []
        missing = 0
        for number, entry in list(self._open.items()):
            if not entry.shown:
                continue
            result = given.pop(entry.call.call_id, None)
            del self._open[number]
            if entry.aborted:
                continue
            missing += result is None
            message = ExecClientMessage(mcp_result=_mcp_result(result))
            message.id, message.exec_id = entry.request.id, entry.request.exec_id
            messages.append(message)
        return Answers(tuple(messages), missing, tuple(given))


def arguments(args: Mapping[str, Value]) -> str:
    """A call's arguments as the text of a JSON object.

    Members are sorted: a map has no order on the wire, and the same call should read the same.
    """
    plain = {name: _plain(args[name]) for name in sorted(args)}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _plain(value: Value) -> Json:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return _number(value.number_value)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _object(value.struct_value)
        case "list_value":
            return _array(value.list_value)
        case _:
            return None


def _object(value: Struct) -> Json:
    return {name: _plain(value.fields[name]) for name in sorted(value.fields)}


def _array(value: ListValue) -> Json:
    return [_plain(each) for each in value.values]


def _number(number: float) -> Json:
    """Whole numbers without a fraction; JSON has no word for what is not finite."""
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _mcp_result(result: ToolResult | None) -> McpResult:
    if result is None:
        return McpResult(error=McpError(error=NO_RESULT))
    success = McpSuccess(is_error=result.is_error)
    success.content.extend(_content(part) for part in result.parts)
    return McpResult(success=success)


def _content(part: Part) -> McpToolResultContentItem:
    if isinstance(part, Image):
        image = McpImageContent(data=part.data, mime_type=part.mime_type)
        return McpToolResultContentItem(image=image)
    # JSON can spell halves of surrogate pairs, UTF-8 can't.
    sound = part.encode("utf-8", "replace").decode()
    return McpToolResultContentItem(text=McpTextContent(text=sound))
