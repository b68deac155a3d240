"""One request on its way through the application, and plain answers to it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import orjson

from addons.errors import ClientError
from addons.front.bodies import decode
from replay.sandbox import faults
from replay.sandbox.accounts import Account, Accounts
from replay.sandbox.cache_model import PromptCache
from replay.sandbox.codex.logins import Logins
from replay.sandbox.config import SandboxConfig
from replay.sandbox.cursor.side import CursorSide
from replay.sandbox.faults import FaultTable
from replay.sandbox.gate import Gate
from replay.sandbox.messages import ClientGone, Reply, Request, header_list
from replay.sandbox.playback import RESET_GRACE, Drip, write_body
from replay.sandbox.presets import ErrorAnswer, PresetContext, detail
from replay.sandbox.recorder import Entry, Recorder

type Json = dict[str, Any]


@dataclass(slots=True)
class Services:
    """What handlers share.

    Attributes:
        https_url: of the TLS listener, "" when there is none.
        reported: accounts and token counts of ``[[tokens N once]]`` that were reported.
    """

    config: SandboxConfig
    accounts: Accounts
    faults: FaultTable
    recorder: Recorder
    cursor: CursorSide
    cache: PromptCache
    gate: Gate
    https_url: str = ""
    logins: Logins = field(default_factory=Logins)
    reported: set[tuple[str, int | None]] = field(default_factory=set)

    def now(self) -> float:
        return self.config.clock()


@dataclass(slots=True)
class Call:
    """A request with what was found out about it.

    Attributes:
        body: decoded JSON object; empty where the route has none.
        account: whose bearer token or API key it carries; None on open routes.
        fault: ordered for this request, and not yet carried out.
    """

    request: Request
    entry: Entry
    body: Json = field(default_factory=dict)
    account: Account | None = None
    fault: faults.Fault | None = None

    @property
    def owner(self) -> Account:
        """The account of a route that needs one."""
        assert self.account is not None, "the route is served without its account check"
        return self.account


class Refused(Exception):
    """The request is answered with an error."""

    def __init__(self, answer: ErrorAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_body(services: Services, call: Call, *, required: bool = True) -> Json:
    """The request's body as a JSON object, its content coding undone.

    Raises:
        Refused: 400, 413 or 415 that says what is wrong.
    """
    request = call.request
    coding = request.header("content-encoding") or ""
    try:
        raw = decode(request.body, coding, limit=services.config.max_body)
    except ClientError as problem:
        raise Refused(detail(problem.status, problem.message)) from problem
    if coding:
        services.recorder.decoded(call.entry, raw)
    if not raw and not required:
        return {}
    return json_object(raw)


def json_object(raw: bytes | str) -> Json:
    """
    Raises:
        Refused: 400 when it is not one JSON object.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise Refused(detail(400, f"The body is not valid JSON: {problem}")) from problem
    if not isinstance(body, dict):
        raise Refused(detail(400, "The body must be a JSON object"))
    return body


def base_headers(content_type: str) -> dict[str, str]:
    """Headers of every answer."""
    request_id = secrets.token_hex(16)
    return {
        "date": formatdate(usegmt=True),
        "content-type": content_type,
        "server": "cloudflare",
        "x-request-id": request_id,
        "x-oai-request-id": request_id,
        "cf-ray": f"{secrets.token_hex(8)}-SBX",
        "cf-cache-status": "DYNAMIC",
    }


async def send_json(call: Call, reply: Reply, value: Any, headers: Json | None = None) -> None:
    """A 200 with a JSON body."""
    more = {name: str(text) for name, text in (headers or {}).items()}
    head = {**base_headers("application/json"), **more}
    await send_whole(call, reply, 200, head, orjson.dumps(value))


async def send_error(call: Call, reply: Reply, answer: ErrorAnswer) -> None:
    """An error answer."""
    head = {**base_headers(answer.content_type), **answer.headers}
    await send_whole(call, reply, answer.status, head, answer.payload)


async def send_whole(
    call: Call, reply: Reply, status: int, headers: dict[str, str], payload: bytes
) -> None:
    """A body of known length, with the fault that was ordered for such an answer."""
    call.entry.status = status
    fault = call.fault
    cut = isinstance(fault, faults.ResetFault | faults.CloseFault)
    chunked = isinstance(fault, faults.CloseFault)
    head = headers if chunked else {**headers, "content-length": str(len(payload))}
    if isinstance(fault, faults.HeadersFault):
        head = fault.changed(head)
    reply.start(status, header_list(head))
    if call.request.method == "HEAD" or (not payload and not cut):
        await reply.finish()
        return
    half = 0 if getattr(fault, "at", None) in (0, "before_output") else len(payload) // 2
    match fault:
        case faults.ResetFault():
            await reply.write(payload[:half])
            await asyncio.sleep(RESET_GRACE)
            reply.reset()
            raise ClientGone
        case faults.CloseFault():
            await reply.write(payload[:half])
        case faults.StallFault():
            await reply.write(payload[:half])
            await asyncio.sleep(fault.seconds)
            await reply.write(payload[half:])
        case faults.DripFault():
            await write_body(reply, payload, Drip(fault.bytes, fault.seconds))
        case _:
            await reply.write(payload)
    await reply.finish()


def preset_context(services: Services, call: Call) -> PresetContext:
    """What an error preset may depend on."""
    return PresetContext(call.account, services.now(), model=call.entry.model)


async def carry_out_before_headers(
    services: Services, call: Call, reset: Callable[[], None]
) -> ErrorAnswer | None:
    """The part of the ordered fault that comes before an answer's head.

    Args:
        reset: breaks the connection or stream off.

    Returns:
        The error to be answered instead; None to go on with what is left of ``call.fault``.

    Raises:
        ClientGone: it was broken off.
    """
    fault = call.fault
    if fault is None:
        return None
    if fault.delay:
        await asyncio.sleep(fault.delay)
    match fault:
        case faults.StatusFault() | faults.PresetFault() | faults.RefuseUpgradeFault():
            call.fault = None
            return fault.answer(preset_context(services, call))
        case faults.DelayFault():
            call.fault = None
        case faults.StallFault() if fault.at == "before_headers":
            await asyncio.sleep(fault.seconds)
            call.fault = None
        case faults.ResetFault() if fault.at == "before_headers":
            reset()
            raise ClientGone
    return None
