"""Recordings against the profile of their release, and against other runs of the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fingerprints.compare.noise import Habits
from fingerprints.compare.recordings import compare
from fingerprints.profile import Profile
from fingerprints.trace_check import check_trace
from replay.regress.corpus import Recorded, by_scenario, own_profile
from replay.regress.rules import ALLOWANCES
from replay.report import checked, compared
from replay.report.model import Request

type Step = Callable[[str], None]


def against_profile(
    recorded: Recorded, profile: Profile | None = None, *, side_by_side: bool = False
) -> list[Request]:
    """The requests of a recording against a profile, by default that of its release; none for a
    release that has no profile."""
    profile = profile or own_profile(recorded.trace)
    if profile is None:
        return []
    found = check_trace(profile, recorded.trace)
    requests = checked.requests(profile, recorded.trace, found, side_by_side=side_by_side)
    return [
        _named(request, f"{recorded.trace.name} against {profile.name}") for request in requests
    ]


def against_runs(
    golden: Sequence[Recorded], last: Recorded, habits: Habits, *, side_by_side: bool = False
) -> list[Request]:
    """The requests of the last run against those of the other runs of the same."""
    comparison = compare(
        [each.trace for each in golden],
        last.trace,
        habits=habits,
        allowances=ALLOWANCES,
        side_by_side=side_by_side,
    )
    runs = ", ".join(f"#{each.trace.origin.run}" for each in golden)
    name = f"{last.trace.name} against {runs}"
    return [_named(request, name) for request in compared.requests(last.trace, comparison)]


def groups(recorded: Sequence[Recorded]) -> Iterator[tuple[list[Recorded], Recorded, Habits]]:
    """Per scenario with several runs: the goldens, the last run, and what the other recordings of
    the release show."""
    releases: dict[tuple[str, str], list[Recorded]] = {}
    for each in recorded:
        releases.setdefault((each.trace.client, each.trace.release), []).append(each)
    for of_release in releases.values():
        scenarios = [runs for runs in by_scenario(of_release).values() if len(runs) > 1]
        habits = Habits.of(each.trace for runs in scenarios for each in runs[:-1])
        for runs in scenarios:
            yield runs[:-1], runs[-1], habits


def check(
    recorded: Sequence[Recorded],
    profile: Profile | None = None,
    *,
    step: Step = lambda _name: None,
    side_by_side: bool = False,
) -> Iterator[Request]:
    """Everything that can be said of recordings without sending anything."""
    official = [each for each in recorded if each.official]
    for each in official:
        step(each.trace.name)
        yield from against_profile(each, profile, side_by_side=side_by_side)
    for golden, last, habits in groups(official):
        step(last.trace.name)
        yield from against_runs(golden, last, habits, side_by_side=side_by_side)


def _named(request: Request, name: str) -> Request:
    request.trace = name
    return request
