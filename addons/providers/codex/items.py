"""Input items in the form that the official client sends. Pure; given objects are never changed.

Recorded from 0.169.0 and 0.142.0: ``type`` first, then ``status``, ``id``, ``role``, ``content``;
content always a list of parts; role developer where the public API also takes system. 0.169.0
sends an id with every item (codex-wire.md §2.2), 0.142.0 none with messages.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from addons.errors import BadRequest
from addons.providers.codex import ids

type Json = dict[str, Any]

PREFIXES = {
    "message": "msg_",
    "additional_tools": "at_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "reasoning": "rs_",
    "compaction": "cmp_",
    "agent_message": "amsg_",
}
"""Id prefix by item type. Items of other types keep what they have."""

MAX_ID = 64
"""Longest item id that the backend takes, in characters (codex-wire.md §7.2)."""

_INSTRUCTIONS_KIND = {"content_item_kinds": ["model.base_instructions"]}
_PASSTHROUGH = "internal_chat_message_metadata_passthrough"
_FIRST = ("type", "status", "id", "role", "content")


def normalised(given: Any, *, thread_id: str, item_ids: bool) -> list[Json]:
    """The members of ``input`` in official form.

    An item's result depends on the thread, the item, and on equal items before it alone, never on
    its place or on what follows: the input of a later turn begins with that of an earlier one.

    Args:
        given: a text or a list of items.
        item_ids: the release sends an id with every item; missing ones are derived.

    Raises:
        BadRequest: names the item that can't be sent, and why.
    """
    if given is None:
        return []
    if isinstance(given, str):
        given = [{"role": "user", "content": given}] if given else []
    if not isinstance(given, list):
        raise BadRequest("invalid_type", "input must be a text or a list of items", param="input")
    namer = _Namer(thread_id) if item_ids else None
    return [_item(item, index, namer) for index, item in enumerate(given)]


def tools_item(tools: Sequence[Any], *, thread_id: str, item_ids: bool) -> Json:
    """The leading item that carries the tools of a lite request.

    Functions and custom tools stand in a namespace ``functions`` without description, the one in
    which the official client has the tools that are called by their bare names; what is a
    namespace or a hosted tool already follows it (recorded from 0.169.0).
    """
    plain = [tool for tool in tools if _type(tool) in ("function", "custom")]
    others = [tool for tool in tools if _type(tool) not in ("function", "custom")]
    entries: list[Any] = []
    if plain:
        entries.append(
            {"type": "namespace", "name": "functions", "description": "", "tools": plain}
        )
    entries += others
    item: Json = {"type": "additional_tools"}
    if item_ids:
        item["id"] = "at_" + ids.derived(
            "tools", thread_id, hashlib.sha256(dump(entries)).hexdigest()
        )
    return item | {"role": "developer", "tools": entries}


def instructions_item(text: str, *, thread_id: str, item_ids: bool, lite: bool) -> Json:
    """The developer message that carries the instructions.

    Recorded from 0.169.0: its id is a UUIDv5 in the full shape, a UUIDv7 in the lite one.
    """
    item: Json = {"type": "message"}
    if item_ids and lite:
        item["id"] = "msg_" + ids.derived("instructions", thread_id, text)
    elif item_ids:
        namespace = uuid.uuid5(uuid.NAMESPACE_OID, thread_id)
        digest = ids.digest("instructions", text).hex()
        item["id"] = f"msg_{uuid.uuid5(namespace, digest)}"
    item |= {"role": "developer", "content": [{"type": "input_text", "text": text}]}
    if item_ids:
        item[_PASSTHROUGH] = _INSTRUCTIONS_KIND
    return item


class _Namer:
    """Ids of a thread's items: the same for the same item; equal items go by their number."""

    __slots__ = ("_seen", "_thread")

    def __init__(self, thread_id: str) -> None:
        self._thread = hashlib.sha256(f"item\0{thread_id}\0".encode())
        self._seen: dict[str, int] = {}

    def __call__(self, content: Json) -> str:
        """``content``: the item without ``id`` and ``status``."""
        named = self._thread.copy()
        named.update(dump(content))
        key = named.hexdigest()
        seen = self._seen.get(key, 0) + 1
        self._seen[key] = seen
        if seen > 1:
            named.update(b"\0%d" % seen)
            return ids.of_hex_digest(named.hexdigest())
        return ids.of_hex_digest(key)


def _item(item: Any, index: int, namer: _Namer | None) -> Json:
    if not isinstance(item, dict):
        place = f"input[{index}]"
        raise BadRequest("invalid_type", f"{place} must be an object", param=place)
    kind = item.get("type", "message")
    prefix = PREFIXES.get(kind) if isinstance(kind, str) else None
    if prefix is None:
        if kind == "item_reference":
            place = f"input[{index}]"
            raise BadRequest(
                "unsupported_item",
                f"{place} refers to a stored item, and the backend stores none; "
                "send the item itself",
                param=place,
            )
        return item
    changes = _message_changes(item) if kind == "message" else None
    known = "id" in item and _known(item["id"], prefix)
    if known or namer is None:
        if not changes and (known or "id" not in item):
            return item
        merged = {**item, **(changes or {})}
        if not known:
            merged.pop("id", None)
        return {name: merged[name] for name in _FIRST if name in merged} | merged
    content = {**item, **changes} if changes else item
    named: Json = {"type": kind}
    if "status" in item or "id" in item:
        content = {name: content[name] for name in content if name not in ("id", "status")}
        if "status" in item:
            named["status"] = item["status"]
    named["id"] = prefix + namer(content)
    if "role" in content:
        named["role"] = content["role"]
    if "content" in content:
        named["content"] = content["content"]
    named.update(content)
    return named


def _message_changes(item: Json) -> Json:
    """What a message has to say differently to be of the official form."""
    changes: Json = {}
    if "type" not in item:
        changes["type"] = "message"
    role = item.get("role")
    if role == "system":
        changes["role"] = "developer"
    content = item.get("content")
    if isinstance(content, str):
        part = "output_text" if role == "assistant" else "input_text"
        changes["content"] = [{"type": part, "text": content}]
    return changes


def _known(value: Any, prefix: str) -> bool:
    return (
        isinstance(value, str)
        and value.startswith(prefix)
        and len(prefix) < len(value) <= MAX_ID
        and value.isascii()
        and value.isprintable()
    )


def _type(tool: Any) -> Any:
    return tool.get("type") if isinstance(tool, dict) else None


def dump(value: Any) -> bytes:
    """Canonical JSON, for digests only."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # lone surrogates and very large integers
        return json.dumps(value, sort_keys=True).encode()
