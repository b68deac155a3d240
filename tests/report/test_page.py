"""The page as a browser draws it, and how large it may get."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from replay.report import page
from replay.report.model import Report, Request, Row
from tests.report.test_files import report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


class Text(HTMLParser):
    """The text of a page, scripts and styles left out."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._skip = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skip += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.parts.append(data)


def drawn(file: Path, part: str = "") -> str:
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000"]
    command += [f"--user-data-dir={file.parent / 'profile'}", "--dump-dom", f"file://{file}{part}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    reader = Text()
    reader.feed(done.stdout)
    return " ".join(" ".join(reader.parts).split())


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser here")
def test_a_browser_draws_it(tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    file.write_text(page.render(report()), encoding="utf-8")
    overview = drawn(file)
    assert "2 differences in 2 requests" in overview
    assert "request line 1 value 1" in overview.replace("  ", " ")
    assert "GET /v1/models" not in overview  # only what differs is listed at first
    request = drawn(file, "#r1")
    assert "documents.x store: const false" in request
    assert "covered by body:store=bool" in request
    assert "</script><!--" in request  # text of a recording is text
    assert "Mutation score 90.00 %" in drawn(file, "#mutations")


@pytest.mark.parametrize(("count", "kept"), [(page.MOST_ROWS, 1), (page.MOST_ROWS + 1, 0)])
def test_a_large_report_leaves_out_what_is_the_same(count: int, kept: int) -> None:
    rows = [Row(path="body:x")] * (count - 1)
    good = Request(trace="a", number="1", title="GET /", verdict="same", rows=[Row(path="method")])
    bad = Request(trace="a", number="2", title="GET /", verdict="differs", rows=rows)
    small = page.embedded(page.render(Report(kind="diff", tool="t", requests=[good, bad])))
    assert [len(request.rows) for request in small.requests] == [kept, count - 1]


KEYS = """<script>{
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const listed = () => document.querySelectorAll("#list .item[data-at]").length;
const title = () => document.querySelector("#detail h2").textContent;
const said = [listed()];
press("f"); said.push(listed()); press("f");
press("j"); said.push(title());
press("n"); said.push(document.querySelectorAll("tr.focus").length);
press("j"); said.push(title());
press("1"); said.push(listed()); press("1");
press("t"); said.push(document.documentElement.dataset.theme);
press("/"); said.push(document.activeElement.id);
const search = document.querySelector("#search");
search.value = "body:store"; search.dispatchEvent(new Event("input")); said.push(listed());
document.body.replaceChildren(JSON.stringify(said));
}</script></body>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser here")
def test_keys_filters_and_search(tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    text = page.render(report()).replace("</body>", KEYS)
    file.write_text(text, encoding="utf-8")
    said = drawn(file)
    said = said[said.index("[2,") :]
    listed, everything, first, focused, second, layer, theme, focus, found = json.loads(said)
    assert (listed, everything) == (2, 3)
    assert first == "POST /v1/responses"
    assert focused == 1
    assert second.startswith("GET /</script>")
    assert layer == 1
    assert theme == "dark"
    assert focus == "search"
    assert found == 1
