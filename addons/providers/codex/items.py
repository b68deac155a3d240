"""Input items in the form that the official client sends. Pure; given objects are never changed.

Which ids and which metadata items have, and in which order their members stand, is the profile's
word (:mod:`fingerprints.item_forms`). Here is what they are filled with: values that are a pure
function of the thread and the item, so that the input of a later turn begins, byte for byte, with
that of an earlier one, also after a restart.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from addons.errors import BadRequest
from addons.front.earlier import same_objects
from addons.providers.codex import continuity, ids
from fingerprints.item_forms import ANY_PART, ItemForm, ItemForms
from fingerprints.serial import Text, dumps

type Json = dict[str, Any]

MAX_ID = 64
"""Longest item id that the backend takes, in characters (codex-wire.md §7.2)."""

WRITTEN: Final = "codex items"
"""Name of the :class:`Written` of a conversation."""

_IDENTITY = ("id", "status")
"""Members that name an item and say nothing: left out where the release does."""


def listed(given: Any) -> list[Any]:
    """``input`` as a list of items; a text is a message of the user.

    Raises:
        BadRequest: it is neither.
    """
    if given is None:
        return []
    if isinstance(given, str):
        return [{"role": "user", "content": given}] if given else []
    if not isinstance(given, list):
        raise BadRequest("invalid_type", "input must be a text or a list of items", param="input")
    return given


@dataclass(frozen=True, slots=True)
class Written:
    """What was made of the items of a request; see :func:`normalised`.

    Attributes:
        how: thread, forms and ``continued`` of :func:`normalised`.
        given: the items that it was made of.
        turns: id of each one's turn.
        keys: of each one, see :attr:`Writer.key`.
        texts: ``items`` as JSON.
    """

    how: tuple[str, ItemForms, str]
    given: list[Any] = field(default_factory=list)
    turns: list[str] = field(default_factory=list)
    items: list[Json] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


class Input(list[Json]):
    """Items in official form.

    Attributes:
        texts: the same as JSON, as far as that is known.
    """

    __slots__ = ("texts",)

    def __init__(self, items: Iterable[Json], texts: Sequence[Json | Text]) -> None:
        super().__init__(items)
        self.texts = texts


def normalised(
    given: Sequence[Any],
    *,
    thread_id: str,
    forms: ItemForms,
    continued: str = "",
    made: dict[str, Any] | None = None,
) -> Input:
    """The members of ``input`` in official form.

    An item's result depends on the thread, the item, the turn that it is in, and on equal items
    before it, never on its place or on what follows.

    Args:
        continued: see :func:`turn_ids`.
        made: of the conversation (:attr:`addons.front.earlier.Items.made`): what was written of
            the items that are repeated, is not written again.

    Raises:
        BadRequest: names the item that can't be sent, and why.
    """
    writer = Writer(thread_id, forms)
    if made is None:
        turns = turn_ids(given, thread_id, continued=continued)
        written = [
            writer.item(item, index, turn)
            for index, (item, turn) in enumerate(zip(given, turns, strict=True))
        ]
        return Input(written, written)
    how = (thread_id, forms, continued)
    before = made.get(WRITTEN)
    if before is None or before.how != how:
        before = Written(how)
    known = same_objects(before.given, given)
    turns = turn_ids(given, thread_id, continued=continued, known=before.turns[:known])
    written, keys, texts = before.items[:known], before.keys[:known], before.texts[:known]
    writer.resume(keys)
    for index in range(known, len(given)):
        written.append(writer.item(given[index], index, turns[index]))
        keys.append(writer.key)
        texts.append(Text(dumps(written[index])))
    made[WRITTEN] = Written(how, list(given), turns, written, keys, texts)
    return Input(written, texts)


def turn_ids(
    given: Sequence[Any], thread_id: str, *, continued: str = "", known: Sequence[str] = ()
) -> list[str]:
    """For each item the id of the turn that it is in.

    Args:
        continued: the request's own turn, where the items continue an earlier response.
        known: the result for the first of the items, with the same thread and ``continued``.
    """
    out: list[str] = []
    for number, (begin, end) in enumerate(continuity.turn_spans(given), start=1):
        if begin < len(known):
            turn = known[begin]
        elif number == 1 and continued:
            turn = continued
        else:
            turn = turn_id(thread_id, continuity.turn_key(number, given[begin]))
        out += [turn] * (end - begin)
    return out


def turn_id(thread_id: str, key: str = continuity.FIRST_TURN) -> str:
    """A turn's id, a pure function of the thread and of what opens the turn.

    Args:
        key: see :func:`addons.providers.codex.continuity.turn_key`.
    """
    return ids.derived("turn", thread_id, key)


class Writer:
    """Writes items of one thread. Equal items are told apart by their number.

    Args:
        thread_id: UUIDv7; ids and times are made from it.
        forms: of the release and the body's shape.
        place: items of different places are never equal.

    Attributes:
        key: the same for equal items: of the last one written; "" where it was left as it is.
    """

    def __init__(self, thread_id: str, forms: ItemForms, *, place: str = "item") -> None:
        self._forms = forms
        self._thread = thread_id
        self._made_at = int(ids.minted_at(thread_id) * 1000)
        self._salt = f"{place}\0{thread_id}\0".encode()
        self._seen: Counter[str] = Counter()
        self.key = ""

    def resume(self, keys: Iterable[str]) -> None:
        """Go on after items with these keys."""
        self._seen.update(keys)

    def item(self, item: Any, index: int, turn: str) -> Json:
        """A caller's item.

        Args:
            index: its place in the input, for errors.
            turn: id of its turn.

        Raises:
            BadRequest: names the item that can't be sent, and why.
        """
        self.key = ""
        if not isinstance(item, dict):
            place = f"input[{index}]"
            raise BadRequest("invalid_type", f"{place} must be an object", param=place)
        kind = item.get("type", "message")
        if kind == "item_reference":
            place = f"input[{index}]"
            raise BadRequest(
                "unsupported_item",
                f"{place} refers to a stored item, and the backend stores none; "
                "send the item itself",
                param=place,
            )
        changes = _message_changes(item) if kind == "message" else None
        role = changes.get("role", item.get("role")) if changes else item.get("role")
        form = self._forms.of(kind, role or "") if isinstance(kind, str) else None
        if form is None:
            return {**item, **changes} if changes else item
        if index == 0 and "id" in item:
            form = self._first_form(item, kind, role or "", form)
        if changes:
            return self.write({**item, **changes}, form, turn)
        if ("id" in item or not form.prefix) and _is_complete(item, form):
            return item
        return self.write(item, form, turn)

    def _first_form(self, item: Json, kind: str, role: str, form: ItemForm) -> ItemForm:
        """That of the message with the instructions, where an official caller has made it itself:
        which it is, its id says."""
        leading = self._forms.of(kind, role, leading=True)
        if leading is None or leading.uuid in (None, form.uuid):
            return form
        return leading if _is_known(item["id"], leading) else form

    def write(self, item: Json, form: ItemForm, turn: str) -> Json:
        """An item in a form: its own id where that is of the form, and a new one else."""
        content, own, given = item, None, None
        if "id" in item or "status" in item or form.metadata in item:
            own, given = item.get("id"), item.get(form.metadata)
            left = (*_IDENTITY, form.metadata)
            content = {name: value for name, value in item.items() if name not in left}
        digest = self._named(content)
        # Within 256 ms of the thread's own time: never in the future.
        made_at = self._made_at + int(digest[28:30], 16)
        made = content.copy()
        if form.prefix:
            known = own is not None and _is_known(own, form)
            made["id"] = own if known else self._id(form, digest, made_at)
        if content is not item and "status" in item and "status" in form.place:
            made["status"] = item["status"]
        if form.metadata:
            made[form.metadata] = given or _metadata(form, content, turn, made_at, digest)
        for name, value in form.fixed:
            if name not in content:
                made[name] = value
        ordered = {name: made[name] for name in form.order if name in made}
        if len(ordered) < len(made):
            ordered |= {name: value for name, value in made.items() if name not in ordered}
        return ordered

    def _named(self, content: Json) -> str:
        """Digest of an item in hex; a different one for each of several equal items."""
        text = self._salt + dump(content)
        key = hashlib.sha256(text).hexdigest()
        self.key = key
        seen = self._seen.get(key, 0) + 1
        self._seen[key] = seen
        if seen > 1:
            return hashlib.sha256(b"%b\0%d" % (text, seen)).hexdigest()
        return key

    def _id(self, form: ItemForm, digest: str, made_at: int) -> str:
        if form.uuid == 5:
            return form.prefix + ids.named(self._thread, digest)
        return form.prefix + ids.at(made_at, digest)


def tools_item(tools: Sequence[Any], writer: Writer, form: ItemForm | None, turn: str) -> Json:
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
    item: Json = {"type": "additional_tools", "role": "developer", "tools": entries}
    return item if form is None else writer.write(item, form, turn)


def instructions_item(text: str, writer: Writer, form: ItemForm | None, turn: str) -> Json:
    """The developer message that carries the instructions."""
    content = [{"type": "input_text", "text": text}]
    item: Json = {"type": "message", "role": "developer", "content": content}
    return item if form is None else writer.write(item, form, turn)


def _metadata(form: ItemForm, content: Json, turn: str, made_at: int, digest: str) -> Json:
    out: Json = {}
    for member in form.metadata_members:
        source = member.source
        if source == "turn":
            out[member.name] = turn
        elif source == "time":
            # The time inside the id, with a fraction of a millisecond of its own.
            out[member.name] = round(made_at / 1000 + int(digest[30:34], 16) / 1e8, 7)
        elif source == "parts":
            parts = content.get("content")
            by_part = member.by_part or {}
            other = by_part.get(ANY_PART, "unknown")
            out[member.name] = [
                by_part.get(str(_type(part)), other)
                for part in (parts if isinstance(parts, list) else ())
            ]
        else:
            out[member.name] = member.value
    return out


def _is_complete(item: Json, form: ItemForm) -> bool:
    """Whether an item is as the release sends it: it keeps its own spelling."""
    if form.prefix:
        if not _is_known(item.get("id"), form):
            return False
    elif "id" in item and "id" not in form.order:
        return False
    if "status" in item and "status" not in form.order:
        return False
    if form.metadata and not item.get(form.metadata):
        return False
    places = [form.place[name] for name in item if name in form.place]
    return places == sorted(places)


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


def _is_known(value: Any, form: ItemForm) -> bool:
    """Whether an id is of the form: what the upstream has made, or a client of this release."""
    if not isinstance(value, str) or not value.startswith(form.prefix):
        return False
    if form.uuid is not None:
        return ids.version(value[len(form.prefix) :]) == form.uuid
    return len(form.prefix) < len(value) <= MAX_ID and value.isascii() and value.isprintable()


def _type(tool: Any) -> Any:
    return tool.get("type") if isinstance(tool, dict) else None


def dump(value: Any) -> bytes:
    """Canonical JSON, for digests only."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # lone surrogates and very large integers
        return json.dumps(value, sort_keys=True).encode()
