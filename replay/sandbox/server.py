"""The sandbox as a server: two listeners, their protocols, start and stop."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from replay.sandbox.accounts import Accounts
from replay.sandbox.app import SandboxApplication
from replay.sandbox.cache_model import PromptCache
from replay.sandbox.call import Services
from replay.sandbox.certificates import ensure_certificates
from replay.sandbox.codex.logins import Logins
from replay.sandbox.config import SandboxConfig
from replay.sandbox.connections import Connection, ConnectionRegistry
from replay.sandbox.cursor.accounts import CursorAccounts
from replay.sandbox.cursor.side import CursorSide
from replay.sandbox.faults import FaultTable
from replay.sandbox.gate import make_gate
from replay.sandbox.http1 import Http1Connection
from replay.sandbox.http2 import Http2Connection
from replay.sandbox.recorder import Recorder

logger = logging.getLogger(__name__)

BACKLOG = 512


class _Negotiated(asyncio.Protocol):
    """Hands a TLS connection to the protocol that ALPN chose."""

    def __init__(self, registry: ConnectionRegistry) -> None:
        self._registry = registry

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        alpn = tls.selected_alpn_protocol() or ""
        kind = Http2Connection if alpn == "h2" else Http1Connection
        connection: Connection = kind(self._registry, secure=True, alpn=alpn)
        cast("asyncio.Transport", transport).set_protocol(connection)
        connection.connection_made(transport)


class Sandbox:
    """A fake upstream on loopback: Codex, and Cursor beside it.

    Attributes after :meth:`start`:
        http_url, https_url: e.g. ``http://127.0.0.1:41234``; ``https_url`` is "" without TLS.
        ca_file: certificate authority to trust for ``https_url``; None without TLS.
        accounts: the made-up accounts (:class:`replay.sandbox.accounts.Accounts`).
        cursor_accounts: those of Cursor (:class:`replay.sandbox.cursor.accounts.CursorAccounts`).
        services: everything that handlers share; for tests in the same process.

    Raises:
        ValueError: the configuration is wrong (accounts, gate).
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.accounts = Accounts(
            config.accounts, clock=config.clock, token_lifetime=config.token_lifetime
        )
        cursor = CursorAccounts(
            config.cursor_accounts, clock=config.clock, token_lifetime=config.token_lifetime
        )
        self.cursor_accounts = cursor
        self.services = Services(
            config=config,
            accounts=self.accounts,
            faults=FaultTable(lambda name: self.accounts.find(name) or cursor.find(name)),
            recorder=Recorder(config.requests_kept, config.bytes_kept),
            cursor=CursorSide(cursor),
            cache=PromptCache(config.cache_blocks, config.cache_ttl),
            gate=make_gate(config.gate),
            logins=Logins(config.device_interval),
        )
        self.http_url = ""
        self.https_url = ""
        self.ca_file: Path | None = None
        self._servers: list[asyncio.Server] = []
        self._registry: ConnectionRegistry | None = None

    async def start(self) -> None:
        """Open the listeners.

        Raises:
            OSError: a port is taken, or ``home`` cannot be written.
            RuntimeError: it runs already.
        """
        if self._registry is not None:
            raise RuntimeError("the sandbox runs already")
        config = self.config
        application = SandboxApplication(self.services)
        registry = ConnectionRegistry(
            application,
            config.max_body,
            deflate=config.deflate,
            window=config.window,
            duplex=application,
        )
        self._registry = registry
        try:
            port = await self._listen(lambda: Http1Connection(registry, secure=False), config.port)
            self.http_url = f"http://{_authority(config.host, port)}"
            if config.tls_port is not None:
                certificates = await asyncio.to_thread(
                    ensure_certificates, config.home, host=config.host
                )
                port = await self._listen(
                    lambda: _Negotiated(registry),
                    config.tls_port,
                    ssl=certificates.server_context(),
                )
                self.https_url = f"https://{_authority(config.host, port)}"
                self.services.https_url = self.https_url
                self.ca_file = certificates.ca_file
        except BaseException:
            await self.stop()
            raise

    async def _listen(
        self, factory: Callable[[], asyncio.BaseProtocol], port: int, **options: Any
    ) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            factory, self.config.host, port, backlog=BACKLOG, **options
        )
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close the listeners, break every connection off, wait for every task. Idempotent."""
        for server in self._servers:
            server.close()
        if self._registry is not None:
            await self._registry.close()
        for server in self._servers:
            # Connections in the middle of their TLS handshake are known to nobody else. Before
            # 3.13 they cannot be ended from here and wait_closed() would wait for them.
            if sys.version_info >= (3, 13):
                server.abort_clients()
                await server.wait_closed()
        self._servers.clear()
        self._registry = None

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.stop()


async def serve(config: SandboxConfig, *, ready: Callable[[Sandbox], None] | None = None) -> None:
    """Run a sandbox until the task is cancelled; what ``floway sandbox`` calls.

    Args:
        ready: called once, when the listeners are open.

    Raises:
        OSError: a port is taken, or ``home`` cannot be written.
        ValueError: the configuration is wrong.
    """
    sandbox = Sandbox(config)
    await sandbox.start()
    try:
        if ready is not None:
            ready(sandbox)
        await asyncio.get_running_loop().create_future()
    finally:
        await sandbox.stop()


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
