"""The calls of the Cursor side that are answered at once: sign-in, models, configuration, usage."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Awaitable, Callable, Mapping

import orjson
from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message

from addons.providers.cursor.proto import agent_pb2, aiserver_pb2
from replay.sandbox.call import Call, Refused, Services, base_headers, send_json, send_whole
from replay.sandbox.codex.account_calls import form_body
from replay.sandbox.cursor import models, service
from replay.sandbox.cursor.accounts import CursorAccount, CursorTokenRefused
from replay.sandbox.cursor.failures import FAILURES, Failure, RunFailed
from replay.sandbox.cursor.logins import PollRefused
from replay.sandbox.messages import Reply
from replay.sandbox.presets import ErrorAnswer, detail

type Open = Callable[[Services, Call, Reply], Awaitable[None]]
type Signed = Callable[[Services, Call, CursorAccount], Message]

LOGIN = "/loginDeepControl"
DENY = "(deny)"
PROTO = "application/proto"
METHOD = re.compile(r"/(?:agent|aiserver)\.v1\.[A-Za-z]+/[A-Za-z]+")


# --- sign-in ---


async def exchange(services: Services, call: Call, reply: Reply) -> None:
    """``POST /auth/exchange_user_api_key``: tokens for an API key or a refresh token."""
    credential = bearer(call)
    try:
        account, tokens = services.cursor.accounts.exchange(credential)
    except CursorTokenRefused as refused:
        named = services.cursor.accounts.owner(credential)
        status = named.refresh_error if named and named.refresh_error else 401
        raise Refused(ErrorAnswer(status, {"error": str(refused)})) from refused
    call.entry.account = account.label
    await send_json(call, reply, tokens)


async def poll(services: Services, call: Call, reply: Reply) -> None:
    """``GET /auth/poll``: 404 until a person has decided."""
    query = call.request.query
    try:
        account = services.cursor.logins.poll(query.get("uuid", ""), query.get("verifier", ""))
    except PollRefused as refused:
        raise Refused(ErrorAnswer(refused.status, {"error": str(refused)})) from refused
    if account is None:
        raise Refused(detail(404, "Not Found"))
    call.entry.account = account.label
    tokens = {**services.cursor.accounts.sign_in(account), "uuid": query.get("uuid", "")}
    await send_json(call, reply, tokens, {"cache-control": "no-store"})


async def login(services: Services, call: Call, reply: Reply) -> None:
    """``GET`` and ``POST /loginDeepControl``: a person chooses; ``&account=kim`` is the click."""
    asked = {**call.request.query, **form_body(call.request.body)}
    uuid, challenge = asked.get("uuid", ""), asked.get("challenge", "")
    if not uuid or len(challenge) != 43 or asked.get("mode") != "login":
        await _page(call, reply, "<h1>Not possible</h1><p>Wrong: uuid, challenge or mode</p>", 400)
        return
    chosen = asked.pop("account", "")
    if not chosen:
        await _page(call, reply, f"<h1>Sign in</h1>{_form(services, asked)}")
        return
    account = None if chosen == DENY else services.cursor.accounts.find(chosen)
    if account is None and chosen != DENY:
        text = f"<h1>Not possible</h1><p>There is no account {html.escape(chosen)}</p>"
        await _page(call, reply, text, 404)
        return
    services.cursor.logins.decide(uuid, challenge, account)
    await _page(call, reply, "<h1>Declined</h1>" if account is None else "<h1>All set</h1>")


def _form(services: Services, asked: Mapping[str, str]) -> str:
    fields = "".join(
        f'<input type=hidden name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in asked.items()
    )
    buttons = "".join(
        f"<p><button name=account value={account.label}>{account.email} ({account.plan})</button>"
        for account in services.cursor.accounts
    )
    deny = f'<p><button name=account value="{DENY}">Decline</button>'
    return f'<form method=post action="{LOGIN}">{fields}{buttons}{deny}</form>'


async def _page(call: Call, reply: Reply, text: str, status: int = 200) -> None:
    head = "<!doctype html><meta charset=utf-8><title>floway sandbox</title>"
    page = f"{head}<p>Made-up Cursor accounts of the floway sandbox</p>{text}\n"
    await send_whole(call, reply, status, base_headers("text/html; charset=utf-8"), page.encode())


async def model_items(services: Services, call: Call, reply: Reply) -> None:
    """``GET /v1/models``, which the official SDK asks for with its API key as it is."""
    account = services.cursor.accounts.owner(bearer(call))
    if account is None or account.api_key != bearer(call):
        account = signed_in(services, call)
    call.entry.account = account.label
    items = [{"id": each.name, "displayName": each.client_display_name} for each in _models()]
    await send_json(call, reply, {"items": items})


def _models() -> list[aiserver_pb2.AvailableModel]:
    return list(models.available(parameters=False).models)


# --- who asks ---


def bearer(call: Call) -> str:
    scheme, _, token = (call.request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def signed_in(services: Services, call: Call) -> CursorAccount:
    """
    Raises:
        RunFailed: no access token, or one that is not good.
    """
    try:
        account = services.cursor.accounts.bearer(bearer(call))
    except CursorTokenRefused as refused:
        call.entry.notes.append(str(refused))
        raise RunFailed(FAILURES["unauthenticated"]) from refused
    call.entry.account = account.label
    return account


# --- unary methods ---


def _usable_models(_services: Services, _call: Call, _account: CursorAccount) -> Message:
    return models.usable()


def _default_model(_services: Services, _call: Call, _account: CursorAccount) -> Message:
    return models.default()


def _available_models(_services: Services, call: Call, _account: CursorAccount) -> Message:
    request = _read(call, aiserver_pb2.AvailableModelsRequest())
    return models.available(parameters=request.use_model_parameters)


def _server_config(_services: Services, call: Call, _account: CursorAccount) -> Message:
    """The agent hosts are the one at which the client knows this server."""
    authority = dict(call.request.pseudo_headers).get(b":authority", b"").decode("latin-1")
    host = authority or call.request.header("host") or ""
    origin = f"{'https' if call.request.secure else 'http'}://{host}"
    return aiserver_pb2.GetServerConfigResponse(
        config_version="sandbox-1",
        http2_config=aiserver_pb2.HTTP2_CONFIG_UNSPECIFIED,
        agent_url_config=aiserver_pb2.AgentUrlConfig(agent_url=origin, agentn_url=origin),
    )


def _me(_services: Services, _call: Call, account: CursorAccount) -> Message:
    return aiserver_pb2.GetMeResponse(
        auth_id=account.id,
        user_id=account.number,
        email=account.email,
        first_name=account.label.capitalize(),
    )


def _privacy(_services: Services, _call: Call, _account: CursorAccount) -> Message:
    return aiserver_pb2.GetUserPrivacyModeResponse(
        privacy_mode=aiserver_pb2.PRIVACY_MODE_NO_TRAINING
    )


def _usage(services: Services, _call: Call, account: CursorAccount) -> Message:
    return account.usage(services.now())


def _append(services: Services, call: Call, account: CursorAccount) -> Message:
    service.append(services.cursor, call.request.body, account)
    return aiserver_pb2.BidiAppendResponse()


def _nothing(_services: Services, call: Call, _account: CursorAccount) -> Message:
    """Methods that official clients call and nobody needs an answer of."""
    call.entry.notes.append("a method that the sandbox does not know; answered empty")
    return agent_pb2.Empty()


METHODS: Mapping[str, Signed] = {
    "/agent.v1.AgentService/GetUsableModels": _usable_models,
    "/aiserver.v1.AiService/GetUsableModels": _usable_models,
    "/aiserver.v1.AiService/GetDefaultModelForCli": _default_model,
    "/aiserver.v1.AiService/AvailableModels": _available_models,
    "/aiserver.v1.ServerConfigService/GetServerConfig": _server_config,
    "/aiserver.v1.DashboardService/GetMe": _me,
    "/aiserver.v1.DashboardService/GetUserPrivacyMode": _privacy,
    "/aiserver.v1.DashboardService/GetCurrentPeriodUsage": _usage,
    "/aiserver.v1.BidiService/BidiAppend": _append,
}


async def unary(services: Services, call: Call, reply: Reply) -> None:
    """One method: bare protobuf, or JSON where the client sends JSON."""
    kind = (call.request.header("content-type") or "").partition(";")[0].strip()
    if kind not in (PROTO, "application/json"):
        raise Refused(ErrorAnswer(415, {"code": "unknown", "message": f"not {PROTO}: {kind}"}))
    method = METHODS.get(call.request.path, _nothing)
    answer = method(services, call, signed_in(services, call))
    if kind == PROTO:
        payload = answer.SerializeToString()
    else:
        payload = orjson.dumps(json.loads(MessageToJson(answer)))
    await send_whole(call, reply, 200, base_headers(kind), payload)


def failed(problem: RunFailed) -> ErrorAnswer:
    """The answer to an unary call that fails."""
    return ErrorAnswer(problem.failure.status, problem.failure.json())


def _read[T: Message](call: Call, message: T) -> T:
    """
    Raises:
        RunFailed: the body is no such message.
    """
    body = call.request.body
    try:
        if "json" in (call.request.header("content-type") or ""):
            ParseDict(orjson.loads(body or b"{}"), message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(body)
    except (DecodeError, ParseError, orjson.JSONDecodeError) as error:
        raise RunFailed(Failure("invalid_argument", f"malformed request: {error}")) from error
    return message
