"""Checkpoints: the state of a conversation that a client keeps for the service. Pure.

A checkpoint is a ``ConversationStateStructure`` whose blob ids stand for what the client was given
to keep. Ours has one member more, which nobody declares, sealed for its account: whose it is, of
which conversation, and how many messages it holds. A client that keeps the bytes as they are sends
it back; it is written first, so that a state that was parsed and serialised again shows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from addons.providers.cursor.proto import agent_pb2
from replay.sandbox.cursor.failures import FAILURES, RunFailed
from replay.sandbox.tokens import BadToken, seal, unseal

SEAL = 900
"""Number of the member that nobody declares."""
_TAG = bytes([SEAL << 3 & 0x7F | 2 | 0x80, SEAL >> 4])
_PURPOSE = "cursor checkpoint"


@dataclass(frozen=True, slots=True)
class State:
    """What a run begins with.

    Attributes:
        messages: how many of the prompt's messages came from a checkpoint of ours; 0: a cold start.
        verbatim: the bytes are those that the service gave.
        changed: the client put other messages into the checkpoint.
    """

    structure: agent_pb2.ConversationStateStructure
    messages: int = 0
    verbatim: bool = True
    changed: bool = False

    @property
    def continued(self) -> bool:
        return self.messages > 0


def blob_id(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def checkpoint(
    structure: agent_pb2.ConversationStateStructure, account_id: str, conversation: str
) -> bytes:
    """The bytes of a checkpoint."""
    roots = list(structure.root_prompt_messages_json)
    value = {"conversation": conversation, "messages": len(roots), "digest": _digest(roots)}
    sealed = seal(account_id, _PURPOSE, value).encode()
    return _TAG + _varint(len(sealed)) + sealed + structure.SerializeToString(deterministic=True)


def opened(raw: bytes, account_id: str, conversation: str) -> State:
    """The state of a run request.

    Raises:
        RunFailed: malformed; a checkpoint of another account (bare ``not_found``, as for one that
            is too old) or of another conversation (bare ``resource_exhausted``).
    """
    try:
        structure = agent_pb2.ConversationStateStructure.FromString(raw)
    except DecodeError as error:
        raise RunFailed(FAILURES["parse_error"]) from error
    unknown = UnknownFieldSet(structure)
    fields = [unknown[position] for position in range(len(unknown))]
    sealed = [field.data for field in fields if field.field_number == SEAL]
    if not sealed:
        return State(structure)
    try:
        known: dict[str, Any] = unseal(account_id, bytes(sealed[-1]).decode("ascii", "replace"))
    except BadToken as error:
        raise RunFailed(FAILURES["bare_not_found"]) from error
    if known.get("purpose") != _PURPOSE or known.get("conversation") != conversation:
        raise RunFailed(FAILURES["bare_exhausted"])
    roots = list(structure.root_prompt_messages_json)
    changed = known.get("digest") != _digest(roots)
    return State(structure, int(known["messages"]), raw.startswith(_TAG), changed)


def _digest(roots: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(roots)).hexdigest()


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
