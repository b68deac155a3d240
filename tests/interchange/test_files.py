"""Which tool wrote a file, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fingerprints import trace_file
from replay.interchange.errors import InterchangeError
from replay.interchange.files import Format, Labels, format_of, load


def entry(url: str, agent: str = "Tool/1.2.3 x", version: str = "http/1.1") -> dict[str, Any]:
    headers = [{"name": "User-Agent", "value": agent}]
    request = {"method": "GET", "url": url, "headers": headers, "httpVersion": version}
    response = {"status": 204, "headers": []}
    return {"startedDateTime": "2026-11-21T10:00:00Z", "request": request, "response": response}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "some.har"
    entries = [entry("https://a.test/1"), entry("https://b.test:8443/2"), entry("https://a.test/3")]
    file.write_text(json.dumps({"log": {"entries": entries}}))
    return file


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x.bin", b"1234:9:websocket;", "flow"),
        ("x.json", b'{"log":{"version":"1.2"', "har"),
        ("x.har", b'{ "interactions": 1, "log": ', "har"),
        ("x.json", b'{"interactions": []', "vcr"),
        ("x.yaml", b"interactions:\n- request:", "vcr"),
        ("x.yaml", b'"interactions":\n- "request":', "vcr"),
        ("x.yaml", b"---\nversion: 1\ninteractions: []", "vcr"),
    ],
)
def test_tells_formats_by_content(name: str, head: bytes, expected: Format) -> None:
    assert format_of(Path(name), head) == expected


@pytest.mark.parametrize("head", [b"", b"\x00", b"<html>", b"{}", b'{"format": 1, "client": "x"}'])
def test_other_files_are_refused(head: bytes) -> None:
    with pytest.raises(InterchangeError, match="neither a mitmproxy flow file"):
        format_of(Path("x"), head)


def test_labels_come_from_the_user_agent(archive: Path) -> None:
    trace = load(archive, Labels())
    assert (trace.client, trace.release, trace.scenario) == ("tool", "1.2.3", "import")
    assert (trace.origin.tool, trace.origin.on) == ("HAR import", "2026-11-21")
    assert trace.conditions.http == "HTTP/1.1"
    assert trace_file.parse(trace_file.render(trace)) == trace


def test_given_labels_win(archive: Path) -> None:
    trace = load(archive, Labels("other", "9", "turn"))
    assert (trace.client, trace.release, trace.scenario) == ("other", "9", "turn")
    assert load(archive, Labels("other")).release == "", "not the release of something else"


@pytest.mark.parametrize("host", ["b.test", "b.test:8443"])
def test_only_some_hosts(archive: Path, host: str) -> None:
    trace = load(archive, Labels(hosts=[host]))
    assert [(each.number, each.path) for each in trace.exchanges] == [(1, "/2")]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (Labels(hosts=["c.test"]), "no request is left; hosts in it: a.test, b.test:8443"),
        (Labels("Not So"), "'Not So' is no client's name"),
    ],
)
def test_says_what_is_wrong(archive: Path, labels: Labels, message: str) -> None:
    with pytest.raises(InterchangeError, match=message):
        load(archive, labels)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InterchangeError, match="cannot be read"):
        load(tmp_path / "none", Labels())


def test_a_broken_flow_file(tmp_path: Path) -> None:
    file = tmp_path / "x.mitm"
    file.write_bytes(b"1234:9:broken")
    with pytest.raises(InterchangeError, match=r"mitmdump could not read it|no request is in it"):
        load(file, Labels())
