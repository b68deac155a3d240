"""The attempts of one exchange: plan, send, judge, plan again; and the answer that is given.

:class:`ExchangeDriver` is what ``stream.py`` asks. It turns the provider's plans into the flow's
own request or response, *as a whole or not at all*: whatever goes wrong while a request is being
made ends as an error for the client, and nothing leaves (it fails closed).
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
import weakref
from collections.abc import Awaitable, Callable

from mitmproxy import http

from addons.driver import Replan, Step
from addons.errors import ClientError
from addons.exchange import Attempt, Exchange
from addons.front.bodies import IncrementalDecoder
from addons.production import Production
from addons.providers.contract import (
    Answer,
    Commit,
    Ended,
    Fail,
    Forward,
    Generated,
    Hold,
    Outcome,
    Plan,
    Refuse,
    SameAccount,
    UpstreamRequest,
)
from addons.relay import Collector, EventRelay
from addons.settings import Settings

logger = logging.getLogger(__name__)

OF_ONE_CONNECTION = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"alt-svc"})
"""Headers of the upstream's connection that mean nothing on the client's."""

type Witness = Callable[[http.HTTPFlow, Replan, Exchange], Awaitable[None]]
"""Shows a failed attempt to whoever watches (mitmweb, recordings)."""


class ExchangeDriver:
    """Decides about one flow; implements :class:`addons.driver.Driver`."""

    def __init__(
        self, flow: http.HTTPFlow, exchange: Exchange, settings: Settings, witness: Witness
    ) -> None:
        # The registry of drivers is keyed by flow and holds this object, so it must not hold the
        # flow: neither would ever go.
        self._flow = weakref.ref(flow)
        self.exchange = exchange
        self.hold_bytes = int(settings.hold_bytes)
        self.hold_seconds = settings.hold_seconds
        self.header_seconds = settings.header_seconds
        self.max_request_bytes = int(settings.max_request_bytes)
        self.lane = ""
        self.http2 = True
        self.production: Production | None = None
        self.extensions = ("", "")
        self.relay: EventRelay | None = None
        self.collector: Collector | None = None
        self.cut = ""
        """Why the upstream's answer broke off after commit; empty when it did not."""
        self._settings = settings
        self._witness = witness
        self._client = flow.request  # mitmproxy's HTTP/1 server goes on looking at this object

    @property
    def flow(self) -> http.HTTPFlow:
        flow = self._flow()
        assert flow is not None, "only called for a flow that is being served"
        return flow

    # --- plan --------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Plan the first attempt; in ``flow.request`` or ``flow.response`` when this returns."""
        try:
            self._apply(await self.exchange.provider.plan(self.exchange))
        except ClientError as error:
            self.respond(error)
        except Exception:  # noqa: BLE001 - logged in there; whatever it is, nothing may leave
            self._fail_closed()

    async def replan(self, replan: Replan) -> None:
        """Called by the stream when an answer was not committed. Never raises."""
        work = asyncio.ensure_future(self._next(replan))
        replan.left = work.cancel
        await asyncio.wait({work})
        replan.left = None
        if work.cancelled():  # the client left; the stream finds that out by itself
            self.flow.response = None
        elif work.exception() is not None:
            self._fail_closed(work.exception())

    async def _next(self, replan: Replan) -> None:
        exchange = self.exchange
        if exchange.committed:
            self.cut = replan.error
            self.respond(
                ClientError(502, "upstream_truncated", f"The answer broke off: {replan.error}")
            )
            return
        attempt = exchange.attempts[-1]
        verdict = attempt.verdict
        assert verdict is not None
        assert not isinstance(verdict, Commit | Hold)
        await self._witness(self.flow, replan, exchange)
        error = verdict.error
        assert error is not None
        if isinstance(verdict, Fail) or not self._may_try_again():
            self.respond(error)
            return
        if isinstance(verdict, SameAccount) and verdict.after > 0:
            if self._spent() + verdict.after > self._settings.attempt_budget_seconds:
                self.respond(error)
                return
            await asyncio.sleep(verdict.after)
        try:
            self._apply(await exchange.provider.plan(exchange))
        except ClientError as refused:
            self.respond(refused)

    def _spent(self) -> float:
        return time.monotonic() - self.exchange.started

    def _may_try_again(self) -> bool:
        exchange, settings = self.exchange, self._settings
        if len(self._client.raw_content or b"") > settings.keep_request_bytes:
            logger.warning(
                "no second attempt: the request body of %d bytes is larger than "
                "keep_request_bytes (%d)",
                len(self._client.raw_content or b""),
                settings.keep_request_bytes,
            )
            return False
        return (
            len(exchange.attempts) < settings.max_attempts
            and self._spent() < settings.attempt_budget_seconds
        )

    def _apply(self, plan: Plan) -> None:
        match plan:
            case Forward(request=request, account=account, summary=summary):
                native = native_request(request, self._client)
                self.exchange.attempts.append(Attempt(account))
                self.exchange.summary |= summary
                self.flow.request, self.flow.response = native, None
                self.lane, self.http2 = request.lane, request.http2
            case Generated(status=status, headers=headers, body=body, account=account):
                self.exchange.attempts.append(Attempt(account, status=status))
                self.flow.response = http.Response.make(status, b"", http.Headers(headers))
                self.flow.response.headers.pop("content-length", None)
                self._chunked(self.flow.response)
                self.production = Production(body)
            case Refuse(error=error):
                self.respond(error)

    # --- judge -------------------------------------------------------------------------------

    def judge(self, ended: Ended, body: list[bytes], error: str) -> Step:
        exchange, response = self.exchange, self.flow.response
        attempt = exchange.attempts[-1]
        attempt.status = response.status_code if response is not None else None
        try:
            content = b"".join(body)
            encoding = response.headers.get("content-encoding", "") if response else ""
            if encoding and content:
                content = IncrementalDecoder(encoding).feed(content)
            headers = response.headers.fields if response is not None else ()
            verdict = exchange.provider.judge(
                exchange, Answer(attempt.status, headers, content, ended, error)
            )
        except Exception as failure:
            logger.exception("an answer could not be judged")
            verdict = Fail("judging failed", ClientError(502, "judge_failed", str(failure)[:200]))
        if isinstance(verdict, Hold) and ended is Ended.OPEN:
            return Step.HOLD
        attempt.verdict = verdict
        if isinstance(verdict, Commit | Hold) or (isinstance(verdict, Fail) and not verdict.error):
            if response is not None:
                exchange.committed = True
                return Step.COMMIT
            attempt.verdict = verdict = Fail(error, _unreachable(error))
        attempt.reason = verdict.reason
        return Step.REPLAN

    # --- answer ------------------------------------------------------------------------------

    def respond(self, error: ClientError) -> None:
        """Answer with an error in the client's own protocol."""
        headers, body = self.exchange.protocol.error(error)
        pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
        self.flow.response = http.Response.make(error.status, body, http.Headers(pairs))
        self.exchange.summary["error"] = error.code

    def _fail_closed(self, failure: BaseException | None = None) -> None:
        logger.error("a request could not be rewritten; nothing was sent", exc_info=failure or True)
        self.respond(
            ClientError(
                502,
                "rewrite_failed",
                "floway could not bring this request into the upstream's form, so nothing was "
                f"sent. The proxy's log says why (exchange {self.exchange.id}).",
            )
        )

    def prepare(self, response: http.Response) -> None:
        """A committed upstream answer, before its head goes to the client."""
        exchange = self.exchange
        for name in exchange.hidden_headers:
            response.headers.pop(name, None)
        if response.status_code == 101:
            self._agree_extensions(response)
            return
        response.headers.fields = tuple(
            pair for pair in response.headers.fields if pair[0].lower() not in OF_ONE_CONNECTION
        )
        if exchange.turn is None or response.status_code >= 400:
            if response.status_code < 400:
                response.stream = True
                self._chunked(response)
        elif exchange.turn.stream:
            encoding = response.headers.pop("content-encoding", "")
            self.relay = EventRelay(exchange, encoding)
            response.stream = self.relay
            response.headers.pop("content-length", None)
            assert exchange.renderer is not None
            response.headers["content-type"] = exchange.renderer.content_type
            self._chunked(response)
        else:
            self.collector = Collector(exchange)

    def collect(self, response: http.Response) -> None:
        """A whole upstream answer, before it goes to a client that wants no stream."""
        if response.status_code >= 400:
            self._render_refusal(response)
        elif self.collector is not None:
            encoding = response.headers.pop("content-encoding", "")
            body = response.raw_content or b""
            try:
                if encoding:
                    decoder = IncrementalDecoder(encoding)
                    body = decoder.feed(body)
                    decoder.close()
                response.raw_content = self.collector.answer(body)
                response.headers["content-type"] = "application/json"
                response.headers["content-length"] = str(len(response.raw_content))
            except ClientError as error:
                self.respond(error)

    def _render_refusal(self, response: http.Response) -> None:
        """An upstream's own error: as it is where client and upstream speak alike."""
        attempt = self.exchange.attempts[-1] if self.exchange.attempts else None
        if attempt is None or attempt.status != response.status_code or self.exchange.turn is None:
            return
        error = self.exchange.provider.explain(
            response.status_code, response.headers.fields, response.content or b""
        )
        if error is not None:
            self.respond(error)

    def _chunked(self, response: http.Response) -> None:
        """Without a length an HTTP/1 client takes a cut upstream for a good end (trap 4)."""
        if not self._client.is_http2 and "content-length" not in response.headers:
            response.headers["transfer-encoding"] = "chunked"

    def _agree_extensions(self, response: http.Response) -> None:
        accepted = response.headers.get("sec-websocket-extensions", "")
        offered = "permessage-deflate" in (self.exchange.header("sec-websocket-extensions") or "")
        response.headers.pop("sec-websocket-extensions", None)
        agreed = "permessage-deflate" if offered and "permessage-deflate" in accepted else ""
        if agreed:
            response.headers["sec-websocket-extensions"] = agreed
        self.extensions = (agreed, accepted)

    def cut_short(self, message: str) -> bytes:
        """The upstream broke off in mid-stream: the client's protocol says so where it can."""
        self.cut = message
        if self.relay is None:
            return b""
        return self.relay.fail(
            ClientError(502, "upstream_truncated", f"The upstream broke off: {message}")
        )

    def refuse_body(self) -> None:
        """The client's body is larger than the limit."""
        limit = self.max_request_bytes
        self.respond(
            ClientError(
                413,
                "request_too_large",
                f"The request body is larger than {limit} bytes. Send less, or raise the setting "
                "`max_request_bytes`.",
            )
        )

    def outcome(self) -> Outcome:
        """How the exchange ended, when its response is over."""
        response = self.flow.response
        if self.cut:
            return Outcome.TRUNCATED
        if self.relay is not None:
            return self.relay.outcome or Outcome.TRUNCATED
        if self.collector is not None and self.collector.outcome is not None:
            return self.collector.outcome
        failed = response is None or response.status_code >= 400
        return Outcome.FAILED if failed else Outcome.COMPLETED


