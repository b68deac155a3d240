"""How many tokens a request has, estimated here. Pure.

No upstream of floway's counts tokens without answering, and the real tokenizers need tables from
the network. So a text is cut about as the tokenizer of present OpenAI models (``o200k_base``) cuts
it before it looks up its table, and each piece is counted by its kind and length. Against that
tokenizer this was within 10 % for English, Russian, Chinese and Japanese prose, Markdown, Python,
JavaScript and JSON, and up to 20 % low for German and random base64. Pictures and files count by
rule of thumb.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from addons.front.contract import Json
from addons.front.json_text import compact_text
from addons.front.reading import listed

IMAGE: Final = 1_500
"""Tokens of a picture: about those of a screenshot. Nobody knows its size before it is decoded."""

FILE_BYTES: Final = 40
"""Base64 characters of a file to a token: a page of a PDF is some 80 kB, and 2,000 tokens."""

SEALED_CHARACTERS: Final = 6
"""Characters of encrypted reasoning to a token."""

MEASURED: Final = 262_144
"""Characters that are looked at; of a longer request as many, spread over it. That takes some
60 ms at most."""

_SLICES: Final = 64
_PER_ITEM: Final = 3  # role and separators
_EAST_ASIAN: Final = "\u2e80"
"""From here on a character is nearly a token of its own."""

_PIECES = re.compile(
    r"(?P<word>[A-Z]?[a-z]+|[A-Z]+)|(?P<number>[0-9]+)|(?P<letters>[^\W\d_]+)"
    r"|(?P<space>\n[ \t\n]*|[ \t]{2,})|(?P<signs>[^\w\s]+)|(?P<joint>_+)"
)


def request_tokens(body: Json) -> int:
    """Input tokens of a request in neutral form."""
    found = _Found()
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        found.add({"content": instructions})
    for item in listed(body.get("input")):
        found.add(item)
    for name in ("tools", "text"):
        if body.get(name):
            found.texts.append(compact_text(body[name]))
    return math.ceil(3 + found.others + _text("\n".join(found.texts)))


def text_tokens(text: str) -> int:
    """Tokens of a text."""
    return math.ceil(_text(text))


def _text(text: str) -> float:
    if len(text) <= MEASURED:
        return sum(map(_piece, _PIECES.finditer(text)))
    size = MEASURED // _SLICES
    step = (len(text) - size) // (_SLICES - 1)
    parts = [text[number * step :][:size] for number in range(_SLICES)]
    seen = sum(_piece(match) for part in parts for match in _PIECES.finditer(part))
    return seen * len(text) / MEASURED


def _piece(match: re.Match[str]) -> float:
    size = match.end() - match.start()
    match match.lastgroup:
        case "word":
            return 1 if size <= 7 else 1 + (size - 7) / 5
        case "number":
            return (size + 2) // 3
        case "letters":
            if match[0][0] >= _EAST_ASIAN:
                return size * 0.8
            return 1 if size <= 4 else 1 + (size - 4) / 4
        case "space":
            return 1
        case "joint":
            return 0.5
        case _:
            if match[0][0] > "\x7f":  # emoji, say
                return size
            return 1 if size <= 3 else size / 3


class _Found:
    """What the model reads of a request.

    Attributes:
        texts: to be counted all together.
        others: tokens of what is no text.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.others = 0.0

    def add(self, item: Any) -> None:
        self.others += _PER_ITEM
        self._value(item)

    def _value(self, value: Any) -> None:
        """An item, or a part of one."""
        if isinstance(value, str):
            self.texts.append(value)
        elif isinstance(value, list):
            for entry in value:
                self._value(entry)
        elif isinstance(value, dict):
            self._object(value)

    def _object(self, value: Json) -> None:
        match value.get("type"):
            case "input_image":
                self.others += IMAGE
            case "input_file":
                data = value.get("file_data")
                self.others += len(data) / FILE_BYTES if isinstance(data, str) else IMAGE
            case "reasoning":
                sealed = value.get("encrypted_content")
                self.others += len(sealed) / SEALED_CHARACTERS if isinstance(sealed, str) else 0
            case "function_call" | "custom_tool_call":
                for name in ("name", "arguments", "input"):
                    self._value(value.get(name))
            case "input_text" | "output_text":
                self._value(value.get("text"))
            case "refusal":
                self._value(value.get("refusal"))
            case "function_call_output" | "custom_tool_call_output":
                self._value(value.get("output"))
            case "message" | None:
                self._value(value.get("content"))
            case _:
                self.texts.append(compact_text(value))
