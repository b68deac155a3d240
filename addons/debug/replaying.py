"""``floway.replay``: a client's request, as it came, sent once more through the whole chain.

It goes to floway's own port like any client's. A header marks it, whose value only this process
knows, and which is good for one request; it is taken off before anything else sees the request.
(mitmproxy's own replay sends what *left* once more: no account is chosen and nothing rewritten.)
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx
from mitmproxy import http

from addons.debug.client_side import kept_whole
from addons.verbatim import VerbatimTransport

HEADER: Final = "x-floway-replay"

REPLAY: Final = "floway_replay"
"""Key of ``flow.metadata`` of a request that floway sends itself."""

MOST: Final = 100
"""Replays that may be under way."""

CONNECT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 3600.0
"""Longest silence of an answer; floway itself ends what takes too long."""

_LEFT_OUT: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "expect", "te"}
    | {"trailer", "proxy-connection", "proxy-authorization", "upgrade", HEADER}
)
"""Headers of the client's connection; this request has one of its own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a replay is to be.

    Attributes:
        of: id of the flow whose request is sent again.
        account: label of the one account that may serve it; "" for any.
        profile: name of the profile in whose form it leaves; "" for the usual one.
    """

    of: str = ""
    account: str = ""
    profile: str = ""


NOT_ASKED: Final = Asked()


def asked_of(flow: http.HTTPFlow) -> Asked:
    """What was asked for a flow that is being served; :data:`NOT_ASKED` for a client's own."""
    found = flow.metadata.get(REPLAY)
    return Asked(**found) if isinstance(found, dict) else NOT_ASKED


class Replays:
    """Sends requests again, and knows them when they come in. An addon in front of all others.

    Args:
        address: ``host:port`` at which this machine reaches floway; "" when it does not listen.
    """

    name = "floway-replays"

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._awaited: dict[str, Asked] = {}

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not flow.live:
            return
        flow.metadata.pop(REPLAY, None)
        asked = self._awaited.pop(flow.request.headers.pop(HEADER, ""), None)
        if asked is not None:
            flow.metadata[REPLAY] = asdict(asked)

    def prepare(self, flow: http.HTTPFlow, account: str = "", profile: str = "") -> httpx.Request:
        """The request that is to be sent; :meth:`send` sends it.

        Raises:
            ValueError: it can't be sent again; says why and what helps.
        """
        if flow.websocket is not None:
            raise ValueError("the messages of a WebSocket can't be sent again; take one over HTTP")
        address = self._address()
        if not address:
            raise ValueError("floway does not listen, so nothing can be sent to it")
        side = kept_whole(flow)
        if len(self._awaited) >= MOST:  # some never came in
            self._awaited.clear()
        nonce = secrets.token_urlsafe(24)
        self._awaited[nonce] = Asked(flow.id, account, profile)
        method, _, path = side.line.partition(" ")
        pairs = [(n, v) for n, v in side.headers if n.lower() not in _LEFT_OUT and n[:1] != ":"]
        headers = [("host", address), *pairs, (HEADER, nonce), ("connection", "close")]
        if side.body or method not in ("GET", "HEAD"):
            headers.append(("content-length", str(len(side.body))))
        timeout = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS).as_dict()
        return httpx.Request(
            method,
            httpx.URL(f"http://{address}", raw_path=_bytes(path)),
            headers=[(_bytes(name), _bytes(value)) for name, value in headers],
            content=side.body,
            extensions={"timeout": timeout},
        )

    async def send(self, request: httpx.Request) -> int:
        """Send it, and read the answer to its end.

        Returns:
            the status.

        Raises:
            httpx.HTTPError: no whole answer came.
        """
        # Plain HTTP to this machine: the context is never used, and so has no authorities.
        transport = VerbatimTransport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        answer = await transport.handle_async_request(request)
        try:
            async for _ in answer.aiter_raw():
                pass  # the flow has it
        finally:
            await answer.aclose()
        return answer.status_code


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def told(asked: Asked) -> dict[str, Any]:
    """For the flow's metadata."""
    return {"replay_of": asked.of} if asked.of else {}
