"""Start and stop: upstreams, store, providers, and the word to the user. One addon class."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import certifi
from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver

from addons.configuration import Configuration
from addons.front.routes import Route
from addons.gateway import Gateway, Service
from addons.providers.contract import Provider
from addons.settings import Settings
from addons.store.contract import Store

logger = logging.getLogger(__name__)

LOCAL_ROUTES = [
    Route(None, "GET", "/healthz", "local", "responses", "", note="Is floway up?"),
]


class Upstreams(Protocol):
    """Upstreams of floway's own: the sandbox, as the launcher sees it."""

    ca_file: Path
    ports: frozenset[int]

    async def stop(self) -> None:
        """Close every listener and connection."""


type StartSandbox = Callable[[Settings], Awaitable[Upstreams]]
type BuildProviders = Callable[[Settings, Store, Upstreams | None], Sequence[Provider]]
type OpenStore = Callable[[Settings], Awaitable[Store]]
type Announce = Callable[[Settings, str, Upstreams | None], None]


class Launch:
    """Brings the gateway into service once mitmproxy runs, and takes it out at the end.

    The functions come from the script ``floway.py``, which alone knows all rooms.
    """

    name = "floway-launch"

    def __init__(
        self,
        configuration: Configuration,
        gateway: Gateway,
        *,
        open_store: OpenStore,
        start_sandbox: StartSandbox,
        build_providers: BuildProviders,
        announce: Announce,
    ) -> None:
        self._configuration = configuration
        self._gateway = gateway
        self._open_store = open_store
        self._start_sandbox = start_sandbox
        self._build_providers = build_providers
        self._announce = announce
        self._store: Store | None = None
        self._sandbox: Upstreams | None = None
        self._providers: Sequence[Provider] = ()
        self._task: asyncio.Task[None] | None = None

    def running(self) -> asyncio.Task[None] | None:
        """mitmproxy awaits what this returns; an ``async def`` would break script reloads."""
        if self._configuration.valid:
            self._task = asyncio.create_task(self._start(), name="floway: start")
        return self._task

    async def _start(self) -> None:
        settings = self._configuration.settings
        try:
            self._store = await self._open_store(settings)
            if settings.sandbox or not settings.accounts:
                self._sandbox = await self._start_sandbox(settings)
                _trust(self._sandbox.ca_file, settings.home)
            self._providers = self._build_providers(settings, self._store, self._sandbox)
            for provider in self._providers:
                await provider.start()
        except Exception as error:
            logger.error("floway cannot start: %s", error, exc_info=settings.log_level == "debug")
            ctx.master.shutdown()
            return
        self._gateway.service = Service.of(settings, self._providers, LOCAL_ROUTES, self._ports)
        if address := _own_address():
            self._announce(settings, f"http://{address}", self._sandbox)

    def _ports(self) -> frozenset[int]:
        return _listening_ports() | (self._sandbox.ports if self._sandbox else frozenset())

    def done(self) -> asyncio.Task[None]:
        return asyncio.ensure_future(self._stop())

    async def _stop(self) -> None:
        self._gateway.service = None
        for provider in self._providers:
            await provider.stop()
        if self._sandbox is not None:
            await self._sandbox.stop()
        if self._store is not None:
            await self._store.close()


def _listening_ports() -> frozenset[int]:
    server = ctx.master.addons.get("proxyserver")
    assert isinstance(server, Proxyserver)
    ports = {address[1] for address in server.listen_addrs()}
    if "web_port" in ctx.options and ctx.master.addons.get("webaddon") is not None:
        ports.add(ctx.options.web_port)
    return frozenset(ports)


def _own_address() -> str:
    server = ctx.master.addons.get("proxyserver")
    assert isinstance(server, Proxyserver)
    for host, port, *_ in server.listen_addrs():
        if ":" in host:
            continue
        return f"{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    return ""


def _trust(ca_file: Path, home: Path) -> None:
    """Let mitmproxy accept the sandbox's certificate besides those it accepts anyway."""
    known = ctx.options.ssl_verify_upstream_trusted_ca or certifi.where()
    bundle = home / "sandbox" / "trusted.pem"
    bundle.write_bytes(Path(known).read_bytes() + b"\n" + ca_file.read_bytes())
    ctx.options.update(ssl_verify_upstream_trusted_ca=str(bundle))
