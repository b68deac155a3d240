"""Recordings from files of several kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fingerprints import trace_file
from fingerprints.errors import TraceError
from replay import recordings
from tests.fingerprints.made_traces import Run

HAR = {
    "log": {
        "version": "1.2",
        "creator": {"name": "made up", "version": "1"},
        "entries": [
            {
                "startedDateTime": "2026-11-21T12:00:00.000Z",
                "time": 10,
                "request": {
                    "method": "GET",
                    "url": "https://made.example/v1/models?a=1",
                    "httpVersion": "HTTP/1.1",
                    "cookies": [],
                    "headers": [
                        {"name": "Host", "value": "made.example"},
                        {"name": "User-Agent", "value": "made/1.2.3"},
                    ],
                    "queryString": [],
                    "headersSize": -1,
                    "bodySize": 0,
                },
                "response": {
                    "status": 200,
                    "statusText": "OK",
                    "httpVersion": "HTTP/1.1",
                    "cookies": [],
                    "headers": [],
                    "content": {"size": 2, "mimeType": "application/json", "text": "{}"},
                    "redirectURL": "",
                    "headersSize": -1,
                    "bodySize": 2,
                },
                "cache": {},
                "timings": {"send": 0, "wait": 5, "receive": 5},
            }
        ],
    }
}


def test_a_har_is_a_recording(tmp_path: Path) -> None:
    file = tmp_path / "made.har"
    file.write_text(json.dumps(HAR))
    trace = recordings.read(file)
    assert (trace.client, trace.release) == ("made", "1.2.3")
    assert [each.path for each in trace.exchanges] == ["/v1/models?a=1"]


def test_a_trace_of_any_name(tmp_path: Path) -> None:
    file = tmp_path / "renamed.json"
    trace_file.write(Run(1).trace(), tmp_path / "traces").rename(file)
    assert recordings.read(file) == Run(1).trace()


def test_what_is_no_recording(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    with pytest.raises(TraceError, match="mitmproxy flow files, HAR files and vcrpy cassettes"):
        recordings.read(file)


def test_all_that_can_be_read(tmp_path: Path) -> None:
    good = trace_file.write(Run(1).trace(), tmp_path / "good")
    broken = tmp_path / "broken.trace.json"
    broken.write_text("{")
    empty = tmp_path / "empty"
    empty.mkdir()
    traces, problems = recordings.read_all([broken, empty, tmp_path / "nowhere", good.parents[2]])
    assert traces == [Run(1).trace()]
    assert [str(each.file) for each in problems] == [
        str(broken),
        str(empty),
        str(tmp_path / "nowhere"),
    ]
