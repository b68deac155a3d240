"""Reasoning items as thinking blocks, and back.

Anthropic's clients keep a thinking block's ``signature`` as it is and send it back with the next
request. Here it carries what a Responses upstream wants back in its place: the item's id and its
encrypted content. It says plainly whose it is, so that it is not mistaken for Anthropic's own.

Form: ``floway:1:ID:LENGTHS:CONTENT``. LENGTHS are those of the summary's parts in characters, from
which the one text of a thinking block is cut into the same parts again: so the item comes back as
it was, and with it the upstream's prompt cache.
"""

from __future__ import annotations

import re
from typing import Final

from addons.front.contract import Json
from addons.front.reading import BREAK, texts

MARK: Final = "floway:1:"

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SIGNATURE = re.compile(r"([A-Za-z0-9_-]{0,64}):((?:[0-9]{1,9}(?:,[0-9]{1,9}){0,999})?):(.+)", re.S)


def signature(item: Json) -> str:
    """The signature of a finished reasoning item; without encrypted content it says nothing."""
    content = item.get("encrypted_content")
    if not isinstance(content, str) or not content:
        return f"{MARK}::"
    given = item.get("id")
    name = given if isinstance(given, str) and _ID.fullmatch(given) else ""
    lengths = ",".join(str(len(text)) for text in texts(item.get("summary")) if text)
    return f"{MARK}{name}:{lengths}:{content}"


def reasoning_item(given: str, thinking: str = "") -> Json | None:
    """The reasoning item of a thinking block.

    Args:
        given: the block's ``signature``, or the ``data`` of a redacted one.
        thinking: its text; a client may have been shown none, or have dropped it.

    Returns:
        None for a signature of another's, and for one that holds no encrypted content: of neither
        can an upstream make anything.
    """
    match = _SIGNATURE.fullmatch(given, len(MARK)) if given.startswith(MARK) else None
    if match is None:
        return None
    name, lengths, content = match.groups()
    parts = _parts(thinking, [int(length) for length in lengths.split(",") if length])
    return {
        "type": "reasoning",
        **({"id": name} if name else {}),
        "summary": [{"type": "summary_text", "text": part} for part in parts],
        "encrypted_content": content,
    }


def _parts(text: str, lengths: list[int]) -> list[str]:
    """``text`` cut where its parts were joined. It may go on: reasoning can have a text besides
    its summary, which the upstream does not want back."""
    if not text or not lengths:
        return []
    parts: list[str] = []
    start = 0
    for number, length in enumerate(lengths):
        if number:
            if not text.startswith(BREAK, start):
                return [text]
            start += len(BREAK)
        parts.append(text[start : start + length])
        if len(parts[-1]) < length:
            return [text]
        start += length
    whole = start == len(text) or text.startswith(BREAK, start)
    return parts if whole else [text]
