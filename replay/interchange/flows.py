"""Flow files of mitmproxy, through mitmdump: it alone reads every version of its format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fingerprints import trace_file
from fingerprints.trace import Trace
from replay.interchange.errors import InterchangeError

SECONDS = 600
"""Longest run of mitmdump."""

_SCRIPT = Path(__file__).parents[2] / "addons" / "debug" / "capture_script.py"


def read(file: Path) -> Trace:
    """The requests of a flow file, as one trace.

    Raises:
        InterchangeError: mitmdump cannot read it; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="floway-") as folder:
        meta = json.dumps({"client": "unknown", "origin": {"tool": "mitmproxy import"}})
        said = _mitmdump(
            *("-s", str(_SCRIPT), "--set", f"confdir={folder}/mitmproxy"),
            *("--set", f"floway_capture={folder}/out", "--set", f"floway_capture_trace={meta}"),
            *("-r", str(file)),
        )
        try:
            [found] = trace_file.find([Path(folder, "out")])
            trace = trace_file.read(found)
        except Exception as error:
            raise InterchangeError(f"mitmdump could not read it: {said or error}") from error
    if not trace.exchanges:
        raise InterchangeError(f"no request is in it. {said}".rstrip())
    return trace


def write(archive: str, file: Path) -> None:
    """A flow file from a HAR, which mitmdump reads.

    Raises:
        InterchangeError: mitmdump failed; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="floway-") as folder:
        source = Path(folder, "traces.har")
        source.write_text(archive, encoding="utf-8")
        file.unlink(missing_ok=True)  # it would add to it
        said = _mitmdump("--set", f"confdir={folder}", "-r", str(source), "-w", str(file))
    if not file.exists() or not file.stat().st_size:
        raise InterchangeError(f"mitmdump wrote nothing: {said}")


def _mitmdump(*arguments: str) -> str:
    """What it said."""
    command = [sys.executable, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWAY_")}
    try:
        done = subprocess.run(
            [*command, "-n", "-q", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
            env=kept,
        )
    except subprocess.TimeoutExpired as error:
        raise InterchangeError(f"mitmdump took more than {SECONDS} s") from error
    return (done.stdout + done.stderr).strip()[-2000:]
