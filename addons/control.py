"""The control API's edge: between mitmproxy's hooks and the application of ``addons/operate``.

Its requests are answered on the port that clients use, before the gateway sees them, and only when
they were sent to floway as to a server: what comes through the forward proxy is refused, whoever
sends it. Tokens and sign-ins are taken out of the flow before anybody else sees it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
from mitmproxy import ctx, http
from starlette.types import ASGIApp

from addons.answers import Unsent, refuse
from addons.destinations import is_own
from addons.driver import drive, is_origin_form
from addons.front.routes import Route
from addons.operate import METRICS_PATH, PREFIX, running
from addons.operate.contract import Operable, Operated
from addons.operate.desk import Desk
from addons.operate.models import ErrorAnswer, Problem
from addons.operate.observer import Observer
from addons.operate.plane import Plane, Served
from addons.operate.roster import Authorities
from addons.operate.token import Token, kept_or_made
from addons.providers.contract import Provider
from addons.settings import Settings
from addons.store.contract import Store

logger = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
"""Bytes of a request; a sign-in has some ten thousand."""

HIDDEN = ("authorization", "cookie")
"""Headers that nobody sees but the application."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A floway that is ready.

    Attributes:
        address: where clients on this machine reach it; "" when it does not listen.
    """

    store: Store
    providers: Sequence[Provider]
    routes: Sequence[Route]
    address: str
    sandbox: bool


class Control:
    """Answers ``/floway/api/v1/…`` and ``/metrics`` while floway is ready."""

    name = "floway_control"

    def __init__(
        self, settings: Callable[[], Settings], authorities: Authorities, observer: Observer
    ) -> None:
        self._settings = settings
        self._authorities = authorities
        self._observer = observer
        self._plane: Plane | None = None
        self._token: Token | None = None
        self._running: running.Running | None = None
        self._home = settings().home
        self._application: asyncio.Task[ASGIApp] | None = None
        self._headers: weakref.WeakKeyDictionary[http.HTTPFlow, list[tuple[bytes, bytes]]]
        self._headers = weakref.WeakKeyDictionary()
        """Requests to be answered here, and their headers as they came."""

    # --- life --------------------------------------------------------------------------------

    async def open(self, opened: Opened) -> None:
        """Begin to answer; say where, to commands of this machine and, once, to a person.

        Raises:
            FlowayError: the token can't be used.
        """
        settings = self._settings()
        self._home = settings.home
        self._token = await asyncio.to_thread(kept_or_made, settings.home)

        def operated() -> list[Operated]:
            return [each.operated() for each in opened.providers if isinstance(each, Operable)]

        for each in operated():
            self._observer.watch(each)
        served = Served(
            self._settings,
            opened.store,
            operated,
            opened.routes,
            opened.address,
            opened.sandbox,
        )
        self._plane = Plane(served, self._authorities, self._observer)
        if opened.address:
            self._running = await asyncio.to_thread(running.announce, settings.home, opened.address)
            if self._token.new:
                _show(self._token, opened.address)

    async def close(self) -> None:
        plane, self._plane = self._plane, None
        if self._running is not None:
            await asyncio.to_thread(running.withdraw, self._home, self._running)
            self._running = None
        if self._application is not None:
            self._application.cancel()
            self._application = None
        if plane is not None:
            await plane.close()

    @property
    def desk(self) -> Desk | None:
        """Steers the accounts; None while floway is not ready."""
        return self._plane.desk if self._plane is not None else None

    @property
    def operated(self) -> Sequence[Operated]:
        """The providers of this process; none while floway is not ready."""
        return self._plane.desk.live() if self._plane is not None else ()

    # --- requests ----------------------------------------------------------------------------

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.is_replay or not flow.live or flow.error or flow.response:
            return
        try:
            self._take(flow)
        except Exception:
            logger.exception("a request to the control API could not be taken")
            refuse(flow, _error(500, "internal", "floway failed", "its log says why"))

    def _take(self, flow: http.HTTPFlow) -> None:
        path = flow.request.path.partition("?")[0]
        if not (path == METRICS_PATH or path.startswith(f"{PREFIX}/")) or not is_own(flow):
            return
        headers = [(name.lower(), value) for name, value in flow.request.headers.fields]
        for name in HIDDEN:
            if name in flow.request.headers:
                flow.request.headers[name] = "(hidden)"
        if flow.request.is_http2:  # where a proxied request looks like any other
            told = "the control API does not speak HTTP/2"
            refuse(flow, _error(505, "http1_needed", told, "ask over HTTP/1.1"))
        elif not is_origin_form(flow):
            told = "the control API is not reached through the proxy"
            refuse(flow, _error(403, "through_the_proxy", told, "ask floway's own address"))
        elif self._plane is None:
            refuse(flow, _error(503, "starting", "floway is starting or stopping", "try again"))
        else:
            self._headers[flow] = headers
            drive(flow, _Small(flow))

    async def request(self, flow: http.HTTPFlow) -> None:
        headers = self._headers.pop(flow, None)
        if headers is None or flow.response is not None:
            return
        body = flow.request.raw_content or b""
        flow.request.raw_content = b""  # it may hold a sign-in
        try:
            flow.response = await self._answer(flow, headers, body)
        except Exception:
            logger.exception("%s could not be answered", flow.request.path.partition("?")[0])
            flow.response = _error(500, "internal", "floway failed", "its log says why")

    async def _answer(
        self, flow: http.HTTPFlow, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> http.Response:
        application = await self._ready()
        if application is None:
            return _error(503, "starting", "floway is starting or stopping", "try again")
        host, port, *_ = flow.client_conn.peername
        transport = httpx.ASGITransport(
            application, raise_app_exceptions=False, client=(host, port)
        )
        scheme = "https" if flow.client_conn.tls else "http"
        try:
            url = httpx.URL(f"{scheme}://floway{flow.request.path}")
        except httpx.InvalidURL:
            return _error(400, "invalid_path", "the path is no part of a URL")
        request = httpx.Request(flow.request.method, url, headers=headers, content=body)
        answer = await transport.handle_async_request(request)
        return http.Response.make(
            answer.status_code, await answer.aread(), http.Headers(answer.headers.raw)
        )

    async def _ready(self) -> ASGIApp | None:
        """The application; made when it is first asked for, in a thread: that takes a while."""
        plane, token = self._plane, self._token
        if plane is None or token is None:
            return None
        if self._application is None:
            self._application = asyncio.create_task(
                asyncio.to_thread(_made, plane, token, self._settings),
                name="floway: make the control API",
            )
        return await asyncio.shield(self._application)


class _Small(Unsent):
    """Driver of a request with a small body, answered here."""

    def __init__(self, flow: http.HTTPFlow) -> None:
        super().__init__()
        self.max_request_bytes = MAX_BODY
        self._flow = weakref.ref(flow)

    def refuse_body(self) -> None:
        flow = self._flow()
        assert flow is not None, "only called for a flow that is being served"
        told = f"the body has more than {MAX_BODY} bytes"
        flow.response = _error(413, "request_too_large", told)


def _made(plane: Plane, token: Token, settings: Callable[[], Settings]) -> ASGIApp:
    from addons.operate.api import application

    return application(plane, token, lambda: settings().control_hosts)


def _error(status: int, code: str, message: str, remedy: str = "") -> http.Response:
    answer = ErrorAnswer(error=Problem(code=code, message=message, remedy=remedy))
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return http.Response.make(status, answer.model_dump_json(), headers)


def _show(token: Token, address: str) -> None:
    """Tell a person, once. Past the log, and only on a screen: no file and no journal, to which
    the output of a service goes, is to hold it."""
    where = f"Control API: {address}{PREFIX}/ (OpenAPI document: {address}{PREFIX}/openapi.json)"
    # The console draws the screen itself; what is written past it stays on top of everything.
    if not sys.stdout.isatty() or ctx.master.addons.get("consoleaddon") is not None:
        logger.info("%s; its token is kept in %s", where, token.file)
        return
    sys.stdout.write(
        f"{where}\nIts token, shown this once and kept in {token.file}: {token.value}\n"
    )
    sys.stdout.flush()
