"""Members of a request that the ChatGPT backend refuses: known ones in a table, others learned.

Pure. The backend answers 400 ``{"detail": "Unsupported parameter: X"}`` to members that the public
Responses API takes (codex-wire.md §2.1, §7.2). What only tunes an answer is left out with a note;
what would change the meaning of the request is refused with a remedy.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from addons.errors import BadRequest
from addons.providers.codex.refusals import Refusal

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """Why a member can't go upstream.

    Attributes:
        reason: completes the note "X was left out: …" or the error "X can't be used: …".
        refuse: leaving it out would change what is asked; the request is refused instead.
        keeps: texts that may pass.
        keeps_members: for an object: members of it that may pass.
        harmless: values that say what the backend does anyhow; they go without a note.
    """

    reason: str
    refuse: bool = False
    keeps: frozenset[str] = frozenset()
    keeps_members: frozenset[str] = frozenset()
    harmless: Callable[[Any], bool] = lambda value: value is None


_SAMPLING = "the backend refuses sampling settings for its models"

_USUAL_STREAM_OPTIONS: tuple[Json, ...] = (
    {"include_obfuscation": False},
    {"include_usage": True},
)
"""What the backend's streams do without being asked."""

CHATGPT: Mapping[str, Rule] = {
    "max_output_tokens": Rule("the backend has no limit that a caller could set"),
    "max_tokens": Rule("the backend has no limit that a caller could set"),
    "max_completion_tokens": Rule("the backend has no limit that a caller could set"),
    "max_tool_calls": Rule("the backend has no limit that a caller could set"),
    "temperature": Rule(_SAMPLING),
    "top_p": Rule(_SAMPLING),
    "top_k": Rule(_SAMPLING),
    "presence_penalty": Rule(_SAMPLING),
    "frequency_penalty": Rule(_SAMPLING),
    "logit_bias": Rule(_SAMPLING),
    "seed": Rule(_SAMPLING),
    "n": Rule("the backend gives one answer", harmless=lambda value: value in (None, 1)),
    "top_logprobs": Rule("the backend gives no log probabilities"),
    "logprobs": Rule("the backend gives no log probabilities", harmless=lambda value: not value),
    "safety_identifier": Rule("it would tell the account's users apart; the client has none"),
    "user": Rule("it would tell the account's users apart; the client has none"),
    "metadata": Rule("the backend stores nothing that could carry it"),
    "truncation": Rule(
        "the backend never truncates", harmless=lambda value: value in (None, "disabled")
    ),
    "prompt_cache_options": Rule("the backend decides what it caches"),
    "context_management": Rule("the client manages its context itself"),
    "background": Rule("the backend answers in the stream only", harmless=lambda value: not value),
    "stream_options": Rule(
        "of it the backend takes reasoning_summary_delivery only",
        keeps_members=frozenset({"reasoning_summary_delivery"}),
        harmless=lambda value: not value or value in _USUAL_STREAM_OPTIONS,
    ),
    "service_tier": Rule(
        "the backend takes priority and flex only",
        keeps=frozenset({"priority", "flex"}),
        harmless=lambda value: value in (None, "auto", "default"),
    ),
    "conversation": Rule("the backend keeps no conversations; send the whole input", refuse=True),
    "prompt": Rule("the backend has no stored prompts; send instructions and input", refuse=True),
}
"""For ``chatgpt.com`` and what stands in its place. An API-key upstream has an empty table."""

CHATGPT_HTTP: Mapping[str, Rule] = {
    **CHATGPT,
    "previous_response_id": Rule(
        "the backend stores no responses and takes it over WebSocket only; send the whole input",
        refuse=True,
    ),
}
"""The same for requests that do not come over a WebSocket."""

REQUIRED = frozenset(
    {"model", "input", "stream", "store", "instructions"}
    # Without these the request would ask for something else.
    | {"tools", "tool_choice", "text", "text.format", "previous_response_id", "type", "generate"}
)
"""Members that are never learned away."""

_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}(?:\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,3}")
_UNSUPPORTED = re.compile(
    r"(?:unsupported|unknown|unrecognized|unexpected)\s+(?:request\s+)?"
    r"(?:parameter|argument|field)s?\s*(?:supplied|provided)?\s*:?\s*"
    r"[`'\"]?([A-Za-z_](?:[A-Za-z0-9_.\[\]-]*[A-Za-z0-9_\]])?)",
    re.IGNORECASE,
)
_STORED = TypeAdapter(dict[str, dict[str, float]])
_CODES = frozenset({"unsupported_parameter", "unknown_parameter"})


