"""Traces as text: JSON that a person can review in a diff.

Objects and lists are indented by one space; a header, a WebSocket message and an event take one
line each, and so does every list of plain values. Reading what was written gives an equal trace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fingerprints.errors import TraceError
from fingerprints.trace import SCHEMA, Trace

SUFFIX = ".trace.json"
"""How the name of a trace's file ends."""

_HALF_SURROGATE = re.compile("[\ud800-\udfff]")
_ONE_LINE = frozenset({"headers", "messages", "events"})
"""Members whose items take one line each."""


def render(trace: Trace) -> str:
    """A trace as text, with a line end at its end."""
    data = trace.model_dump(exclude_defaults=True)
    return "".join(_lines({"format": SCHEMA, **data}, "")) + "\n"


def parse(text: str | bytes, file: Path | None = None) -> Trace:
    """A trace from its text.

    Raises:
        TraceError: not JSON, another format, or a field that is wrong; names file and field.
    """
    try:
        data = json.loads(text)  # not orjson: it turns integers beyond 64 bits into floats
    except (ValueError, RecursionError) as error:
        raise TraceError(f"not JSON: {error}", file=file, remedy="Record it again") from error
    if not isinstance(data, dict) or data.get("format") != SCHEMA:
        found = data.get("format") if isinstance(data, dict) else None
        raise TraceError(
            f"not a trace of format {SCHEMA} (it says {found!r})",
            file=file,
            remedy="`floway record import` reads mitmproxy, HAR and vcrpy files",
        )
    try:
        return Trace.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise TraceError(
            str(first["msg"]),
            file=file,
            field=".".join(str(part) for part in first["loc"]),
            remedy="The format is described in fingerprints/trace.py",
        ) from error


def read(file: Path) -> Trace:
    """A trace from its file.

    Raises:
        TraceError: as :func:`parse`, or the file cannot be read.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror}", file=file) from error
    return parse(text, file)


def find(paths: Iterable[Path]) -> list[Path]:
    """The trace files among files and folders (searched to the bottom), sorted.

    Raises:
        TraceError: a path that does not exist, or a folder without a trace.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.rglob(f"*{SUFFIX}"))
            if not inside:
                raise TraceError(f"no file *{SUFFIX} in this folder", file=path)
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise TraceError("does not exist", file=path)
    return list(dict.fromkeys(found))


def file_name(trace: Trace) -> str:
    """Name of a trace's file: ``turn-exec-http-chatgpt-gpt-5.5-1.trace.json``."""
    label = trace.name.partition("/")[2].replace("#", "-")
    return "".join(char if char.isalnum() or char in "-._" else "-" for char in label) + SUFFIX


def write(trace: Trace, folder: Path) -> Path:
    """Writes a trace into ``folder/CLIENT/RELEASE/`` and gives its path; replaces an older one."""
    target = folder / trace.client / (trace.release or "unknown") / file_name(trace)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(target.name + ".new")
    new.write_text(render(trace), encoding="utf-8")
    new.replace(target)
    return target


def _lines(value: Any, margin: str, name: str = "") -> Iterator[str]:
    inner = margin + " "
    if isinstance(value, dict) and value:
        yield "{\n"
        for index, (key, item) in enumerate(value.items()):
            yield f"{inner}{_flat(key)}: "
            yield from _lines(item, inner, key)
            yield ",\n" if index + 1 < len(value) else "\n"
        yield margin + "}"
    elif isinstance(value, list | tuple) and (
        name in _ONE_LINE or any(isinstance(item, dict | list | tuple) for item in value)
    ):
        yield "[\n"
        for index, item in enumerate(value):
            yield inner
            if name in _ONE_LINE:
                yield _flat(item)
            else:
                yield from _lines(item, inner)
            yield ",\n" if index + 1 < len(value) else "\n"
        yield margin + "]"
    else:
        yield _flat(value)


def _flat(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    # Half surrogates, legal in JSON, can only be written as escapes.
    return _HALF_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
