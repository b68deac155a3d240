"""The library stands alone: no proxy, no addons, no replay, no network."""

from __future__ import annotations

import ast
from pathlib import Path

import fingerprints

FOREIGN = {
    "addons",
    "replay",
    "mitmproxy",
    "httpx",
    "socket",
    "asyncio",
    "urllib.request",
    "random",
    "time",
}


def test_imports_stay_inside() -> None:
    files = sorted(Path(fingerprints.__file__).parent.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found = {*names, *(name.partition(".")[0] for name in names)} & FOREIGN
            assert not found, f"{file.name} imports {found}"
