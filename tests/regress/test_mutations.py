"""The mutation score over recordings of the official client: none may survive without a rule."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fingerprints.mutation import score, trace_mutants
from replay.regress.corpus import Recorded, own_profile
from tests.regress.test_regress import OFFICIAL

SCENARIOS = (
    "turn-exec-http-",
    "turn-exec-websocket-",
    "compaction-",
    "review-",
    "tui-",
    "api-key-",
)
"""Of each the first recording of a release: together they have every kind of request."""


def chosen() -> Iterator[Recorded]:
    for release in sorted({each.trace.release for each in OFFICIAL}):
        for scenario in SCENARIOS:
            found = [
                each
                for each in OFFICIAL
                if each.trace.release == release and f"/{scenario}" in each.trace.name
            ]
            yield from found[:1]


@pytest.mark.slow
@pytest.mark.parametrize("recorded", list(chosen()), ids=lambda each: each.trace.name)
def test_no_mutant_survives(recorded: Recorded) -> None:
    profile = own_profile(recorded.trace)
    assert profile is not None
    found = score(trace_mutants(profile, recorded.trace))
    assert [(each.request, each.operation, each.path) for each in found.survived] == []
    assert found.caught > 0.6 * found.total > 0
