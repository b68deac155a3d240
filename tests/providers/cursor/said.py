"""Items of a conversation in the neutral form, for tests."""

from __future__ import annotations

import base64
import json
from typing import Any

type Json = dict[str, Any]

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


def png(data: bytes = PNG, mime: str = "image/png") -> Json:
    url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    return {"type": "input_image", "image_url": url}


def text(words: str) -> Json:
    return {"type": "input_text", "text": words}


def user(*parts: str | Json) -> Json:
    return {"type": "message", "role": "user", "content": _content(parts, "input_text")}


def system(words: str) -> Json:
    return {"type": "message", "role": "system", "content": [text(words)]}


def said(*parts: str | Json) -> Json:
    return {"type": "message", "role": "assistant", "content": _content(parts, "output_text")}


def called(call_id: str, name: str, **arguments: Any) -> Json:
    written = json.dumps(arguments)
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": written}


def gave(call_id: str, *parts: str | Json) -> Json:
    output: Any = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else None
    if output is None:
        output = _content(parts, "input_text")
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def body(*items: Json, instructions: str = "Be brief.", **members: Any) -> Json:
    return {"model": "cursor/m", "instructions": instructions, "input": list(items), **members}


def _content(parts: tuple[str | Json, ...], kind: str) -> list[Json]:
    return [{"type": kind, "text": part} if isinstance(part, str) else part for part in parts]
