"""The application: which request is served by what, and the checks that come first.

A request passes, in this order: the gate (ChatGPT paths), its bearer token or API key, faults that
were ordered, its handler.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from replay.sandbox import control
from replay.sandbox.accounts import TokenRefused
from replay.sandbox.call import (
    Call,
    Refused,
    Services,
    carry_out_before_headers,
    json_body,
    send_error,
)
from replay.sandbox.codex import account_calls, responses, sign_in, socket
from replay.sandbox.cursor import app as cursor
from replay.sandbox.gate import reasons_header
from replay.sandbox.messages import ClientGone, Duplex, Reply, Request, Socket
from replay.sandbox.presets import (
    ErrorAnswer,
    challenge_page,
    detail,
    error,
    token_refused,
)

logger = logging.getLogger(__name__)

type Handler = Callable[[Services, Call, Reply], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """How a path is served.

    Attributes:
        sign_in: what it must carry: ``chatgpt`` (bearer token), ``api_key`` or ``none``.
        body: ``json`` (required), ``optional`` JSON, ``form`` (JSON or form-encoded), or ``none``.
    """

    handler: Handler
    sign_in: Literal["chatgpt", "api_key", "none"] = "chatgpt"
    body: Literal["json", "optional", "form", "none"] = "none"


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/backend-api/codex/responses"): Route(responses.chatgpt_responses, body="json"),
    ("POST", "/backend-api/codex/responses/compact"): Route(responses.compact, body="json"),
    ("GET", "/backend-api/codex/models"): Route(account_calls.models),
    ("POST", "/backend-api/codex/analytics-events/events"): Route(
        account_calls.analytics, body="optional"
    ),
    ("GET", "/backend-api/wham/accounts/check"): Route(account_calls.accounts_check),
    ("GET", "/backend-api/wham/usage"): Route(account_calls.usage),
    ("GET", "/backend-api/wham/settings/user"): Route(account_calls.settings),
    ("GET", "/backend-api/wham/rate-limit-reset-credits"): Route(account_calls.reset_credits),
    ("POST", "/backend-api/wham/rate-limit-reset-credits/consume"): Route(
        account_calls.consume_reset_credit, body="optional"
    ),
    ("GET", "/backend-api/wham/security-setup"): Route(account_calls.security_setup),
    ("GET", "/backend-api/ps/plugins/*"): Route(account_calls.plugins),
    ("GET", "/backend-api/plugins/featured"): Route(account_calls.featured_plugins),
    ("POST", "/backend-api/ps/mcp"): Route(account_calls.mcp, sign_in="none", body="json"),
    ("POST", "/oauth/token"): Route(account_calls.oauth_token, sign_in="none", body="form"),
    ("GET", "/oauth/authorize"): Route(sign_in.authorize, sign_in="none"),
    ("POST", "/oauth/authorize"): Route(sign_in.authorize, sign_in="none", body="form"),
    **{
        ("POST", f"{base}/deviceauth/{name}"): Route(handler, sign_in="none", body="form")
        for base in ("/api/accounts", "")
        for name, handler in (("usercode", sign_in.device_code), ("token", sign_in.device_token))
    },
    ("GET", sign_in.DEVICE_PAGE): Route(sign_in.device_page, sign_in="none"),
    ("POST", sign_in.DEVICE_PAGE): Route(sign_in.device_page, sign_in="none", body="form"),
    ("POST", "/oauth/revoke"): Route(account_calls.oauth_revoke, sign_in="none", body="form"),
    ("POST", "/v1/responses"): Route(responses.api_responses, sign_in="api_key", body="json"),
    ("POST", "/v1/responses/compact"): Route(responses.compact, sign_in="api_key", body="json"),
    ("GET", "/v1/models"): Route(account_calls.api_models, sign_in="api_key"),
}
SOCKETS: dict[str, Literal["chatgpt", "api_key"]] = {
    "/backend-api/codex/responses": "chatgpt",
    "/v1/responses": "api_key",
}
GATED = "/backend-api/"
BROKEN_OFF = "the client left before the answer was complete"
"""Note of a request; also given when the sandbox itself is stopped."""


class SandboxApplication:
    """Serves requests; see :class:`replay.sandbox.messages.Application`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def http(self, request: Request, reply: Reply) -> None:
        if request.path == control.PREFIX[:-1] or request.path.startswith(control.PREFIX):
            await control.handle(self._services, request, reply)
            return
        call = Call(request, self._services.recorder.begin(request))
        if cursor.serves(self._services, request):
            await self._guarded(call, reply, cursor.http(self._services, call, reply))
        else:
            await self._guarded(call, reply, self._serve(call, reply))

    def duplex_path(self, method: str, path: str) -> bool:
        return cursor.is_duplex(method, path)

    async def duplex(self, request: Request, stream: Duplex) -> None:
        call = Call(request, self._services.recorder.begin(request))
        await self._guarded(call, stream, cursor.duplex(self._services, call, stream))

    async def _guarded(self, call: Call, reply: Reply, answering: Awaitable[None]) -> None:
        """Answer, with an error where there is no other answer."""
        request = call.request
        try:
            await answering
        except Refused as refused:
            await send_error(call, reply, refused.answer)
        except (ClientGone, asyncio.CancelledError):
            call.entry.notes.append(BROKEN_OFF)
            raise
        except Exception:
            logger.exception("%s %s failed in the sandbox", request.method, request.path)
            if reply.started:
                reply.reset()
                return
            call.fault = None
            await send_error(call, reply, detail(500, "The sandbox itself failed; see its log"))

    async def _serve(self, call: Call, reply: Reply) -> None:
        services, request = self._services, call.request
        route = _route(request)
        if route.body in ("json", "optional"):
            call.body = json_body(services, call, required=route.body == "json")
        elif route.body == "form":
            form = "form" in (request.header("content-type") or "")
            decode = account_calls.form_body
            call.body = decode(request.body) if form else json_body(services, call)
        call.entry.model = str(call.body.get("model") or "")
        self._admit(call, route.sign_in)
        call.fault = services.faults.take(
            phase="http",
            method=request.method,
            path=request.path,
            account=call.account,
            model=call.entry.model,
        )
        if call.fault is not None:
            call.entry.fault = call.fault.model_dump(mode="json")
        refusal = await carry_out_before_headers(services, call, reply.reset)
        if refusal is not None:
            raise Refused(refusal)
        await route.handler(services, call, reply)

    async def socket(self, request: Request, socket_: Socket) -> None:
        services = self._services
        call = Call(request, services.recorder.begin(request))
        try:
            sign_in = SOCKETS.get(request.path)
            if sign_in is None:
                raise Refused(detail(404, "Not Found"))
            if socket_.problem:
                raise Refused(detail(400, socket_.problem))
            hint = request.header("x-codex-routing-hint") or ""
            call.entry.model = hint.removeprefix("model=").partition(";")[0]
            self._admit(call, sign_in)
            call.fault = services.faults.take(
                phase="upgrade",
                method=request.method,
                path=request.path,
                account=call.account,
                model=call.entry.model,
            )
            if call.fault is not None:
                call.entry.fault = call.fault.model_dump(mode="json")
            refusal = await carry_out_before_headers(services, call, socket_.reset)
            if refusal is not None:
                raise Refused(refusal)
            await socket.serve(services, call, socket_)
        except Refused as refused:
            call.entry.status = refused.answer.status
            await socket.refuse(call, socket_, refused.answer)

    def _admit(self, call: Call, sign_in: str) -> None:
        """Gate and credentials.

        Raises:
            Refused: 403 of the gate, or the backend's 401.
        """
        request = call.request
        # The MCP server is open here: off ChatGPT hosts the client sends it no credentials, which
        # the profile of the real host rightly misses.
        if request.path.startswith(GATED) and sign_in != "none":
            call.entry.gate = self._services.gate.request(request)
            if call.entry.gate:
                raise Refused(challenge_page(reasons_header(call.entry.gate)))
        if sign_in == "none":
            return
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refused(_unauthorized(sign_in))
        if sign_in == "api_key":
            call.account = self._services.accounts.api_key(token)
            if call.account is None:
                raise Refused(_wrong_key(token))
        else:
            try:
                call.account = self._services.accounts.bearer(token)
            except TokenRefused as refused:
                raise Refused(token_refused(refused.code)) from refused
            named = request.header("chatgpt-account-id")
            if named is not None and named != call.account.id:
                call.entry.account = call.account.label
                message = "The token does not belong to the account of chatgpt-account-id"
                raise Refused(detail(403, message))
        call.entry.account = call.account.label


def _route(request: Request) -> Route:
    path = request.path
    route = ROUTES.get((request.method, path))
    if route is None:
        parent = path.rpartition("/")[0]
        while parent:
            route = ROUTES.get((request.method, f"{parent}/*"))
            if route is not None:
                return route
            parent = parent.rpartition("/")[0]
        if any(known == path for _, known in ROUTES):
            raise Refused(detail(405, "Method Not Allowed"))
        raise Refused(detail(404, "Not Found"))
    return route


def _unauthorized(sign_in: str) -> ErrorAnswer:
    if sign_in == "chatgpt":
        return detail(401, "Unauthorized")
    message = "Missing bearer authentication in header"
    return error(401, "invalid_request_error", None, message)


def _wrong_key(token: str) -> ErrorAnswer:
    shown = f"{token[:3]}...{token[-2:]}" if len(token) > 8 else "..."
    message = f"Incorrect API key provided: {shown}."
    return error(401, "invalid_request_error", "invalid_api_key", message)
