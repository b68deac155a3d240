"""What passes between an official client and Cursor, read from copies of the bytes. Pure.

Nothing here can disturb the run: an observer gives no bytes back, and what it can't read makes it
blind, not loud. It learns what the pool and the debugger want to know: which conversation and
model, checkpoints, tokens, and how the run ended. It keeps no text of the conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError, Message

from addons.providers.cursor.failures.error_details import private_free
from addons.providers.cursor.failures.errors import BrokenStream, ConnectError, CursorError
from addons.providers.cursor.proto.agent_pb2 import AgentClientMessage, AgentServerMessage
from addons.providers.cursor.proto.aiserver_pb2 import BidiAppendRequest, BidiRequestId
from addons.providers.cursor.wire.answer import AnswerReader
from addons.providers.cursor.wire.connect import DEFAULT_LIMIT, FrameReader

UNREADABLE: Final = "unreadable"
EMPTY: Final = "empty"


@dataclass(frozen=True, slots=True)
class Seen:
    """One message that passed.

    Attributes:
        kind: names of the fields that it has, as ``interaction_update.text_delta``; a field that
            is not known by its number (``#34``); :data:`UNREADABLE`, :data:`EMPTY`.
        size: bytes of the message, decompressed, without its envelope.
        note: what is worth a word, as a tool's name; "" for nothing. Never text of the
            conversation.
    """

    from_client: bool
    kind: str
    size: int
    note: str = ""


class RunObserver:
    """One run, from whichever requests it is made of.

    Args:
        client_encoding: the request's ``connect-content-encoding``.
        limit: bytes of one message; a larger one makes its direction blind.

    Attributes:
        conversation_id, run_id, model: as the client said; "" until it did.
        continued: the run continues a state that the client has sent.
        sent: bytes of the client's messages.
        checkpoint: raw bytes of the last ``conversation_checkpoint_update``.
        checkpoints: how many there were.
        tokens: of output, as ``token_delta`` and ``turn_ended`` say.
        produced: there was output: text, thinking or a tool call.
        turn_ended: the server said that the turn is over.
        blind: why a direction can't be read any more; None while both can.
    """

    def __init__(self, *, client_encoding: str = "gzip", limit: int = DEFAULT_LIMIT) -> None:
        self.conversation_id = ""
        self.run_id = ""
        self.model = ""
        self.continued = False
        self.sent = 0
        self.checkpoint: bytes | None = None
        self.checkpoints = 0
        self.tokens = 0
        self.produced = False
        self.turn_ended = False
        self.blind: CursorError | None = None
        self._client = FrameReader(limit, client_encoding)
        self._answer = AnswerReader(limit)
        self._limit = limit

    @property
    def finished(self) -> bool:
        """Whether the server has ended the run, or its stream is over."""
        return self._answer.finished

    @property
    def error(self) -> CursorError | None:
        """What the run ended with; None where it goes on, ended well, or was torn down afterwards.

        After ``turn_ended`` the way in which the stream ends means nothing (§4.1 no. 8).
        """
        error = self._answer.error
        torn_down = self.turn_ended and not isinstance(error, ConnectError)
        return None if torn_down else error

    # --- what passes ---

    def client_bytes(self, data: bytes) -> list[Seen]:
        """Bytes of the body of ``Run``."""
        if self._client.failure is not None:
            return []
        try:
            payloads = [each.payload for each in self._client.feed(data)]
        except BrokenStream:
            payloads = []
        self.blind = self.blind or self._client.failure
        return [self._sent(payload) for payload in payloads]

    def appended(self, body: bytes) -> list[Seen]:
        """The whole body of a ``BidiAppend``."""
        try:
            message = BidiAppendRequest.FromString(body)
            payload = bytes.fromhex(message.data) if message.data else message.data_binary
        except (DecodeError, ValueError):
            return [Seen(True, UNREADABLE, len(body))]
        return [self._sent(payload)]

    def head(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """The answer's status and headers."""
        self._answer.head(status, headers)

    def server_bytes(self, data: bytes) -> list[Seen]:
        """Bytes of the answer's body."""
        if self._answer.status is None or self._answer.finished:
            return []
        seen = [self._came(payload) for payload in self._answer.feed(data)]
        if isinstance(self._answer.error, BrokenStream):
            self.blind = self.blind or self._answer.error
        return seen

    def close(self) -> None:
        """The answer's stream has ended."""
        self._answer.close()

    # --- what it means ---

    def _sent(self, payload: bytes) -> Seen:
        self.sent += len(payload)
        message = _parsed(AgentClientMessage, payload)
        if message is None:
            return Seen(True, UNREADABLE, len(payload))
        note = ""
        if message.HasField("run_request"):
            request = message.run_request
            self.conversation_id = request.conversation_id
            self.run_id = request.run_id
            self.model = request.requested_model.model_id or request.model_details.model_id
            self.continued = bool(request.conversation_state)
            note = _word(self.model)
        elif message.HasField("exec_client_message"):
            note = str(message.exec_client_message.id)
        return Seen(True, kind_of(message, payload), len(payload), note)

    def _came(self, payload: bytes) -> Seen:
        message = _parsed(AgentServerMessage, payload)
        if message is None:
            return Seen(False, UNREADABLE, len(payload))
        note = ""
        match message.WhichOneof("message"):
            case "conversation_checkpoint_update":
                self.checkpoint = message.conversation_checkpoint_update
                self.checkpoints += 1
            case "exec_server_message":
                note = self._called(message)
            case "interaction_update":
                self._updated(message)
        return Seen(False, kind_of(message, payload), len(payload), note)

    def _called(self, message: AgentServerMessage) -> str:
        request = message.exec_server_message
        if not request.HasField("mcp_args"):
            return str(request.id)
        self.produced = True
        return _word(request.mcp_args.tool_name or request.mcp_args.name)

    def _updated(self, message: AgentServerMessage) -> None:
        update = message.interaction_update
        match update.WhichOneof("message"):
            case "text_delta" | "thinking_delta" | "tool_call_started" | "partial_tool_call":
                self.produced = True
            case "token_delta":
                self.tokens += max(0, update.token_delta.tokens)
            case "turn_ended":
                self.turn_ended = True
                self.tokens = max(self.tokens, update.turn_ended.output_tokens)


def request_id(body: bytes) -> str:
    """The id in the body of ``RunSSE``, which joins it to its ``BidiAppend``s; "" for none."""
    reader = FrameReader()
    try:
        for each in reader.feed(body):
            return BidiRequestId.FromString(each.payload).request_id
    except (BrokenStream, DecodeError):
        return ""
    return ""


def appended_to(body: bytes) -> str:
    """The id in the body of ``BidiAppend``; "" for none."""
    message = _parsed(BidiAppendRequest, body)
    return "" if message is None else message.request_id.request_id


def kind_of(message: Message, payload: bytes) -> str:
    """Names of the fields that are set, two levels deep; the number of one that is not known."""
    names: list[str] = []
    here: Message | None = message
    while here is not None and len(names) < 2:
        name = next(
            (
                which
                for oneof in here.DESCRIPTOR.oneofs
                if not oneof.name.startswith("_")  # of an optional field
                and (which := here.WhichOneof(oneof.name)) is not None
            ),
            None,
        )
        if name is None:
            break
        names.append(name)
        value = getattr(here, name)
        here = value if isinstance(value, Message) else None
    if names:
        return ".".join(names)
    return f"#{_first_field(payload)}" if payload else EMPTY


def _first_field(payload: bytes) -> int:
    """The number of the first field; the payload is a message that was parsed."""
    tag = shift = 0
    for byte in payload[:5]:
        tag |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return tag >> 3


def _parsed[M: Message](form: type[M], payload: bytes) -> M | None:
    try:
        return form.FromString(payload)
    except DecodeError:
        return None


def _word(text: str) -> str:
    """A name of the client's or the server's, fit for one line."""
    return private_free(text)[:80]
