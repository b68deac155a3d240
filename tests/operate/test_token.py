"""The token's file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from addons.operate import token
from addons.operate.errors import ControlError
from addons.operate.token import kept, kept_or_made


def test_it_is_made_once(tmp_path: Path) -> None:
    assert kept(tmp_path) is None
    made = kept_or_made(tmp_path / "home")
    again = kept_or_made(tmp_path / "home")
    assert re.fullmatch(r"[0-9a-f]{64}", made.value)
    assert (made.new, again.new) == (True, False)
    assert again.value == made.value
    assert os.name == "nt" or made.file.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in made.file.parent.iterdir()] == [made.file.name]
    assert kept_or_made(tmp_path / "other").value != made.value


def test_it_is_not_shown(tmp_path: Path) -> None:
    made = kept_or_made(tmp_path)
    assert made.value not in repr(made)


def test_of_two_that_start_at_once_one_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept_or_made(tmp_path)
    looked = iter([None])
    real = token.kept
    monkeypatch.setattr(token, "kept", lambda home: next(looked, real(home)))
    second = kept_or_made(tmp_path)  # saw none, and finds one when it comes to write
    assert (second.value, second.new) == (first.value, False)


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("not permitted")

    monkeypatch.setattr(os, "link", refused)
    made = kept_or_made(tmp_path)
    assert kept_or_made(tmp_path).value == made.value
    assert [file.name for file in tmp_path.iterdir()] == [made.file.name]


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter there")
def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    kept_or_made(tmp_path).file.chmod(0o644)
    with pytest.raises(ControlError, match="chmod 600"):
        kept_or_made(tmp_path)


@pytest.mark.parametrize("content", ["", "short", "g" * 64, "a" * 63, "é" * 64])
def test_what_is_none_is_refused(tmp_path: Path, content: str) -> None:
    file = kept_or_made(tmp_path).file
    file.write_text(content)
    with pytest.raises(ControlError, match="holds no token; remove the file"):
        kept(tmp_path)


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(ControlError):
        kept_or_made(tmp_path / "home")
