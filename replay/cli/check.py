"""``floway check``: recordings against a profile."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprints import library
from fingerprints.errors import ProfileError
from fingerprints.profile import Profile
from fingerprints.trace import Trace
from fingerprints.trace_check import check_trace
from replay import recordings
from replay.cli import reports
from replay.cli.failure import USAGE, CommandFailed
from replay.report import checked
from replay.report.model import Mutations, Report, Request
from replay.report.mutated import mutations

OWN = "own"
"""In the place of a profile: the one of the release that each recording names."""


@dataclass(frozen=True, slots=True)
class Check:
    """What ``floway check`` was asked for."""

    files: Sequence[Path]
    profile: str = OWN
    reports: Sequence[Path] = ()
    mutations: bool = False
    only: str = ""
    everything: bool = False
    quiet: bool = False


def check(chosen: Check) -> None:
    """Check, report and exit.

    Raises:
        CommandFailed: no such profile, or a report's name is wrong.
        SystemExit: with the exit code.
    """
    reports.check_outputs(chosen.reports)
    given = None if chosen.profile == OWN else load(chosen.profile)
    traces, problems = recordings.read_all(chosen.files)
    report = Report(kind="check", tool=reports.tool(), unreadable=reports.unreadable(problems))
    report.candidate = [trace.name for trace in traces]
    pairs = [(trace, given or own(trace)) for trace in traces]
    report.golden = list(dict.fromkeys(profile.name for _, profile in pairs))
    started = time.process_time()
    side_by_side = any(file.suffix != ".xml" for file in chosen.reports)
    report.requests = list(_requests(pairs, chosen.only, side_by_side=side_by_side))
    report.seconds = time.process_time() - started
    report.timed = len(report.requests)
    if chosen.mutations:
        report.mutations = _mutated(pairs, quiet=chosen.quiet)
    code = reports.finish(report, chosen.reports, quiet=chosen.quiet, everything=chosen.everything)
    sys.exit(code)


def _requests(
    pairs: Sequence[tuple[Trace, Profile]], only: str, *, side_by_side: bool
) -> Iterator[Request]:
    for trace, profile in pairs:
        found = [each for each in check_trace(profile, trace) if only in each.exchange.path]
        yield from checked.requests(profile, trace, found, side_by_side=side_by_side)


def _mutated(pairs: Sequence[tuple[Trace, Profile]], *, quiet: bool) -> Mutations:
    with reports.progress(quiet=quiet) as bar:
        task = bar.add_task("mutants", total=len(pairs), detail="")
        return mutations(pairs, step=lambda trace: bar.update(task, advance=1, detail=trace.name))


def load(name: str) -> Profile:
    """A profile by name or file.

    Raises:
        CommandFailed: there is none, or it is wrong.
    """
    try:
        return library.load(name)
    except ProfileError as error:
        raise CommandFailed(str(error), USAGE) from None


def own(trace: Trace) -> Profile:
    """The profile of the release that a recording names.

    Raises:
        CommandFailed: there is none.
    """
    try:
        return library.load(f"{trace.client}@{trace.release}")
    except ProfileError as error:
        raise CommandFailed(
            f"{trace.name}: {error}. Say which to use: --profile NAME", USAGE
        ) from None
