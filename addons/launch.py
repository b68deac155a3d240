"""Start and stop: upstreams, store, providers, and the word to the user. One addon class."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from logging import DEBUG
from pathlib import Path
from typing import Any, Protocol

import certifi
from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver

from addons.configuration import Configuration
from addons.control import Opened
from addons.front.routes import Route, RouteTable
from addons.gateway import Gateway, Service
from addons.operate import METRICS_PATH, PREFIX
from addons.providers.contract import Provider
from addons.settings import Settings
from addons.store.contract import Store

logger = logging.getLogger(__name__)

LOCAL_ROUTES = [
    Route(None, "GET", "/healthz", "local", "responses", "", note="Is floway up?"),
]

SHOWN_ROUTES = [
    *LOCAL_ROUTES,
    Route(None, "*", f"{PREFIX}/*", "local", "control", "", note="Control API; needs its token."),
    Route(None, "GET", METRICS_PATH, "local", "control", "", note="Metrics for Prometheus."),
]
"""With those that the gateway never sees, because ``control.py`` answers them before it."""


AT_START = (
    *("home", "profile", "sandbox", "sandbox_port", "sandbox_tls_port"),
    *("upstreams", "accounts", "forward_hosts", "issuers", "credential_store"),
    *("strategy", "cooldown_rules", "wait_seconds"),
    *("agent_upstreams", "client_versions", "swap_accounts"),
)
"""Settings that are looked at only when floway starts."""


class Upstreams(Protocol):
    """Upstreams of floway's own: the sandbox, as the rest sees it.

    Attributes:
        url: base URL for requests; its certificate is signed by ``ca_file``.
        control_url: where its faults and records are.
        ports: of its listeners.
    """

    url: str
    control_url: str
    ca_file: Path
    ports: frozenset[int]

    def sign_ins(self, provider: str) -> Sequence[tuple[str, dict[str, Any]]]:
        """Label and sign-in, as the official client keeps it, of each made-up account."""

    async def stop(self) -> None:
        """Close every listener and connection."""


type StartSandbox = Callable[[Settings], Awaitable[Upstreams]]
type BuildProviders = Callable[[Settings, Store, Upstreams | None], Sequence[Provider]]
type OpenStore = Callable[[Settings], Awaitable[Store]]
type HasAdded = Callable[[Settings], bool]
type Announce = Callable[[Settings, str, Upstreams | None], None]


class Control(Protocol):
    """What is told that floway is ready, and that it ends."""

    async def open(self, opened: Opened) -> None:
        """
        Raises:
            FlowayError: floway must not start.
        """

    async def close(self) -> None:
        """Before the providers stop."""


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
        has_added: HasAdded = lambda _: False,
        control: Control | None = None,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        self._configuration = configuration
        self._gateway = gateway
        self._open_store = open_store
        self._start_sandbox = start_sandbox
        self._build_providers = build_providers
        self._announce = announce
        self._has_added = has_added
        self._control = control
        self._started = started
        self._store: Store | None = None
        self._sandbox: Upstreams | None = None
        self._providers: Sequence[Provider] = ()
        self._task: asyncio.Task[None] | None = None
        self._trusted: tuple[str, str | None] | None = None

    def running(self) -> asyncio.Task[None] | None:
        """mitmproxy awaits what this returns; an ``async def`` would break script reloads."""
        if self._configuration.valid:
            self._task = asyncio.create_task(self._start(), name="floway: start")
        return self._task

    def configure(self, updated: set[str]) -> None:
        """Settings that were changed in a running floway, as far as they can be."""
        service, settings = self._gateway.service, self._configuration.settings
        if service is None or settings == service.settings:
            return
        before = service.settings
        self._gateway.service = service.with_settings(settings)
        fixed = [name for name in AT_START if getattr(settings, name) != getattr(before, name)]
        if fixed:
            logger.warning("floway: %s: changed when floway is started again", ", ".join(fixed))

    async def _start(self) -> None:
        settings = self._configuration.settings
        try:
            # A script that is loaded again: what the one before used must be free.
            await asyncio.gather(*_leaving)
            self._store = await self._open_store(settings)
            own = bool(settings.accounts) or await asyncio.to_thread(self._has_added, settings)
            if settings.sandbox or not own:
                self._sandbox = await self._start_sandbox(settings)
                self._trust(self._sandbox.ca_file, settings.home)
            # In a thread: it reads sign-ins, and a keyring may take its time.
            self._providers = await asyncio.to_thread(
                self._build_providers, settings, self._store, self._sandbox
            )
            for provider in self._providers:
                await provider.start()
            await self._open_control(settings)
        except Exception as error:
            problem = str(error) or type(error).__name__
            logger.error("floway cannot start: %s", problem, exc_info=logger.isEnabledFor(DEBUG))
            ctx.master.shutdown()
            return
        self._gateway.service = Service.of(settings, self._providers, LOCAL_ROUTES, self._ports)
        if address := own_address():
            self._announce(settings, f"http://{address}", self._sandbox)
        self._started()

    async def _open_control(self, settings: Settings) -> None:
        if self._control is None:
            return
        assert self._store is not None
        address, routes = own_address(), [*SHOWN_ROUTES]
        routes += [route for provider in self._providers for route in provider.routes()]
        await self._control.open(
            Opened(
                self._store,
                self._providers,
                RouteTable(routes).routes,
                f"http://{address}" if address else "",
                sandbox=self._sandbox is not None,
            )
        )

    def _ports(self) -> frozenset[int]:
        return _listening_ports() | (self._sandbox.ports if self._sandbox else frozenset())

    def _trust(self, ca_file: Path, home: Path) -> None:
        """Let mitmproxy accept the sandbox's certificate besides those it accepts anyway."""
        before = ctx.options.ssl_verify_upstream_trusted_ca
        bundle = home / "sandbox" / "trusted.pem"
        known = Path(before or certifi.where()).read_bytes()
        bundle.write_bytes(known + b"\n" + ca_file.read_bytes())
        ctx.options.update(ssl_verify_upstream_trusted_ca=str(bundle))
        self._trusted = (str(bundle), before)

    def done(self) -> asyncio.Task[None]:
        """As :meth:`running`, to be awaited."""
        self._gateway.service = None
        if self._trusted is not None:
            bundle, before = self._trusted
            if ctx.options.ssl_verify_upstream_trusted_ca == bundle:
                ctx.options.update(ssl_verify_upstream_trusted_ca=before)
        task = asyncio.create_task(self._stop(), name="floway: stop")
        _leaving.add(task)
        task.add_done_callback(_leaving.discard)
        return task

    async def _stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        stops = [self._control.close] if self._control is not None else []
        stops += [provider.stop for provider in self._providers]
        stops += [self._sandbox.stop] if self._sandbox is not None else []
        stops += [self._store.close] if self._store is not None else []
        for stop in stops:
            try:
                await stop()
            except Exception:
                logger.exception("floway could not stop cleanly")


_leaving: set[asyncio.Task[None]] = set()
"""Launches that are stopping. mitmproxy does not wait for them when it loads a script again."""


def _listening_ports() -> frozenset[int]:
    server = ctx.master.addons.get("proxyserver")
    assert isinstance(server, Proxyserver)
    ports = {address[1] for address in server.listen_addrs()}
    if "web_port" in ctx.options and ctx.master.addons.get("webaddon") is not None:
        ports.add(ctx.options.web_port)
    return frozenset(ports)


def own_address() -> str:
    """Where a client on this machine reaches floway; "" when it does not listen."""
    server = ctx.master.addons.get("proxyserver")
    assert isinstance(server, Proxyserver)
    found = sorted(server.listen_addrs(), key=lambda address: ":" in address[0])
    for host, port, *_ in found:
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"[{local}]:{port}" if ":" in local else f"{local}:{port}"
    return ""
