"""What a report holds.

``Report.model_dump_json`` is the JSON report. Its format has a number (:data:`FORMAT`); a change
that an old reader cannot read raises it. ``report.schema.json`` beside this file is the same as
JSON Schema, and a test keeps the two alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fingerprints.difference import Difference, Layer

FORMAT = 1

type Verdict = Literal["same", "differs", "added", "missing", "unknown", "unreadable"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Found(_Part):
    """One difference.

    Attributes:
        layer: ``request_line``, ``header_set``, … (:class:`fingerprints.difference.Layer`).
        path: ``header:session-id``, ``body:reasoning.effort``, ``path``.
        kind: ``added``, ``removed``, ``repeated``, ``moved``, ``case``, ``type``, ``value``,
            ``equality broken``, ``broken``, ``unknown``.
        golden: what the golden, or the profile, has there.
        candidate: what was seen.
        rule: the profile's entry that it breaks; "" where none covers it.
        cover: the rule that would accept both, as ``floway diff --allow`` takes it; "" for none.
        excused: the rule that does accept it; "" for a difference that counts.
    """

    layer: Layer
    path: str
    kind: str
    golden: str
    candidate: str
    rule: str = ""
    cover: str = ""
    excused: str = ""


class Row(_Part):
    """One line of a request, side by side.

    Attributes:
        path: as in a difference.
        golden: the golden's value, or what the profile says; None where it has nothing.
        candidate: what was seen; None for nothing.
        noise: what may stand there, where the goldens allow more than one value.
        differences: indices in the request's ``differences``.
    """

    path: str
    golden: str | None = None
    candidate: str | None = None
    noise: str = ""
    differences: list[int] = []


class Apart(_Part):
    """A field that keeps an unmatched request from its nearest golden."""

    field: str
    golden: str
    candidate: str


class Nearest(_Part):
    """What an unmatched request resembles most."""

    title: str
    likeness: float | None = Field(default=None, ge=0, le=1)
    apart: list[Apart] = []


class Request(_Part):
    """A request, an upgrade or a WebSocket message.

    Attributes:
        trace: name of the recording.
        number: in it: ``3``; ``3.1`` for the first message of the client on connection 3.
        title: ``POST /v1/responses``.
        kind: ``turn``, ``prewarm``, …; "" where it is not known.
        transport: ``http`` or ``websocket``.
        against: what stands for the golden: a recording, or what the profile says.
        verdict: ``same``; ``differs``; ``added`` or ``missing`` against the golden; ``unknown`` to
            the profile.
        differences: all of them, the excused too.
        rows: the request side by side; ``left_out`` more lines are the same on both sides.
        nearest: for ``added``, ``missing`` and ``unknown``.
    """

    trace: str
    number: str
    title: str
    kind: str = ""
    transport: str = "http"
    against: Literal["golden", "profile"] = "golden"
    verdict: Verdict
    differences: list[Found] = []
    rows: list[Row] = []
    left_out: int = 0
    nearest: Nearest | None = None


class Survivor(_Part):
    """A mutant that was not caught, though no rule of the profile excuses it."""

    request: str
    operation: str
    path: str


class Mutations(_Part):
    """The checker, checked: every field changed, one at a time.

    Attributes:
        total: mutants.
        caught: found by the checker.
        excused: rule of the profile to the number of mutants that it lets pass.
        survived: neither.
        by_operation: operation to [caught, excused, survived].
    """

    total: int
    caught: int
    excused: dict[str, int] = {}
    survived: list[Survivor] = []
    by_operation: dict[str, tuple[int, int, int]] = {}

    @property
    def score(self) -> float:
        """Part of the mutants that are caught or excused by a named rule, 0 to 1."""
        return 1 - len(self.survived) / self.total if self.total else 1.0


class Unreadable(_Part):
    """A file that is no recording."""

    file: str
    problem: str


class Summary(_Part):
    """Numbers of requests and of differences that count."""

    requests: int = 0
    same: int = 0
    differing: int = 0
    added: int = 0
    missing: int = 0
    unknown: int = 0
    differences: int = 0
    excused: int = 0
    by_layer: dict[Layer, int] = {}


class Report(_Part):
    """A report.

    Attributes:
        kind: the command.
        tool: ``floway 0.1.0``.
        golden: profile or golden recordings.
        candidate: recordings that were looked at.
        noise_from: recordings that noise was learned from; 0 for a profile.
        verdict: ``same`` when nothing that counts was found.
        unreadable: files that could not be read.
        seconds: processor seconds that the comparison of ``timed`` requests took.
        notes: what the reader should know.
    """

    format: Literal[1] = 1
    kind: Literal["check", "diff", "regress"]
    tool: str
    golden: list[str] = []
    candidate: list[str] = []
    noise_from: int = 0
    verdict: Literal["same", "differs", "unreadable"] = "same"
    summary: Summary = Summary()
    requests: list[Request] = []
    mutations: Mutations | None = None
    unreadable: list[Unreadable] = []
    seconds: float | None = None
    timed: int = Field(default=0, ge=0)
    notes: list[str] = []

    @property
    def speed(self) -> float | None:
        """Requests per second, None where it was not measured."""
        return self.timed / self.seconds if self.seconds and self.timed else None

    def settle(self) -> Report:
        """Sets summary and verdict from the rest; gives itself."""
        verdicts = Counter(request.verdict for request in self.requests)
        found = [each for request in self.requests for each in request.differences]
        counting = [each for each in found if not each.excused]
        layers = Counter(each.layer for each in counting)
        self.summary = Summary(
            requests=len(self.requests),
            same=verdicts["same"],
            differing=verdicts["differs"],
            added=verdicts["added"],
            missing=verdicts["missing"],
            unknown=verdicts["unknown"],
            differences=len(counting),
            excused=len(found) - len(counting),
            by_layer={layer: layers[layer] for layer in Layer if layers[layer]},
        )
        survived = self.mutations.survived if self.mutations else []
        if self.unreadable:
            self.verdict = "unreadable"
        else:
            self.verdict = "differs" if counting or survived else "same"
        return self


def found(difference: Difference, excused: str = "") -> Found:
    """A difference as a report holds it."""
    return Found(
        layer=difference.layer,
        path=difference.path,
        kind=difference.kind.value,
        golden=difference.expected,
        candidate=difference.actual,
        rule=difference.rule,
        cover=difference.cover,
        excused=excused,
    )


KEPT_ITEMS = 40
"""Lines inside lists that are shown of one request though they do not differ."""


def linked(rows: Iterable[Row], differences: list[Found]) -> tuple[list[Row], int]:
    """Rows with their differences, differences without a row in rows of their own, and long lists
    cut; with the number of rows left out."""
    kept: list[Row] = []
    by_path: dict[str, list[int]] = {}
    for index, each in enumerate(differences):
        by_path.setdefault(row_path(each.path), []).append(index)
    items = left_out = 0
    for row in rows:
        row.differences = by_path.pop(row.path, [])
        if "[" in row.path and not row.differences:
            items += 1
            if items > KEPT_ITEMS:
                left_out += 1
                continue
        kept.append(row)
    for path, indices in by_path.items():
        first = differences[indices[0]]
        kept.append(
            Row(path=path, golden=first.golden, candidate=first.candidate, differences=indices)
        )
    return kept, left_out


def row_path(path: str) -> str:
    """A difference's path as rows have it: names of headers in lower case."""
    surface, mark, rest = path.partition(":")
    if surface != "header" or not mark:
        return path
    name, dot, member = rest.partition(".")
    return f"header:{name.lower()}{dot}{member}"
