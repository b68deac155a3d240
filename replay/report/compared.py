"""A report from recordings against each other."""

from __future__ import annotations

from collections.abc import Iterator

from fingerprints.compare import align
from fingerprints.compare.facts import Container, Unit
from fingerprints.compare.recordings import Comparison, Pair
from fingerprints.difference import shorten
from fingerprints.matchers import as_text
from fingerprints.trace import Trace
from replay.report.model import Apart, Nearest, Request, Row, Verdict, found, linked


def requests(candidate: Trace, comparison: Comparison) -> Iterator[Request]:
    """The requests of one candidate beside its goldens."""
    for pair in comparison.pairs:
        unit = pair.candidate or pair.golden
        assert unit is not None  # a pair has at least one side
        differences = [found(each) for each in pair.differences]
        differences += [found(each, rule) for each, rule in pair.excused]
        rows, left_out = linked(_rows(pair), differences)
        yield Request(
            trace=candidate.name,
            number=unit.name,
            title=unit.title,
            kind=unit.kind,
            transport="websocket" if unit.exchange.is_upgrade else "http",
            verdict=_verdict(pair),
            differences=differences,
            rows=rows,
            left_out=left_out,
            nearest=_nearest(pair.nearest),
        )


def _verdict(pair: Pair) -> Verdict:
    if not pair.differences:
        return "same"
    if pair.golden is None:
        return "added"
    return "missing" if pair.candidate is None else "differs"


def _nearest(near: align.Nearest | None) -> Nearest | None:
    if near is None:
        return None
    title = f"{near.unit.name} {near.unit.title} {near.unit.kind}".strip()
    apart = [
        Apart(field=name, golden=golden, candidate=candidate)
        for name, golden, candidate in near.apart
    ]
    return Nearest(title=title, likeness=round(near.likeness, 3), apart=apart)


def _rows(pair: Pair) -> list[Row]:
    if pair.rows:
        return [
            Row(path=row.path, golden=row.golden, candidate=row.candidate, noise=row.noise)
            for row in pair.rows
        ]
    if pair.candidate is None and pair.golden is not None:
        return [Row(path=path, golden=text) for path, text in _lines(pair.golden)]
    if pair.golden is None and pair.candidate is not None:
        return [Row(path=path, candidate=text) for path, text in _lines(pair.candidate)]
    return []


def _lines(unit: Unit) -> Iterator[tuple[str, str]]:
    facts = unit.facts()
    for name, value in facts.line.items():
        yield name, as_text(value)
    for path, found_value in facts.values.items():
        inside = isinstance(found_value, Container)
        yield path, found_value.type if inside else shorten(as_text(found_value))  # type: ignore[union-attr,arg-type]
