"""Files for their owner only, replaced in one step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from addons.accounts.credentials.files import check_modes, read_private, write_private
from addons.accounts.errors import AccountError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="rights are another matter there")


def test_files_and_folder_are_the_owner_s_own(folder: Path) -> None:
    before = os.umask(0)
    try:
        write_private(folder / "a.json", b"one")
    finally:
        os.umask(before)
    assert (folder / "a.json").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert read_private(folder / "a.json") == b"one"
    check_modes(folder)


def test_no_folder_is_no_problem(folder: Path) -> None:
    check_modes(folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_looser_file_is_refused_with_the_remedy(folder: Path, mode: int) -> None:
    write_private(folder / "a.json", b"sesame")
    (folder / "a.json").chmod(mode)
    for check in (lambda: check_modes(folder), lambda: read_private(folder / "a.json")):
        with pytest.raises(AccountError, match=rf"{mode:04o}.*chmod 600 '.*a\.json'") as told:
            check()
        assert "sesame" not in str(told.value)


def test_a_looser_folder_too(folder: Path) -> None:
    write_private(folder / "a.json", b"one")
    folder.chmod(0o755)
    with pytest.raises(AccountError, match="chmod 700"):
        check_modes(folder)


def test_what_fails_leaves_the_old_file_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(folder / "a.json", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AccountError, match="can't be written: No space"):
        write_private(folder / "a.json", b"new")
    assert [file.name for file in folder.iterdir()] == ["a.json"]
    assert (folder / "a.json").read_bytes() == b"old"


def test_huge_and_missing_files(folder: Path) -> None:
    write_private(folder / "a.json", b"x" * (1024 * 1024 + 1))
    with pytest.raises(AccountError, match="larger"):
        read_private(folder / "a.json")
    with pytest.raises(FileNotFoundError):
        read_private(folder / "b.json")
