"""Reports as files: JSON by its schema, JUnit by an XML parser, HTML by what it holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.difference import Layer
from replay.report import files, junit, page
from replay.report.model import (
    Apart,
    Found,
    Mutations,
    Nearest,
    Report,
    Request,
    Row,
    Survivor,
    Unreadable,
)

SCHEMA = Path(files.__file__).with_name("report.schema.json")
NASTY = '</script><!-- "&\u2028\x00\x1b ⟨text:3:00000000⟩ \ud800'.encode(
    "utf-8", "replace"
).decode()


def difference(**changes: str) -> Found:
    given = {
        "layer": Layer.VALUE,
        "path": "body:store",
        "kind": "value",
        "golden": "false",
        "candidate": "true",
        "rule": "documents.x store: const false",
        "cover": "body:store=bool",
    }
    return Found.model_validate({**given, **changes})


def report() -> Report:
    wrong = Request(
        trace="codex@1/turn#1",
        number="2",
        title="POST /v1/responses",
        kind="turn",
        verdict="differs",
        differences=[difference(), difference(candidate=NASTY, excused="body:store=any")],
        rows=[Row(path="body:store", golden="false", candidate="true", differences=[0])],
    )
    good = Request(
        trace="codex@1/turn#1", number="1", title="GET /v1/models", kind="models", verdict="same"
    )
    strange = Request(
        trace="codex@1/turn#2",
        number="1",
        title=f"GET /{NASTY}",
        verdict="unknown",
        differences=[difference(layer="request_line", path="path", kind="unknown")],
        nearest=Nearest(title="models", apart=[Apart(field="path", golden="/a", candidate="/b")]),
    )
    return Report(
        kind="check",
        tool="floway 0.1.0",
        golden=["codex@1"],
        candidate=["codex@1/turn#1", "codex@1/turn#2"],
        requests=[good, wrong, strange],
        mutations=Mutations(
            total=10,
            caught=8,
            excused={"body:x text": 1},
            survived=[Survivor(request="2", operation="drop", path="body:y")],
            by_operation={"drop": (8, 1, 1)},
        ),
        seconds=0.5,
        timed=3,
    ).settle()


def test_the_summary_counts_what_counts() -> None:
    summary = report().summary
    assert (summary.requests, summary.same, summary.differing, summary.unknown) == (3, 1, 1, 1)
    assert (summary.differences, summary.excused) == (2, 1)
    assert summary.by_layer == {Layer.REQUEST_LINE: 1, Layer.VALUE: 1}
    assert report().verdict == "differs"


def test_speed_is_of_what_was_timed() -> None:
    assert report().speed == 6
    assert Report(kind="regress", tool="t", seconds=0.001).speed is None


def test_a_surviving_mutant_and_a_broken_file_are_no_good_verdict() -> None:
    clean = Report(kind="check", tool="t")
    assert clean.settle().verdict == "same"
    clean.mutations = Mutations(
        total=1, caught=0, survived=[Survivor(request="1", operation="drop", path="x")]
    )
    assert clean.settle().verdict == "differs"
    clean.unreadable = [Unreadable(file="x", problem="not JSON")]
    assert clean.settle().verdict == "unreadable"


# --- JSON ----------------------------------------------------------------------------------------


def test_json_reads_back() -> None:
    text = files.as_json(report())
    assert json.loads(text)["format"] == 1
    assert Report.model_validate_json(text, strict=True) == report()


def test_the_schema_is_the_model_s() -> None:
    assert SCHEMA.read_text() == files.schema(), "run: python -m replay.report.files"


def test_another_format_is_refused() -> None:
    data = json.loads(files.as_json(report())) | {"format": 2}
    with pytest.raises(ValueError, match="format"):
        Report.model_validate(data)


# --- JUnit ---------------------------------------------------------------------------------------


def test_junit_is_xml_with_a_case_for_each_request() -> None:
    given_report = report()
    given_report.unreadable = [Unreadable(file="a.json", problem="not JSON")]
    root = ET.fromstring(junit.render(given_report))
    assert root.tag == "testsuites"
    names = [suite.get("name") for suite in root]
    assert names == ["codex@1/turn#1", "codex@1/turn#2", "unreadable", "mutations"]
    cases = root.findall(".//testcase")
    assert int(root.get("tests", "")) == len(cases) == 5
    assert int(root.get("failures", "")) == len(root.findall(".//failure")) == 3
    assert int(root.get("errors", "")) == len(root.findall(".//error")) == 1
    for suite in root:
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors", "")) == len(suite.findall("testcase/error"))
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.text == (
        "[value] body:store: value; expected false; got true (documents.x store: const false)"
        "; covered by body:store=bool"
    )


@given(st.text())
def test_junit_holds_any_text(text: str) -> None:
    given_report = report()
    given_report.requests[1].title = text
    given_report.requests[1].differences[0].candidate = text
    root = ET.fromstring(junit.render(given_report))
    assert len(root.findall(".//testcase")) == 4


# --- HTML ----------------------------------------------------------------------------------------


def test_html_holds_the_report_and_nothing_from_elsewhere() -> None:
    text = page.render(report())
    assert page.embedded(text) == report()
    assert text.count("</script>") == 2  # the two that are meant
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//|url\(|@import""", text)
    assert "<title>floway check: differs</title>" in text


def test_html_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not a page"):
        page.embedded("<html></html>")


# --- names ---------------------------------------------------------------------------------------


def test_the_name_says_the_kind(tmp_path: Path) -> None:
    targets = [tmp_path / "new" / name for name in ("a.json", "b.xml", "c.HTML")]
    files.write(report(), targets)
    assert targets[0].read_text().startswith("{")
    assert targets[1].read_text().startswith("<?xml")
    assert targets[2].read_text().startswith("<!doctype html>")


def test_an_unknown_kind_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(files.UnknownKind, match=r"must end with one of \.json, \.xml, \.html"):
        files.write(report(), [tmp_path / "a.json", tmp_path / "b.txt"])
    assert list(tmp_path.iterdir()) == []
