"""What must not be in a committed trace: a search for it, in traces and in any other text.

Uses the patterns of :mod:`fingerprints.placeholders`, and walks JSON (JSON inside texts too), so
that escapes hide nothing. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fingerprints.placeholders import (
    AGENT,
    CWD,
    EMAIL,
    HOME,
    JWT,
    KNOWN_TOKEN,
    LONG,
    PARAMETER,
    REMOTE,
    SCHEME,
    is_prose,
    is_redacted,
    measure,
    named_folder,
)
from fingerprints.redaction import NOT_PATHS, is_secret_member
from fingerprints.serial import loads
from fingerprints.trace import Trace

_SHOWN = 6
"""Characters of a find that are told: enough to look for it, too few to use it."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that must not be there.

    Attributes:
        path: where, e.g. ``exchanges[2].headers[4]``.
        kind: ``token``, ``e-mail``, ``git remote``, ``home path``, ``foreign text``.
        text: its beginning.
    """

    path: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}: {self.text}"


def in_trace(trace: Trace) -> list[Leak]:
    """Leaks of a trace."""
    return in_value(trace.model_dump(exclude_defaults=True))


def in_file(text: str) -> list[Leak]:
    """Leaks of a file: JSON is walked, other text is read line by line."""
    try:
        value = loads(text)
    except ValueError:
        value = text.splitlines()
    return in_value(value)


def in_value(value: Any) -> list[Leak]:
    """Leaks of a JSON value."""
    return list(_walk(value, "", ""))


def _walk(value: Any, path: str, name: str) -> Iterator[Leak]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _text(str(key), f"{path}.{key[:40]} (its name)", "")
            yield from _walk(item, f"{path}.{key[:40]}".lstrip("."), str(key))
    elif isinstance(value, list | tuple):
        if _is_pair(value):  # a header
            name = value[0]
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]", "" if item is name else name)
    elif isinstance(value, str):
        yield from _text(value, path, name)


def _text(text: str, path: str, name: str) -> Iterator[Leak]:
    if text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
        try:
            inner = loads(text)
        except ValueError:
            inner = None
        if isinstance(inner, dict | list):
            yield from _walk(inner, path, name)
            return
    if is_secret_member(name) and text and not _is_masked(text):
        yield _leak(path, "token", text)
    for pattern, kind, counts in _PATTERNS:
        for found in pattern.finditer(text):
            if counts(found) and not (name in NOT_PATHS and AGENT.fullmatch(text)):
                yield _leak(path, kind, found[0])
    if measure(text) > LONG:
        yield _leak(path, f"foreign text of {len(text)} characters", text)


def _leak(path: str, kind: str, text: str) -> Leak:
    return Leak(path or "the whole", kind, json.dumps(text[:_SHOWN] + "…", ensure_ascii=False))


def _is_pair(value: list[Any] | tuple[Any, ...]) -> bool:
    return len(value) == 2 and all(isinstance(item, str) for item in value)


def _is_masked(text: str) -> bool:
    """Whether a secret's text holds only placeholders; in cookies, with names and attributes."""
    parts = [part.partition("=")[2] or part for part in text.split("; ")]
    return is_redacted(text) or ("⟨" in text and is_redacted(parts[0]))


def _always(_: re.Match[str]) -> bool:
    return True


def _no_word(found: re.Match[str]) -> bool:
    return not is_prose(found["token"])


_PATTERNS: tuple[tuple[re.Pattern[str], str, Callable[[re.Match[str]], bool]], ...] = (
    (JWT, "token", _always),
    (SCHEME, "token", _no_word),
    (KNOWN_TOKEN, "token", _no_word),
    (PARAMETER, "token", _no_word),
    (EMAIL, "e-mail", _always),
    (REMOTE, "git remote", _always),
    (HOME, "home path", _always),
    (CWD, "working folder", lambda found: bool(named_folder(found))),
)
