"""floway as a process, in front of a sandbox that outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import addons
from replay.bench.processes import free_port
from replay.continuity.errors import PlayFailed
from replay.record.processes import child
from replay.sandbox import Sandbox

START_SECONDS = 60.0
_LOG_LINES = 80
_MITMDUMP = "from mitmproxy.tools.main import mitmdump; mitmdump()"
_READY = re.compile(r"floway \S+ is ready: http")
_WRONG = re.compile(r"Addon error|has crashed|Traceback \(most recent call last\)")


class FlowayProcess:
    """Serves the first accounts of a sandbox at one address, also after a restart.

    ::

        async with FlowayProcess(folder, sandbox, accounts=3) as floway:
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
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._running = contextlib.AsyncExitStack()
        self._wrong = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def home(self) -> Path:
        """Its state directory."""
        return self._folder / "state"

    def log(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log)

    async def __aenter__(self) -> Self:
        self._configure()
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def restart(self) -> None:
        """Stop it as a user does, and start it again.

        Raises:
            PlayFailed: it does not come back.
        """
        await self._running.aclose()
        await self._start()

    def check(self) -> None:
        """
        Raises:
            PlayFailed: its log holds an error that no client may have noticed.
        """
        if self._wrong:
            raise PlayFailed(f"floway's log says: {self._wrong}", self.log())

    def _configure(self) -> None:
        self.home.mkdir(parents=True)
        lines = ["[upstreams]", f"codex = {json.dumps(self._sandbox.https_url)}"]
        for account in list(self._sandbox.accounts)[: self._accounts]:
            file = self.home / f"{account.label}.json"
            self._sandbox.accounts.write_auth_json(account, file)
            lines += ["", "[[accounts]]", 'provider = "codex"', f'label = "{account.label}"']
            lines += [f"auth_file = {json.dumps(str(file))}"]
        (self.home / "floway.toml").write_text("\n".join(lines) + "\n", "utf-8")

    async def _start(self) -> None:
        authority = str(self._sandbox.ca_file)
        options = {
            "confdir": self._folder / "mitmproxy",
            "ssl_verify_upstream_trusted_ca": authority,
            "listen_host": "127.0.0.1",
            "listen_port": self._port,
            "flow_detail": 0,
        }
        command: list[str | Path] = [sys.executable, "-c", _MITMDUMP]
        command += ["-s", Path(addons.__path__[0]) / "floway.py"]
        for name, value in options.items():
            command += ["--set", f"{name}={value}"]
        async with contextlib.AsyncExitStack() as stack:
            running = child(command, environment=self._environment(authority), folder=self._folder)
            process = await stack.enter_async_context(running)
            assert process.stdout is not None
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            reading = asyncio.create_task(self._read(process.stdout, ready))
            stack.callback(reading.cancel)
            try:
                async with asyncio.timeout(START_SECONDS):
                    await ready
            except TimeoutError:
                raise PlayFailed("floway is not ready in time", self.log()) from None
            self._running = stack.pop_all()

    def _environment(self, authority: str) -> Mapping[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("FLOWAY_") and not name.lower().endswith("_proxy")
        }
        return {**kept, "FLOWAY_HOME": str(self.home), "SSL_CERT_FILE": authority}

    async def _read(self, stream: asyncio.StreamReader, ready: asyncio.Future[None]) -> None:
        async for line in _lines(stream):
            self._log.append(line)
            if _READY.search(line) and not ready.done():
                ready.set_result(None)
            if _WRONG.search(line) and not self._wrong:
                self._wrong = line.strip()
        if not ready.done():
            ready.set_exception(PlayFailed("floway ended before it was ready", self.log()))


async def _lines(stream: asyncio.StreamReader) -> Any:
    """Lines of any length."""
    rest = b""
    while piece := await stream.read(65536):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
