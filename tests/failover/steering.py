"""A script for mitmdump beside floway's: lets a test see and reset the pool of a running floway.

One line in, one line of JSON out, on a port that it says in the log. ``reset`` forgets all that was
learned of accounts and conversations; ``cooldowns`` tells what cools.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from mitmproxy import ctx


class Steering:
    """The addon."""

    name = "steering"

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._start: asyncio.Task[None] | None = None

    def running(self) -> None:
        self._start = asyncio.create_task(self._listen())  # hooks of scripts are not awaited here

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        sys.stdout.write(f"steering port: {port}\n")  # the log has a level of its own
        sys.stdout.flush()

    def done(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            answer = self._do(line.decode().strip())
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _do(self, word: str) -> Any:
        gateway: Any = ctx.master.addons.get("floway_gateway")
        provider = gateway.service.providers["codex"]
        pool = provider.operated().pool
        labels = {account.handle: account.label for account in pool.accounts}
        if word == "reset":
            for handle in labels:
                pool.cooldowns.clear(handle, all_models=True)
            for binding in pool.affinity:
                pool.affinity.drop(binding.conversation)
            provider._sockets._troubles.clear()
            return sorted(labels.values())
        return [
            {
                "account": labels[each.handle],
                "model": each.model,
                "seconds": each.until - each.since,
                "source": each.source.value,
                "reason": each.reason,
            }
            for each in pool.cooldowns
        ]


addons = [Steering()]
