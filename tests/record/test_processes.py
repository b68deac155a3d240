"""Nothing that was started outlives its run."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from replay.record.processes import at_home, child, end_all_at_home, run

SPAWN = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
inner = subprocess.Popen(sleep, start_new_session={own})
print(inner.pid, flush=True)
{then}
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home)}


def gone(pid: int) -> bool:
    """Whether a process ends by itself now: a signal takes a moment."""
    try:
        psutil.Process(pid).wait(10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


async def test_output_and_code(tmp_path: Path) -> None:
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    ended = await run(python(code), environment=environment(tmp_path), folder=tmp_path, seconds=30)
    assert (ended.code, ended.output.split()) == (3, ["out", "err"])


async def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    code = SPAWN.format(own=False, then="time.sleep(300)")
    begin = time.monotonic()
    ended = await run(python(code), environment=environment(tmp_path), folder=tmp_path, seconds=1.0)
    assert ended.code is None
    assert time.monotonic() - begin < 20
    assert gone(int(ended.output))


async def test_a_child_that_keeps_the_pipe_open_is_not_waited_for(tmp_path: Path) -> None:
    code = SPAWN.format(own=False, then="")
    begin = time.monotonic()
    ended = await run(python(code), environment=environment(tmp_path), folder=tmp_path, seconds=60)
    assert ended.code == 0
    assert time.monotonic() - begin < 20
    assert gone(int(ended.output))


async def test_cancelling_ends_it(tmp_path: Path) -> None:
    started = asyncio.Event()
    seen: list[int] = []

    async def work() -> None:
        command = python("import time; time.sleep(300)")
        async with child(command, environment=environment(tmp_path), folder=tmp_path) as process:
            seen.append(process.pid)
            started.set()
            await process.wait()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(seen[0])


async def test_servers_left_in_the_background_are_found_by_their_home(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    pids = {}
    for place in (home, elsewhere):
        code = SPAWN.format(own=True, then="")
        place.mkdir()
        # Its output goes to a file: the server must not be ended for keeping a pipe.
        quiet = f"import os; os.dup2(os.open('{place}/pid', os.O_CREAT | os.O_WRONLY), 1)\n{code}"
        ended = await run(python(quiet), environment=environment(place), folder=place, seconds=60)
        assert ended.code == 0
        pids[place] = int((place / "pid").read_text())
    try:
        assert [process.pid for process in at_home(home)] == [pids[home]]
        end_all_at_home(home)
        assert at_home(home) == []
        assert gone(pids[home])
        assert psutil.pid_exists(pids[elsewhere])
    finally:
        end_all_at_home(elsewhere)
    assert gone(pids[elsewhere])
