"""How far a client has come, seen from the sandbox: whether a prompt was asked and answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

from replay.sandbox.agent import input_items, last_prompt
from replay.sandbox.recorder import Entry

type Progress = Literal["", "asked", "answered"]


def progress(entries: Iterable[Entry], prompt: str) -> Progress:
    """Whether a request whose last user message is ``prompt`` was received, and answered.

    Clients ask for other things on the side, such as a title, and repeat the prompt in them; these
    do not count.
    """
    found: Progress = ""
    for entry in entries:
        if not entry.request.path.endswith("/responses"):
            continue
        now = (
            _of_socket(entry, prompt) if entry.transport == "websocket" else _of_post(entry, prompt)
        )
        if now == "answered":
            return now
        found = now or found
    return found


def _of_post(entry: Entry, prompt: str) -> Progress:
    if not _asks(_parsed(entry.decoded or entry.kept_body), prompt):
        return ""
    return "answered" if entry.status == 200 and entry.usage is not None else "asked"


def _of_socket(entry: Entry, prompt: str) -> Progress:
    found: Progress = ""
    for frame in list(entry.frames):
        data = _parsed(frame.data)
        if frame.sender == "client":
            if data.get("generate") is not False and _asks(data, prompt):
                found = "asked"
        elif found and data.get("type") == "response.completed":
            return "answered"
    return found


def _asks(body: dict[str, Any], prompt: str) -> bool:
    return last_prompt(input_items(body))[0].strip() == prompt.strip()


def _parsed(data: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:  # cut off, or no JSON
        return {}
    return value if isinstance(value, dict) else {}
