"""A conversation by Cursor's Python SDK: ``BACKEND_URL KEY MODEL PROMPT…``; JSON lines come out.

It runs with the SDK's own interpreter and imports nothing of floway. The agent is offered one
tool, ``weather``, which this process carries out.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any


def weather(arguments: Any, *_context: Any) -> str:
    return f"{arguments['city']}: 21 degrees"


def main(backend: str, key: str, model: str, *prompts: str) -> None:
    """Send the prompts, one after the other, in one conversation."""
    os.environ |= {"CURSOR_BACKEND_URL": backend, "CURSOR_API_KEY": key}
    sdk = importlib.import_module("cursor_sdk")
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    }
    tool = sdk.CustomTool(execute=weather, description="The weather", input_schema=schema)
    local = {"cwd": os.getcwd(), "custom_tools": {"weather": tool}}  # noqa: PTH109
    agent = sdk.Agent.create({"local": local, "model": {"id": model}})
    for prompt in prompts:
        result = agent.send(prompt).wait()
        usage = result.usage
        said = {
            "status": result.status,
            "result": result.result,
            "error": result.error_message,
            "input_tokens": usage.input_tokens if usage else None,
            "cached_tokens": usage.cache_read_tokens if usage else None,
        }
        sys.stdout.write(f"{json.dumps(said)}\n")
    agent.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
