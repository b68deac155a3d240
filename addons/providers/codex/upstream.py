"""Where requests go: the real host, another base URL, or the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from addons.errors import FlowayError

REAL = "https://chatgpt.com"
"""Base of the ChatGPT sign-in (codex-wire.md §1.1)."""

REAL_API = "https://api.openai.com"
"""Base of an API key."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """An origin, with a path prefix where the base URL has one."""

    scheme: str
    host: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, url: str) -> Upstream:
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
        usual = 443 if parts.scheme == "https" else 80
        return cls(parts.scheme, host, port or usual, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """Value of ``host``; the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"
