"""The two-way stream of one run: messages out, messages in (cursor-protocol.md §1.2, §1.4).

Two ways: :class:`Run` over HTTP/2, and :class:`~.bidi.SplitRun`, an answer stream with a request
for each message, where HTTP/2 can't be had.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire.answer import AnswerReader
from addons.providers.cursor.wire.bidi import SplitRun
from addons.providers.cursor.wire.connect import DEFAULT_LIMIT, frame
from addons.providers.cursor.wire.connections import Connections
from addons.providers.cursor.wire.endpoint import RUN, Endpoint, Hosts
from addons.providers.cursor.wire.http2 import Data, Head
from addons.providers.cursor.wire.http_clients import HttpClients
from addons.providers.cursor.wire.stream import Stream

logger = logging.getLogger(__name__)

_REFUSAL_SECONDS = 10.0
"""For the body of an answer that is an error; its status alone tells the class."""


class Channel(Protocol):
    """One run's stream. One task reads; any may send."""

    @property
    def response_headers(self) -> Sequence[tuple[str, str]]:
        """Of the answer, names in lower case; empty until they came."""

    async def send(self, payload: bytes) -> None:
        """Send one message. Messages go out whole and in the order of the calls.

        Raises:
            CursorError: the run is over, or the server took nothing in time.
        """

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The messages that come. Ends where the server ended the run well.

        Raises:
            ConnectError: the server ended it with an error.
            TransportError: it was cut off.
        """

    async def close(self) -> None:
        """End the run, whatever its state. May be called again."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The headers of a run, for each way that it may travel; without pseudo headers and host.

    Attributes:
        request_id: the id that joins the requests of a split run; equals ``x-request-id``.
    """

    request_id: str
    run: Sequence[tuple[str, str]] = field(repr=False)  # they hold the account's token
    run_sse: Sequence[tuple[str, str]] = field(repr=False)
    append: Sequence[tuple[str, str]] = field(repr=False)


class Run:
    """A run on an HTTP/2 stream."""

    def __init__(self, stream: Stream, *, limit: int = DEFAULT_LIMIT) -> None:
        self._stream = stream
        self._answer = AnswerReader(limit)
        self._payloads: deque[bytes] = deque()
        self._sending = asyncio.Lock()

    @property
    def response_headers(self) -> Sequence[tuple[str, str]]:
        return self._answer.headers

    async def send(self, payload: bytes) -> None:
        async with self._sending:
            await self._stream.send(frame(payload))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._payloads:
            if self._answer.finished:
                if self._answer.error is not None:
                    raise self._answer.error
                raise StopAsyncIteration
            await self._read()
        return self._payloads.popleft()

    async def _read(self) -> None:
        refused = self._answer.status not in (None, 200)
        try:
            async with asyncio.timeout(_REFUSAL_SECONDS if refused else None):
                event = await self._stream.receive()
        except TimeoutError:
            self._answer.close()
            return
        except errors.TransportError:
            if not refused:
                raise
            self._answer.close()
            return
        match event:
            case Head(status=status, headers=headers):
                self._answer.head(status, headers)
            case Data(data=data, cost=cost):
                self._payloads += self._answer.feed(data)
                self._stream.acknowledge(cost)
            case _:  # the end; or trailers, which Connect does not use
                self._answer.close()
        if isinstance(self._answer.error, errors.BrokenStream):
            self._stream.cancel()  # nothing that could be understood will come
        elif self._answer.finished:
            self._stream.finish()

    async def close(self) -> None:
        self._stream.cancel()


class Channels:
    """Opens runs.

    Args:
        connections: for HTTP/2.
        clients: for everything else.
        limit: bytes of one message.
    """

    def __init__(
        self, connections: Connections, clients: HttpClients, *, limit: int = DEFAULT_LIMIT
    ) -> None:
        self._connections = connections
        self._clients = clients
        self._limit = limit
        self._without_http2: set[Endpoint] = set()

    async def open(self, hosts: Hosts, opening: Opening, *, lane: str) -> Channel:
        """Begin a run; nothing is waited for but the connection.

        Args:
            lane: an account's handle; accounts never share a connection.

        Raises:
            TransportError: no connection; ``unprocessed``.
        """
        agent = hosts.agent
        if hosts.way == "http2" or (
            hosts.way == "auto" and agent.secure and agent not in self._without_http2
        ):
            try:
                return await self._http2(agent, opening, lane)
            except errors.NoHttp2:
                if hosts.way == "http2":
                    raise
                self._without_http2.add(agent)
                logger.warning("%s does not speak HTTP/2; runs go by RunSSE", agent.host)
        client = self._clients.client(lane)
        return SplitRun(
            client,
            hosts.backend,
            opening.request_id,
            opening.run_sse,
            opening.append,
            limit=self._limit,
            limits=self._connections.limits,
        )

    async def _http2(self, agent: Endpoint, opening: Opening, lane: str) -> Run:
        headers = [
            (b":method", b"POST"),
            (b":path", (agent.prefix + RUN).encode("latin-1")),
            (b":authority", agent.authority.encode("latin-1")),
            (b":scheme", agent.scheme.encode("latin-1")),
        ]
        headers += [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in opening.run
        ]
        return Run(await self._connections.stream(agent, headers, lane=lane), limit=self._limit)
