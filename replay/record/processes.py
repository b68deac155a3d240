"""Child processes that lead a group of their own, so that nothing they start outlives them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from replay.child import end_group

STOP_SECONDS = 10.0
"""How long a process may take to end by itself."""
TAIL = 4000
"""Characters of output that an error shows."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended.

    Attributes:
        code: exit code; None when its time was over.
        output: what it wrote, both streams.
    """

    code: int | None
    output: str

    @property
    def tail(self) -> str:
        return self.output[-TAIL:].strip()


@contextlib.asynccontextmanager
async def child(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    output: int | IO[bytes] = asyncio.subprocess.PIPE,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running process; its group is ended with the ``async with`` block, however that is left.

    Args:
        output: where both output streams go.

    Raises:
        OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *(str(word) for word in command),
        cwd=folder,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await asyncio.shield(stop(process))


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a process and its group: politely, then not."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
    end_group(process.pid)
    await process.wait()


def at_home(home: Path) -> list[psutil.Process]:
    """Processes of this user whose ``HOME`` is the given folder, parents first."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has ended, or is somebody else's
            if process.environ().get("HOME") == str(home):
                found.append(process)
    return found


def end_all_at_home(home: Path) -> None:
    """End what still runs with that ``HOME``: clients leave servers in the background, in process
    groups of their own."""
    left = at_home(home)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=STOP_SECONDS)
    for process in [*alive, *at_home(home)]:
        with contextlib.suppress(psutil.Error):
            process.kill()


async def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    seconds: float,
) -> Finished:
    """Run a command to its end; it and all that it started are ended after ``seconds``.

    Raises:
        OSError: it cannot be started.
    """
    code: int | None = None
    # Not a pipe: a server that the command leaves behind would keep it open, and be waited for.
    with tempfile.TemporaryFile() as output:
        async with child(command, environment=environment, folder=folder, output=output) as process:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    code = await process.wait()
        output.seek(0)
        return Finished(code, output.read().decode("utf-8", "replace"))


def plain(command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> Finished:
    """A command that ends at once and is bounded in time, e.g. ``git init``.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it did not end within 30 seconds.
    """
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
        check=False,
    )
    return Finished(ended.returncode, ended.stdout.decode("utf-8", "replace"))
