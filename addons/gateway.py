"""The gateway addon: mitmproxy's hooks on one side, exchanges and providers on the other.

A request's way: ``requestheaders`` (key, route) -> ``request`` (parse, plan) -> the stream sends
and asks the exchange's driver -> ``responseheaders`` (how the answer is relayed) -> chunks ->
``response`` or ``error`` (after). Thin: what a hook decides is decided in the modules it calls.

mitmproxy logs what a hook raises and goes on with the flow as it is (facts: trap 38), which here
would send a client's own request to the upstream. So the hooks before sending raise nothing: what
goes wrong in them is answered with an error.
"""

from __future__ import annotations

import logging
import secrets
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.exceptions import AddonHalt
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import ClientHelloData

from addons import messages, quick
from addons.answers import (
    error_response,
    health,
    no_route,
    oversized_head,
    proxy_key_needed,
    refuse,
    starting,
    unrouted,
)
from addons.attempts import ExchangeDriver, Witness
from addons.debug.description import describe, trimmed
from addons.debug.focus import the_list
from addons.debug.replaying import asked_of, told
from addons.destinations import is_own, is_this_machine, named_host
from addons.driver import Origin, Replan, drive, driver_of, release
from addons.errors import ClientError
from addons.exchange import Candidate, Exchange
from addons.front import protocols
from addons.front.earlier import EarlierBodies
from addons.front.keys import ClientKeys, proxy_keys
from addons.front.routes import Route, RouteTable
from addons.production import Production
from addons.providers.contract import Outcome, Provider
from addons.settings import Settings
from addons.stream import install

logger = logging.getLogger(__name__)

MAX_REPLAYS = 1000
"""Requests that mitmproxy may be about to send again at one time."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the gateway serves; made once the upstreams are known.

    Attributes:
        own_ports: ports of this process; no request may be sent there, except by a plan.
        candidates: the providers among which a request's model decides, by the route that was
            found for it; for other routes there are none.
        earlier: large requests, of which the next ones repeat most.
    """

    settings: Settings
    providers: dict[str, Provider]
    routes: RouteTable
    keys: ClientKeys
    own_ports: Callable[[], frozenset[int]]
    candidates: Mapping[Route, Sequence[Candidate]]
    earlier: EarlierBodies

    @classmethod
    def of(
        cls,
        settings: Settings,
        providers: Sequence[Provider],
        local: Sequence[Route],
        own_ports: Callable[[], frozenset[int]],
    ) -> Service:
        routes = [*local, *(route for provider in providers for route in provider.routes())]
        table = RouteTable(routes)
        return cls(
            settings,
            {provider.name: provider for provider in providers},
            table,
            _keys(settings),
            own_ports,
            {
                route: [Candidate(each, table.of_provider(each.name, route)) for each in providers]
                for route in routes
                if route.host is None and not route.native and route.kind in ("model", "models")
            },
            EarlierBodies(int(settings.reuse_bytes)),
        )

    def with_settings(self, settings: Settings) -> Service:
        """The same with other limits and client keys."""
        changed = replace(self, settings=settings, keys=_keys(settings))
        if settings.reuse_bytes == self.settings.reuse_bytes:
            return changed
        return replace(changed, earlier=EarlierBodies(int(settings.reuse_bytes)))

    def decrypts(self, names: set[str]) -> bool:
        """Whether a TLS connection to a host of these names is opened, and not tunnelled."""
        return not names.isdisjoint(self.routes.hosts | set(self.settings.forward_hosts))


def _keys(settings: Settings) -> ClientKeys:
    return ClientKeys(key.get_secret_value() for key in settings.client_keys)


