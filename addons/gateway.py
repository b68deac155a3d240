"""The gateway addon: mitmproxy's hooks on one side, exchanges and providers on the other.

A request's way: ``requestheaders`` (route, key) -> ``request`` (parse, plan) -> the stream sends
and asks the exchange's driver -> ``responseheaders`` (how the answer is relayed) -> chunks ->
``response`` or ``error`` (after). Thin: what a hook decides is decided in the modules it calls.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.exceptions import AddonHalt
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import ClientHelloData

from addons import dispatch
from addons.answers import health, no_route, oversized_head
from addons.attempts import ExchangeDriver, Witness
from addons.driver import Origin, Replan, drive, driver_of, is_origin_form
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front import protocols
from addons.front.bodies import decode, parse_object
from addons.front.keys import ClientKeys, proxy_keys
from addons.front.routes import Route, RouteTable
from addons.production import Production
from addons.providers.contract import Outcome, Provider
from addons.settings import Settings
from addons.stream import install

logger = logging.getLogger(__name__)

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Service:
    """What the gateway serves; made once the upstreams are known."""

    settings: Settings
    providers: dict[str, Provider]
    routes: RouteTable
    keys: ClientKeys
    own_ports: frozenset[int]
    """Ports of this process: no request may be sent there, except by a plan."""

    @classmethod
    def of(
        cls,
        settings: Settings,
        providers: Sequence[Provider],
        local: Sequence[Route],
        own_ports: frozenset[int],
    ) -> Service:
        routes = [*local, *(route for provider in providers for route in provider.routes())]
        return cls(
            settings,
            {provider.name: provider for provider in providers},
            RouteTable(routes),
            ClientKeys(key.get_secret_value() for key in settings.client_keys),
            own_ports,
        )


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

    def load(self, _loader: Loader) -> None:
        """mitmproxy is changed while floway is loaded, and no longer."""
        self._undo += [install(oversized_head()), dispatch.install()]

    def done(self) -> None:
        while self._undo:
            self._undo.pop()()
        for production in list(self._productions):
            production.cancel()

    # --- the request -------------------------------------------------------------------------

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.is_replay or not flow.live or flow.error:
            return
        service = self.service
        own = _is_own(flow)
        if service is None:
            if own:
                self._refuse(flow, "responses", ClientError(503, "starting", "floway is starting."))
            return
        upgrade = flow.request.headers.get("upgrade", "").lower() == "websocket"
        host = None if own else _named_host(flow)
        route = service.routes.match(host, flow.request.method, flow.request.path, upgrade=upgrade)
        if route is None:
            if own:
                self._refuse(flow, "responses", no_route(service.routes, flow.request))
            else:
                self._leave_alone(flow)
            return
        protocol = protocols.get(route.protocol)
        try:
            headers = list(flow.request.headers.fields)
            tunnel = self._tunnels.get(flow.client_conn)
            principal = tunnel or service.keys.principal(headers)
        except ClientError as error:
            self._refuse(flow, route.protocol, error)
            return
        if not route.provider:
            flow.response = health(service.providers)
            return
        exchange = Exchange(
            id=secrets.token_hex(4),
            route=route,
            provider=service.providers[route.provider],
            protocol=protocol,
            principal=principal,
            method=flow.request.method,
            path=flow.request.path,
            headers=headers,
        )
        drive(flow, ExchangeDriver(flow, exchange, service.settings, self._witness))

    async def request(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is None or flow.response is not None or self.service is None:
            return
        try:
            read_body(driver.exchange, flow.request, int(self.service.settings.max_request_bytes))
        except ClientError as error:
            driver.respond(error)
            return
        await driver.begin()
        if driver.production is not None:
            self._productions.add(driver.production)
        self._describe(flow, driver)

    def _leave_alone(self, flow: http.HTTPFlow) -> None:
        """Nothing is rewritten, and nothing is kept waiting, for what no route names."""
        if flow.client_conn not in self._tunnels and not self._is_admitted(flow):
            return
        flow.request.headers.pop("proxy-authorization", None)
        self._foreign.add(flow)
        flow.request.stream = True

    def _refuse(self, flow: http.HTTPFlow, protocol: str, error: ClientError) -> None:
        headers, body = protocols.get(protocol).error(error)
        pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
        flow.response = http.Response.make(error.status, body, http.Headers(pairs))

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """With client keys, only who has one may use the forward proxy."""
        self._is_admitted(flow)

    def _is_admitted(self, flow: http.HTTPFlow) -> bool:
        """Whether the caller may go to other hosts through here; else answers it 407."""
        service = self.service
        if service is None or not service.keys.required:
            return True
        try:
            presented = proxy_keys(flow.request.headers.fields)
            self._tunnels[flow.client_conn] = service.keys.principal(presented)
        except ClientError:
            challenge = {"proxy-authenticate": 'Basic realm="floway: a client key as password"'}
            flow.response = http.Response.make(407, b"", challenge)
            return False
        return True

    # --- connections -------------------------------------------------------------------------

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """Decrypt only what a route names; every other host is tunnelled untouched."""
        address = data.context.server.address
        if address is None:
            return  # TLS to floway itself
        named = {address[0].lower(), (data.client_hello.sni or "").lower()}
        if self.service is None or not named & self.service.routes.hosts:
            data.ignore_connection = True

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        address = data.server.address
        if isinstance(address, Origin):
            data.server.alpn_offers = [b"h2", b"http/1.1"] if address.http2 else [b"http/1.1"]
        elif (
            self.service is not None
            and address
            and address[1] in self.service.own_ports
            and await _is_this_machine(address[0], data.client)
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
        if driver is None or flow.response is None:
            return
        if driver.exchange.committed and not flow.websocket:
            driver.collect(flow.response)
        if not flow.websocket:
            await self._after(flow, driver, driver.outcome())

    async def error(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is not None:
            left = Outcome.TRUNCATED if driver.cut else Outcome.CLIENT_LEFT
            await self._after(flow, driver, left)

    async def floway_replan(self, replan: Replan) -> None:
        await replan.driver.replan(replan)
        driver = _driver(replan.flow)
        if driver is not None:
            self._describe(replan.flow, driver)
        raise AddonHalt  # no other addon knows this hook

    async def floway_pull(self, production: Production) -> None:
        await production.wait()
        raise AddonHalt

    # --- websockets --------------------------------------------------------------------------

    async def websocket_message(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is None or flow.websocket is None:
            return
        message = flow.websocket.messages[-1]
        exchange = driver.exchange
        try:
            if message.injected:
                pass  # floway's own, or the debugger's
            elif message.from_client:
                message.content = exchange.provider.client_frame(exchange, message.content)
            else:
                message.content = exchange.provider.server_frame(exchange, message.content)
        except ClientError as error:
            message.drop()
            self._inject(flow, exchange.provider.error_frame(exchange, error))
        except Exception:
            logger.exception("a WebSocket message could not be rewritten; it was not sent")
            message.drop()
            broken = ClientError(502, "rewrite_failed", "floway could not rewrite this message.")
            self._inject(flow, exchange.provider.error_frame(exchange, broken))
        self._trim(flow)

    def _inject(self, flow: http.HTTPFlow, text: bytes) -> None:
        ctx.master.commands.call("inject.websocket", flow, True, text, True)

    def _trim(self, flow: http.HTTPFlow) -> None:
        """mitmproxy keeps every message for as long as the connection lives (trap 20)."""
        assert flow.websocket is not None
        assert self.service is not None
        messages = flow.websocket.messages
        room = int(self.service.settings.websocket_keep_bytes)
        kept = len(messages)
        while kept and room >= 0:
            kept -= 1
            room -= len(messages[kept].content)
        del messages[: min(kept, len(messages) - 1)]

    async def websocket_end(self, flow: http.HTTPFlow) -> None:
        driver = _driver(flow)
        if driver is not None and flow.websocket is not None:
            good = flow.websocket.close_code in (1000, 1001) or flow.websocket.closed_by_client
            await self._after(flow, driver, Outcome.COMPLETED if good else Outcome.TRUNCATED)

    # --- after -------------------------------------------------------------------------------

    async def _after(self, flow: http.HTTPFlow, driver: ExchangeDriver, outcome: Outcome) -> None:
        exchange = driver.exchange
        if exchange.outcome is not None:
            return
        exchange.outcome = outcome
        self._describe(flow, driver)
        try:
            await exchange.provider.after(exchange, outcome)
        except Exception:
            logger.exception("what was learned from exchange %s could not be kept", exchange.id)

    def _describe(self, flow: http.HTTPFlow, driver: ExchangeDriver) -> None:
        """A flow's comment and metadata: what a person looking at the list wants to know."""
        exchange = driver.exchange
        summary: dict[str, Any] = {"exchange": exchange.id, **exchange.summary}
        if exchange.attempts:
            summary["account"] = exchange.attempts[-1].account
            summary["attempts"] = [
                {"account": a.account, "status": a.status, "reason": a.reason}
                for a in exchange.attempts
            ]
        if exchange.outcome is not None:
            summary["outcome"] = str(exchange.outcome)
        flow.metadata["floway"] = summary
        words = [exchange.conversation[-8:], summary.get("account", ""), summary.get("profile", "")]
        if len(exchange.attempts) > 1:
            words.append(f"attempt {len(exchange.attempts)}")
        words.append(str(summary.get("error", "")))
        flow.comment = " · ".join(word for word in words if word)


