"""Where Cursor is: hosts, and how the agent's stream reaches them (cursor-protocol.md §1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from addons.errors import FlowayError

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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An origin, with a path prefix where its URL has one."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Raises:
            FlowayError: not an http(s) URL with a host.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise FlowayError(f"upstream {url!r} is no URL: {error}") from None
        if parts.scheme not in ("http", "https") or not host or port == 0:
            raise FlowayError(f"upstream {url!r} must be an http:// or https:// URL with a host")
        if parts.username is not None or parts.query or parts.fragment:
            raise FlowayError(
                f"upstream at {host!r} must be a base URL: no user, query or fragment"
            )
        return cls(parts.scheme, host, port or _usual(parts.scheme), parts.path.rstrip("/"))

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """Value of ``:authority`` and ``host``; the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _usual(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


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


def _usual(scheme: str) -> int:
    return 443 if scheme == "https" else 80
