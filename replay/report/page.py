"""A report as one HTML file that needs nothing else."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files

from replay.report.model import Report

MOST_ROWS = 60_000
"""Lines of a page; some 10 MB."""


def render(report: Report) -> str:
    """The page. The report itself is in it as JSON, and a script draws it."""
    here = files(__package__)
    data = _lean(report).model_dump_json(exclude_defaults=True)
    # In a script element only "</" and "<!--" could end it; JSON may escape "<" everywhere.
    data = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    page = (here / "page.html").read_text(encoding="utf-8")
    parts = {
        "@title@": escape(_title(report)),
        "@style@": (here / "page.css").read_text(encoding="utf-8"),
        "@script@": (here / "page.js").read_text(encoding="utf-8"),
        "@report@": data,
    }
    for mark, text in parts.items():
        page = page.replace(mark, text, 1)
    return page


def _lean(report: Report) -> Report:
    """The report, without the lines of requests that are the same when there are too many of
    them for a page that opens at once."""
    if sum(len(request.rows) for request in report.requests) <= MOST_ROWS:
        return report
    requests = [
        request.model_copy(update={"rows": []}) if request.verdict == "same" else request
        for request in report.requests
    ]
    return report.model_copy(update={"requests": requests})


def _title(report: Report) -> str:
    return f"floway {report.kind}: {report.verdict}"


def embedded(page: str) -> Report:
    """The report that a page holds; for tests and for tools.

    Raises:
        ValueError: the page holds none.
    """
    _, mark, rest = page.partition('<script id="report" type="application/json">')
    if not mark:
        raise ValueError("not a page of a floway report")
    return Report.model_validate(json.loads(rest.partition("</script>")[0]))
