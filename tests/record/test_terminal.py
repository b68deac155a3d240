"""Programs under a pseudo-terminal."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from replay.record.terminal import NotInTime, Terminal, TerminalFailed

ASKS = r"""
import os, sys, termios, tty
tty.setraw(0)
def ask(question, end):
    os.write(1, question)
    answer = b""
    while not answer.endswith(end):
        answer += os.read(0, 1)
    return answer
os.write(1, b"before \x1b[31mred\x1b[0m")
answers = [ask(b"\x1b[6n", b"R")]
os.write(1, b"\x1b[")  # a question in two pieces
answers += [ask(b"c", b"c"), ask(b"\x1b]11;?\x07", b"\\")]
os.write(1, repr(answers).encode())
size = os.get_terminal_size(1)
os.write(1, f" {size.columns}x{size.lines} ".encode())
line = b""
while not line.endswith(b"\r"):
    line += os.read(0, 1)
os.write(1, b"typed " + repr(line).encode())
"""


def terminal(code: str, folder: Path, **more: threading.Event) -> Terminal:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm-256color"}
    return Terminal([sys.executable, "-c", code], environment, folder, **more)


def test_questions_are_answered_and_keys_arrive(tmp_path: Path) -> None:
    with terminal(ASKS, tmp_path) as screen:
        screen.wait(lambda: "120x40" in screen.screen, 20, "the size")
        assert "before red" in screen.screen
        assert r"b'\x1b[1;1R'" in screen.screen
        assert r"b'\x1b[?62;22c'" in screen.screen
        assert "11;rgb:1111/1111/1111" in screen.screen
        screen.type("hello\r")
        screen.wait(lambda: r"typed b'hello\r'" in screen.screen, 20, "the echo")
        screen.quiet(0.2, 10)
        assert not screen.alive


def test_what_does_not_come_is_told_with_the_screen(tmp_path: Path) -> None:
    with (
        terminal("print('only this', flush=True); input()", tmp_path) as screen,
        pytest.raises(NotInTime, match=r"the end: not within 1 s\n(?s:.*)only this"),
    ):
        screen.wait(lambda: False, 1, "the end")
    assert not screen.alive


def test_a_program_that_ends_early(tmp_path: Path) -> None:
    with (
        terminal("print('sorry')", tmp_path) as screen,
        pytest.raises(TerminalFailed, match=r"it ended before the start\n(?s:.*)sorry"),
    ):
        screen.wait(lambda: False, 20, "the start")


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TerminalFailed, match="not found"):
        Terminal([tmp_path / "nothing"], {}, tmp_path)


def test_another_thread_can_interrupt(tmp_path: Path) -> None:
    stop = threading.Event()
    with terminal("input()", tmp_path, interrupted=stop) as screen:
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(TerminalFailed, match="interrupted"):
            screen.wait(lambda: False, 30, "nothing")
    assert not screen.alive
