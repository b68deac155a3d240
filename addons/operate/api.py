"""Paths and methods of the control API, its OpenAPI document, and ``/metrics``, in ASGI.

Imported when the API is first asked for: the library costs half a second and 17 MB.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from addons.errors import FlowayError
from addons.operate import METRICS_PATH, PREFIX
from addons.operate.errors import ControlError, explained
from addons.operate.gate import Caller, check
from addons.operate.models import (
    AccountChange,
    AccountList,
    AccountView,
    AddedAccount,
    ClearedCooldowns,
    CooldownList,
    ErrorAnswer,
    Health,
    Label,
    NewAccount,
    NewKey,
    NewSignIn,
    Problem,
    ProfileList,
    QuotaList,
    RouteList,
    SessionDetail,
    SessionList,
    SignInStarted,
    SignInStatus,
    Unpinned,
)
from addons.operate.plane import Plane
from addons.operate.token import FILE_NAME, Token

logger = logging.getLogger(__name__)

MAX_TOLD = 3
"""Mistakes of one request that are told."""

BODIES = frozenset({NewKey.__name__, NewSignIn.__name__})
"""Forms among which a body can choose."""

Name = Annotated[
    str, Path(min_length=1, max_length=200, description="An account's label, or PROVIDER:LABEL.")
]
State = Annotated[str, Query(min_length=1, max_length=100, description="Of the auth-url's answer.")]


def application(plane: Plane, token: Token, hosts: Callable[[], Collection[str]]) -> ASGIApp:
    """The whole: gate, API, document and metrics. To be called in a thread: it takes a while.

    Args:
        hosts: the setting ``control_hosts``.
    """
    app = _app(plane)
    app.openapi()  # kept from now on: not to be made on the event loop when it is asked for
    return Gate(app, token, hosts)


def _app(plane: Plane) -> FastAPI:
    app = FastAPI(
        title="floway's control API",
        version=version("floway"),
        description="Accounts, sign-ins, limits, conversations and state of a running floway.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    router = _router(plane)
    app.include_router(router)
    app.state.routes = router.routes

    @app.get(METRICS_PATH, include_in_schema=False)
    async def metrics(request: Request) -> Response:
        exposed = await plane.metrics(request.headers.get("accept", ""))
        return Response(exposed.body, headers={"content-type": exposed.content_type})

    app.add_exception_handler(FlowayError, _floway_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    return app


def document(plane: Plane) -> dict[str, Any]:
    """The OpenAPI document; nothing is asked for it."""
    return _app(plane).openapi()


class Gate:
    """Lets through who may ask; see :mod:`addons.operate.gate`."""

    def __init__(self, app: FastAPI, token: Token, hosts: Callable[[], Collection[str]]) -> None:
        self.app = app
        self._token = token
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[str, str] = {}
        for raw, value in scope["headers"]:
            name = raw.decode("latin-1")
            # Who believes the first one and who believes the last would not agree.
            twice = name in headers and name in ("host", "origin", "authorization")
            headers[name] = "" if twice else value.decode("latin-1")
        peer = scope["client"][0] if scope.get("client") else ""
        caller = Caller(scope["scheme"], peer, headers)
        try:
            check(caller, self._token, self._hosts(), open_here=scope["path"] == METRICS_PATH)
        except ControlError as error:
            await _told(error)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


# --- paths ---------------------------------------------------------------------------------------


def _router(plane: Plane) -> APIRouter:
    always = (400, 401, 403, 421, 422, 500, 503)
    # The gate has looked already; this is for the document.
    bearer = HTTPBearer(
        auto_error=False, scheme_name="token", description=f"FLOWAY_HOME/{FILE_NAME}"
    )
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(bearer)], responses=_errors(*always))
    _accounts(router, plane)
    _sign_ins(router, plane)
    _limits(router, plane)
    _running(router, plane)
    return router


def _accounts(router: APIRouter, plane: Plane) -> None:
    @router.get("/accounts", tags=["accounts"])
    async def list_accounts() -> AccountList:
        """All accounts: state, plan, limits, and why one cools."""
        return AccountList(accounts=await plane.desk.views())

    @router.post("/accounts", tags=["accounts"], status_code=201, responses=_errors(404, 409))
    async def add_account(asked: NewAccount) -> AddedAccount:
        """Add an API key or an existing sign-in; a known account is brought up to date."""
        return await plane.add(asked)

    @router.get("/accounts/{name}", tags=["accounts"], responses=_errors(404, 409))
    async def show_account(name: Name) -> AccountView:
        """One account."""
        return await plane.desk.named(name)

    @router.patch("/accounts/{name}", tags=["accounts"], responses=_errors(404, 409))
    async def change_account(name: Name, asked: AccountChange) -> AccountView:
        """Enable, disable or prefer an account, or give an added one another label."""
        return await plane.change(name, asked)

    @router.delete("/accounts/{name}", tags=["accounts"], responses=_errors(404, 409))
    async def remove_account(name: Name) -> AccountView:
        """Forget an added account and its sign-in; answers what it was."""
        return await plane.desk.remove(name)

    @router.post("/accounts/{name}/refresh", tags=["accounts"], responses=_errors(404, 409))
    async def refresh_account(name: Name) -> AccountView:
        """Refresh an added account's sign-in now, and ask for its limits."""
        return await plane.desk.refresh(name)

    @router.put("/accounts/{name}/pin", tags=["accounts"], responses=_errors(404, 409))
    async def pin_account(name: Name) -> AccountView:
        """Use this account for every conversation while it can serve, at once."""
        return await plane.desk.pin(name)

    @router.delete("/pins", tags=["accounts"])
    async def unpin_accounts() -> Unpinned:
        """Let floway choose again."""
        await plane.desk.unpin()
        return Unpinned()


