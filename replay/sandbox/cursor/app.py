"""Which requests are Cursor's, and who answers them. Faults come before the answer."""

from __future__ import annotations

from replay.sandbox.call import Call, Refused, Services, carry_out_before_headers
from replay.sandbox.cursor import calls, service
from replay.sandbox.cursor.accounts import CursorAccount
from replay.sandbox.cursor.failures import FAILURES, RunFailed
from replay.sandbox.messages import Duplex, Reply, Request
from replay.sandbox.presets import ErrorAnswer

OPEN: dict[tuple[str, str], calls.Open] = {
    ("POST", "/auth/exchange_user_api_key"): calls.exchange,
    ("GET", "/auth/poll"): calls.poll,
    ("GET", calls.LOGIN): calls.login,
    ("POST", calls.LOGIN): calls.login,
    ("GET", "/v1/models"): calls.model_items,
}
"""Calls that are no methods; ``/v1/models`` only with a token of Cursor's."""
OLDEST_CLI = "2026.01.01"
"""Releases before it are told to update; which ones the service takes changes (§1.2)."""
WRONG_PROTOCOL = 464
"""A load balancer's, for ``Run`` over HTTP/1.1 (cursor-protocol.md §1.1)."""


def serves(services: Services, request: Request) -> bool:
    """Whether a request is one for this side."""
    if request.path == "/v1/models":
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        return scheme.lower() == "bearer" and services.cursor.accounts.knows(token.strip())
    key = (request.method, request.path)
    return key in OPEN or (request.method == "POST" and bool(calls.METHOD.fullmatch(request.path)))


def is_duplex(method: str, path: str) -> bool:
    """Whether a request's answer begins before its body has ended."""
    return method == "POST" and path == service.RUN


async def http(services: Services, call: Call, reply: Reply) -> None:
    """Answer a request, all but ``Run``.

    Raises:
        Refused: with an error.
    """
    try:
        await _begin(services, call, reply)
        handler = OPEN.get((call.request.method, call.request.path))
        if handler is not None:
            await handler(services, call, reply)
        elif call.request.path == service.RUN:
            raise Refused(ErrorAnswer(WRONG_PROTOCOL, ""))
        elif call.request.path == service.RUN_SSE:
            _check_stream(call)
            await service.run_sse(services, call, reply, await _owner(services, call, reply))
        else:
            await calls.unary(services, call, reply)
    except _Ended:
        return
    except RunFailed as problem:
        raise Refused(calls.failed(problem)) from problem


async def duplex(services: Services, call: Call, stream: Duplex) -> None:
    """Answer ``Run``.

    Raises:
        Refused: with an error.
    """
    await _begin(services, call, stream)
    _check_stream(call)
    try:
        account = await _owner(services, call, stream)
    except _Ended:
        return
    await service.run(services, call, stream, account)


class _Ended(Exception):
    """The answer was given already."""


async def _begin(services: Services, call: Call, reply: Reply) -> None:
    """The fault that comes before everything else.

    Raises:
        Refused: it is an error.
    """
    request = call.request
    account = services.cursor.accounts.owner(calls.bearer(call))
    call.fault = services.faults.take(
        phase="http",
        method=request.method,
        path=request.path,
        account=account,
        model="",
        named=True,  # floway's own calls are not to use up what was meant for a model request
    )
    if call.fault is None:
        return
    call.entry.fault = call.fault.model_dump(mode="json")
    refusal = await carry_out_before_headers(services, call, reply.reset)
    if refusal is not None:
        raise Refused(refusal)


def _check_stream(call: Call) -> None:
    kind = call.request.header("content-type") or ""
    if kind != service.STREAM_TYPE:
        raise Refused(ErrorAnswer(415, f"not {service.STREAM_TYPE}: {kind}"))
    if call.request.header("connect-protocol-version") != "1":
        message = 'missing required header: set Connect-Protocol-Version to "1"'
        raise Refused(ErrorAnswer(400, {"code": "invalid_argument", "message": message}))


def _outdated(request: Request) -> bool:
    """Whether the client does not say what it is, or is too old a CLI: cli-YYYY.MM.DD-HASH."""
    kind = request.header("x-cursor-client-type")
    version = request.header("x-cursor-client-version") or ""
    if not kind or not version.startswith(f"{kind}-"):
        return True
    return kind == "cli" and version.removeprefix("cli-") < OLDEST_CLI


async def _owner(services: Services, call: Call, reply: Reply) -> CursorAccount:
    """Whose run it is.

    Raises:
        _Ended: nobody's; in a stream that is an end of it, under status 200 (§2.4).
    """
    try:
        account = calls.signed_in(services, call)
        if _outdated(call.request):
            raise RunFailed(FAILURES["update_required"])
        return account
    except RunFailed as problem:
        service.start(call, reply)
        await service.end(call, reply, problem)
        raise _Ended from problem
