"""What a prompt can ask of the agent besides the directives that every model knows.

==========================  =======================================================================
``[[exec KIND]]``           have the client carry out a built-in tool: ``read``, ``shell``,
                            ``shell_stream``, ``grep``, … (members of ``ExecServerMessage``);
                            ``[[exec KIND anyway]]``: though the client's headers exclude it
``[[query KIND]]``          ask the user: ``web_search_request``, ``ask_question_interaction``, …
                            (members of ``InteractionQuery``)
``[[noise]]``               say all that can be said besides, and what no schema knows
==========================  =======================================================================

The answer says what became of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from google.protobuf.json_format import MessageToDict

from addons.providers.cursor.proto import agent_pb2, exec_pb2
from replay.sandbox.cursor.link import ExecAnswer

_ASKED = re.compile(r"\[\[(exec|query) ([a-z_]+)( anyway)?\]\]")
_MEMBERS = {
    "exec": {one.name for one in exec_pb2.ExecServerMessage.DESCRIPTOR.oneofs[0].fields},
    "query": {one.name for one in agent_pb2.InteractionQuery.DESCRIPTOR.oneofs[0].fields},
}
_ENDINGS = {"exec": ("_args", "_exec_args", "_request"), "query": ("_query", "_args")}
_TAUGHT = {
    "command": "rm -rf /",
    "working_directory": "/home/nobody",
    "path": "/home/nobody/secret.txt",
    "pattern": "secret",
    "url": "https://example.com/",
    "server": "made-up",
    "uri": "made-up://resource",
}
"""Arguments that a refusal repeats."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One of these directives.

    Attributes:
        kind: ``exec`` or ``query``.
        member: that it names.
        anyway: whatever the client's headers say.
    """

    kind: str
    member: str
    anyway: bool


def asked(prompt: str) -> Iterator[Asked]:
    """The directives of a prompt; what nobody knows is left alone."""
    for match in _ASKED.finditer(prompt):
        kind, name, anyway = match.groups()
        for ending in ("", *_ENDINGS[kind]):
            if name + ending in _MEMBERS[kind]:
                yield Asked(kind, name + ending, bool(anyway))
                break


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Which built-in tools the client has: headers with names of ``ToolCall`` members (§1.2).

    Attributes:
        allowed: None: all of them.
    """

    allowed: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allowed: str | None, excluded: str | None) -> Self:
        """From the two headers' values."""
        return cls(None if allowed is None else _names(allowed), _names(excluded or ""))

    def permit(self, member: str) -> bool:
        """Whether the agent may ask for an exec."""
        kind = member.removesuffix("_args").removesuffix("_exec").removesuffix("_stream")
        name = f"{kind}_tool_call"
        return name not in self.excluded and (self.allowed is None or name in self.allowed)


def _names(value: str) -> frozenset[str]:
    return frozenset(part.strip() for part in value.split(",") if part.strip())


def exec_request(member: str, exec_id: str) -> exec_pb2.ExecServerMessage:
    """A request for a built-in tool, with made-up arguments."""
    request = exec_pb2.ExecServerMessage(exec_id=exec_id)
    arguments = getattr(request, member)
    arguments.SetInParent()
    for field in arguments.DESCRIPTOR.fields:
        if field.name in _TAUGHT:
            setattr(arguments, field.name, _TAUGHT[field.name])
    return request


def query_request(member: str) -> agent_pb2.InteractionQuery:
    request = agent_pb2.InteractionQuery()
    getattr(request, member).SetInParent()
    return request


def exec_outcome(member: str, answer: ExecAnswer) -> str:
    """A sentence about what the client did."""
    if isinstance(answer, exec_pb2.ExecClientThrow):
        return f"{member} threw: {answer.error}"
    kind = answer.WhichOneof("message")
    return f"{member} gave {kind}: {_shown(getattr(answer, kind)) if kind else 'nothing'}"


def query_outcome(member: str, answer: agent_pb2.InteractionResponse) -> str:
    kind = answer.WhichOneof("result")
    return f"{member} gave {kind}: {_shown(getattr(answer, kind)) if kind else 'nothing'}"


def _shown(message: agent_pb2.Empty) -> str:
    return str(MessageToDict(message, preserving_proto_field_name=True))