def _sign_ins(router: APIRouter, plane: Plane) -> None:
    for provider in plane.desk.providers:
        _sign_in(router, plane, provider)

    @router.get("/auth-status", tags=["signing in"], responses=_errors(404))
    async def sign_in_status(
        state: State,
        wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for its end.")] = 0,
    ) -> SignInStatus:
        """How far a sign-in is; to be asked again while it is `waiting`."""
        return await plane.sign_ins.status(state, wait)

    @router.delete("/auth-status", tags=["signing in"], status_code=204, responses=_errors(404))
    async def give_sign_in_up(state: State) -> None:
        """Give a sign-in up, or forget its result."""
        await plane.sign_ins.cancel(state)


def _sign_in(router: APIRouter, plane: Plane, provider: str) -> None:
    """Each provider has a path of its own, as scripts know it."""

    async def begin_sign_in(
        label: Annotated[Label | None, Query()] = None,
        device: Annotated[bool, Query(description="By a code, on any machine.")] = False,
    ) -> SignInStarted:
        """Begin to sign in: the address to open, and the state by which the result is asked for."""
        return await plane.sign_ins.begin(provider, label or "", device=device)

    router.add_api_route(
        f"/{provider}-auth-url",
        begin_sign_in,
        methods=["GET"],
        tags=["signing in"],
        operation_id=f"begin_sign_in_{provider}",
        responses=_errors(404, 409, 502),
    )


def _limits(router: APIRouter, plane: Plane) -> None:
    @router.get("/quota", tags=["limits"])
    async def quota() -> QuotaList:
        """What is known of all accounts' limits."""
        return await plane.quota()

    @router.get("/cooldowns", tags=["limits"])
    async def list_cooldowns() -> CooldownList:
        """Accounts that are not asked at present, the first to be asked again first."""
        return CooldownList(cooldowns=await plane.desk.cooldowns())

    @router.delete("/cooldowns", tags=["limits"], responses=_errors(404, 409))
    async def clear_cooldowns(
        account: Annotated[
            str, Query(max_length=200, description="Its label, or PROVIDER:LABEL; none: all.")
        ] = "",
    ) -> ClearedCooldowns:
        """Ask accounts again at once; answers what was cleared."""
        return ClearedCooldowns(cleared=await plane.desk.clear_cooldowns(account))


def _running(router: APIRouter, plane: Plane) -> None:
    @router.get("/sessions", tags=["conversations"])
    async def list_sessions(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> SessionList:
        """Conversations and what their prompt caches gave, the last used one first."""
        return await plane.sessions(limit)

    @router.get("/sessions/{id}", tags=["conversations"], responses=_errors(404, 409))
    async def show_session(
        id: Annotated[
            str, Path(min_length=1, max_length=200, description="A session id, or its beginning.")
        ],
    ) -> SessionDetail:
        """One conversation, request by request."""
        return await plane.session(id)

    @router.get("/routes", tags=["floway"])
    async def list_routes() -> RouteList:
        """Which requests floway takes."""
        return plane.routes()

    @router.get("/profiles", tags=["floway"])
    async def list_profiles() -> ProfileList:
        """The fingerprint profiles that are shipped."""
        return await plane.profiles()

    @router.get("/health", tags=["floway"])
    async def health() -> Health:
        """What runs, since when, and with which accounts."""
        return plane.health()


# --- errors --------------------------------------------------------------------------------------


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": ErrorAnswer, "description": HTTPStatus(status).phrase}
        for status in statuses
    }


def _told(error: ControlError, more: dict[str, str] | None = None) -> JSONResponse:
    problem = Problem(code=error.code, message=error.message, remedy=error.remedy)
    headers = {"cache-control": "no-store", **(more or {})}
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="floway"'
    return JSONResponse(ErrorAnswer(error=problem).model_dump(), error.status, headers)


def _floway_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, FlowayError)
    return _told(explained(error))


def _invalid(_request: Request, error: Exception) -> Response:
    """Names the member, and nothing of what was sent: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    told = "; or ".join(dict.fromkeys(_place(each) for each in error.errors()[:MAX_TOLD]))
    return _told(ControlError(422, "invalid_request", told, f"see {PREFIX}/openapi.json"))


def _place(problem: Mapping[str, Any]) -> str:
    """Where and what; without the names of forms, which a body may have several of."""
    parts = [str(part) for part in problem["loc"] if str(part) not in BODIES]
    return f"{'.'.join(parts[1:]) or parts[0]}: {problem['msg']}"


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {400: "invalid_json", 404: "unknown_path", 405: "method_not_allowed"}
    told = ControlError(
        error.status_code,
        codes.get(error.status_code, "failed"),
        f"{request.method} {request.url.path[:200]!r}: {error.detail}",
        f"see {PREFIX}/openapi.json",
    )
    more = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405:  # the library names the methods of one route of the path
        more["allow"] = ", ".join(_methods(request))
    return _told(told, more)


def _methods(request: Request) -> list[str]:
    """All that the path takes."""
    found: set[str] = set()
    for route in request.app.state.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _told(ControlError(500, "internal", "floway failed", "its log says why"))
