"""A report as JUnit XML: a suite per recording, a case per request."""

from __future__ import annotations

import re
from itertools import groupby
from xml.etree import ElementTree as ET

from replay.report.model import Found, Report, Request

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""


def render(report: Report) -> str:
    """The XML text."""
    failures = sum(request.verdict != "same" for request in report.requests)
    root = ET.Element(
        "testsuites",
        name=f"floway {report.kind}",
        tests=str(len(report.requests) + len(report.unreadable)),
        failures=str(failures),
        errors=str(len(report.unreadable)),
    )
    if report.seconds is not None:
        root.set("time", f"{report.seconds:.3f}")
    for trace, requests in groupby(report.requests, key=lambda request: request.trace):
        _suite(root, trace, list(requests), report)
    if report.unreadable:
        count = str(len(report.unreadable))
        suite = ET.SubElement(root, "testsuite", name="unreadable", tests=count, errors=count)
        suite.set("failures", "0")
        for broken in report.unreadable:
            case = ET.SubElement(suite, "testcase", classname="recording", name=_clean(broken.file))
            ET.SubElement(case, "error", message=_clean(broken.problem), type="unreadable")
    if report.mutations is not None:
        _mutations(root, report)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, trace: str, requests: list[Request], report: Report) -> None:
    failed = sum(request.verdict != "same" for request in requests)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_clean(trace),
        tests=str(len(requests)),
        failures=str(failed),
        errors="0",
    )
    for request in requests:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=_clean(trace).replace("/", "."),
            name=_clean(f"{request.number} {request.title} {request.kind}".strip()),
        )
        if request.verdict != "same":
            counting = [each for each in request.differences if not each.excused]
            message = f"{request.verdict}: {len(counting)} differences from {report.golden}"
            failure = ET.SubElement(case, "failure", message=_clean(message), type=request.verdict)
            failure.text = _clean("\n".join(line(each) for each in counting))


def _mutations(root: ET.Element, report: Report) -> None:
    mutations = report.mutations
    assert mutations is not None
    suite = ET.SubElement(
        root,
        "testsuite",
        name="mutations",
        tests="1",
        failures=str(int(bool(mutations.survived))),
        errors="0",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (("score", f"{mutations.score:.6f}"), ("total", str(mutations.total))):
        ET.SubElement(properties, "property", name=name, value=value)
    case = ET.SubElement(suite, "testcase", classname="mutations", name="every mutant is caught")
    if mutations.survived:
        count = len(mutations.survived)
        failure = ET.SubElement(case, "failure", message=f"{count} survived", type="survived")
        failure.text = _clean(
            "\n".join(
                f"{each.operation} {each.path} of {each.request}" for each in mutations.survived
            )
        )
    root.set("tests", str(int(root.get("tests", "0")) + 1))
    root.set("failures", str(int(root.get("failures", "0")) + int(bool(mutations.survived))))


def line(each: Found) -> str:
    """A difference in one line."""
    text = f"[{each.layer.value}] {each.path}: {each.kind}"
    text += f"; expected {each.golden}" if each.golden else ""
    text += f"; got {each.candidate}" if each.candidate else ""
    text += f" ({each.rule})" if each.rule else ""
    return text + (f"; covered by {each.cover}" if each.cover else "")


def _clean(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
