"""``floway regress``: the regression suite of recorded traffic."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from fingerprints.errors import TraceError
from replay.child import ProcessFailed
from replay.cli import reports
from replay.cli.check import OWN, load
from replay.cli.failure import USAGE, CommandFailed
from replay.regress import corpus, offline
from replay.report.model import Report, Request


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
        started = time.process_time()
        report.requests = list(
            offline.check(
                recorded,
                profile,
                step=lambda name: bar.update(task, advance=1, detail=name),
                side_by_side=shown,
            )
        )
        report.seconds = time.process_time() - started
        report.timed = len(report.requests)
        if chosen.online:
            report.requests += _replayed(recorded, chosen, report, bar)
    left = [each.trace.name for each in recorded if not _has_profile(each, profile is not None)]
    if left:
        names = ", ".join(sorted({name.partition("/")[0] for name in left}))
        report.notes.append(f"without a profile, so compared with each other only: {names}")
    report.golden = sorted({request.trace.partition(" against ")[2] for request in report.requests})
    code = reports.finish(report, chosen.reports, quiet=chosen.quiet, everything=chosen.everything)
    sys.exit(code)


def _replayed(
    recorded: Sequence[corpus.Recorded], chosen: Regress, report: Report, bar: Progress
) -> list[Request]:
    """Everything with a model request in it, sent through a floway for each profile."""
    from replay.regress import replayed

    out: list[Request] = []
    plans = replayed.plan(recorded, "" if chosen.profile == OWN else chosen.profile)
    task = bar.add_task("through floway", total=sum(map(len, plans.values())), detail="")
    for profile, group in plans.items():
        bar.update(task, detail=f"starting floway as {profile}")
        try:
            with replayed.replaying(profile, recorded) as replay:
                for each in group:
                    bar.update(task, advance=1, detail=each.trace.name)
                    out += replay.requests(each, side_by_side=bool(chosen.reports))
        except ProcessFailed as error:
            raise CommandFailed(str(error)) from None
    count = sum(map(len, plans.values()))
    report.notes.append(f"{count} recordings were sent through floway as {', '.join(plans)}")
    return out


def _has_profile(recorded: corpus.Recorded, given: bool) -> bool:
    return given or not recorded.official or corpus.own_profile(recorded.trace) is not None
