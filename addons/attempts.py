"""The attempts of one exchange: plan, send, judge, plan again; and the answer that is given.

:class:`ExchangeDriver` is what ``stream.py`` asks. It turns the provider's plans into the flow's
own request or response, *as a whole or not at all*: whatever goes wrong while a request is being
made ends as an error for the client, and nothing leaves (it fails closed).
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import assert_never

from mitmproxy import http

from addons import choice
from addons.answers import client_left, unjudged, unreachable
from addons.delivery import REQUEST_ID, Delivery, seen
from addons.driver import Replan, Step
from addons.errors import ClientError
from addons.exchange import Attempt, Exchange
from addons.front.patience import is_told
from addons.held_body import HeldBody
from addons.messages import MessageWindow
from addons.native import native_request
from addons.production import Production
from addons.providers.contract import (
    Answer,
    Commit,
    Ended,
    Fail,
    Forward,
    Generated,
    HeaderList,
    Hold,
    NextAccount,
    RefreshCredentials,
    Refuse,
    SameAccount,
    Tried,
)
from addons.settings import Settings

logger = logging.getLogger(__name__)

type _Refused = NextAccount | SameAccount | RefreshCredentials | Fail

type Witness = Callable[[http.HTTPFlow, Replan, Exchange], Awaitable[None]]
"""Shows a failed attempt to whoever watches (mitmweb, recordings)."""


class ExchangeDriver:
    """Decides about one flow; implements :class:`addons.driver.Driver`."""

    def __init__(
        self, flow: http.HTTPFlow, exchange: Exchange, settings: Settings, witness: Witness
    ) -> None:
        # The flow holds this object; a strong reference back would wait for the garbage collector.
        self._flow = weakref.ref(flow)
        self.exchange = exchange
        self.hold_bytes = int(settings.hold_bytes)
        self.hold_seconds = settings.hold_seconds
        self.header_seconds = settings.header_seconds
        self.max_request_bytes = int(settings.max_request_bytes)
        self.max_attempts = settings.max_attempts
        self.lane = ""
        self.http2 = True
        self.production: Production | None = None
        self.left = self.streamed = False
        self._planning: asyncio.Task[object] | None = None
        self.extensions = ("", "")
        self.delivery = Delivery(exchange, flow.request)
        self.window = MessageWindow(int(settings.websocket_keep_bytes))
        self._held = HeldBody("")
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
        """Read the request and plan its first attempt.

        In ``flow.request`` or ``flow.response`` when this returns; it raises nothing.
        """
        await self._guarded(self._first())
        if self.left:  # the client's own request is in the flow still
            self.respond(client_left())

    async def pass_on(self) -> None:
        """As :meth:`begin`, for a request whose body is passed on while it comes: one attempt."""
        self.streamed = True
        await self._guarded(self._first())
        if self.left:
            self.respond(client_left())
        elif self.flow.response is None:
            watch = self.exchange.watch
            self.flow.request.stream = True if watch is None else seen(watch.client)

    async def replan(self, replan: Replan) -> None:
        """Called by the stream when an answer was not committed. Never raises."""
        await self._guarded(self._next(replan))
        if self.left:  # the stream finds that out by itself
            self.flow.response = None

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Whatever goes wrong in planning, nothing is sent; ended where the client leaves."""
        task = self._planning = asyncio.current_task()
        assert task is not None
        try:
            await work
        except BaseException as failure:
            if self.left and isinstance(failure, asyncio.CancelledError):
                task.uncancel()
                return
            self._fail_closed(failure)
            if not isinstance(failure, Exception | asyncio.CancelledError) or _is_cancelled():
                raise
        finally:
            self._planning = None

    def leave(self) -> None:
        if self._planning is not None and not self.left:
            self.left = True
            self._planning.cancel()

    async def _first(self) -> None:
        try:
            self.exchange.read(
                self._client.raw_content or b"",
                self._client.headers.get("content-encoding"),
                limit=self.max_request_bytes,
                aliases=self._settings.model_aliases,
            )
            await self._plan()
        except ClientError as error:
            self.respond(error)

    async def _next(self, replan: Replan) -> None:
        exchange = self.exchange
        if exchange.committed:  # to be collected whole: the client has seen nothing of it
            self.delivery.cut = replan.error
            self.respond(
                ClientError(502, "upstream_truncated", f"The answer broke off: {replan.error}")
            )
            return
        verdict = exchange.attempts[-1].verdict
        assert verdict is not None
        assert not isinstance(verdict, Commit | Hold)
        error = verdict.error
        assert error is not None
        await self._show(replan)
        if not await self._may_follow(verdict):
            self._tell(replan, error)
            return
        try:
            await self._plan(error, partial(self._tell, replan))
        except ClientError as refused:
            self.respond(refused, _request_id(self.flow.response))

    async def _plan(
        self, last: ClientError | None = None, tell: Callable[[ClientError], None] | None = None
    ) -> None:
        """Ask for plans until there is one to apply.

        Args:
            last: the error of the attempt before; ``tell`` gives it to the client.
        """
        while True:
            started = time.monotonic()
            plan = await choice.plan(self.exchange)
            if not isinstance(plan, Tried):
                break
            verdict = plan.verdict
            self.exchange.attempts.append(
                Attempt(plan.account, started, plan.status, verdict, verdict.reason)
            )
            await self._show_tried(plan)
            last, tell = verdict.error or unreachable(verdict.reason), self.respond
            if not await self._may_follow(verdict):
                tell(last)
                return
        if isinstance(plan, Refuse) and plan.error is last and tell is not None:
            tell(last)
        else:
            self._apply(plan)

    async def _may_follow(self, verdict: _Refused) -> bool:
        """Whether another attempt may be made now, after the wait that the verdict asks for."""
        if isinstance(verdict, Fail) or not self._may_try_again():
            return False
        if isinstance(verdict, SameAccount) and verdict.after > 0:
            if self._spent() + verdict.after > self._settings.attempt_budget_seconds:
                return False
            await asyncio.sleep(verdict.after)
        return True

    async def _show_tried(self, plan: Tried) -> None:
        """As :meth:`_show`, with what the provider sent and was told by itself."""
        flow = self.flow
        before = flow.request, flow.response
        if plan.request is not None:
            flow.request = native_request(plan.request, self._client)
        flow.response = http.Response.make(plan.status, plan.said) if plan.status else None
        error = "" if plan.status else plan.verdict.reason
        try:
            await self._show(Replan(flow, self, plan.said, Ended.COMPLETE, error))
        finally:
            flow.request, flow.response = before

    async def _show(self, replan: Replan) -> None:
        try:
            await self._witness(self.flow, replan, self.exchange)
        except Exception:
            logger.exception("a failed attempt could not be shown")

    def _spent(self) -> float:
        return time.monotonic() - self.exchange.started

    def _may_try_again(self) -> bool:
        exchange, settings = self.exchange, self._settings
        if self.streamed:
            return False
        size = len(self._client.raw_content or b"")
        if size > settings.keep_request_bytes:
            logger.warning(
                "no second attempt: the request body of %d bytes is larger than "
                "keep_request_bytes (%d)",
                size,
                settings.keep_request_bytes,
            )
            return False
        return (
            len(exchange.attempts) < settings.max_attempts
            and self._spent() < settings.attempt_budget_seconds
        )

    def _apply(self, plan: Forward | Generated | Refuse) -> None:
        match plan:
            case Forward(request=request, account=account, summary=summary):
                native = native_request(request, self._client)
                self.exchange.attempts.append(Attempt(account))
                self.exchange.summary |= summary
                self._held = HeldBody("")
                self.flow.request, self.flow.response = native, None
                self.lane, self.http2 = request.lane, request.http2
            case Generated(status=status, headers=headers, body=body, account=account):
                response = http.Response.make(status, b"", http.Headers(headers))
                response.headers.pop("content-length", None)
                if not self._client.is_http2:
                    response.headers["transfer-encoding"] = "chunked"
                self.exchange.attempts.append(Attempt(account, status=status))
                self.flow.response = response
                self.production = Production(body)
            case Refuse(error=error):
                self.respond(error, _request_id(self.flow.response))
            case _:
                assert_never(plan)

    # --- judge -------------------------------------------------------------------------------

    def judge(self, ended: Ended, body: list[bytes], error: str) -> Step:
        exchange, response = self.exchange, self.flow.response
        attempt = exchange.attempts[-1]
        attempt.status = response.status_code if response is not None else None
        try:
            headers = response.headers.fields if response is not None else ()
            content = self._decoded(response, body)
            answer = Answer(attempt.status, headers, content, ended, error)
            verdict = exchange.provider.judge(exchange, answer)
        except ClientError as failure:
            verdict = Fail(failure.code, failure)
        except Exception:
            logger.exception("an answer could not be judged")
            verdict = Fail("judging failed", unjudged(exchange.id))
        if isinstance(verdict, Hold) and ended is Ended.OPEN:
            return Step.HOLD
        attempt.verdict = verdict
        if isinstance(verdict, Commit | Hold) or (isinstance(verdict, Fail) and not verdict.error):
            if response is not None:
                exchange.committed = True
                return Step.COMMIT
            attempt.verdict = verdict = Fail(error, unreachable(error))
        attempt.reason = verdict.reason
        return Step.REPLAN

    def _decoded(self, response: http.Response | None, chunks: list[bytes]) -> bytes:
        """
        Raises:
            ClientError: the answer to a model request is not coded as it says. (Other endpoints'
                answers are passed as they are, and not read.)
        """
        encoding = response.headers.get("content-encoding", "") if response and chunks else ""
        if not encoding:
            return b"".join(chunks)
        try:
            if self._held.encoding != encoding:
                self._held = HeldBody(encoding)
            return self._held.decoded(chunks)
        except ClientError:
            if self.exchange.turn is not None:
                raise
            return b""

    # --- answer ------------------------------------------------------------------------------

    def respond(self, error: ClientError, more: HeaderList | None = None) -> None:
        """Answer with an error in the client's own protocol."""
        exchange = self.exchange
        headers, body = exchange.protocol.error(error)
        told = is_told(
            error.retry_after or 0.0,
            exchange.header("user-agent") or "",
            upgrade=exchange.websocket,
        )
        pairs = [
            (key.encode(), value.encode())
            for key, value in headers.items()
            if told or key != "retry-after"
        ]
        response = http.Response.make(error.status, body, http.Headers([*pairs, *(more or ())]))
        self.flow.response = response
        self.exchange.summary["error"] = error.code

    def _tell(self, replan: Replan, error: ClientError) -> None:
        """The last attempt's error: the upstream's own answer to a client that understands it."""
        response = self.flow.response
        if response is not None and response.status_code >= 400 and replan.ended is Ended.COMPLETE:
            explained = self.delivery.explain(response.status_code, response.headers, replan.body)
            if explained is None:
                self.delivery.pass_on(response, replan.body)
                self.exchange.summary["error"] = error.code
                return
        self.respond(error, _request_id(response))

    def fail(self, error: ClientError) -> None:
        """Answer with an error, whatever was planned: nothing is sent."""
        if self.production is not None:
            self.production.cancel()
            self.production = None
        self.respond(error)

    def _fail_closed(self, failure: BaseException) -> None:
        logger.error("a request could not be rewritten; nothing was sent", exc_info=failure)
        self.fail(
            ClientError(
                502,
                "rewrite_failed",
                "floway could not bring this request into the upstream's form, so nothing was "
                f"sent. The proxy's log says why (exchange {self.exchange.id}).",
            )
        )

    def prepare(self, response: http.Response) -> None:
        """A committed upstream answer, before its head goes to the client."""
        self.delivery.prepare(response)
        self.extensions = self.delivery.extensions

    def collect(self, response: http.Response) -> None:
        """A whole upstream answer, before it goes to the client."""
        error = self.delivery.collect(response)
        if error is not None:
            self.respond(error, _request_id(response))

    def cut_short(self, message: str) -> bytes:
        return self.delivery.cut_short(message)

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


def _is_cancelled() -> bool:
    """Whether the current task is, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _request_id(response: http.Response | None) -> HeaderList:
    """The upstream's id of the request that failed, for its support."""
    found = response.headers.get(REQUEST_ID) if response is not None else None
    return [(REQUEST_ID.encode(), found.encode("utf-8", "surrogateescape"))] if found else []
