"""What tells that two requests belong to one conversation: caller's signals, else the content.

Pure. A signal's text never goes upstream; ids are derived from it (:mod:`.ids`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from addons.providers.codex import ids
from addons.sessions.naming import agent_session

type Json = dict[str, Any]

SESSION_HEADERS = (
    "session-id",
    "session_id",
    "x-session-id",
    "x-session-affinity",
    "x-claude-code-session-id",
    "conversation-id",
    "conversation_id",
)
"""Headers that name a client's session, best first (issue "Identity and continuity" §1)."""

CONVERSATION_MEMBERS = ("conversation", "conversation_id", "session_id")
"""Members of a body in which clients name their conversation."""

_PRIVATE_MEMBERS = frozenset({"conversation_id", "session_id"})

_OF_ONE_CONVERSATION = frozenset({"prompt_cache_key", "header idempotency-key"})
"""Sources of signals that name one conversation, and no session."""

_MADE_BY_SDK = "stainless-"
"""Begins the idempotency keys that SDKs make for each request by themselves."""

MAX_MARKS = 24
"""Items at the end of an input that are looked at for ids."""

MIN_MARK = 16
"""Shortest id that is taken for an upstream's own, in characters."""

SEPARATOR = "\u0001"
"""Between instructions and first items in a content digest: "" + X is not X + ""."""

FIRST_TURN = "first"
"""Name of a conversation's first turn, see :func:`turn_key`."""

_UNSTABLE_MEMBERS = frozenset({"id", "status", "internal_chat_message_metadata_passthrough"})
"""Members of an item that a client may add or change when it sends the same message again."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A caller's own name for the conversation, in any form.

    Attributes:
        source: where it was found, e.g. ``prompt_cache_key`` or ``header x-session-id``.
        value: the caller's text; private to floway.
        session: it names a client session, in which side requests with other system prompts
            may run; False for a cache or idempotency key, which names one conversation.
    """

    source: str
    value: str
    session: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """Digests that recognise a thread inside a session, without keeping any text.

    Attributes:
        prompt: instructions and the developer's words before the first user message; "" for none.
        opening: the first user message (or a leading compaction item); "" when there is none.
        turn: number and text of the last user message: the same for all requests of one turn.
        opener: the last turn's :func:`turn_key`, "" when there is none.
        tools: whether the request offers tools.
    """

    prompt: str = ""
    opening: str = ""
    turn: str = ""
    opener: str = ""
    tools: bool = False


def signals(headers: Mapping[str, str], body: Json, client_metadata: Json) -> Iterator[Signal]:
    """Usable signals, best first. ``headers``: by lower-case name."""
    for source, value in _named(headers, body, client_metadata):
        text = value.strip() if isinstance(value, str) else ""
        if ids.usable(text):
            yield Signal(source, text, source not in _OF_ONE_CONVERSATION)


def _named(
    headers: Mapping[str, str], body: Json, client_metadata: Json
) -> Iterator[tuple[str, Any]]:
    """What may be a signal, by its source."""
    yield "prompt_cache_key", body.get("prompt_cache_key")
    for name in SESSION_HEADERS:
        if name in headers:
            yield f"header {name}", headers[name]
    yield "client_metadata.session_id", client_metadata.get("session_id")
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        yield "metadata.user_id", agent_session(metadata.get("user_id"))
    for name in CONVERSATION_MEMBERS:
        if name in body:
            value = body[name]
            yield name, value.get("id") if isinstance(value, dict) else value
    key = headers.get("idempotency-key", "")
    if not key.startswith(_MADE_BY_SDK):
        yield "header idempotency-key", key


def without_keys(body: Json) -> Json:
    """``body`` without the members that only name a client's conversation; itself when none do.

    They are floway's to read; the upstream has ids of its own form. (``prompt_cache_key`` is
    filled anew by the profile, and ``conversation`` means something to the public API.)
    """
    metadata = body.get("metadata")
    named = isinstance(metadata, dict) and agent_session(metadata.get("user_id")) is not None
    if not named and not any(name in body for name in _PRIVATE_MEMBERS):
        return body
    kept = {name: value for name, value in body.items() if name not in _PRIVATE_MEMBERS}
    if named:
        assert isinstance(metadata, dict)
        rest = {name: value for name, value in metadata.items() if name != "user_id"}
        if rest:
            kept["metadata"] = rest
        else:
            del kept["metadata"]
    return kept


def marks(items: Iterable[Any], limit: int = MAX_MARKS) -> Iterator[str]:
    """Ids that an upstream gave to items, the last first: they tell whose history this is.

    Of an item that came back in the input, or of one that the upstream has just given. A call and
    its result share an id, which also survives translation. Short ones are a client's own counting
    and mean nothing.
    """
    looked = 0
    for item in reversed(items) if isinstance(items, Sequence) else items:
        if not isinstance(item, dict):
            continue
        looked += 1
        if looked > limit:
            return
        for name in ("call_id", "id"):
            value = item.get(name)
            if isinstance(value, str) and MIN_MARK <= len(value) <= ids.MAX_LENGTH:
                yield value


