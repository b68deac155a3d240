"""Input items in the form that the official client sends. Pure; given objects are never changed.

Recorded from 0.169.0 and 0.142.0: ``type`` first, then ``status``, ``id``, ``role``, ``content``;
content always a list of parts; role developer where the public API also takes system. 0.169.0
sends an id with every item (codex-wire.md §2.2), 0.142.0 none with messages.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
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

    def __init__(self, thread_id: str) -> None:
        self._thread = hashlib.sha256(f"item\0{thread_id}\0".encode())
        self._seen: Counter[bytes] = Counter()

    def __call__(self, item: Json) -> str:
        content = item
        if "id" in item or "status" in item:
            content = {name: item[name] for name in item if name not in ("id", "status")}
        named = self._thread.copy()
        named.update(dump(content))
        key = named.digest()
        self._seen[key] += 1
        if self._seen[key] > 1:
            named.update(b"\0%d" % self._seen[key])
        return ids.of_digest(named.digest())


def _item(item: Any, index: int, namer: _Namer | None) -> Json:
    place = f"input[{index}]"
    if not isinstance(item, dict):
        raise BadRequest("invalid_type", f"{place} must be an object", param=place)
    kind = item.get("type", "message")
    if kind == "item_reference":
        raise BadRequest(
            "unsupported_item",
            f"{place} refers to a stored item, and the backend stores none; send the item itself",
            param=place,
        )
    changes: Json = {}
    if kind == "message":
        if "type" not in item:
            changes["type"] = "message"
        if item.get("role") == "system":
            changes["role"] = "developer"
        content = item.get("content")
        if isinstance(content, str):
            part = "output_text" if item.get("role") == "assistant" else "input_text"
            changes["content"] = [{"type": part, "text": content}]
    prefix = PREFIXES.get(kind) if isinstance(kind, str) else None
    drop_id = False
    if prefix is not None and not _known(item.get("id"), prefix):
        if namer is not None:
            changes["id"] = prefix + namer({**item, **changes})
        else:
            drop_id = "id" in item
    if not changes and not drop_id:
        return item
    merged = {**item, **changes}
    if drop_id:
        del merged["id"]
    ordered = {name: merged[name] for name in _FIRST if name in merged}
    return ordered | merged


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
