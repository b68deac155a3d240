"""``floway check`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fingerprints import trace_file
from replay.report import page
from tests.fingerprints.made_traces import made, with_headers
from tests.fingerprints.recordings import case, cases
from tests.fingerprints.test_trace_view import exchange_of


@pytest.fixture
def good(tmp_path: Path) -> Path:
    exchanges = [exchange_of(each) for each in cases("0.169.0") if not each.is_frame]
    trace = made(exchanges).model_copy(update={"client": "codex", "release": "0.169.0"})
    return trace_file.write(trace, tmp_path / "good")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    trace = made([exchange_of(case("0.169.0/turn-http-full-chatgpt"))])
    headers = list(trace.exchanges[0].headers)
    trace = with_headers(trace, 1, [*headers[1:], ("x-made-up", "1")])
    trace = trace.model_copy(update={"client": "codex", "release": "0.169.0"})
    return trace_file.write(trace, tmp_path / "bad")


def test_what_the_client_sent_is_the_same(floway, good: Path) -> None:
    code, out, err = floway("check", str(good))
    assert (code, err) == (0, "")
    assert out.startswith("same  ")


def test_a_folder_with_all_requests_shown(floway, good: Path) -> None:
    code, out, _ = floway("check", "--all", "--profile", "codex@0.169.0", str(good.parents[2]))
    assert code == 0
    assert "✓ 1 GET /backend-api/wham/accounts/check" in out


def test_differences_are_exit_code_1(floway, bad: Path) -> None:
    code, out, _ = floway("check", str(bad))
    assert code == 1
    assert "header:version  removed" in out
    assert "header:x-made-up  added" in out
    assert "headers.responses version: version" in out
    assert "by layer: header set 2" in out


def test_another_profile(floway, good: Path) -> None:
    code, out, _ = floway("check", "--profile", "codex@0.142.0", "--only", "/models", str(good))
    assert code == 1
    assert "differ" in out.splitlines()[-3]


def test_reports(floway, bad: Path, tmp_path: Path) -> None:
    targets = [tmp_path / name for name in ("r.json", "r.xml", "r.html")]
    options = [word for target in targets for word in ("--report", str(target))]
    code, out, err = floway("check", "--quiet", *options, str(bad))
    assert (code, out) == (1, "")
    assert str(targets[2]) in err
    data = json.loads(targets[0].read_text())
    assert data["golden"] == ["codex@0.169.0"]
    (request,) = data["requests"]
    rows = {row["path"]: row for row in request["rows"]}
    assert rows["header:version"]["golden"] == "version"
    assert rows["header:version"]["candidate"] is None
    assert rows["header:x-made-up"]["differences"]
    assert page.embedded(targets[2].read_text()).summary.differences == 2


def test_mutations(floway, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    trace = made([exchange_of(case("0.169.0/models")), exchange_of(case("0.169.0/mcp"))])
    trace = trace.model_copy(update={"client": "codex", "release": "0.169.0"})
    file = trace_file.write(trace, tmp_path)
    code, out, _ = floway("check", "--mutations", "--report", str(report), str(file))
    assert code == 0
    assert "The checker, checked" in out
    assert "score 100.00%" in out
    data = json.loads(report.read_text())["mutations"]
    assert data["survived"] == []
    assert data["caught"] + sum(data["excused"].values()) == data["total"] > 100


def test_a_broken_recording_is_exit_code_3_and_the_others_are_checked(
    floway, good: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.trace.json"
    broken.write_text('{"format": 1,')
    code, out, _ = floway("check", str(broken), str(good))
    assert code == 3
    assert "broken.trace.json: not JSON" in out
    assert " requests" in out
    code, _, err = floway("check", "-q", str(tmp_path / "nowhere"))
    assert code == 3
    assert "does not exist" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "codex@9.9.9"], "there is no profile codex@9.9.9"),
        (["--report", "report.txt"], "must end with one of .json, .xml, .html"),
    ],
)
def test_wrong_options_are_exit_code_2(
    floway, good: Path, arguments: list[str], message: str
) -> None:
    code, out, err = floway("check", *arguments, str(good))
    assert (code, out) == (2, "")
    assert message in err


def test_a_release_without_profile_is_told_what_to_do(floway, tmp_path: Path) -> None:
    trace = made([exchange_of(case("0.169.0/models"))])
    code, _, err = floway("check", str(trace_file.write(trace, tmp_path)))
    assert code == 2
    assert "--profile NAME" in err
