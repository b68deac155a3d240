"""What a request demands of the answer and the upstream has no member for: told in words. Pure.

Sampling (``temperature``, ``top_p``) and ``max_output_tokens`` cannot be told; they have no effect.
"""

from __future__ import annotations

import json
from typing import Final

from addons.front.contract import Json

_JSON: Final = "Answer with one JSON value and nothing else: no other text, no code fence."


def demanded(body: Json) -> str:
    """Words for the form of the answer (``text.format``); "" where it may be any text.

    Args:
        body: in the neutral form.
    """
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    match form.get("type") if isinstance(form, dict) else None:
        case "json_object":
            return _JSON
        case "json_schema":
            assert isinstance(form, dict)
            schema = json.dumps(form.get("schema"), ensure_ascii=False, separators=(",", ":"))
            return f"{_JSON} It must fit this JSON schema:\n{schema}"
        case _:
            return ""
