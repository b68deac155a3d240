"""Directives: how a prompt tells the sandbox's scripted model what to do.

A directive is ``[[word arguments]]`` anywhere in the last user message:

==========================  =======================================================================
``[[call NAME {json}]]``    call the tool NAME with these arguments. For a custom (free-form) tool:
                            a JSON string, ``{"input": …}``, or raw text up to ``]]``
``[[run COMMAND]]``         call whichever shell tool is offered with this command line
``[[then]]``                the calls after it are made only when the ones before it have answered;
                            calls with no ``[[then]]`` between them are made in parallel
``[[say N]]``               answer with N words, one delta each
``[[text "…"]]``            answer with exactly this text
``[[think]] [[think N]]``   reason first, with a summary of N words (default 12)
``[[tokens N]]``            report N input tokens, e.g. to provoke a client's compaction
``[[tokens N once]]``       the same in the first answer to such a prompt: clients may repeat the
                            prompt after they have compacted
``[[pace MS]]``             wait so many milliseconds between events
``[[remember KEY VALUE]]``  say something that a later ``[[recall KEY]]`` answers, as long as the
                            model is still told what the user has said
==========================  =======================================================================

An unknown word is left alone as ordinary text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

MAX_WORDS = 100_000
RUN = "[run]"
"""Name of a wanted call that any shell tool may take; no tool's name can be this."""
_OPEN = re.compile(r"\[\[(call|run|then|say|text|think|tokens|pace|remember|recall)\b[ \t]*")
_NAME = re.compile(r"[\w.:/-]+")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class WantedCall:
    """A tool call that the prompt asks for. ``arguments``: decoded JSON, or raw text."""

    name: str
    arguments: Any


@dataclass(slots=True)
class Directives:
    """What a prompt asks for.

    Attributes:
        rounds: calls; the ones of a round are made in parallel.
        words: of a ``[[say N]]``.
        text: of a ``[[text "…"]]``.
        think: words of the reasoning summary.
        tokens: of a ``[[tokens N]]``.
        once: of a ``[[tokens N once]]``.
        pace: seconds between events.
        remember: of the ``[[remember KEY VALUE]]``, the last value of a key.
        recall: keys of the ``[[recall KEY]]``.
        rest: the prompt without its directives.
    """

    rounds: list[list[WantedCall]] = field(default_factory=list)
    words: int | None = None
    text: str | None = None
    think: int | None = None
    tokens: int | None = None
    once: bool = False
    pace: float = 0.0
    remember: dict[str, str] = field(default_factory=dict)
    recall: list[str] = field(default_factory=list)
    rest: str = ""


def parse_directives(prompt: str) -> Directives:
    """Find the directives of a prompt; what does not parse is ordinary text."""
    found = Directives()
    rest: list[str] = []
    position, calls = 0, list[WantedCall]()
    while (match := _OPEN.search(prompt, position)) is not None:
        parsed = _arguments(match.group(1), prompt, match.end())
        if parsed is None:
            rest.append(prompt[position : match.end()])
            position = match.end()
            continue
        value, end = parsed
        rest.append(prompt[position : match.start()])
        position = end
        match match.group(1):
            case "call":
                calls.append(value)
            case "run":
                calls.append(WantedCall(RUN, value))
            case "then":
                if calls:
                    found.rounds.append(calls)
                calls = []
            case "say":
                found.words = min(value or 0, MAX_WORDS)
            case "text":
                found.text = value
            case "think":
                found.think = min(12 if value is None else value, MAX_WORDS)
            case "tokens":
                found.tokens, found.once = value
            case "remember":
                found.remember |= value
            case "recall":
                found.recall.append(value)
            case "pace":
                found.pace = min((value or 0) / 1000, 60.0)
    if calls:
        found.rounds.append(calls)
    rest.append(prompt[position:])
    found.rest = "".join(rest).strip()
    return found


def _arguments(word: str, prompt: str, start: int) -> tuple[Any, int] | None:
    """Value and end of a directive whose word ends before ``start``; None when malformed."""
    if word == "call":
        return _call(prompt, start)
    if word == "text" and prompt[start : start + 1] == '"':
        decoded = _json(prompt, start)
        return decoded if decoded is not None and isinstance(decoded[0], str) else None
    close = prompt.find("]]", start)
    if close < 0:
        return None
    raw = prompt[start:close].strip()
    if word == "text" or (word == "run" and raw):
        return raw, close + 2
    if word == "remember":
        key, _, value = raw.partition(" ")
        return ({key: value.strip()}, close + 2) if value.strip() else None
    if word == "recall":
        return (raw, close + 2) if raw else None
    if not raw:
        return (None, close + 2) if word in ("then", "think") else None
    if word == "tokens":
        number, _, rest = raw.partition(" ")
        known = number.isdecimal() and len(number) <= 9 and rest.strip() in ("", "once")
        return ((int(number), bool(rest)), close + 2) if known else None
    if word in ("then", "run") or not raw.isdecimal() or len(raw) > 9:
        return None
    return int(raw), close + 2


def _call(prompt: str, start: int) -> tuple[WantedCall, int] | None:
    name = _NAME.match(prompt, start)
    if name is None:
        return None
    position = name.end()
    while prompt[position : position + 1] in (" ", "\t", "\n"):
        position += 1
    if prompt[position : position + 1] in ("{", "[", '"'):
        decoded = _json(prompt, position)
        if decoded is not None:
            return WantedCall(name.group(), decoded[0]), decoded[1]
    close = prompt.find("]]", position)
    if close < 0:
        return None
    raw = prompt[position:close].strip()
    return WantedCall(name.group(), raw if raw else {}), close + 2


def _json(prompt: str, start: int) -> tuple[Any, int] | None:
    """A JSON value that is followed by ``]]``, and the end of that."""
    try:
        value, end = _DECODER.raw_decode(prompt, start)
    except (ValueError, RecursionError):
        return None
    while prompt[end : end + 1] in (" ", "\t", "\n"):
        end += 1
    return (value, end + 2) if prompt.startswith("]]", end) else None
