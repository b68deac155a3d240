"""A script: one prompt by Cursor's Python SDK. ``BACKEND_URL KEY MODEL PROMPT``.

It runs with the SDK's own interpreter and imports nothing of floway.
"""

from __future__ import annotations

import importlib
import os
import sys


def main(backend: str, key: str, model: str, prompt: str) -> None:
    """Run it and print how it ended.

    Raises:
        SystemExit: it did not finish well.
    """
    os.environ |= {"CURSOR_BACKEND_URL": backend, "CURSOR_API_KEY": key}
    sdk = importlib.import_module("cursor_sdk")
    options = {"local": {"cwd": os.getcwd()}, "model": {"id": model}}  # noqa: PTH109
    run = sdk.Agent.prompt(prompt, options)
    sys.stdout.write(f"{run}\n")
    if getattr(run, "status", "") != "finished":
        raise SystemExit("it did not finish")


if __name__ == "__main__":
    main(*sys.argv[1:])
