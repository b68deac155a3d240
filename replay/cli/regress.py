"""``floway regress``: the regression suite of recorded traffic."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprints.errors import TraceError
from replay.cli import reports
from replay.cli.check import OWN, load
from replay.cli.failure import USAGE, CommandFailed
from replay.regress import corpus, offline
from replay.report.model import Report


@dataclass(frozen=True, slots=True)
class Regress:
    """What ``floway regress`` was asked for."""

    traces: Sequence[Path] = ()
    profile: str = OWN
    expressions: Sequence[str] = ()
    online: bool = True
    reports: Sequence[Path] = ()
    everything: bool = False
    quiet: bool = False


def regress(chosen: Regress) -> None:
    """Check, report and exit.

    Raises:
        CommandFailed: there are no recordings, or an option is wrong.
        SystemExit: with the exit code.
    """
    reports.check_outputs(chosen.reports)
    profile = None if chosen.profile == OWN else load(chosen.profile)
    report = Report(kind="regress", tool=reports.tool())
    try:
        recorded = corpus.load(chosen.traces or [corpus.TRACES], chosen.expressions)
    except TraceError as error:
        report.unreadable = reports.unreadable([error])
        sys.exit(reports.finish(report, chosen.reports, quiet=chosen.quiet))
    if not recorded:
        raise CommandFailed("no recording is chosen; see -k and --traces", USAGE)
    report.candidate = [each.trace.name for each in recorded]
    shown = any(file.suffix != ".xml" for file in chosen.reports)
    with reports.progress(quiet=chosen.quiet) as bar:
        total = len(recorded) + sum(1 for _ in offline.groups(recorded))
        task = bar.add_task("recordings", total=total, detail="")
        started = time.perf_counter()
        report.requests = list(
            offline.check(
                recorded,
                profile,
                step=lambda name: bar.update(task, advance=1, detail=name),
                side_by_side=shown,
            )
        )
        report.seconds = time.perf_counter() - started
    left = [each.trace.name for each in recorded if not _has_profile(each, profile is not None)]
    if left:
        names = ", ".join(sorted({name.partition("/")[0] for name in left}))
        report.notes.append(f"without a profile, so compared with each other only: {names}")
    report.golden = sorted({request.trace.partition(" against ")[2] for request in report.requests})
    code = reports.finish(report, chosen.reports, quiet=chosen.quiet, everything=chosen.everything)
    sys.exit(code)


def _has_profile(recorded: corpus.Recorded, given: bool) -> bool:
    return given or not recorded.official or corpus.own_profile(recorded.trace) is not None
