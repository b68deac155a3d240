"""A small gateway for the contract test: an addon whose drivers follow the test's wishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from mitmproxy import http
from mitmproxy.exceptions import AddonHalt
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from addons.driver import Origin, Replan, Step, drive, driver_of
from addons.production import Production
from addons.providers.contract import Ended

HOURS = 10_000.0

REFUSED = (401, 403, 429, 500, 503)


@dataclass(frozen=True)
class Target:
    """Where one attempt goes."""

    scheme: str
    port: int
    lane: str = ""
    http2: bool = True
    host: str = "127.0.0.1"


@dataclass
class Wishes:
    """What drivers do; shared by all flows of one test.

    Attributes:
        targets: of the first attempt, the second, …; the last one serves all further ones.
        late: seconds after which an attempt is late, by its number; of all others ``HOURS``.
        at_once: give a refused answer up at its headers, not at its end.
        give_broken: broken answers are given as far as they came.
        retry_collected: a broken answer that was collected is followed by another attempt.
        transform: what a streamed answer's chunks go through.
        collect: answers are collected whole (``flow.response.stream`` stays off).
        planning: awaited in the ``request`` hook; ``replanning``: in ``replan``.
        produce: makes the body of a produced answer, in the place of a first attempt.
        produce_at_last: the same, once no attempt is left.
    """

    targets: list[Target] = field(default_factory=list)
    max_attempts: int = 4
    at_once: bool = False
    collect: bool = False
    give_broken: bool = False
    retry_collected: bool = False
    transform: Callable[[bytes], list[bytes]] | None = None
    hold_bytes: int = 64 * 1024
    hold_seconds: float = HOURS
    late: dict[int, float] = field(default_factory=dict)
    max_request_bytes: int = 8 * 1024 * 1024
    planning: Callable[[http.HTTPFlow], Awaitable[None]] | None = None
    replanning: Callable[[http.HTTPFlow], Awaitable[None]] | None = None
    produce: Callable[[], AsyncIterator[bytes]] | None = None
    produce_at_last: Callable[[], AsyncIterator[bytes]] | None = None
    last_words: bytes = b"event: error\n\n"
    extensions: tuple[str, str] = ("", "")


@dataclass
class Judged:
    ended: Ended
    status: int | None
    body: bytes
    error: str


class ScriptedDriver:
    """Implements :class:`addons.driver.Driver`."""

    def __init__(self, flow: http.HTTPFlow, wishes: Wishes) -> None:
        self.flow = flow
        self.wishes = wishes
        self.hold_bytes = wishes.hold_bytes
        self.hold_seconds = wishes.hold_seconds
        self.header_seconds = HOURS
        self.max_request_bytes = wishes.max_request_bytes
        self.extensions = wishes.extensions
        self.production: Production | None = None
        self.lane = ""
        self.http2 = True
        self.attempts = 0
        self.judged: list[Judged] = []
        self.replans: list[tuple[int | None, bytes, Ended, str]] = []
        self.cuts: list[str] = []
        self.committed = False
        self.asked_to_leave = 0
        self._work: asyncio.Future[None] | None = None
        self._client = flow.request
        self._flow_request = flow.request

    def aim(self) -> None:
        """The next attempt: a request of its own, as the gateway makes them."""
        wishes = self.wishes
        target = wishes.targets[min(self.attempts, len(wishes.targets) - 1)]
        self.attempts += 1
        self.header_seconds = wishes.late.get(self.attempts, HOURS)
        request = self._client.copy()
        request.scheme, request.port = target.scheme, target.port
        request.data.host = target.host
        request.headers["x-attempt"] = str(self.attempts)
        if request.raw_content and "content-length" not in request.headers:
            request.headers.pop("transfer-encoding", None)
            request.headers["content-length"] = str(len(request.raw_content))
        self.lane, self.http2 = target.lane, target.http2
        self.flow.request, self.flow.response = request, None

    def produced(self, source: AsyncIterator[bytes]) -> None:
        self.flow.response = http.Response.make(200, b"", {"x-produced": "1"})
        del self.flow.response.headers["content-length"]
        if not self._client.is_http2:
            self.flow.response.headers["transfer-encoding"] = "chunked"
        self.production = Production(source)

    def judge(self, ended: Ended, body: list[bytes], error: str) -> Step:
        response = self.flow.response
        status = None if response is None else response.status_code
        content = b"".join(body)
        self.judged.append(Judged(ended, status, content, error))
        if ended is Ended.BROKEN and self.wishes.give_broken:
            self.committed = status is not None
            return Step.COMMIT
        if ended is Ended.BROKEN:
            return Step.REPLAN
        if status in REFUSED:
            if ended is Ended.OPEN and not self.wishes.at_once:
                return Step.HOLD
            return Step.REPLAN
        if status == 200 and b"overloaded" in content:
            return Step.REPLAN
        if status == 200 and ended is Ended.OPEN and b"output" not in content:
            return Step.HOLD
        self.committed = True
        return Step.COMMIT

    async def replan(self, replan: Replan) -> None:
        response = self.flow.response
        status = None if response is None else response.status_code
        self.replans.append((status, replan.body, replan.ended, replan.error))
        if self.wishes.replanning is not None:
            self._work = asyncio.ensure_future(self.wishes.replanning(self.flow))
            await asyncio.wait({self._work})
            self._work = None
        if self.committed and self.wishes.retry_collected:
            self.committed = False
            self.aim()
        elif self.committed:
            self.flow.response = http.Response.make(502, b"broke off: " + replan.error.encode())
        elif self.attempts < self.wishes.max_attempts:
            self.aim()
        elif self.wishes.produce_at_last is not None:
            self.produced(self.wishes.produce_at_last())
        else:
            self.flow.response = http.Response.make(
                503, b"none is left", {"x-attempts": str(self.attempts)}
            )

    def cut_short(self, message: str) -> bytes:
        self.cuts.append(message)
        return self.wishes.last_words

    def leave(self) -> None:
        if self._work is not None:
            self.asked_to_leave += 1
            self._work.cancel()

    def refuse_body(self) -> None:
        self.flow.response = http.Response.make(413, b"too large", {"x-own": "1"})


class ScriptedGateway:
    """Drives every flow except those to ``/stock…``, and writes down which hooks were called."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.hooks: list[tuple[str, http.HTTPFlow]] = []
        self.flows: list[http.HTTPFlow] = []
        self.drivers: list[ScriptedDriver] = []
        self.origins: list[Origin] = []
        self.news = asyncio.Condition()
        self.on_message: Callable[[http.HTTPFlow], None] | None = None

    def names(self, flow: http.HTTPFlow) -> list[str]:
        return [name for name, other in self.hooks if other is flow]

    async def hook(self, name: str, count: int = 1) -> None:
        """Wait until a hook has been called this often."""
        async with self.news:
            await asyncio.wait_for(
                self.news.wait_for(lambda: [n for n, _ in self.hooks].count(name) >= count), 5
            )

    async def _note(self, name: str, flow: http.HTTPFlow) -> None:
        self.hooks.append((name, flow))
        async with self.news:
            self.news.notify_all()

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        await self._note("requestheaders", flow)
        if flow.request.path.startswith("/stock"):
            return
        driver = ScriptedDriver(flow, self.wishes)
        self.drivers.append(driver)
        drive(flow, driver)

    async def request(self, flow: http.HTTPFlow) -> None:
        await self._note("request", flow)
        driver = driver_of(flow)
        if driver is None:
            target = self.wishes.targets[0]
            flow.request.scheme, flow.request.port = target.scheme, target.port
            flow.request.data.host = target.host
            return
        assert isinstance(driver, ScriptedDriver)
        if self.wishes.planning is not None:
            await self.wishes.planning(flow)
        if self.wishes.produce is not None:
            driver.produced(self.wishes.produce())
        else:
            driver.aim()

    def server_connect(self, data: ServerConnectionHookData) -> None:
        address = data.server.address
        if isinstance(address, Origin):
            self.origins.append(address)
            data.server.alpn_offers = [b"h2", b"http/1.1"] if address.http2 else [b"http/1.1"]

    async def responseheaders(self, flow: http.HTTPFlow) -> None:
        await self._note("responseheaders", flow)
        driver = driver_of(flow)
        assert flow.response is not None
        if driver is None or not isinstance(driver, ScriptedDriver) or not driver.committed:
            return
        if flow.response.status_code == 101 or self.wishes.collect:
            return
        flow.response.stream = self.wishes.transform or True
        if self.wishes.transform is not None:
            flow.response.headers.pop("content-length", None)
        if flow.client_conn.alpn != b"h2" and "content-length" not in flow.response.headers:
            flow.response.headers["transfer-encoding"] = "chunked"

    async def response(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if self.wishes.collect and flow.response.raw_content is not None:
            flow.response.headers["content-length"] = str(len(flow.response.raw_content))
        await self._note("response", flow)

    async def error(self, flow: http.HTTPFlow) -> None:
        await self._note("error", flow)

    async def websocket_start(self, flow: http.HTTPFlow) -> None:
        await self._note("websocket_start", flow)

    async def websocket_message(self, flow: http.HTTPFlow) -> None:
        if self.on_message is not None:
            self.on_message(flow)
        await self._note("websocket_message", flow)

    async def websocket_end(self, flow: http.HTTPFlow) -> None:
        await self._note("websocket_end", flow)

    async def floway_replan(self, replan: Replan) -> None:
        await self._note("floway_replan", replan.flow)
        await replan.driver.replan(replan)
        raise AddonHalt

    async def floway_pull(self, production: Production) -> None:
        await production.wait()
        raise AddonHalt


class Block:
    """An addon that stops one kind of hook until it is released; the first ``after`` may pass."""

    def __init__(self, hook: str, after: int = 0) -> None:
        self.reached = asyncio.Event()
        self.release = asyncio.Event()
        self._after = after
        setattr(self, hook, self._block)

    async def _block(self, data: object) -> None:
        self._after -= 1
        if self._after < 0:
            self.reached.set()
            await asyncio.wait_for(self.release.wait(), 5)