def content_key(body: Json) -> str | None:
    """Digest of the part of a stateless conversation that every turn repeats; None without any.

    SHA-256 over the instructions, U+0001 and the canonical JSON of the first items: up to and
    with the first user message, because clients whose system prompt is an item would otherwise
    have one id for all conversations; a leading compaction item stands alone. Canonical means
    that a plain string input, a string content and added item ids make no difference.
    """
    items = _items(body)
    if not items:
        return None
    opening = [_canonical(item) for item in items[: _opening_end(items)]]
    text = _instructions(body) + SEPARATOR + _dump(opening)
    return ids.digest("content", text).hex()


def signature(body: Json) -> Signature:
    """See :class:`Signature`."""
    items = _items(body)
    end = _opening_end(items)
    before = [_canonical(item) for item in items[: end - 1] if _is_prompt(item)] if end else []
    prompt = _instructions(body)
    has_prompt = bool(prompt or before)
    users = _user_places(items)
    begins = _turn_beginnings(users)
    turn = _message_key(len(users), items[users[-1]]) if users else ""
    opener = ""
    # A message that continues another one does not say how many turns there were.
    if begins and not body.get("previous_response_id"):
        plain = 1 < len(begins) == len(users)  # one message opens each turn: it is named already
        opener = turn if plain else turn_key(len(begins), items[begins[-1]])
    return Signature(
        prompt=ids.digest("prompt", prompt, _dump(before)).hex() if has_prompt else "",
        opening=ids.digest("opening", _dump(_canonical(items[end - 1]))).hex() if end else "",
        turn=turn,
        opener=opener,
        tools=bool(body.get("tools")) or any(_is_tools(item) for item in items[:2]),
    )


def _user_places(items: Sequence[Any]) -> list[int]:
    """Where an item :func:`is_user`: of a whole conversation, so it is quick."""
    return [
        place
        for place, item in enumerate(items)
        if (
            item.get("role") == "user" and item.get("type", "message") == "message"
            if type(item) is dict
            else isinstance(item, str)
        )
    ]


def _turn_beginnings(users: Sequence[int]) -> list[int]:
    """Where turns begin: with the first of a run of user messages."""
    return [place for place, before in zip(users, [-2, *users], strict=False) if place > before + 1]


def last_opening(items: Sequence[Any], before: int = 0) -> tuple[int, Any]:
    """How many turns there are, and the message that opened the last one.

    Args:
        before: turns there were before the items; this, and None, is the result where none begins.
    """
    begins = _turn_beginnings(_user_places(items))
    return (before + len(begins), items[begins[-1]]) if begins else (before, None)


def turn_spans(items: Sequence[Any]) -> list[tuple[int, int]]:
    """The items of each turn: the first one's place, and that of the first one after them.

    What comes before the first user message is in the first turn.
    """
    begins = [0, *_turn_beginnings(_user_places(items))[1:]]
    return list(zip(begins, [*begins[1:], len(items)], strict=True)) if items else []


def turn_key(number: int, opening: Any) -> str:
    """The name of a turn, by its number from 1 and the message that opened it.

    The first one has one name whatever is said in it. The others' depend on how many turns there
    were before. So the items of a prefix keep their turns.
    """
    return FIRST_TURN if number == 1 else _message_key(number, opening)


def _message_key(number: int, message: Any) -> str:
    return ids.digest("turn", str(number), _dump(_canonical(message))).hex()


def _items(body: Json) -> Sequence[Any]:
    given = body.get("input")
    if isinstance(given, str):
        return [given] if given else []
    return given if isinstance(given, list) else []


def _opening_end(items: Sequence[Any]) -> int:
    """How many leading items belong to the opening."""
    for index, item in enumerate(items):
        if is_user(item) or (index == 0 and _kind(item) == "compaction"):
            return index + 1
    return 1 if items else 0


def _kind(item: Any) -> str:
    return str(item.get("type", "message")) if isinstance(item, dict) else ""


def is_user(item: Any) -> bool:
    """Whether an item is a message of the user."""
    if type(item) is dict:  # the role first: it tells most items apart
        return item.get("role") == "user" and item.get("type", "message") == "message"
    return isinstance(item, str)


def _is_prompt(item: Any) -> bool:
    """Not what is left of a history whose beginning was cut off."""
    return (
        isinstance(item, dict)
        and item.get("role") in ("system", "developer")
        and (not _is_tools(item))
    )


def _is_tools(item: Any) -> bool:
    return _kind(item) == "additional_tools"


def _instructions(body: Json) -> str:
    given = body.get("instructions")
    if given is None or isinstance(given, str):
        return given or ""
    return _dump(given)


def _canonical(item: Any) -> Any:
    if isinstance(item, str):
        return {"type": "message", "role": "user", "content": [_text(item)]}
    if not isinstance(item, dict):
        return item
    kept = {name: value for name, value in item.items() if name not in _UNSTABLE_MEMBERS}
    kept.setdefault("type", "message")
    content = kept.get("content")
    if isinstance(content, str):
        kept["content"] = [_text(content)]
    elif isinstance(content, list):
        kept["content"] = [_canonical_part(part) for part in content]
    return kept


def _canonical_part(part: Any) -> Any:
    if isinstance(part, str):
        return _text(part)
    if isinstance(part, dict) and "cache_control" in part:
        # A cache breakpoint wanders from turn to turn.
        return {name: value for name, value in part.items() if name != "cache_control"}
    return part


def _text(text: str) -> Json:
    return {"type": "input_text", "text": text}


_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _dump(value: Any) -> str:
    return _CANONICAL.encode(value) if value != [] else "[]"
