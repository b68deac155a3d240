"""How a running floway is found."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from addons.operate.running import FILE_NAME, announce, found, withdraw

URL = "http://127.0.0.1:8080"


def test_it_is_found_until_it_says_goodbye(tmp_path: Path) -> None:
    assert found(tmp_path) is None
    running = announce(tmp_path, URL)
    assert (running.url, running.pid) == (URL, os.getpid())
    assert found(tmp_path) == running
    assert os.name == "nt" or (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    withdraw(tmp_path, running)
    assert found(tmp_path) is None
    withdraw(tmp_path, running)


def test_of_several_the_last_one_counts_and_stays(tmp_path: Path) -> None:
    first = announce(tmp_path, URL)
    second = announce(tmp_path, "http://127.0.0.1:9090")
    withdraw(tmp_path, first)
    assert found(tmp_path) == second


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("born", 1.0),  # another process has the number now
        ("pid", 2**22 + 1),  # none has
        ("pid", 0),
        ("pid", "1"),
        ("url", "https://elsewhere.test"),
        ("url", None),
    ],
)
def test_what_is_stale_or_odd_is_not_believed(tmp_path: Path, member: str, value: object) -> None:
    announce(tmp_path, URL)
    file = tmp_path / FILE_NAME
    file.write_text(json.dumps({**json.loads(file.read_text()), member: value}))
    assert found(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", "null"])
def test_a_broken_file_is_none(tmp_path: Path, content: str) -> None:
    announce(tmp_path, URL)
    (tmp_path / FILE_NAME).write_text(content)
    assert found(tmp_path) is None


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter there")
def test_a_file_that_others_can_read_is_not_believed(tmp_path: Path) -> None:
    announce(tmp_path, URL)
    (tmp_path / FILE_NAME).chmod(0o644)
    assert found(tmp_path) is None
