"""The sandbox inside another process: what ``floway run`` serves when there is no account."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from replay.sandbox.config import SandboxConfig
from replay.sandbox.server import Sandbox


@dataclass(slots=True)
class EmbeddedSandbox:
    """A running sandbox, and how the rest of the process reaches it.

    Attributes:
        url: base URL of the TLS listener; HTTP/2, as the real host speaks it.
        control_url: where ``/_sandbox/`` is, without TLS.
        ca_file: certificate authority to trust for ``url``.
        ports: of both listeners.
    """

    sandbox: Sandbox
    url: str
    control_url: str
    ca_file: Path
    ports: frozenset[int]

    @classmethod
    async def start(
        cls, home: Path, *, port: int = 0, tls_port: int = 0, gate: str = "newest"
    ) -> Self:
        """
        Raises:
            OSError: a port is taken, or ``home`` can't be written.
            ValueError: there is no such profile for the gate.
        """
        sandbox = Sandbox(SandboxConfig(home=home, port=port, tls_port=tls_port, gate=gate))
        await sandbox.start()
        assert sandbox.ca_file is not None
        ports = {urlsplit(url).port or 0 for url in (sandbox.http_url, sandbox.https_url)}
        return cls(sandbox, sandbox.https_url, sandbox.http_url, sandbox.ca_file, frozenset(ports))

    def sign_ins(self, provider: str) -> list[tuple[str, dict[str, Any]]]:
        """Label and sign-in of each made-up account of a provider."""
        return self.cursor_sign_ins() if provider == "cursor" else self.codex_sign_ins()

    def codex_sign_ins(self) -> list[tuple[str, dict[str, Any]]]:
        """Label and ``auth.json`` of each made-up account."""
        config = self.sandbox.config
        return [
            (account.label, account.auth_json(config.clock(), config.token_lifetime))
            for account in self.sandbox.accounts
        ]

    def cursor_sign_ins(self) -> list[tuple[str, dict[str, Any]]]:
        """Label and tokens of each made-up Cursor account, as its sign-in gives them:
        ``accessToken``, ``refreshToken``, ``authId``."""
        accounts = self.sandbox.cursor_accounts
        return [(account.label, accounts.sign_in(account)) for account in accounts]

    async def stop(self) -> None:
        await self.sandbox.stop()
