"""Where Cursor is: hosts, and how the agent's stream reaches them (cursor-protocol.md §1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from addons.errors import FlowayError
from addons.providers.upstream import Upstream

BACKEND: Final = "https://api2.cursor.sh"
"""Sign-in, models, usage, configuration, and ``RunSSE``; many clients send ``Run`` there too."""

RUN: Final = "/agent.v1.AgentService/Run"
RUN_SSE: Final = "/agent.v1.AgentService/RunSSE"
APPEND: Final = "/aiserver.v1.BidiService/BidiAppend"

type Way = Literal["auto", "http2", "http1"]
"""How a run travels. ``http2``: ``Run``; over plain TCP with prior knowledge. ``http1``:
``RunSSE`` with ``BidiAppend``. ``auto``: ``http2`` over TLS where the host speaks it, else
``http1``, as the official client does (§0.0).
"""


class Endpoint(Upstream):
    """An upstream of this provider: its URL has nothing but scheme, host, port and path."""

    __slots__ = ()

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Raises:
            FlowayError: not an http(s) URL with a host, or more than a base URL.
        """
        endpoint = super().parse(url)
        parts = urlsplit(url)
        if parts.username is not None or parts.query or parts.fragment:
            raise FlowayError(
                f"upstream at {endpoint.host!r} must be a base URL: no user, query or fragment"
            )
        return endpoint

    @property
    def secure(self) -> bool:
        return self.scheme == "https"


@dataclass(frozen=True, slots=True)
class Hosts:
    """The two hosts of one account.

    Attributes:
        backend: everything but ``Run``.
        agent: ``Run``. Dedicated agent hosts speak HTTP/2 only (§1.1), so that ``RunSSE`` goes to
            the backend.
    """

    backend: Endpoint
    agent: Endpoint
    way: Way = "auto"
