"""Messages of the agent service as mitmweb shows them: named fields, unknown ones kept.

Bytes that are a blob's id (32 of them) are shown as such; text and JSON inside bytes are opened.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from addons.debug.views.lens import Look
from addons.debug.views.outline import opened, outline
from addons.debug.views.sections import cut, joined, section, size
from addons.providers.cursor.failures.errors import BrokenStream
from addons.providers.cursor.lens import BARE
from addons.providers.cursor.official.observe import kind_of
from addons.providers.cursor.proto import agent_pb2, aiserver_pb2
from addons.providers.cursor.wire.connect import TRAILERS, EndStream, Frame, FrameReader
from addons.providers.cursor.wire.endpoint import APPEND, RUN, RUN_SSE

_BLOB_ID: Final = 32
"""Bytes of a blob's id: SHA-256."""

_INSIDE: Final[Mapping[str, type[Message]]] = {
    "conversation_state": agent_pb2.ConversationStateStructure,
    "conversation_checkpoint_update": agent_pb2.ConversationStateStructure,
}
"""Messages that are kept as bytes, so that they go on as they came."""

DEEPEST: Final = 16

type Pair = tuple[type[Message] | None, type[Message] | None]
_FORMS: Final[Mapping[str, Pair]] = {
    RUN: (agent_pb2.AgentClientMessage, agent_pb2.AgentServerMessage),
    RUN_SSE: (aiserver_pb2.BidiRequestId, agent_pb2.AgentServerMessage),
    APPEND: (aiserver_pb2.BidiAppendRequest, aiserver_pb2.BidiAppendResponse),
}
"""Messages of the client and of the server, by path."""


def text(look: Look, data: bytes) -> str:
    """What :class:`.lens.ConnectLens` shows."""
    client, server = _FORMS.get(look.path, (None, None))
    form = client if look.is_request else server
    if look.content_type in BARE:
        return "\n".join(_message(form, data))
    return joined(_frames(form, data))


def _frames(form: type[Message] | None, data: bytes) -> Iterator[str]:
    reader = FrameReader()
    number = 0
    try:
        for number, frame in enumerate(reader.feed(data), 1):
            yield _frame(number, frame, form)
        problem = reader.failure
    except BrokenStream as error:
        problem = error
    if problem is not None:
        yield section(f"#{number + 1} broken", [str(problem)])
    elif reader.pending:
        yield section(f"#{number + 1} unfinished", [f"{size(reader.pending)} of a message"])


def _frame(number: int, frame: Frame, form: type[Message] | None) -> str:
    title = f"#{number}"
    if frame.end:
        return section(f"{title} end of the stream", _end(frame.payload))
    if frame.flags & TRAILERS:
        lines = frame.payload.decode("utf-8", "replace").splitlines()
        return section(f"{title} trailers", lines)
    message = _parsed(form, frame.payload)
    kind = kind_of(message, frame.payload) if message is not None else "message"
    lines = _message(form, frame.payload)
    return section(f"{title} {kind}, {size(len(frame.payload))}", lines or ["(empty)"])


def _end(payload: bytes) -> list[str]:
    try:
        failure = EndStream.parse(payload).error
    except BrokenStream as broken:
        return [str(broken), cut(payload.decode("utf-8", "replace"))]
    if failure is None:
        return ["ended well"]
    lines = [f"{failure.code}: {failure.message}"]
    for detail in failure.details:
        lines += outline(asdict(detail))
    return lines


def _parsed(form: type[Message] | None, payload: bytes) -> Message | None:
    if form is None:
        return None
    try:
        return form.FromString(payload)
    except DecodeError:
        return None


def _message(form: type[Message] | None, payload: bytes) -> list[str]:
    message = _parsed(form, payload)
    if message is None:
        return [f"not such a message: {cut(payload.hex(), 120)}"] if payload else []
    return outline(fields_of(message)) if payload else []


def fields_of(message: Message, depth: int = 0) -> dict[str, Any]:
    """The fields that are set, by their names; unknown ones as ``#number``."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        found[field.name] = _value(field, value, depth)
    for unknown in _unknown(message):
        name = f"#{unknown.field_number}"
        data = unknown.data
        shown = _bytes(data) if isinstance(data, bytes) else str(data)
        if name in found:
            name = f"{name} again ({len(found)})"
        found[name] = shown
    return found


def _unknown(message: Message) -> Iterator[Any]:
    fields: Any = UnknownFieldSet(message)  # protoc's stubs know nothing of its members
    return iter(fields)


def _value(field: FieldDescriptor, value: Any, depth: int) -> Any:
    if field.is_repeated:
        if hasattr(value, "items"):
            return {str(key): _one(each, depth) for key, each in value.items()}
        return [_one(each, depth) for each in value]
    inner = _INSIDE.get(field.name)
    if inner is not None and isinstance(value, bytes):
        message = _parsed(inner, value)
        return _bytes(value) if message is None else _one(message, depth)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    return _one(value, depth)


def _one(value: Any, depth: int) -> Any:
    if isinstance(value, Message):
        return fields_of(value, depth + 1) if depth < DEEPEST else "…"
    return _bytes(value) if isinstance(value, bytes) else value


def _bytes(value: bytes) -> Any:
    """Bytes by what is in them."""
    if len(value) == _BLOB_ID:
        return f"blob {value.hex()}"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"{size(len(value))}: {cut(base64.b64encode(value).decode(), 60)}"
    if opened(text) is not None:
        return json.loads(text)
    return text if text.isprintable() or "\n" in text else f"{size(len(value))}: {value.hex()}"
