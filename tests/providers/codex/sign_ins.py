"""A sandbox as the authorization server, and the person at its pages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from addons.accounts.authority import Prompt
from addons.providers.codex.authority import CodexAuthority
from addons.settings import Settings
from replay.sandbox import Sandbox, SandboxConfig


class Clock:
    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def sandbox(home: Path, **more: Any) -> Sandbox:
    """A started one, without TLS."""
    config = SandboxConfig(home=home, tls_port=None, gate="off", device_interval=0.0, **more)
    started = Sandbox(config)
    await started.start()
    return started


def authority(sandbox: Sandbox, **more: Any) -> CodexAuthority:
    url = sandbox.http_url
    return CodexAuthority(Settings(issuers={"codex": url}, upstreams={"codex": url}), **more)


class Person:
    """Does at once what a prompt asks for; ``account`` is the button that is pressed."""

    def __init__(self, account: str = "ada", **changes: str) -> None:
        self.account = account
        self.changes = changes
        self.prompts: list[Prompt] = []
        self.pages: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, prompt: Prompt) -> None:
        self.prompts.append(prompt)
        self._tasks.add(asyncio.create_task(self._act(prompt)))

    async def _act(self, prompt: Prompt) -> None:
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
            if prompt.code:
                typed = {"user_code": prompt.code, "account": self.account}
                page = await client.post(prompt.url, data=typed)
            else:
                asked = httpx.URL(prompt.url).copy_merge_params(
                    {"account": self.account, **self.changes}
                )
                page = await client.get(asked)
            self.pages.append(page.text)

    async def done(self) -> None:
        await asyncio.gather(*self._tasks)