class Gateway:
    """Routes clients' requests to providers; leaves all other traffic alone."""

    name = "floway_gateway"

    def __init__(self, witness: Witness) -> None:
        self.service: Service | None = None
        self._witness = witness
        self._undo: list[Callable[[], None]] = []
        self._foreign: weakref.WeakSet[http.HTTPFlow] = weakref.WeakSet()
        self._productions: weakref.WeakSet[Production] = weakref.WeakSet()
        self._tunnels: weakref.WeakKeyDictionary[Client, str] = weakref.WeakKeyDictionary()
        """Client connections whose proxy authorization was good, and the principal of each."""
        self._replays: set[tuple[object, object]] = set()
        """Client and destination of recorded requests that are about to be sent again."""

    def load(self, _loader: Loader) -> None:
        """mitmproxy is changed while floway is loaded, and no longer."""
        self._undo += [install(oversized_head()), quick.install()]

    def done(self) -> None:
        while self._undo:
            self._undo.pop()()
        for production in list(self._productions):
            production.cancel()

    # --- the request -------------------------------------------------------------------------

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.is_replay:
            self._repeat(flow)
            return
        if not flow.live or flow.error or flow.response or driver_of(flow) is not None:
            return  # a copy for the debugger, an invalid request, or taken by another addon
        try:
            driver = self._route(flow)
        except Exception:
            logger.exception("a request could not be routed; nothing was sent")
            refuse(flow, error_response("responses", unrouted()))
            return
        if driver is not None and driver.exchange.route.kind == "duplex":
            await driver.pass_on()

    def _route(self, flow: http.HTTPFlow) -> ExchangeDriver | None:
        """Who decides about the flow from now on; None for what is left alone or answered."""
        service = self.service
        if service is None:
            refuse(flow, error_response("responses", starting()))
            return None
        request, own = flow.request, is_own(flow)
        upgrade = request.headers.get("upgrade", "").lower() == "websocket"
        host = None if own else named_host(flow)
        route = service.routes.match(host, request.method, request.path, upgrade=upgrade)
        if route is None and not own:
            self._leave_alone(flow)
            return None
        headers = list(request.headers.fields)
        try:
            tunnel = self._tunnels.get(flow.client_conn)
            principal = tunnel or service.keys.principal(headers)
        except ClientError as error:
            protocol = "responses" if route is None else route.protocol
            refuse(flow, error_response(protocol, error))
            return None
        if route is None:
            refuse(flow, no_route(service.routes, request, upgrade=upgrade))
            return None
        if not route.provider:
            refuse(flow, health(service.providers))
            return None
        asked = asked_of(flow)
        exchange = Exchange(
            id=secrets.token_hex(4),
            route=route,
            provider=service.providers[route.provider],
            protocol=protocols.get(route.protocol),
            principal=principal,
            method=request.method,
            path=request.path,
            headers=headers,
            candidates=service.candidates.get(route, ()),
            only_account=asked.account,
            profile=asked.profile,
            summary=told(asked),
            earlier=service.earlier,
        )
        driver = ExchangeDriver(flow, exchange, service.settings, self._witness)
        drive(flow, driver)
        return driver

    async def request(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is None or driver.streamed or flow.response is not None:
            return
        if self.service is None:  # it ended while the body was coming in
            driver.fail(starting())
            return
        await driver.begin()
        if driver.production is not None:
            self._productions.add(driver.production)
        if the_list() is not None:  # somebody may look at it already
            describe(flow, driver.exchange, driver.max_attempts)

    def _repeat(self, flow: http.HTTPFlow) -> None:
        """mitmproxy sends a recorded request again: it has been rewritten, and goes as it is."""
        release(flow)
        self._foreign.discard(flow)
        if len(self._replays) >= MAX_REPLAYS:  # some never came to connecting
            self._replays.clear()
        address = (flow.request.host, flow.request.port)
        self._replays.add((flow.client_conn.peername, address))

    def _leave_alone(self, flow: http.HTTPFlow) -> None:
        """Nothing is rewritten, and nothing is kept waiting, for what no route names."""
        if flow.client_conn not in self._tunnels and not self._is_admitted(flow):
            refuse(flow, proxy_key_needed())
            return
        flow.request.headers.pop("proxy-authorization", None)
        self._foreign.add(flow)
        flow.request.stream = True

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """With client keys, only who has one may use the forward proxy."""
        if self.service is None:
            flow.response = http.Response.make(503, b"", {"retry-after": "1"})
        elif not self._is_admitted(flow):
            flow.response = proxy_key_needed()

    def _is_admitted(self, flow: http.HTTPFlow) -> bool:
        """Whether the caller may go to other hosts through here."""
        service = self.service
        if service is None or not service.keys.required:
            return True
        try:
            presented = proxy_keys(flow.request.headers.fields)
            self._tunnels[flow.client_conn] = service.keys.principal(presented)
        except ClientError:
            return False
        return True

    # --- connections -------------------------------------------------------------------------

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """Decrypt only what a route names; every other host is tunnelled untouched."""
        address = data.context.server.address
        if address is None:
            return  # TLS to floway itself
        named = {address[0].lower().rstrip("."), (data.client_hello.sni or "").lower()}
        if self.service is None or not self.service.decrypts(named):
            data.ignore_connection = True

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        address = data.server.address
        if isinstance(address, Origin):
            data.server.alpn_offers = [b"h2", b"http/1.1"] if address.http2 else [b"http/1.1"]
            return
        replay = (data.client.peername, address)
        if replay in self._replays:  # mitmproxy makes a copy of the client for it
            self._replays.discard(replay)
        elif (
            self.service is not None
            and address
            and address[1] in self.service.own_ports()
            and await is_this_machine(address[0])
        ):
            data.server.error = "floway does not connect to its own ports"

    # --- the answer --------------------------------------------------------------------------

    async def responseheaders(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if flow in self._foreign:
            flow.response.stream = True
            return
        driver = _driver(flow)
        if driver is None or not driver.exchange.committed:
            return
        driver.prepare(flow.response)
        try:
            await driver.exchange.provider.before_commit(driver.exchange)
        except Exception:
            logger.exception("a provider failed before commit; the answer is given all the same")

    async def response(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is None or flow.response is None or flow.websocket:
            return
        if driver.exchange.committed:
            driver.collect(flow.response)
        left, outcome = driver.left, driver.delivery.outcome(flow.response)
        await self._after(flow, driver, Outcome.CLIENT_LEFT if left else outcome)

    async def error(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is not None:
            await self._after(flow, driver, driver.delivery.early_outcome())

    async def floway_replan(self, replan: Replan) -> None:
        await replan.driver.replan(replan)
        driver = _driver(replan.flow)
        if driver is not None:
            if driver.production is not None:
                self._productions.add(driver.production)
            describe(replan.flow, driver.exchange, driver.max_attempts)
        raise AddonHalt  # no other addon knows this hook

    async def floway_pull(self, production: Production) -> None:
        await production.wait()
        raise AddonHalt

    # --- websockets --------------------------------------------------------------------------

    async def websocket_message(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is None or flow.websocket is None:
            return
        told = messages.rewrite(flow.websocket.messages[-1], driver.exchange)
        if told is not None:
            ctx.master.commands.call("inject.websocket", flow, True, told, True)
        trimmed(flow, driver.window.trim(flow.websocket.messages))

    async def websocket_end(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is not None and flow.websocket is not None:
            await self._after(flow, driver, messages.outcome(flow.websocket))

    # --- after -------------------------------------------------------------------------------

    async def _after(self, flow: http.HTTPFlow, driver: ExchangeDriver, outcome: Outcome) -> None:
        exchange = driver.exchange
        if exchange.outcome is not None:
            return
        exchange.outcome = outcome
        try:
            await exchange.provider.after(exchange, outcome)
        except Exception:
            logger.exception("what was learned from exchange %s could not be kept", exchange.id)
        describe(flow, exchange, driver.max_attempts)


def _driver(flow: http.HTTPFlow) -> ExchangeDriver | None:
    driver = driver_of(flow)
    return driver if isinstance(driver, ExchangeDriver) else None
