"""An origin that requests go to, with a path prefix where its base URL has one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from addons.errors import FlowayError


@dataclass(frozen=True, slots=True)
class Upstream:
    """An origin, with a path prefix where the base URL has one."""

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
        return cls(parts.scheme, host, port or _usual(parts.scheme), parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """Value of ``host`` and ``:authority``; the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _usual(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def _usual(scheme: str) -> int:
    return 443 if scheme == "https" else 80
