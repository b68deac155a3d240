"""What a run begins with: its request checked, and its prompt fetched from the client's blobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError, Message

from addons.providers.cursor.proto import agent_pb2, mcp_pb2
from replay.sandbox.cursor import history, models
from replay.sandbox.cursor.failures import FAILURES, Failure, RunFailed, blob_not_found
from replay.sandbox.cursor.link import Link
from replay.sandbox.cursor.state import State, blob_id, opened

type Json = dict[str, Any]

MAX_TOOLS = 332
MAX_TOOL_BYTES = 128 * 1024
"""From there on the service gives up without a word (cursor-protocol.md §4.3)."""
CHARACTERS_PER_TOKEN = 4
GETS = 64
"""Blobs that are asked for at a time."""


@dataclass(slots=True)
class Prompt:
    """A run's request and what is known of its conversation.

    Attributes:
        conversation: its id; the run's id where the client gave none.
        roots, messages: blob ids and contents of the prompt, the new user message included.
        turns: blob ids of earlier turns.
        said: the new user message; None when the run resumes.
        unsaved: blobs that the client does not have yet.
    """

    request: agent_pb2.AgentRunRequest
    model: models.Model
    conversation: str
    state: State
    roots: list[bytes] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    turns: list[bytes] = field(default_factory=list)
    said: agent_pb2.UserMessage | None = None
    unsaved: dict[bytes, bytes] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def add(self, message: Json) -> None:
        """Another message of this run."""
        data = history.serialised(message)
        self.roots.append(self.keep(data))
        self.messages.append(message)
        self.sizes.append(len(data))

    def keep(self, data: bytes) -> bytes:
        """The id of a blob that the client is to keep."""
        found = blob_id(data)
        self.unsaved[found] = data
        return found

    @property
    def tokens(self) -> int:
        """Tokens of the whole prompt, roughly."""
        return sum(self.sizes) // CHARACTERS_PER_TOKEN

    @property
    def known_tokens(self) -> int:
        """Of it, what a checkpoint of ours held already."""
        return sum(self.sizes[: self.state.messages]) // CHARACTERS_PER_TOKEN

    @property
    def max_tokens(self) -> int:
        larger = self.request.requested_model.max_mode and self.model.larger
        return larger or self.model.context

    @property
    def effort(self) -> str | None:
        """The effort that the client chose; the model's own, where it thinks."""
        for parameter in self.request.requested_model.parameters:
            if parameter.id in ("effort", "reasoning", "thinking"):
                return parameter.value
        if self.model.efforts:
            return self.model.efforts[0]
        return "medium" if self.model.thinks else None


def checked(request: agent_pb2.AgentRunRequest, account_id: str, run_id: str) -> Prompt:
    """The request, as far as it can be judged alone.

    Raises:
        RunFailed: without state, action or model, with a system prompt of its own, or with a
            checkpoint that is not this account's.
    """
    if not request.HasField("conversation_state"):
        raise RunFailed(FAILURES["state_required"])
    if request.action.WhichOneof("action") not in ("user_message_action", "resume_action"):
        raise RunFailed(Failure("invalid_argument", "Conversation action is required"))
    if request.HasField("custom_system_prompt"):
        raise RunFailed(FAILURES["custom_system_prompt"])
    name = request.requested_model.model_id or request.model_details.model_id
    model = models.find(name)
    if model is None:
        raise RunFailed(FAILURES["bad_model_name"])
    conversation = request.conversation_id or run_id
    state = opened(request.conversation_state, account_id, conversation)
    return Prompt(request, model, conversation, state)


def check_tools(tools: Sequence[mcp_pb2.McpToolDefinition]) -> None:
    """
    Raises:
        RunFailed: too many, too large, or with schemas that the service cannot take.
    """
    size = sum(tool.ByteSize() for tool in tools)
    if len(tools) > MAX_TOOLS or size > MAX_TOOL_BYTES:
        raise RunFailed(FAILURES["bare_exhausted"])
    try:
        if any(history.combines(history.schema(tool)) for tool in tools):
            raise RunFailed(FAILURES["bare_exhausted"])
    except ParseError as error:  # a Value that is none: NaN, or nothing at all
        raise RunFailed(FAILURES["parse_error"]) from error


async def fetch(prompt: Prompt, link: Link) -> None:
    """Fill in the messages that the state stands for, and what is said now.

    Raises:
        RunFailed: the client lacks a blob, or one is not what it should be; or the whole is
            larger than the model's window.
    """
    structure = prompt.state.structure
    blobs = _Blobs(link, {blob.id: blob.value for blob in prompt.request.pre_fetched_blobs})
    for identity, data in zip(
        structure.root_prompt_messages_json,
        await blobs.all(structure.root_prompt_messages_json),
        strict=True,
    ):
        try:
            prompt.messages.append(history.parsed(data))
        except history.BadMessage as error:
            raise RunFailed(FAILURES["bare_internal"]) from error
        prompt.roots.append(identity)
        prompt.sizes.append(len(data))
    prompt.turns = list(structure.turns)
    await _check_turns(structure.turns, blobs)
    action = prompt.request.action
    if action.WhichOneof("action") == "user_message_action":
        prompt.said = action.user_message_action.user_message
        for before in action.user_message_action.prepend_user_messages:
            prompt.add(history.user_message(before))
        prompt.add(history.user_message(prompt.said))
    elif not any(message["role"] == "user" for message in prompt.messages):
        raise RunFailed(Failure("invalid_argument", "There is nothing to resume"))
    if prompt.tokens > prompt.max_tokens:
        raise RunFailed(FAILURES["bare_exhausted"])


async def _check_turns(turns: Sequence[bytes], blobs: _Blobs) -> None:
    """Each must be a turn, and the last one must have its parts; nobody reads them."""
    last = None
    for data in await blobs.all(turns):
        last = _message(agent_pb2.ConversationTurnStructure(), data).agent_conversation_turn
    if last is None:
        return
    said, *steps = await blobs.all([last.user_message, *last.steps])
    _message(agent_pb2.UserMessage(), said)
    for step in steps:
        _message(agent_pb2.ConversationStep(), step)


def _message[T: Message](message: T, data: bytes) -> T:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise RunFailed(FAILURES["parse_error"]) from error
    return message


@dataclass(slots=True)
class _Blobs:
    """Fetches blobs, each once."""

    link: Link
    known: dict[bytes, bytes]

    async def all(self, wanted: Sequence[bytes]) -> list[bytes]:
        """Contents, in order.

        Raises:
            RunFailed: there is one that the client lacks.
        """
        missing = list(dict.fromkeys(each for each in wanted if each not in self.known))
        for start in range(0, len(missing), GETS):
            await self._get(missing[start : start + GETS])
        return [self.known[each] for each in wanted]

    async def _get(self, wanted: Sequence[bytes]) -> None:
        answers = [await self.link.ask_blob(_get(identity)) for identity in wanted]
        await self.link.flush()
        for identity, answer in zip(wanted, answers, strict=True):
            result = (await answer).get_blob_result
            if not result.blob_data:
                raise RunFailed(blob_not_found(identity))
            self.known[identity] = result.blob_data


def _get(identity: bytes) -> agent_pb2.KvServerMessage:
    return agent_pb2.KvServerMessage(get_blob_args=agent_pb2.GetBlobArgs(blob_id=identity))
