"""``floway record import`` and ``export``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fingerprints import trace_file
from tests.cli.conftest import Floway


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    headers = [{"name": "user-agent", "value": "tool/1"}, {"name": "x-api-key", "value": "abc"}]
    request = {"method": "GET", "url": "https://a.test/x", "headers": headers, "httpVersion": "h2"}
    content = {"text": '{"ok":true}', "mimeType": "application/json"}
    response = {"status": 200, "headers": [], "content": content}
    entry = {"startedDateTime": "2026-11-21T10:00:00Z", "request": request, "response": response}
    file = tmp_path / "my run.har"
    file.write_text(json.dumps({"log": {"entries": [entry]}}))
    return file


def test_there_and_back(floway: Floway, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "traces"
    code, said, _ = floway("record", "import", str(archive), "--out", str(out))
    file = out / "tool" / "1" / "my-run-http-1.trace.json"
    assert (code, said.split()) == (0, [str(file), "(1", "requests)"])
    trace = trace_file.read(file)
    assert trace.exchanges[0].header("x-api-key") == "⟨secret:1⟩"

    for name, format_ in (
        ("c.yaml", "vcr"),
        ("c.json", "vcr"),
        ("c.har", "har"),
        ("c.mitm", "flow"),
    ):
        target = tmp_path / "exported" / name
        code, said, _ = floway(
            *("record", "export", str(out), "--format", format_, "--out", str(target))
        )
        assert (code, said.split()) == (0, [str(target), "(1", "requests)"]), name
        code, said, _ = floway(
            *("record", "import", str(target), "--scenario", name.replace(".", "-")),
            *("--client", "back", "--out", str(tmp_path / "back")),
        )
        assert code == 0, name
        [exchange] = trace_file.read(Path(said.split()[0])).exchanges
        assert (exchange.method, exchange.authority, exchange.path) == ("GET", "a.test", "/x")
        assert exchange.answer is not None
        assert exchange.answer.body is not None
        assert exchange.answer.body.data == {"ok": True}, name


def test_websockets_have_no_place_in_a_cassette(floway: Floway, tmp_path: Path) -> None:
    upgrade = {
        "method": "GET",
        "authority": "a",
        "path": "/",
        "headers": [["upgrade", "websocket"]],
    }
    data = {
        "format": 1,
        "client": "x",
        "origin": {"tool": "t", "on": "2026-11-21"},
        "exchanges": [{"number": 1, **upgrade}],
    }
    file = tmp_path / "x.trace.json"
    file.write_text(json.dumps(data))
    code, said, _ = floway("record", "export", str(file), "--out", str(tmp_path / "c.yaml"))
    assert code == 0
    assert "1 WebSockets and requests without an answer have no place in it" in said


def test_mistakes_are_told(floway: Floway, archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("hello")
    code, _, said = floway("record", "import", str(other))
    assert code == 1
    assert "neither a mitmproxy flow file" in said
    code, _, said = floway("record", "export", str(tmp_path / "none"), "--out", "x")
    assert code == 2
    assert "does not exist" in said
    code, _, said = floway("record", "import", str(archive), "--out", str(other / "deep"))
    assert code == 1
    assert "cannot be written" in said
