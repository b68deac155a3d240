"""``floway sandbox``: the sandbox upstream in a process of its own."""

from __future__ import annotations

import asyncio
import sys

from addons import settings_layers
from addons.settings import is_loopback
from replay.cli.failure import USAGE, CommandFailed
from replay.cli.proxy import check_port


def serve_sandbox(host: str, port: int, tls_port: int) -> None:
    """Run until Ctrl-C.

    Raises:
        CommandFailed: a port is taken, the address is not loopback, or a setting is wrong.
    """
    from replay.sandbox import Sandbox, SandboxConfig, serve

    if not is_loopback(host):
        raise CommandFailed(f"the sandbox listens on loopback addresses only, not on {host}", USAGE)
    try:
        home = settings_layers.load().settings.home / "sandbox"
    except settings_layers.SettingsError as error:
        raise CommandFailed(str(error), USAGE) from None

    check_port(host, port, "--port")
    check_port(host, tls_port, "--tls-port")

    def ready(sandbox: Sandbox) -> None:
        sys.stdout.write(
            f"sandbox ready: {sandbox.http_url} (HTTP/1.1), {sandbox.https_url} (TLS, HTTP/2)\n"
            f"  certificate authority: {sandbox.ca_file}\n"
            f"  control: {sandbox.http_url}/_sandbox/\n"
        )
        sys.stdout.flush()

    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        asyncio.run(
            serve(SandboxConfig(home=home, host=host, port=port, tls_port=tls_port), ready=ready)
        )
    except OSError as error:
        raise CommandFailed(f"the sandbox cannot start: {error}") from None
    except KeyboardInterrupt:
        sys.stdout.write("\n")  # below the ^C that the terminal shows
