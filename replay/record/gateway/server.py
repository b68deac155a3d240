"""The gateway as a server: one plain HTTP/1.1 listener on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import orjson

from addons.errors import ClientError
from addons.front.bodies import decode
from replay.record.gateway import chat, cursor, messages, responses
from replay.sandbox.connections import ConnectionRegistry
from replay.sandbox.http1 import Http1Connection
from replay.sandbox.messages import Reply, Request, Socket, header_list

type Json = dict[str, Any]
type JsonHandler = Callable[[Json], responses.Given]

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a request."""

MODELS = ("gpt-5.5", "composer-2", "claude-sonnet-4-5")
"""What a client is told that there is; any other model is answered as well."""


class Gateway:
    """Runs between ``async with``.

    Attributes:
        port: that it listens on.
        answered: ``METHOD PATH`` of the requests so far, with the status they got, in order.
    """

    def __init__(self) -> None:
        self.port = 0
        self.answered: list[tuple[str, int]] = []
        self._registry = ConnectionRegistry(self, MAX_BODY, deflate=False)
        self._server: asyncio.Server | None = None
        memory = responses.Memory()
        self._json: Mapping[str, JsonHandler] = {
            "/v1/responses": memory.answer,
            "/v1/chat/completions": chat.answer,
            "/v1/messages": messages.answer,
            "/v1/messages/count_tokens": messages.count,
        }
        self._cursor = cursor.AgentService()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Http1Connection(self._registry, secure=False), "127.0.0.1", 0
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._registry.close()
        await self._server.wait_closed()

    # --- replay.sandbox.messages.Application ---

    async def http(self, request: Request, reply: Reply) -> None:
        """Answer one request."""
        served = self._cursor.served(request)
        if served is not None:
            await self._run(request, reply, served)
        elif request.method == "POST" and request.path in self._json:
            await self._give(request, reply, self._answer(request, self._json[request.path]))
        elif request.method == "GET" and request.path == "/v1/models":
            await self._give(request, reply, responses.Given(200, _models()))
        else:
            await self._give(request, reply, _refusal(404, f"no {request.method} {request.path}"))

    async def socket(self, request: Request, socket: Socket) -> None:
        """A gateway has no WebSocket."""
        await socket.refuse(404, [(b"content-length", b"0")], b"")

    # --- what they do ---

    def _answer(self, request: Request, handler: JsonHandler) -> responses.Given:
        try:
            raw = decode(request.body, request.header("content-encoding") or "", limit=MAX_BODY)
            body = orjson.loads(raw)
        except ClientError as error:
            return _refusal(error.status, error.message)
        except orjson.JSONDecodeError as error:
            return _refusal(400, f"not JSON: {error}")
        if not isinstance(body, dict):
            return _refusal(400, "not a JSON object")
        try:
            return handler(body)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return _refusal(400, f"cannot be answered: {error!r}")

    async def _give(self, request: Request, reply: Reply, given: responses.Given) -> None:
        self._count(request, given.status)
        if given.events is None:
            body = b"" if request.method == "HEAD" else orjson.dumps(given.body)
            head = {"content-type": "application/json", "content-length": str(len(body))}
            reply.start(given.status, header_list(head))
            await reply.write(body)
        else:
            head = {"content-type": "text/event-stream", "cache-control": "no-cache"}
            reply.start(given.status, header_list(head))
            for event in given.events:
                await reply.write(event)
        await reply.finish()

    async def _run(
        self, request: Request, reply: Reply, served: Callable[[Reply], Awaitable[None]]
    ) -> None:
        self._count(request, 200)
        await served(reply)

    def _count(self, request: Request, status: int) -> None:
        self.answered.append((f"{request.method} {request.path}", status))


def _models() -> Json:
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "x"} for name in MODELS]
    return {"object": "list", "data": models, "items": [{"id": name} for name in MODELS]}


def _refusal(status: int, message: str) -> responses.Given:
    error = {"type": "invalid_request_error", "code": None, "param": None, "message": message}
    return responses.Given(status, {"type": "error", "error": error})
