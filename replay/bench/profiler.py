"""mitmdump under a profiler: ``python -m replay.bench.profiler MODE FILE MITMDUMP-ARGUMENTS…``.

Profiling starts at the signal :data:`START` and ends at :data:`WRITE`, when the profile is written,
so that start-up has no part in it. Modes:

- ``sample``: a look at the stack for every few milliseconds of processor time. Cheap, so the
  shares are those of the unprofiled program.
- ``calls``: cProfile. Counts calls, but makes small functions look dearer than they are.
"""

from __future__ import annotations

import cProfile
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Protocol

from mitmproxy.tools.main import mitmdump

SAMPLE_SECONDS = 0.002
"""Of processor time; the kernel's own clock may make it longer."""

# Ignored by default and not used by mitmproxy, which takes the obvious ones (SIGUSR1, SIGUSR2).
START = signal.SIGWINCH
WRITE = signal.SIGURG

MODES = ("sample", "calls")


class Profiler(Protocol):
    """Can be started once and written once."""

    def start(self) -> None: ...

    def write(self, file: Path) -> None:
        """Stop, and write a list of functions, see :func:`entry`."""


def entry(
    code: tuple[str, int, str], own: float, total: float, calls: int | None
) -> dict[str, object]:
    """A function as it is written: file, line and name; shares of all time, 0 to 1; calls."""
    file, line, name = code
    return {"file": file, "line": line, "name": name, "own": own, "total": total, "calls": calls}


class Sampler:
    """Counts stacks on SIGPROF."""

    def __init__(self) -> None:
        self._own: Counter[CodeType] = Counter()
        self._total: Counter[CodeType] = Counter()
        self._samples = 0

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self._samples += 1
        self._own[frame.f_code] += 1
        stack: set[CodeType] = set()
        walked: FrameType | None = frame
        while walked is not None:
            stack.add(walked.f_code)
            walked = walked.f_back
        self._total.update(stack)

    def write(self, file: Path) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples = max(self._samples, 1)
        functions = [
            entry(
                (code.co_filename, code.co_firstlineno, code.co_qualname),
                self._own[code] / samples,
                count / samples,
                None,
            )
            for code, count in self._total.items()
        ]
        write_whole(file, functions)


class CallCounter:
    """cProfile."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile()

    def start(self) -> None:
        self._profile.enable()

    def write(self, file: Path) -> None:
        self._profile.disable()
        entries = self._profile.getstats()
        whole = sum(each.inlinetime for each in entries) or 1.0
        functions = []
        for each in entries:
            code = each.code
            place = (
                ("", 0, code)
                if isinstance(code, str)
                else (code.co_filename, code.co_firstlineno, code.co_qualname)
            )
            functions.append(
                entry(place, each.inlinetime / whole, each.totaltime / whole, each.callcount)
            )
        write_whole(file, functions)


def write_whole(file: Path, functions: list[dict[str, object]]) -> None:
    """So that whoever waits for the file never reads half of it."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(functions))
    partial.replace(file)


def main(mode: str, file: Path, arguments: list[str]) -> None:
    """Run mitmdump; does not return before it ends."""
    profiler: Profiler = Sampler() if mode == "sample" else CallCounter()
    signal.signal(START, lambda *_: profiler.start())
    signal.signal(WRITE, lambda *_: profiler.write(file))
    mitmdump(arguments)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
