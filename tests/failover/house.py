"""A floway process with one, two or three accounts of a sandbox, and a road between that can close.

Everything is shared by all tests of the folder, and reset between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from replay.child import free_port
from replay.sandbox import Sandbox, SandboxConfig
from replay.sandbox_control import SandboxControl
from tests.floway_process import Floway, clean_environment, command

STEERING = re.compile(r"steering port: (\d+)")
ACCOUNTS = ("ada", "ben", "cleo")

HEADER_SECONDS = 0.5
"""floway's patience with an upstream that says nothing, in these tests."""

HOLD_SECONDS = 0.3
"""And with one that has begun an answer."""


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run[T](self, work: Any) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Road:
    """Passes connections on to the sandbox while it is open, and refuses them while it is not."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = free_port()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, far_writer}
        ends = (self._copy(reader, far_writer), self._copy(far_reader, writer))
        await asyncio.gather(*ends)
        self._writers -= {writer, far_writer}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()
        except OSError:  # a reset is passed on as one
            writer.transport.abort()


class House(Floway):
    """A floway whose accounts are the first of the sandbox's; its sandbox is outside of it."""

    def __init__(
        self, home: Path, count: int, road: Road, control: str, files: Path, **more: str
    ) -> None:
        here = Path(__file__).parent
        self.accounts = [f"codex:{name}:{files / name}.json" for name in ACCOUNTS[:count]]
        options = {
            "floway_accounts": self.accounts,
            "floway_upstreams": f"codex=http://127.0.0.1:{road.port}",
            "floway_strategy": "fill_first",
            "floway_header_seconds": str(HEADER_SECONDS),
            "floway_hold_seconds": str(HOLD_SECONDS),
            "floway_max_attempts": "8",
            **more,
        }
        super().__init__(home, options, ["-s", str(here / "steering.py")])
        self.sandbox = SandboxControl(control)
        self._wire: socket.socket | None = None

    def is_ready(self) -> bool:
        port = STEERING.search(self.log())
        if port is None or not super().is_ready():
            return False
        self._wire = socket.create_connection(("127.0.0.1", int(port[1])), 10)
        return True

    def _ask(self, word: str) -> Any:
        assert self._wire is not None
        self._wire.sendall(word.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._wire.recv(65536)
        return json.loads(answer)

    def reset(self) -> list[str]:
        """As after a start; the labels of the accounts."""
        self.sandbox.forget()
        labels: list[str] = self._ask("reset")
        return labels

    def cooldowns(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("cooldowns")
        return found

    def command(self, *words: str) -> None:
        """``floway …``, as the owner of this floway types it."""
        environment = clean_environment(
            self.home / "user",
            FLOWAY_HOME=str(self.state),
            FLOWAY_ACCOUNTS=",".join(self.accounts),
        )
        command(*words, environment=environment)

    def kill(self) -> None:
        """As by ``kill -9``."""
        self.process.kill()
        self.process.wait(10)
        self.stop()

    def stop(self) -> bool:
        if self._wire is not None:
            self._wire.close()
        return super().stop()


class Street:
    """The sandbox, the road to it, and the houses along it; a house is built when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = Loop()
        self._houses: dict[int, House] = {}
        config = SandboxConfig(home=folder / "sandbox", tls_port=None, accounts=len(ACCOUNTS))
        self._sandbox = Sandbox(config)
        self._loop.run(self._sandbox.start())
        for account in self._sandbox.accounts:
            file = folder / f"{account.label}.json"
            self._sandbox.accounts.write_auth_json(account, file)
        self.road = Road(int(self._sandbox.http_url.rpartition(":")[2]))
        self._loop.run(self.road.open())

    def house(self, count: int) -> House:
        if count not in self._houses:
            self._houses[count] = self.built(self._folder / f"house-{count}", count)
        self._houses[count].reset()
        return self._houses[count]

    def built(self, home: Path, count: int = len(ACCOUNTS), **more: str) -> House:
        """One of its own, for who breaks something; to be stopped by its owner."""
        house = House(home, count, self.road, self._sandbox.http_url, self._folder, **more)
        return house.wait_ready()

    @contextlib.contextmanager
    def closed_road(self) -> Iterator[None]:
        """Connections are refused meanwhile, and those that are open are reset."""
        self._loop.run(self.road.close())
        try:
            yield
        finally:
            self._loop.run(self.road.open())

    def stop(self) -> None:
        """
        Raises:
            ProcessFailed: a floway did not stop, or its log holds a traceback.
        """
        for house in self._houses.values():
            house.stop()
        self._loop.run(self.road.close())
        self._loop.run(self._sandbox.stop())
        self._loop.close()
        for house in self._houses.values():
            house.judge()
