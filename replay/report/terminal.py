"""A report for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from fingerprints.difference import Layer
from replay.report.model import Found, Mutations, Report, Request

MARKS = {
    "same": ("✓", "green"),
    "differs": ("✗", "red"),
    "added": ("+", "yellow"),
    "missing": ("−", "yellow"),
    "unknown": ("?", "yellow"),
}

_SEEN = {"golden": "candidate", "profile": "seen"}
_RULES = 15


def show(report: Report, console: Console, *, everything: bool = False) -> None:
    """Write a report.

    Args:
        everything: requests without a difference too, and what allowances excuse.
    """
    for trace, requests in groupby(report.requests, key=lambda request: request.trace):
        shown = list(requests)
        if everything or any(request.verdict != "same" for request in shown):
            console.print(_tree(trace, shown, everything))
    for broken in report.unreadable:
        console.print(Text.assemble(("! ", "bold red"), broken.problem))
    if report.mutations is not None:
        console.print(_mutations(report.mutations))
    console.print(_summary(report))


def _tree(trace: str, requests: Iterable[Request], everything: bool) -> Tree:
    requests = list(requests)
    same = sum(request.verdict == "same" for request in requests)
    tree = Tree(
        Text.assemble((trace, "bold"), (f"  {same} of {len(requests)} requests the same", "dim"))
    )
    for request in requests:
        if request.verdict == "same" and not everything:
            continue
        branch = tree.add(_title(request))
        found = [each for each in request.differences if everything or not each.excused]
        for layer in Layer:
            inside = [each for each in found if each.layer is layer]
            if inside:
                leaf = branch.add(Text(layer.value.replace("_", " "), "bold cyan"))
                for each in inside:
                    leaf.add(_difference(each, request.against))
        if request.nearest is not None:
            branch.add(_nearest(request))
    return tree


def _title(request: Request) -> Text:
    mark, style = MARKS[request.verdict]
    kind = f"  {request.kind}" if request.kind else ""
    return Text.assemble(
        (f"{mark} ", f"bold {style}"),
        (request.number, "bold"),
        f" {request.title}",
        (f"{kind} over {request.transport}", "dim"),
    )


def _difference(each: Found, against: str) -> Text:
    text = Text.assemble((each.path, "bold"), "  ", (each.kind, "yellow"))
    empty = "(empty)" if each.kind == "value" else ""
    if golden := each.golden or empty:
        text.append(f"\n  {against:<11}", "dim").append(golden, "green")
    if candidate := each.candidate or empty:
        text.append(f"\n  {_SEEN[against]:<11}", "dim").append(candidate, "red")
    if each.rule:
        text.append(f"\n  rule       {each.rule}", "dim")
    if each.excused:
        text.append(f"\n  allowed by {each.excused}", "dim green")
    elif each.cover:
        text.append(f"\n  covered by {each.cover}", "dim")
    return text


def _nearest(request: Request) -> Text:
    nearest = request.nearest
    assert nearest is not None
    likeness = f", {nearest.likeness:.0%} alike" if nearest.likeness is not None else ""
    text = Text.assemble(("nearest: ", "bold cyan"), nearest.title, (likeness, "dim"))
    for each in nearest.apart:
        text.append(f"\n  {each.field}: ", "dim").append(each.golden, "green")
        text.append(" ≠ ", "dim").append(each.candidate, "red")
    return text


def _mutations(mutations: Mutations) -> RenderableType:
    table = Table(title="The checker, checked", title_justify="left", box=None, header_style="bold")
    for column in ("operation", "caught", "excused", "survived"):
        table.add_column(column, justify="left" if column == "operation" else "right")
    for operation, (caught, excused, survived) in mutations.by_operation.items():
        style = "red" if survived else ""
        table.add_row(operation, str(caught), str(excused), Text(str(survived), style))
    lines = [
        Text(f"survived: {each.operation} {each.path} of {each.request}", "red")
        for each in mutations.survived[:50]
    ]
    rules = sorted(mutations.excused.items(), key=lambda item: -item[1])
    lines += [Text(f"excused {count:>5}  {rule}", "dim") for rule, count in rules[:_RULES]]
    if len(rules) > _RULES:
        lines.append(Text(f"and {len(rules) - _RULES} rules more", "dim"))
    score = Text(
        f"score {mutations.score:.2%}: {mutations.caught} of {mutations.total} mutants caught, "
        f"{sum(mutations.excused.values())} excused by a rule, {len(mutations.survived)} survived"
    )
    return Group(table, *lines, score)


def _summary(report: Report) -> Text:
    summary = report.summary
    style = "bold green" if report.verdict == "same" else "bold red"
    text = Text(f"{report.verdict}", style)
    text.append(f"  {summary.requests} requests", "default")
    parts = [
        (summary.differing, "differ"),
        (summary.added, "too many"),
        (summary.missing, "missing"),
        (summary.unknown, "unknown"),
        (summary.differences, "differences"),
        (summary.excused, "allowed"),
    ]
    for count, word in parts:
        if count:
            text.append(f", {count} {word}")
    if summary.by_layer:
        layers = ", ".join(
            f"{layer.value.replace('_', ' ')} {count}" for layer, count in summary.by_layer.items()
        )
        text.append(f"\nby layer: {layers}", "dim")
    if report.speed is not None:
        text.append(f"\n{report.seconds:.2f} s of one core, {report.speed:.0f} requests/s", "dim")
    for note in report.notes:
        text.append(f"\n{note}", "dim")
    return text
