"""Recorded requests, sent through a real floway to its sandbox; what comes out is checked.

Twice: against the profile that floway writes by, and against what the official client itself sent
(the recordings of that release): a profile that is wrong cannot agree with itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from addons.settings import Settings
from fingerprints import library
from fingerprints.compare.allowances import SOMETIMES, Allowance, parse
from fingerprints.compare.facts import member
from fingerprints.compare.pool import Pool
from fingerprints.difference import Change, Difference, Layer
from fingerprints.entry import Entry, Presence
from fingerprints.profile import Profile
from fingerprints.trace import Exchange, Trace
from fingerprints.trace_check import check_trace
from replay.cli.tables import all_routes
from replay.floway_process import FlowayProcess
from replay.regress.corpus import Recorded, by_scenario, own_profile
from replay.regress.received import received
from replay.regress.sender import Sender, SendFailed
from replay.report import checked, compared
from replay.report.model import Request, found


@cache
def model_paths() -> frozenset[str]:
    """Paths of requests to a model, at floway and at upstreams. Only these are sent again: side
    calls are made by floway itself, if at all."""
    routes = all_routes(Settings.model_construct())
    return frozenset(route.path for route in routes if route.kind in ("model", "model_socket"))


CONTENT_OPS = ("content", "opaque", "items")
"""Matchers of a profile that say: the caller brings this."""


OWN_WORDS: Final = {
    "header:user-agent=text": "words of the machine on which floway runs",
    "header:host=text": "the upstream's name",
    "*x-codex-turn-metadata.sandbox=text": "floway runs no tools, and says so",
    "*x-codex-turn-metadata.analytics_enabled=bool": "floway sends no analytics, and says so",
}
"""Rule to reason: where floway speaks of itself, and the recorded client of itself."""


def requests_of(trace: Trace) -> list[Exchange]:
    """The model requests of a recording as the client sent them.

    Without those that continue a stored response over HTTP: that the backend stores none, and
    floway refuses them with 400, is no matter of fingerprints.
    """
    return [
        exchange
        for exchange in trace.exchanges
        if exchange.side != "upstream"
        and exchange.path.partition("?")[0] in model_paths()
        and not _continues(exchange)
    ]


def _continues(exchange: Exchange) -> bool:
    data = exchange.body.data if exchange.body is not None else None
    return isinstance(data, dict) and data.get("previous_response_id") is not None


class Replay:
    """A running floway, and what its requests must be like.

    Args:
        floway: started with ``profile``.
        goldens: recordings of the official client of that release.
    """

    def __init__(self, floway: FlowayProcess, profile: Profile, goldens: Sequence[Trace]) -> None:
        self.floway = floway
        self.profile = profile
        self._goldens = goldens
        self._allowances = allowances(profile)
        self._pool = Pool(map(model_requests, goldens), content_paths(profile))

    def requests(self, recorded: Recorded, *, side_by_side: bool = False) -> list[Request]:
        """One recording, sent; each request that came out, checked in both ways."""
        self.floway.sandbox.forget()
        sender = Sender(self.floway.port)
        problem = ""
        for exchange in requests_of(recorded.trace):
            try:
                sender.send(exchange)
            except SendFailed as error:
                problem = str(error)
                break
        outgoing = model_requests(received(self.floway.sandbox, recorded.trace, self.profile))
        name = f"{recorded.trace.name} through floway as {self.profile.name}"
        out = list(self._judged(outgoing, name, side_by_side=side_by_side))
        if problem or not out:
            out.append(_failed(name, problem or "nothing reached the upstream"))
        return out

    def _judged(self, outgoing: Trace, name: str, *, side_by_side: bool) -> Iterator[Request]:
        result = check_trace(self.profile, outgoing)
        for request in checked.requests(self.profile, outgoing, result, side_by_side=side_by_side):
            request.trace = f"{name} against the profile"
            yield request
        if not self._goldens:
            return
        comparison = self._pool.compare(
            outgoing, allowances=self._allowances, side_by_side=side_by_side
        )
        for request in compared.requests(outgoing, comparison):
            request.trace = f"{name} against recordings"
            yield request


def model_requests(trace: Trace) -> Trace:
    """The model requests of what reached an upstream."""
    kept = tuple(
        exchange
        for exchange in trace.upstream()
        if exchange.path.partition("?")[0] in model_paths()
    )
    return trace.model_copy(update={"exchanges": kept})


def content_paths(profile: Profile) -> list[str]:
    """Paths of a model request's body that are the caller's."""
    return [path for path, _ in _content(profile)]


def _content(profile: Profile) -> list[tuple[str, bool]]:
    """Paths that are the caller's, and whether they may be absent."""
    bodies = {
        form.body
        for kind in ("turn", "compaction", "prewarm")
        for form in profile.requests.get(kind, {}).values()
    }
    found: dict[str, bool] = {}
    for name in sorted(bodies - {""}):
        for path, entry in _entries(profile, "body:", name):
            if entry.value.op in CONTENT_OPS:
                optional = entry.presence is Presence.SOMETIMES
                found[path] = found.get(path, False) or optional
    return list(found.items())


def _entries(profile: Profile, path: str, document: str) -> Iterator[tuple[str, Entry]]:
    for entry in profile.documents[document].members:
        here = member(path, entry.name)
        yield here, entry
        if entry.value.op == "document":
            yield from _entries(profile, here, entry.value.document)


def allowances(profile: Profile) -> list[Allowance]:
    """What may differ from every recording, though nothing in them shows it."""
    optional = [f"{path}={SOMETIMES}" for path, absent in _content(profile) if absent]
    return [parse(rule) for rule in (*OWN_WORDS, *optional)]


def _failed(name: str, problem: str) -> Request:
    difference = Difference(
        Layer.REQUEST_LINE, "request", Change.BROKEN, "an answer of 200 or 101", problem
    )
    return Request(
        trace=name, number="0", title="sending", verdict="differs", differences=[found(difference)]
    )


def plan(recorded: Sequence[Recorded], profile: str = "") -> dict[str, list[Recorded]]:
    """Profile to the recordings that are sent through a floway with it: official ones with the
    profile of their release (of equal runs the first), the others with the newest.

    Args:
        profile: for all of them.
    """
    out: dict[str, list[Recorded]] = {}
    for runs in by_scenario(recorded).values():
        first = runs[0]
        if not requests_of(first.trace):
            continue
        name = profile or _newest(first.trace.client if first.official else "")
        own = own_profile(first.trace) if first.official and not profile else None
        if own is not None:
            name = own.name
        elif first.official and not profile:
            continue  # of a release without a profile
        out.setdefault(name, []).append(first)
    return out


def _newest(client: str) -> str:
    shelved = library.available()
    return next(each.name for each in shelved if client in ("", each.client))


@contextmanager
def replaying(profile: str, official: Sequence[Recorded]) -> Iterator[Replay]:
    """A floway that writes by ``profile``, for as long as the block lasts.

    Raises:
        ProfileError: there is no such profile.
        ProcessFailed: floway did not start.
    """
    loaded = library.load(profile)
    goldens = [
        each.trace
        for each in official
        if (each.trace.client, each.trace.release) == (loaded.client, loaded.release)
    ]
    with TemporaryDirectory(prefix="floway-regress-") as folder:
        options = {"floway_sandbox": "true", "floway_profile": profile}
        with FlowayProcess(Path(folder), options) as floway:
            floway.sandbox.gate("off")  # it takes all, so that the checker tells what is wrong
            yield Replay(floway, loaded, goldens)
