"""The first message of a run, and what the server may ask for while it goes on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from addons.providers.cursor.model_choice import Choice
from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    AgentRunRequest,
    ConversationAction,
    ModelDetails,
    ModelParameterValue,
    RequestedModel,
    ResumeAction,
    UserMessageAction,
)
from addons.providers.cursor.proto.exec_pb2 import (
    CursorRule,
    CursorRuleSource,
    CursorRuleType,
    RequestContext,
    RequestContextEnv,
    Unread,
)
from addons.providers.cursor.run.run_outputs import Part
from addons.providers.cursor.telling.blobs import BlobMap
from addons.providers.cursor.telling.state import StatePlan, SystemPlace
from addons.providers.cursor.telling.tools import Tools
from addons.providers.cursor.telling.transcript import user_message

_SDK_MEMBER: Final = bytes.fromhex("900200")
"""Member 34 with value 0, which the official SDK sends last (cursor-protocol.md §0.0). Nobody
declares it."""


RULES: Final = "floway"
"""Folder of the rules that are none of the user's files."""


class Dialect(StrEnum):
    """Which official client's form a run request has."""

    SDK = "sdk"
    CLI = "cli"


@dataclass(frozen=True, slots=True)
class Environment:
    """What the server is told of the machine; nothing that is not known is made up."""

    os_version: str = ""
    shell: str = ""
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run, ready to begin.

    Attributes:
        message: the ``AgentClientMessage``.
        request_context: serialized, for when the server asks.
        blobs: what the server may ask for.
        prompt_share: how much of the model's window the prompt fills, about: 0.0 to …; None where
            the window is not known.
        notes: what was cut or changed of what was said.
        asides: what else could not be had, likely the same with each request of a client.
    """

    message: bytes
    request_context: bytes
    blobs: BlobMap
    conversation_id: str
    tools: Tools
    prompt_share: float | None
    notes: tuple[str, ...] = ()
    asides: tuple[str, ...] = ()


def prepare(
    plan: StatePlan,
    tools: Tools,
    choice: Choice,
    *,
    conversation_id: str,
    run_id: str,
    system: str,
    demand: str = "",
    dialect: Dialect = Dialect.SDK,
    place: SystemPlace = SystemPlace.BOTH,
    environment: Environment | None = None,
) -> Prepared:
    """Put the parts of a run together.

    Args:
        run_id: the id of the request as in its headers.
        system: the client's system prompt; a rule of the request context where ``place`` has it.
        demand: words on the form of the answer: behind the user's, or a rule where there are none.
    """
    rules = {} if place is SystemPlace.MESSAGE else {"system-prompt": system}
    said = plan.said
    if demand and said:
        said = (*said, demand)
    elif demand:
        rules["answer"] = demand
    context = request_context(rules, tools, environment or Environment())
    run = AgentRunRequest(
        conversation_state=plan.state,
        action=_action(said, dialect),
        mcp_tools=tools.message,
        conversation_id=conversation_id,
        requested_model=_requested(choice),
    )
    if dialect is Dialect.CLI:
        run.model_details.CopyFrom(_details(choice))
    else:
        run.run_id = run_id
    message = AgentClientMessage(run_request=run).SerializeToString(deterministic=True)
    if dialect is Dialect.SDK:
        raw = run.SerializeToString(deterministic=True) + _SDK_MEMBER
        message = b"\x0a" + _varint(len(raw)) + raw
    used = plan.tokens + tools.size // 4
    return Prepared(
        message,
        context.SerializeToString(deterministic=True),
        plan.blobs,
        conversation_id,
        tools,
        used / choice.window if choice.window else None,
        plan.notes,
        tools.notes + choice.notes,
    )


def request_context(
    rules: Mapping[str, str], tools: Tools, environment: Environment
) -> RequestContext:
    """What the server asks for at the beginning of each run.

    The tools are in here and in the request, because servers differ in where they look (§4.3).

    Args:
        rules: texts by name; empty ones are left out.
    """
    env = RequestContextEnv(
        os_version=environment.os_version,
        shell=environment.shell,
        time_zone=environment.time_zone,
    )
    context = RequestContext(env=env, tools=tools.message.mcp_tools)
    for name, text in rules.items():
        if text:
            context.rules.append(_rule(name, text))
    return context


def _rule(name: str, text: str) -> CursorRule:
    return CursorRule(
        full_path=f"/{RULES}/{name}.mdc",
        content=text,
        type=CursorRuleType(**{"global": Unread()}),
        source=CursorRuleSource.CURSOR_RULE_SOURCE_USER,
    )


def _action(said: Sequence[Part] | None, dialect: Dialect) -> ConversationAction:
    if not said:
        return ConversationAction(resume_action=ResumeAction())
    # The SDK's messages have no id of their own (1.1.0, on the wire).
    message = user_message(said, named=dialect is Dialect.CLI)
    return ConversationAction(user_message_action=UserMessageAction(user_message=message))


def _requested(choice: Choice) -> RequestedModel:
    parameters = [ModelParameterValue(id=name, value=value) for name, value in choice.parameters]
    return RequestedModel(model_id=choice.model_id, max_mode=choice.max_mode, parameters=parameters)


def _details(choice: Choice) -> ModelDetails:
    name = choice.model_id
    details = ModelDetails(model_id=name, display_model_id=name, display_name=choice.name or name)
    if choice.max_mode:
        details.max_mode = True
    return details


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
