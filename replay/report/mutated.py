"""The mutation run as a part of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fingerprints.mutation import Score, trace_mutants
from fingerprints.profile import Profile
from fingerprints.trace import Trace
from replay.report.model import Mutations, Survivor


def mutations(
    pairs: Iterable[tuple[Trace, Profile]], *, step: Callable[[Trace], None] = lambda _trace: None
) -> Mutations:
    """Every mutant of every trace.

    Args:
        step: called before each trace, for a progress bar.
    """
    score = Score()
    survived: list[Survivor] = []
    for trace, profile in pairs:
        step(trace)
        for mutant in trace_mutants(profile, trace):
            score.add(mutant)
            if mutant.survived:
                survived.append(
                    Survivor(
                        request=f"{trace.name} {mutant.request}",
                        operation=mutant.operation,
                        path=mutant.path,
                    )
                )
    return Mutations(
        total=score.total,
        caught=score.caught,
        excused=dict(score.excused.most_common()),
        survived=survived,
        by_operation={
            name: (caught, excused, left)
            for name, (caught, excused, left) in score.by_operation.items()
        },
    )
