"""Python, the port, the clock."""

from __future__ import annotations

import socket
from email.utils import parsedate_to_datetime
from typing import Final

import psutil

from addons.operate.running import Running
from replay.doctor.finding import Finding, fault, note, ok, warning

OLDEST: Final = (3, 12)
BEST: Final = (3, 13)

SLOW_CLOCK: Final = 30.0
"""Seconds of difference that are said."""

WRONG_CLOCK: Final = 120.0
"""Seconds at which sign-ins are thought good that have ended, or the other way round; they are
renewed five minutes ahead."""


def python(version: tuple[int, int, int]) -> Finding:
    words = ".".join(str(number) for number in version)
    if version[:2] < OLDEST:
        return fault(
            "python", f"{words} is too old", "install Python 3.13, then run ./scripts/run again"
        )
    if version[:2] != BEST:
        return note("python", f"{words}; floway is tested most with 3.13")
    return ok("python", words)


def port(host: str, number: int, running: Running | None) -> Finding:
    """Whether clients find floway, or floway its port."""
    if running is not None:
        return ok("port", f"floway runs at {running.url} (process {running.pid})")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            holder = _holder(number)
            return fault(
                "port",
                f"{host}:{number} is taken{holder} ({error.strerror})",
                "end that program, or give floway another port: floway run --port 9000",
            )
    return ok("port", f"{host}:{number} is free; floway does not run")


def _holder(number: int) -> str:
    """Who listens there, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port != number:
                continue
            if connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""


def clock(now: float, date: str | None) -> Finding:
    """This machine's time beside that of a server.

    Args:
        date: the server's ``date`` header; None where none answered.
    """
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return note("clock", "not compared: no server told its time")
    off = now - theirs
    if abs(off) < SLOW_CLOCK:
        return ok("clock", "agrees with the upstream's")
    told = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the upstream's"
    remedy = "set the clock, best by NTP: sign-ins are renewed by it"
    if abs(off) < WRONG_CLOCK:
        return warning("clock", told, remedy)
    return fault("clock", told, remedy)
