"""The control paths of a sandbox, asked as from another process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from replay.sandbox import Sandbox, SandboxConfig
from replay.sandbox_control import SandboxControl

PATH = "/backend-api/codex/models"


async def test_what_a_sandbox_is_told_and_tells(tmp_path: Path) -> None:
    async with Sandbox(SandboxConfig(home=tmp_path, tls_port=None, accounts=2)) as sandbox:
        await asyncio.to_thread(_ask, sandbox.http_url)


def _ask(url: str) -> None:
    control = SandboxControl(url)
    try:
        assert len(control.accounts()) == 2
        assert httpx.get(url + PATH, trust_env=False).status_code == 403
        control.gate("off")
        control.fault({"kind": "status", "status": 503}, times=None, path=PATH)
        assert [rule["fault"]["status"] for rule in control.faults()] == [503]
        assert httpx.get(url + PATH, trust_env=False).status_code == 401
        assert len(control.requests(PATH)) == 2
        assert control.requests("/elsewhere") == []
        control.forget()
        assert (control.requests(), control.faults()) == ([], [])
        with pytest.raises(httpx.HTTPStatusError):
            control.gate("ajar")
    finally:
        control.close()
