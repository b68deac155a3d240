"""Words for this machine, in the official client's spelling."""

from __future__ import annotations

import platform
import re

import pytest

from addons.providers.codex import environment
from addons.providers.codex.environment import Environment, detect, terminal, three_parts


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.10"}, "iTerm.app/3.6.10"),
        ({"TERM_PROGRAM": "vscode", "TERM": "xterm"}, "vscode"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM_VERSION": "1"}, "xterm-256color"),
        ({"TERM": ""}, "unknown"),
        ({}, "unknown"),
        ({"TERM_PROGRAM": "büro\n1"}, "b_ro_1"),
    ],
)
def test_the_terminal(environ: dict[str, str], expected: str) -> None:
    assert terminal(environ) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("12", "12.0.0"),
        ("24.04", "24.4.0"),
        ("26.5.1.9", "26.5.1"),
        ("6.1.0-18-amd64", "6.1.0"),
        ("", "unknown"),
        ("rolling", "unknown"),
    ],
)
def test_three_parts_of_a_version(version: str, expected: str) -> None:
    assert three_parts(version) == expected


@pytest.mark.parametrize(
    ("system", "release", "machine", "expected"),
    [
        ("Linux", {"NAME": "Debian GNU/Linux", "VERSION_ID": "12"}, "x86_64",
         ("Debian", "12.0.0", "x86_64")),
        ("Linux", {"NAME": "Arch Linux"}, "aarch64", ("Arch", "unknown", "arm64")),
        ("Linux", {}, "", ("Linux", "unknown", "unknown")),
        ("Linux", None, "riscv64", ("Linux", "6.1.0", "riscv64")),
        ("Darwin", None, "arm64", ("Mac OS", "26.5.0", "arm64")),
        ("Windows", None, "AMD64", ("Windows", "10.0.22631", "x86_64")),
    ],
)  # fmt: skip
def test_systems(
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    release: dict[str, str] | None,
    machine: str,
    expected: tuple[str, str, str],
) -> None:
    def read() -> dict[str, str]:
        if release is None:
            raise OSError("no such file")
        return release

    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "freedesktop_os_release", read)
    monkeypatch.setattr(platform, "release", lambda: "6.1.0-18-amd64")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("26.5", ("", "", ""), ""))
    monkeypatch.setattr(platform, "version", lambda: "10.0.22631")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    found = detect({"TERM": "xterm"})
    name, version, arch = expected
    assert (found.os, found.arch, found.terminal) == (f"{name} {version}", arch, "xterm")


def test_this_machine_has_words_that_a_user_agent_can_hold() -> None:
    found = detect()
    text = f"({found.os}; {found.arch}) {found.terminal}"
    assert re.fullmatch(r"\([^;()]+ [^;()]+; [^;()\s]+\) [^()]+", text)
    assert environment.detect() == found


def test_words_that_are_given_stand() -> None:
    found = detect({}, os_words="Mac OS 26.5.0", arch="arm64", terminal_word="iTerm.app/3.6")
    assert found == Environment("Mac OS 26.5.0", "arm64", "iTerm.app/3.6")
    assert detect({}, arch="arm64").os == detect({}).os
