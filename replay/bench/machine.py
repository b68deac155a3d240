"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """Size of the machine and versions of what was measured. ``memory`` in bytes."""

    cores: int
    processor: str
    memory: int
    system: str
    python: str
    mitmproxy: str
    floway: str
    load_average: float
    """Of the minute before the run: anything much above zero spoils it."""

    def __str__(self) -> str:
        return (
            f"{self.cores} cores ({self.processor}), {self.memory / 2**30:.0f} GiB, {self.system}, "
            f"Python {self.python}, mitmproxy {self.mitmproxy}, floway {self.floway}, "
            f"load average before {self.load_average:.2f}"
        )


def this_machine() -> Machine:
    """The machine that this process runs on; only cores that it may use are counted."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Machine(
        cores=cores or 1,
        processor=_processor(),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        mitmproxy=version("mitmproxy"),
        floway=version("floway"),
        load_average=os.getloadavg()[0],
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown processor"
