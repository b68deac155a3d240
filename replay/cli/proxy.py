"""``floway run``: mitmdump or mitmweb in this process, with floway's script."""

from __future__ import annotations

import errno
import json
import socket
import sys
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from addons import settings_layers
from addons.settings import OPTION_PREFIX
from replay.cli.failure import USAGE, CommandFailed

LISTENER_ARGUMENTS = ("-p", "--listen-port", "--listen-host", "-m", "--mode", "-n", "--no-server")
"""With one of these among the user's own arguments, mitmproxy alone knows where it will listen."""


@dataclass(frozen=True, slots=True)
class Start:
    """What ``floway run`` was asked for. ``web_port`` None: mitmdump."""

    port: int = 8080
    host: str = "127.0.0.1"
    web_port: int | None = None
    sandbox: bool = False
    profile: str = ""
    arguments: tuple[str, ...] = ()

    def settings(self) -> dict[str, object]:
        """The settings among the options, by name."""
        chosen: dict[str, object] = {}
        if self.sandbox:
            chosen["sandbox"] = "true"
        if self.profile:
            chosen["profile"] = self.profile
        return chosen


def start(chosen: Start) -> None:
    """Run until the user ends it.

    Raises:
        CommandFailed: a setting is wrong, or a port is taken.
        SystemExit: mitmproxy refused its arguments or could not start; it has said why.
    """
    try:
        loaded = settings_layers.load(chosen.settings())
        settings_layers.check_listener(loaded.settings, chosen.host)
    except settings_layers.SettingsError as error:
        raise CommandFailed(str(error), USAGE) from None
    own_listener = any(
        word.partition("=")[0] in LISTENER_ARGUMENTS or word.startswith(("-p", "-m"))
        for word in chosen.arguments
    )
    if not own_listener:
        check_port(chosen.host, chosen.port, "--port")
    if chosen.web_port is not None:
        check_port("127.0.0.1", chosen.web_port, "--web-port")

    from mitmproxy.tools import main as mitmproxy_main

    command = mitmproxy_main.mitmdump if chosen.web_port is None else mitmproxy_main.mitmweb
    arguments = mitmproxy_arguments(chosen)
    sys.argv[1:] = arguments  # mitmproxy looks for outdated options there, not in what it is given
    command(arguments)


def mitmproxy_arguments(chosen: Start) -> list[str]:
    """The user's own come last, and so win."""
    arguments = ["-s", str(script()), "--listen-host", chosen.host]
    arguments += ["--listen-port", str(chosen.port)]
    if chosen.web_port is not None:
        arguments += ["--web-port", str(chosen.web_port)]
    for name, value in chosen.settings().items():
        arguments += ["--set", f"{OPTION_PREFIX}{name}={value}"]
    return [*arguments, *chosen.arguments]


def script() -> Path:
    """``addons/floway.py``, found without importing it: mitmproxy does that."""
    return Path(settings_layers.__file__).with_name("floway.py")


def check_port(host: str, port: int, option: str) -> None:
    """Complain in one line where mitmproxy would in four.

    Raises:
        CommandFailed: someone else listens there, or the address is not this machine's.
    """
    if port == 0:
        return
    problem = _listen_problem(host, port)
    if problem is None:
        return
    if problem.errno != errno.EADDRINUSE:
        raise CommandFailed(f"cannot listen on {host}:{port}: {problem.strerror}")
    free = next((p for p in range(port + 1, min(port + 50, 65536)) if _free(host, p)), 0)
    who = "another floway" if _is_floway(host, port) else "another program"
    raise CommandFailed(
        f"port {port} of {host} is taken by {who}; end it, or choose another: {option} {free}"
    )


def _free(host: str, port: int) -> bool:
    return _listen_problem(host, port) is None


def _listen_problem(host: str, port: int) -> OSError | None:
    """Try it, as asyncio does it: a socket that lingers from a run before is no obstacle."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        return error
    return None


def _is_floway(host: str, port: int) -> bool:
    """Whether what listens there answers as floway does; for a better message only."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}:{port}/healthz", timeout=1) as answer:
            content = json.loads(answer.read(4096))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "providers" in content
