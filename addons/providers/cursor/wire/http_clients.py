"""HTTP clients for what is no two-way stream: unary calls, ``RunSSE``, appended messages."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from pathlib import Path
from typing import Final

import httpx

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire import tls
from addons.providers.cursor.wire.endpoint import Endpoint

MAX_LANES: Final = 64


class HttpClients:
    """One client for each lane, so that accounts never share a connection.

    Args:
        ca_file: see :func:`.tls.context`.
        lanes: clients that are kept; the one that was used longest ago is closed.
    """

    def __init__(self, *, ca_file: Path | str | None = None, lanes: int = MAX_LANES) -> None:
        self._ca_file = ca_file
        self._lanes = lanes
        self._tls: ssl.SSLContext | None = None
        self._clients: OrderedDict[str, httpx.AsyncClient] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def client(self, lane: str) -> httpx.AsyncClient:
        """The client of a lane: an account's handle."""
        client = self._clients.get(lane)
        if client is None:
            if self._tls is None:
                self._tls = tls.context(self._ca_file)
            client = self._clients[lane] = httpx.AsyncClient(
                verify=self._tls,
                http2=True,
                trust_env=False,  # the environment's proxy may be floway itself
                follow_redirects=False,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            )
            self._shrink()
        self._clients.move_to_end(lane)
        return client

    async def close(self) -> None:
        """Close all; what runs on them fails."""
        clients, self._clients = list(self._clients.values()), OrderedDict()
        await asyncio.gather(*(each.aclose() for each in clients), *self._closing)

    def _shrink(self) -> None:
        while len(self._clients) > self._lanes:
            _, client = self._clients.popitem(last=False)
            task = asyncio.create_task(client.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def request(
    endpoint: Endpoint,
    path: str,
    headers: list[tuple[str, str]],
    body: bytes,
    timeout: httpx.Timeout,
) -> httpx.Request:
    """A POST with these headers and no others: a request that a client builds itself has more.

    Args:
        timeout: such a request has none of the client's own either.
    """
    return httpx.Request(
        "POST",
        endpoint.url + path,
        headers=headers,
        content=body,
        extensions={"timeout": timeout.as_dict()},
    )


def translated(error: httpx.HTTPError, timeout: httpx.Timeout) -> errors.TransportError:
    """The same as an error of this provider; names no address."""
    match error:
        case httpx.ConnectTimeout():
            return errors.ConnectTimeout(timeout.connect or 0.0)
        case httpx.WriteTimeout():
            return errors.SendTimeout(timeout.write or 0.0)
        case httpx.TimeoutException():
            return errors.Silence(timeout.read or 0.0)
        case httpx.ConnectError():
            cause = error.__cause__
            while cause is not None and not isinstance(cause, OSError):
                cause = cause.__cause__ or cause.__context__
            reason = errors.problem(cause) if cause is not None else "refused"
            return errors.ConnectFailed(f"The upstream could not be connected to: {reason}.")
        case httpx.RemoteProtocolError():
            return errors.ConnectionLost("The upstream broke the answer off.")
    return errors.ConnectionLost(f"The connection to the upstream failed: {type(error).__name__}.")


def metadata(answer: httpx.Response) -> dict[str, tuple[str, ...]]:
    """Headers by lower-case name."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in answer.headers.multi_items():
        found[name.lower()] = (*found.get(name.lower(), ()), value)
    return found
