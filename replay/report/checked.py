"""A report from traffic against a profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fingerprints.compare.facts import Container, Unit
from fingerprints.covers import cover
from fingerprints.difference import shorten
from fingerprints.expectation import expected
from fingerprints.matchers import as_text
from fingerprints.profile import Profile
from fingerprints.trace import Trace
from fingerprints.trace_check import Checked
from replay.report.model import Apart, Nearest, Request, Row, Verdict, found, linked


def requests(
    profile: Profile, trace: Trace, checked: Iterable[Checked], *, side_by_side: bool = True
) -> Iterator[Request]:
    """The requests of one trace.

    Args:
        side_by_side: with the profile's word on each field beside what was seen.
    """
    for each in checked:
        differences = [
            found(replace(difference, cover=cover(difference))) for difference in each.differences
        ]
        unit = _unit(each)
        rows, left_out = linked(_rows(profile, each, unit) if side_by_side else [], differences)
        yield Request(
            trace=trace.name,
            number=each.name,
            title=unit.title,
            kind=each.variant.kind if each.variant is not None else "",
            transport="websocket" if each.exchange.is_upgrade else "http",
            against="profile",
            verdict=_verdict(each),
            differences=differences,
            rows=rows,
            left_out=left_out,
            nearest=_nearest(each),
        )


def _verdict(checked: Checked) -> Verdict:
    if checked.variant is None:
        return "unknown"
    return "differs" if checked.differences else "same"


def _nearest(checked: Checked) -> Nearest | None:
    if not checked.nearest:
        return None
    apart = [
        Apart(field=name, golden=golden, candidate=candidate)
        for name, golden, candidate in checked.apart
    ]
    return Nearest(title=checked.nearest, apart=apart)


def _unit(checked: Checked) -> Unit:
    if checked.message is None:
        return Unit(checked.exchange, None, checked.exchange.body)
    payload = list(checked.exchange.sent())[checked.message - 1].payload
    return Unit(checked.exchange, checked.message, payload)


def _rows(profile: Profile, checked: Checked, unit: Unit) -> list[Row]:
    said = expected(profile, checked.variant) if checked.variant is not None else {}
    facts = unit.facts()
    seen = {name: as_text(value) for name, value in facts.line.items()}
    if "path" in seen:
        seen["path"] = checked.exchange.path
    for path, value in facts.values.items():
        if not path.startswith("query:"):
            seen[path] = _text(value)
    rows = [
        Row(path=path, golden=said.get(path), candidate=shorten(value))
        for path, value in seen.items()
    ]
    rows += [
        Row(path=path, golden=text)
        for path, text in said.items()
        if path not in seen and ", sometimes" not in text and ", with" not in text
    ]
    rows += [Row(path=path, candidate=as_text(value)) for path, value in facts.encoding.items()]
    return rows


def _text(value: object) -> str:
    return value.type if isinstance(value, Container) else as_text(value)  # type: ignore[arg-type]