def native_request(request: UpstreamRequest, client: http.Request) -> http.Request:
    """The mitmproxy request of a plan, in the HTTP version in which the client speaks.

    mitmproxy translates between versions by itself; the version decides only in which form it
    expects the host.
    """
    headers = [(key, value) for key, value in request.headers if key.lower() != b"host"]
    authority = request.authority.encode()
    if not client.is_http2:
        names = [key.lower() for key, _ in request.headers]
        place = names.index(b"host") if b"host" in names else 0
        name = request.headers[place][0] if b"host" in names else b"host"
        headers.insert(place, (name, authority))
    # Shallow copies: the constructor checks each field's type at a tenth of a millisecond.
    native = copy.copy(client)
    native.data = copy.copy(client.data)
    native.data.host = request.host
    native.data.port = request.port
    native.data.method = request.method.encode()
    native.data.scheme = request.scheme.encode()
    native.data.authority = authority if client.is_http2 else b""
    native.data.path = request.path.encode()
    native.data.headers = http.Headers(headers)
    native.data.content = request.body
    native.data.trailers = None
    native.data.http_version = b"HTTP/2.0" if client.is_http2 else b"HTTP/1.1"
    return native


def _unreachable(error: str) -> ClientError:
    return ClientError(502, "upstream_unreachable", f"The upstream gave no answer: {error}")
