"""The little of Cursor's agent service that one run of its Python SDK needs, over HTTP/1.1.

Off TLS the SDK has its answer streamed by ``RunSSE`` and sends what it has to say by
``BidiAppend``. Every other call is answered with an empty message, which it takes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Awaitable, Callable

import orjson

from replay.sandbox.messages import Reply, Request, header_list

ANSWER = "Hello."
WAIT_SECONDS = 30.0
"""For what the client sends, before its answer ends with an error instead."""

_RUN = "/agent.v1.AgentService/RunSSE"
_APPEND = "/aiserver.v1.BidiService/BidiAppend"
_EXCHANGE = "/auth/exchange_user_api_key"
_METHOD = re.compile(r"/[a-z]+\.v1\.[A-Za-z]+Service/[A-Za-z]+")
_END = 0x02
"""Flag of the frame that ends a stream; it holds JSON."""
_LIFETIME = 86400

type Served = Callable[[Reply], Awaitable[None]]


class AgentService:
    """One for each gateway, and for one run at a time."""

    def __init__(self) -> None:
        self._appended = asyncio.Event()

    def served(self, request: Request) -> Served | None:
        """How a request is answered; None when it is none of Cursor's."""
        if request.method != "POST":
            return None
        if request.path == _EXCHANGE:
            return self._exchange
        if request.path == _RUN:
            return self._run
        if _METHOD.fullmatch(request.path) is None:
            return None
        if request.path == _APPEND:
            self._appended.set()
        as_json = "json" in (request.header("content-type") or "")
        return _empty_json if as_json else _empty_message

    async def _exchange(self, reply: Reply) -> None:
        """An API key becomes tokens; made-up ones, without a signature."""
        token = unsigned({"sub": "auth0|user_made_up", "exp": int(time.time()) + _LIFETIME})
        await _whole(reply, "application/json", {"accessToken": token, "refreshToken": token})

    async def _run(self, reply: Reply) -> None:
        reply.start(200, header_list({"content-type": "application/connect+proto"}))
        await reply.write(b"")
        end = b"{}"
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._appended.wait()
        except TimeoutError:
            error = {"code": "deadline_exceeded", "message": "no prompt came by BidiAppend"}
            end = orjson.dumps({"error": error})
        else:
            self._appended.clear()
            text = _member(1, ANSWER.encode())
            for update in (_member(1, text), _member(14, b"")):  # text_delta, turn_ended
                await reply.write(frame(_member(1, update)))  # of interaction_update
        await reply.write(frame(end, _END))
        await reply.finish()


def frame(payload: bytes, flags: int = 0) -> bytes:
    """A message of a stream, as Connect frames it: flags, length, payload."""
    return bytes([flags]) + len(payload).to_bytes(4, "big") + payload


def unsigned(claims: dict[str, object]) -> str:
    """A JSON web token without a signature."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "made-up"])


def _member(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf member of fewer than 128 bytes."""
    assert number < 16, "larger numbers take more bytes"
    assert len(payload) < 128, "longer texts too"
    return bytes([number << 3 | 2, len(payload)]) + payload


async def _empty_json(reply: Reply) -> None:
    await _whole(reply, "application/json", {})


async def _empty_message(reply: Reply) -> None:
    reply.start(200, header_list({"content-type": "application/proto", "content-length": "0"}))
    await reply.write(b"")
    await reply.finish()


async def _whole(reply: Reply, kind: str, value: object) -> None:
    body = orjson.dumps(value)
    reply.start(200, header_list({"content-type": kind, "content-length": str(len(body))}))
    await reply.write(body)
    await reply.finish()
