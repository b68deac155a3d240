"""Bodies of traces as text again, as an upstream of tests would send them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fingerprints.placeholders import PLACEHOLDER
from fingerprints.serial import dumps_text
from fingerprints.trace import Message, Payload


def content_of(payload: Payload) -> str:
    """A body's text; placeholders stay in the place of what was not kept."""
    return dumps_text(payload.data) if payload.form == "json" else str(payload.data or "")


def events_of(events: Iterable[Message]) -> str:
    """A stream of server-sent events."""
    out = []
    for event in events:
        name = f"event: {event.event}\n" if event.event else ""
        lines = re.split(r"\r\n|\n|\r", content_of(event.payload))
        out.append(name + "".join(f"data: {line}\n" for line in lines) + "\n")
    return "".join(out)


def ascii_placeholders(text: str) -> str:
    """Placeholders in a form that may stand in a header: ``<secret:1>``."""
    return PLACEHOLDER.sub(lambda found: f"<{found[0][1:-1]}>", text)
