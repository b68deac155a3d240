"""``floway diff``: recordings against each other."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprints.compare.allowances import Allowance, AllowanceError, parse
from fingerprints.compare.noise import Habits
from fingerprints.compare.recordings import compare
from fingerprints.trace import Trace
from replay import recordings
from replay.cli import reports
from replay.cli.failure import USAGE, CommandFailed
from replay.report import compared
from replay.report.model import Report


@dataclass(frozen=True, slots=True)
class Diff:
    """What ``floway diff`` was asked for."""

    golden: Path
    candidate: Path
    more: Sequence[Path] = ()
    allow: Sequence[str] = ()
    content: Sequence[str] = ()
    reports: Sequence[Path] = ()
    everything: bool = False
    quiet: bool = False


def diff(chosen: Diff) -> None:
    """Compare, report and exit.

    Raises:
        CommandFailed: a rule or a report's name is wrong, or there is nothing to compare with.
        SystemExit: with the exit code.
    """
    reports.check_outputs(chosen.reports)
    allowances = rules(chosen.allow)
    goldens, golden_problems = recordings.read_all([chosen.golden, *chosen.more])
    candidates, problems = recordings.read_all([chosen.candidate])
    report = Report(kind="diff", tool=reports.tool())
    report.unreadable = reports.unreadable([*golden_problems, *problems])
    started = time.process_time()
    runs = set()
    # Of one scenario only, goldens say all there is to say themselves.
    names = {scenario(golden) for golden in goldens}
    habits = Habits.of(goldens) if len(names) > 1 else None
    for candidate, group in paired(goldens, candidates):
        comparison = compare(
            group,
            candidate,
            habits=habits,
            content=chosen.content,
            allowances=allowances,
            side_by_side=bool(chosen.reports),
        )
        runs.add(comparison.runs)
        report.golden += [trace.name for trace in group if trace.name not in report.golden]
        report.candidate.append(candidate.name)
        report.requests += compared.requests(candidate, comparison)
    report.seconds = time.process_time() - started
    report.timed = len(report.requests)
    report.noise_from = min(runs, default=0)
    if report.noise_from == 1:
        report.notes.append(
            "Noise was learned from one golden only: ids, times and placeholders may vary within "
            "their kind, and nothing else. Give more runs with --golden."
        )
    code = reports.finish(report, chosen.reports, quiet=chosen.quiet, everything=chosen.everything)
    sys.exit(code)


def rules(texts: Sequence[str]) -> list[Allowance]:
    """
    Raises:
        CommandFailed: a rule cannot be read.
    """
    try:
        return [parse(text) for text in texts]
    except AllowanceError as error:
        raise CommandFailed(f"--allow: {error}", USAGE) from None


def paired(
    goldens: Sequence[Trace], candidates: Sequence[Trace]
) -> Iterator[tuple[Trace, list[Trace]]]:
    """Each candidate with its goldens: with one candidate all of them, else those of the same
    scenario under the same conditions.

    Raises:
        CommandFailed: a candidate has no golden.
    """
    names = {scenario(golden) for golden in goldens}
    if len(candidates) == 1 and len(names) == 1:
        yield candidates[0], list(goldens)
        return
    for candidate in candidates:
        group = [golden for golden in goldens if scenario(golden) == scenario(candidate)]
        if not group:
            known = ", ".join(sorted(names)[:10])
            raise CommandFailed(
                f"{candidate.name}: no golden recording of scenario {scenario(candidate)!r}; "
                f"there are {known or 'none'}. Compare two files to leave names aside",
                USAGE,
            )
        yield candidate, group


def scenario(trace: Trace) -> str:
    """A trace's name without release and run: what two recordings must share."""
    return f"{trace.client}/{trace.name.partition('/')[2].rpartition('#')[0]}"
