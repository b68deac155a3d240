"""A report at a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from replay.report import terminal
from replay.report.model import Report, Request
from tests.report.test_files import report


def shown(given: Report, *, everything: bool = False) -> str:
    text = io.StringIO()
    console = Console(file=text, width=120, highlight=False)
    terminal.show(given, console, everything=everything)
    return text.getvalue()


def test_what_differs_layer_by_layer() -> None:
    text = shown(report())
    lines = text.splitlines()
    assert lines[0] == "codex@1/turn#1  1 of 2 requests the same"
    assert "✗ 2 POST /v1/responses  turn over http" in lines[1]
    assert text.index("value") < text.index("body:store  value") < text.index("golden     false")
    assert "rule       documents.x store: const false" in text
    assert "covered by body:store=bool" in text
    assert "nearest: models" in text
    assert "path: /a ≠ /b" in text
    assert "GET /v1/models" not in text
    assert "allowed by" not in text


def test_everything() -> None:
    text = shown(report(), everything=True)
    assert "✓ 1 GET /v1/models  models over http" in text
    assert "allowed by body:store=any" in text


def test_the_last_lines_say_the_verdict() -> None:
    assert shown(report()).splitlines()[-3:] == [
        "differs  3 requests, 1 differ, 1 unknown, 2 differences, 1 allowed",
        "by layer: request line 1, value 1",
        "0.50 s of one core, 6 requests/s",
    ]


def test_the_mutation_score() -> None:
    text = shown(report())
    assert "survived: drop body:y of 2" in text
    assert "excused     1  body:x text" in text
    assert "score 90.00%: 8 of 10 mutants caught, 1 excused by a rule, 1 survived" in text


def test_text_of_recordings_is_no_markup() -> None:
    request = Request(trace="[red]a[/red]", number="1", title="[bold]", verdict="same")
    given = Report(kind="check", tool="t", requests=[request]).settle()
    assert "[red]a[/red]" in shown(given, everything=True)
    assert "[bold]" in shown(given, everything=True)
