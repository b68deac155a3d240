"""Answers to the questions that the server would have put to a person.

There is nobody to be asked behind floway, so that whatever needs consent is refused; with the same
id, always: an unanswered question hangs the turn (cursor-protocol.md §4.4).
"""

from __future__ import annotations

from typing import Final

from google.protobuf.unknown_fields import UnknownFieldSet

from addons.providers.cursor.proto.agent_pb2 import (
    Approval,
    AskQuestionInteractionResponse,
    AskQuestionResult,
    CreatePlanRequestResponse,
    CreatePlanResult,
    Empty,
    InteractionQuery,
    InteractionResponse,
    SetupVmEnvironmentResult,
)
from addons.providers.cursor.proto.exec_pb2 import Failure, Refusal, Unread

REASON: Final = (
    "Nobody can be asked here. Go on with the tools that were given to you in this conversation."
)

_UNREADABLE: Final = frozenset(
    {"pr_management_request_query", "replace_env_args", "connect_scm_request_query", "unknown"}
)
"""Kinds of which it is not known how they are answered."""

_LENGTH_DELIMITED = 2


def kind(query: InteractionQuery) -> str:
    """The kind of a question, in the schema's word; ``unknown`` for one that is newer."""
    return query.WhichOneof("query") or "unknown"


def has_refusal(query: InteractionQuery) -> bool:
    """Whether there are words for a refusal of this kind; else the answer is an empty one."""
    return kind(query) not in _UNREADABLE


def answer(query: InteractionQuery) -> InteractionResponse:
    """The answer to a question of any kind.

    To a kind that is not known here: an empty result in the question's own place, since the
    numbers of questions and answers are the same throughout (§3.11).
    """
    response = _known(kind(query))
    response.id = query.id
    if response.WhichOneof("result") is None:
        unknown = UnknownFieldSet(query)
        for field in (unknown[index] for index in range(len(unknown))):
            if field.wire_type == _LENGTH_DELIMITED:
                response.MergeFromString(_empty(field.field_number))
    return response


def _known(word: str) -> InteractionResponse:
    refused = Approval(rejected=Refusal(reason=REASON))
    match word:
        case "web_search_request_query":
            return InteractionResponse(web_search_request_response=refused)
        case "ask_question_interaction_query":
            result = AskQuestionResult(rejected=Refusal(reason=REASON))
            return InteractionResponse(
                ask_question_interaction_response=AskQuestionInteractionResponse(result=result)
            )
        case "switch_mode_request_query":
            return InteractionResponse(switch_mode_request_response=refused)
        case "exa_search_request_query":
            return InteractionResponse(exa_search_request_response=refused)
        case "exa_fetch_request_query":
            return InteractionResponse(exa_fetch_request_response=refused)
        case "create_plan_request_query":
            plan = CreatePlanResult(error=Failure(error=REASON))
            return InteractionResponse(
                create_plan_request_response=CreatePlanRequestResponse(result=plan)
            )
        case "setup_vm_environment_args":
            # There is no other answer in the schema.
            done = SetupVmEnvironmentResult(success=Empty())
            return InteractionResponse(setup_vm_environment_result=done)
        case "web_fetch_request_query":
            return InteractionResponse(web_fetch_request_response=refused)
        case "mcp_auth_request_query":
            return InteractionResponse(mcp_auth_request_response=refused)
        case "generate_image_request_query":
            return InteractionResponse(generate_image_request_response=refused)
        # An empty result says neither yes nor no.
        case "pr_management_request_query":
            return InteractionResponse(pr_management_result=Unread())
        case "replace_env_args":
            return InteractionResponse(replace_env_result=Unread())
        case "connect_scm_request_query":
            return InteractionResponse(connect_scm_request_response=Unread())
        case _:
            return InteractionResponse()


def _empty(number: int) -> bytes:
    """A length-delimited field of this number, without content, on the wire."""
    tag, wire = number << 3 | _LENGTH_DELIMITED, bytearray()
    while tag > 0x7F:
        wire.append(tag & 0x7F | 0x80)
        tag >>= 7
    return bytes([*wire, tag, 0])
