"""Traces against the profile that was learned from them, or from others. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fingerprints import trace_view
from fingerprints.check import check_frame, inspect
from fingerprints.difference import Difference
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.profile import Profile
from fingerprints.trace import Exchange, Trace


@dataclass(frozen=True, slots=True)
class Remaining:
    """A difference that should not be.

    Attributes:
        trace: its name.
        number: of the exchange.
        message: number of the client's message from 1; 0 for the request itself.
    """

    trace: str
    number: int
    message: int
    difference: Difference

    def __str__(self) -> str:
        place = f"request {self.number}" + (f" message {self.message}" if self.message else "")
        return f"{self.trace} {place}: {self.difference}"


def verify(profile: Profile, traces: Iterable[Trace], vocabulary: Vocabulary) -> list[Remaining]:
    """Every difference between the traces and the profile; requests to hosts that are not learned
    are left aside."""
    out = []
    for trace in traces:
        for exchange in trace.upstream():
            host = exchange.authority.partition(":")[0]
            if not vocabulary.hosts or host in vocabulary.hosts:
                out += _exchange(profile, trace, exchange)
    return out


def _exchange(profile: Profile, trace: Trace, exchange: Exchange) -> list[Remaining]:
    recognised, found = inspect(profile, trace_view.observed(exchange))
    out = [Remaining(trace.name, exchange.number, 0, each) for each in found]
    if recognised is None:
        return out
    for index, text in enumerate(trace_view.frames(exchange)):
        differences = check_frame(
            profile, text, sign_in=recognised.sign_in, known=recognised.stable
        )
        out += [Remaining(trace.name, exchange.number, index + 1, each) for each in differences]
    return out
