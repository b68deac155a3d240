"""Calls with one message each way: models, usage, configuration (cursor-protocol.md §1.3).

The body is the bare message, without an envelope; a framed answer is taken as well, since some
hosts give one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import orjson
from google.protobuf.message import DecodeError, Message

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire import http_clients
from addons.providers.cursor.wire.answer import refusal
from addons.providers.cursor.wire.connect import EndStream, FrameReader
from addons.providers.cursor.wire.endpoint import Endpoint
from addons.providers.cursor.wire.http_clients import HttpClients

USABLE_MODELS: Final = "/agent.v1.AgentService/GetUsableModels"
AVAILABLE_MODELS: Final = "/aiserver.v1.AiService/AvailableModels"
SERVER_CONFIG: Final = "/aiserver.v1.ServerConfigService/GetServerConfig"
CURRENT_USAGE: Final = "/aiserver.v1.DashboardService/GetCurrentPeriodUsage"
PRIVACY_MODE: Final = "/aiserver.v1.DashboardService/GetUserPrivacyMode"
ME: Final = "/aiserver.v1.DashboardService/GetMe"

TIMEOUT: Final = 10.0
"""Seconds for one call, a second try included."""

LIMIT: Final = 16 * 1024 * 1024
"""Bytes of an answer."""

_LEAST_TAG = 8
"""A message begins with a tag, and 8 is the smallest there is; an envelope's flags are below."""


class Unary:
    """Makes calls."""

    def __init__(self, clients: HttpClients, *, timeout: float = TIMEOUT) -> None:
        self._clients = clients
        self._timeout = timeout

    async def call[M: Message](
        self,
        endpoint: Endpoint,
        path: str,
        reply: type[M],
        *,
        headers: Sequence[tuple[str, str]],
        lane: str,
        message: Message | None = None,
    ) -> M:
        """Call with protobuf.

        Args:
            message: None: an empty one.
            lane: an account's handle; accounts never share a connection.

        Raises:
            ConnectError: Cursor refused. TransportError: no answer, or none that can be read.
        """
        body = b"" if message is None else message.SerializeToString()
        answer = await self._post(endpoint, path, list(headers), body, lane)
        try:
            return reply.FromString(_unframed(answer))
        except DecodeError as error:
            raise errors.BrokenStream(f"the answer is no {reply.DESCRIPTOR.name}") from error

    async def call_json(
        self,
        endpoint: Endpoint,
        path: str,
        *,
        headers: Sequence[tuple[str, str]],
        lane: str,
        body: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Call with JSON; the content type is set to it. Errors as :meth:`call`."""
        own = [
            (name, "application/json" if name.lower() == "content-type" else value)
            for name, value in headers
        ]
        answer = await self._post(endpoint, path, own, orjson.dumps(body), lane)
        try:
            document = orjson.loads(answer)
        except ValueError as error:
            raise errors.BrokenStream("the answer is not JSON") from error
        if not isinstance(document, dict):
            raise errors.BrokenStream("the answer is not a JSON object")
        return document

    async def _post(
        self, endpoint: Endpoint, path: str, headers: list[tuple[str, str]], body: bytes, lane: str
    ) -> bytes:
        """All such calls only read, so that one may be made twice.

        That is done where the connection broke: the usual cause is one that was kept and that the
        server has closed meanwhile.
        """
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._once(endpoint, path, headers, body, lane)
                except errors.ConnectionLost:
                    return await self._once(endpoint, path, headers, body, lane)
        except TimeoutError:
            raise errors.Silence(self._timeout) from None

    async def _once(
        self, endpoint: Endpoint, path: str, headers: list[tuple[str, str]], body: bytes, lane: str
    ) -> bytes:
        timeout = httpx.Timeout(self._timeout)
        request = http_clients.request(endpoint, path, headers, body, timeout)
        try:
            answer = await self._clients.client(lane).send(request, stream=True)
            try:
                content = await _content(answer)
            finally:
                await answer.aclose()
        except httpx.DecodingError as error:
            raise errors.BrokenStream("the answer could not be decompressed") from error
        except httpx.HTTPError as error:
            raise http_clients.translated(error, timeout) from error
        if answer.status_code != 200:
            raise refusal(answer.status_code, content, http_clients.metadata(answer))
        return content


async def _content(answer: httpx.Response) -> bytes:
    pieces, size = [], 0
    async for piece in answer.aiter_bytes():
        pieces.append(piece)
        size += len(piece)
        if size > LIMIT:
            raise errors.FrameTooLarge(size, LIMIT)
    return b"".join(pieces)


def _unframed(body: bytes) -> bytes:
    """The message of a body, out of its envelope where it is in one.

    Raises:
        ConnectError: the envelope after it says so. BrokenStream: not one message.
    """
    if not body or body[0] >= _LEAST_TAG:
        return body
    reader = FrameReader(LIMIT)
    frames = reader.feed(body)
    reader.close()
    for each in frames:
        if each.end and (error := EndStream.parse(each.payload).error) is not None:
            raise error
    messages = [each.payload for each in frames if not each.end]
    if len(messages) != 1:
        raise errors.BrokenStream(f"the answer has {len(messages)} messages")
    return messages[0]
