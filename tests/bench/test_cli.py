from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from replay.bench.cli import app

runner = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--cases", "body8k-c1,nope"], "'nope' is not one of body8k-c1"),
        (["--targets", "bare,nginx"], "'nginx' is not one of direct"),
        (["--targets", ","], "at least one name"),
        (["--leg", "h3"], "'h3' is not one of http1, h2"),
        (["--profile", "perf"], "'perf' is not one of sample, calls"),
        (["--rounds", "0"], "--rounds"),
    ],
)
def test_wrong_words_are_told_with_the_right_ones(arguments: list[str], told: str):
    done = runner.invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert told in done.output


def test_a_checkout_without_floway(tmp_path: Path):
    done = runner.invoke(app, ["--against", str(tmp_path)], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert "there is no" in done.output


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "replay.bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=os.sep)


@pytest.mark.slow
def test_one_case_from_end_to_end(tmp_path: Path):
    """The upstream alone and bare mitmdump, as real processes."""
    results, table = tmp_path / "results.json", tmp_path / "table.md"
    done = bench(
        *("--targets", "direct,bare", "--cases", "sse200-c1", "--rounds", "2"),
        *("--requests", "5", "--json", str(results), "--markdown", str(table)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(results.read_text())
    (case,) = document["cases"]
    for name in ("direct", "bare"):
        assert case["targets"][name]["answered"] == 10
        assert case["targets"][name]["failed"] == 0
    assert document["resident_after_matrix"]["bare"] > 2**20
    assert "bare mitmdump" in table.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("leg", ["http1", "h2"])
def test_smoke(leg: str):
    done = bench("--smoke", "--leg", leg)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sample", "calls"])
def test_profile(mode: str):
    done = bench("--profile", mode, "--targets", "responses", "--cases", "body8k-c1", "--smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Own time by package" in done.stdout
