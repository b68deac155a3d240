"""floway as a process, in front of a sandbox that outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Self

from replay.child import ProcessFailed, free_port, neutral_environment
from replay.continuity.errors import PlayFailed
from replay.floway_process import FlowayProcess
from replay.sandbox import Sandbox

_LOG_LINES = 80


class ServingFloway:
    """Serves the first accounts of a sandbox at one address, also after a restart.

    ::

        async with ServingFloway(folder, sandbox, accounts=3) as floway:
            ...                       # floway.url
            await floway.restart()    # same address, same home

    Args:
        folder: empty; for its home, its certificates and the accounts' files.
    """

    def __init__(self, folder: Path, sandbox: Sandbox, accounts: int) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._accounts = accounts
        self._port = free_port()
        self._running = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def log(self) -> str:
        """The last lines of its log, since it was started last."""
        return "\n".join(self._process.log().splitlines()[-_LOG_LINES:])

    async def __aenter__(self) -> Self:
        self._configure(self._folder / "state")
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def restart(self) -> None:
        """Stop it as a user does, and start it again.

        Raises:
            PlayFailed: it does not come back, or has left an error in its log.
        """
        await self._running.aclose()
        self.check()
        await self._start()

    def check(self) -> None:
        """
        Raises:
            PlayFailed: its log holds an error that no client may have noticed.
        """
        for line in self._process.complaints():
            raise PlayFailed(f"floway's log says: {line.strip()}", self.log())

    def _configure(self, home: Path) -> None:
        home.mkdir(parents=True)
        lines = ["[upstreams]", f"codex = {json.dumps(self._sandbox.https_url)}"]
        for account in list(self._sandbox.accounts)[: self._accounts]:
            file = home / f"{account.label}.json"
            self._sandbox.accounts.write_auth_json(account, file)
            lines += ["", "[[accounts]]", 'provider = "codex"', f'label = "{account.label}"']
            lines += [f"auth_file = {json.dumps(str(file))}"]
        (home / "floway.toml").write_text("\n".join(lines) + "\n", "utf-8")

    async def _start(self) -> None:
        authority = str(self._sandbox.ca_file)
        async with contextlib.AsyncExitStack() as stack:
            self._process = FlowayProcess(
                self._folder,
                {"ssl_verify_upstream_trusted_ca": authority, "flow_detail": "0"},
                port=self._port,
                environment=neutral_environment(SSL_CERT_FILE=authority),
                folder=self._folder,
            )
            # In a thread: floway talks to the sandbox of this one.
            stack.push_async_callback(asyncio.to_thread, self._process.stop)
            try:
                await asyncio.to_thread(self._process.wait_ready)
            except ProcessFailed as error:
                raise PlayFailed(error.what, error.output) from None
            self._running = stack.pop_all()