def unsupported_parameter(refusal: Refusal) -> str | None:
    """The member that a 400 refuses, as a dotted path; None when it refuses something else.

    Forms: ``{"detail": "Unsupported parameter: X"}``; ``{"error": {"message": "Unsupported
    parameter: 'X' is not supported with this model.", "param": "X"}}``. A path into a list
    (``tools[0].strict``) is this request's matter and gives None.
    """
    if refusal.status not in (400, 422, None):
        return None
    match = _UNSUPPORTED.search(refusal.message)
    coded = bool(refusal.words & _CODES)
    if match is None and not coded:
        return None
    # An unsupported *value* carries the same param, but another code and text.
    name = refusal.param if refusal.param else match[1] if match else ""
    return name if _PATH.fullmatch(name) else None


def apply(body: Json, table: Mapping[str, Rule] = CHATGPT) -> tuple[Json, list[str]]:
    """``body`` without what the table names, and a note for each thing left out.

    ``body`` itself is not changed; the order of what stays is kept.

    Raises:
        BadRequest: a member that can't be left out without changing the request's meaning.
    """
    touched = table.keys() & body.keys()
    if not touched:
        return body, []
    kept: Json = {}
    notes: list[str] = []
    for name, value in body.items():
        rule = table.get(name)
        if rule is None or (isinstance(value, str) and value in rule.keeps):
            kept[name] = value
            continue
        if rule.harmless(value):
            continue
        if rule.refuse:
            raise BadRequest(
                "unsupported_parameter", f"{name} can't be used here: {rule.reason}.", param=name
            )
        if rule.keeps_members and isinstance(value, dict):
            inner = {key: value[key] for key in value if key in rule.keeps_members}
            if inner:
                kept[name] = inner
            if len(inner) == len(value):
                continue
        notes.append(f"{name} was left out: {rule.reason}.")
    return kept, notes


def without(body: Json, path: str) -> Json:
    """``body`` without the member at a dotted path; an object emptied by it goes as well."""
    name, _, rest = path.partition(".")
    if name not in body:
        return body
    kept = dict(body)
    if not rest:
        del kept[name]
        return kept
    inner = kept[name]
    if not isinstance(inner, dict):
        return body
    reduced = without(inner, rest)
    if reduced is inner:
        return body
    if reduced:
        kept[name] = reduced
    else:
        del kept[name]
    return kept


def holds(body: Json, path: str) -> bool:
    """Whether the member at a dotted path is in ``body``."""
    value: Any = body
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


class LearnedParameters:
    """What upstreams refused, by upstream, for a time; bounded.

    Args:
        ttl: seconds after which a member is tried again: backends learn, too.
        limit: members kept per upstream, and upstreams kept.
    """

    def __init__(self, ttl: float = 7 * 86_400, limit: int = 64) -> None:
        self._ttl = ttl
        self._limit = limit
        self._until: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def learnable(self, body: Json, path: str) -> bool:
        """Whether a refusal of ``path`` is worth another attempt: it was sent and may go."""
        return path not in REQUIRED and bool(_PATH.fullmatch(path)) and holds(body, path)

    def learn(self, upstream: str, path: str, now: float) -> None:
        """Leave ``path`` out for ``upstream`` from now on.

        Raises:
            ValueError: a required member, or not a dotted path.
        """
        if path in REQUIRED or not _PATH.fullmatch(path):
            raise ValueError(f"{path[:80]!r} can't be learned away")
        known = self._until.setdefault(upstream, OrderedDict())
        known[path] = now + self._ttl
        known.move_to_end(path)
        self._until.move_to_end(upstream)
        while len(known) > self._limit:
            known.popitem(last=False)
        while len(self._until) > self._limit:
            self._until.popitem(last=False)

    def refused(self, upstream: str, now: float) -> list[str]:
        """Paths that ``upstream`` refuses, oldest first; forgets what is out of date."""
        known = self._until.get(upstream)
        if not known:
            return []
        for path in [path for path, until in known.items() if until <= now]:
            del known[path]
        return list(known)

    def apply(self, upstream: str, body: Json, now: float) -> tuple[Json, list[str]]:
        """``body`` without what ``upstream`` refused before, and a note for each."""
        notes = []
        for path in self.refused(upstream, now):
            reduced = without(body, path)
            if reduced is not body:
                body = reduced
                notes.append(f"{path} was left out: {upstream} refused it before.")
        return body, notes

    def dump(self) -> Json:
        """JSON-like: upstream -> path -> unix time until which it is left out."""
        return {upstream: dict(known) for upstream, known in self._until.items()}

    def load(self, data: Any) -> None:
        """Put back what :meth:`dump` gave.

        Raises:
            ValueError: not of that form; nothing is changed then.
        """
        try:
            rows = _STORED.validate_python(data)
        except ValidationError as error:
            raise ValueError(
                f"stored parameters are malformed: {error.errors()[0]['msg']}"
            ) from None
        for known in rows.values():
            for path in known:
                if path in REQUIRED or not _PATH.fullmatch(path):
                    raise ValueError(f"stored parameter {path[:80]!r} can't be left out")
        self._until = OrderedDict(
            (upstream, OrderedDict(known)) for upstream, known in rows.items()
        )