def read_body(exchange: Exchange, request: http.Request, limit: int) -> None:
    """Decode and parse the client's body once, as the route wants it.

    Raises:
        ClientError: the body is not what the route's protocol takes.
    """
    exchange.body = request.raw_content or b""
    if exchange.route.kind != "model":
        return
    exchange.body = decode(exchange.body, request.headers.get("content-encoding"), limit=limit)
    exchange.request = parse_object(exchange.body)
    exchange.turn = exchange.protocol.parse(exchange.request)
    exchange.renderer = exchange.protocol.renderer(exchange.turn, exchange.request)
    for note in exchange.turn.notes:
        logger.debug("exchange %s: %s", exchange.id, note)


def _driver(flow: http.HTTPFlow) -> ExchangeDriver | None:
    driver = driver_of(flow)
    return driver if isinstance(driver, ExchangeDriver) else None


def _is_own(flow: http.HTTPFlow) -> bool:
    """Whether the request is for floway itself (the base URL) and not for somebody else."""
    if is_origin_form(flow):
        return True
    host, port, *_ = flow.client_conn.sockname
    return flow.request.port == port and flow.request.host in (host, *LOOPBACK)


def _named_host(flow: http.HTTPFlow) -> str:
    """Host of a forward-proxied request; the name in the TLS hello where it goes to an address."""
    host, sni = flow.request.host, flow.client_conn.sni
    if sni:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host.lower()
        return sni.lower()
    return host.lower()


async def _is_this_machine(host: str, client: Client) -> bool:
    if host in (client.sockname[0], *LOOPBACK):
        return True
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return False  # it cannot be connected to either
    addresses = {ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}
    return any(a.is_loopback or a.is_unspecified for a in addresses) or (
        client.sockname[0] in map(str, addresses)
    )
