"""What the official client says about the machine it runs on: operating system and terminal.

Honest by default: the words for this machine, in the client's spelling (codex-wire.md §1.3).
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass

_NOT_IN_HEADERS = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Environment:
    """Words of the user agent: ``ORIGINATOR/VERSION (OS OS-VERSION; ARCH) TERMINAL``."""

    os: str
    arch: str
    terminal: str


def detect(
    environ: Mapping[str, str] | None = None,
    *,
    os_words: str = "",
    arch: str = "",
    terminal_word: str = "",
) -> Environment:
    """The words for this process's machine and terminal, but for those that are given."""
    environ = os.environ if environ is None else environ
    return Environment(
        os_words or " ".join(_operating_system()),
        arch or _arch(),
        terminal_word or terminal(environ),
    )


def terminal(environ: Mapping[str, str]) -> str:
    """``TERM_PROGRAM/VERSION``, else ``TERM``, else ``unknown``; illegal characters as ``_``."""
    program = environ.get("TERM_PROGRAM", "")
    if program:
        version = environ.get("TERM_PROGRAM_VERSION", "")
        word = f"{program}/{version}" if version else program
    else:
        word = environ.get("TERM", "") or "unknown"
    return _NOT_IN_HEADERS.sub("_", word)


def three_parts(version: str) -> str:
    """``12`` -> ``12.0.0``, ``24.04`` -> ``24.4.0``: leading zeros go, three numbers stay."""
    numbers = [str(int(n)) for n in re.findall(r"\d+", version)[:3]]
    return ".".join([*numbers, "0", "0", "0"][:3]) if numbers else "unknown"


def _operating_system() -> tuple[str, str]:
    system = platform.system()
    if system == "Darwin":
        return "Mac OS", three_parts(platform.mac_ver()[0])
    if system == "Windows":
        return "Windows", platform.version()
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return system or "unknown", three_parts(platform.release())
    name = release.get("NAME", "Linux").removesuffix(" GNU/Linux").removesuffix(" Linux")
    return name, three_parts(release.get("VERSION_ID", ""))


def _arch() -> str:
    machine = platform.machine()
    return {"AMD64": "x86_64", "aarch64": "arm64"}.get(machine, machine) or "unknown"
