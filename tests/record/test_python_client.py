"""Python clients in environments of their own, with a stand-in for Python and its pip."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from replay.record import python_client
from replay.record.errors import RecordError, UnknownRelease
from replay.record.install import Package
from replay.record.python_client import install

SDK = Package("some-sdk", "some", "")
PYTHON = f"""#!/bin/sh
"exec" "{sys.executable}" "$0" "$@"
import os, pathlib, shutil, sys
words = [word for word in sys.argv[1:] if not word.startswith("--")]
with open(os.environ["PIP_LOG"], "a") as log:
    log.write(" ".join("DIR" if word.startswith("/") else word for word in words) + "\\n")
if words[:2] == ["-m", "venv"]:
    if os.environ.get("NO_VENV"):
        sys.exit("Error: ensurepip is not available")
    target = pathlib.Path(words[2], "bin", "python")
    target.parent.mkdir(parents=True)
    shutil.copy(sys.argv[0], target)
elif words[:3] == ["-m", "pip", "index"]:
    print("WARNING: experimental\\nsome (1.2.3)\\nAvailable versions: 1.2.3, 1.2.2")
elif words[3] == "some==6.6.6":
    sys.exit("ERROR: no room")
elif words[3] not in ("some==1.2.3", "some==1.2.2"):
    sys.exit(f"ERROR: No matching distribution found for {{words[3]}}")
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Python was asked, line by line."""
    fake = tmp_path / "fake-python"
    fake.write_text(PYTHON)
    fake.chmod(0o755)
    monkeypatch.setattr(python_client.sys, "executable", str(fake))
    monkeypatch.setenv("PIP_LOG", str(tmp_path / "pip.log"))
    return tmp_path / "pip.log"


async def test_installed_once(log: Path, tmp_path: Path) -> None:
    told: list[str] = []
    first = await install(SDK, "1.2.2", tmp_path / "cache", tell=told.append)
    assert first.python == tmp_path / "cache" / "clients" / "some-sdk-1.2.2" / "bin" / "python"
    assert told == ["making a Python environment for some", "installing some==1.2.2"]
    assert log.read_text() == "-m venv DIR\n-m pip install some==1.2.2\n"
    log.unlink()
    assert await install(SDK, "1.2.2", tmp_path / "cache") == first
    assert not log.exists(), "nothing was asked"


async def test_the_latest_is_asked_for(log: Path, tmp_path: Path) -> None:
    latest = await install(SDK, "latest", tmp_path / "cache")
    assert latest.release == "1.2.3"
    assert await install(SDK, "1.2.3", tmp_path / "cache") == latest
    assert await install(SDK, "latest", tmp_path / "cache") == latest
    assert log.read_text().count("pip install") == 1


async def test_what_is_half_there_is_replaced(log: Path, tmp_path: Path) -> None:
    left = tmp_path / "cache" / "clients" / "some-sdk-1.2.3" / "bin"
    left.mkdir(parents=True)
    (left / "old").write_text("")
    found = await install(SDK, "1.2.3", tmp_path / "cache")
    assert found.python.exists()
    assert not (left / "old").exists()


@pytest.mark.parametrize("wanted", ["9.9.9", "beta", "-r", "1.2.3 evil"])
async def test_a_release_that_does_not_exist(log: Path, tmp_path: Path, wanted: str) -> None:
    with pytest.raises(UnknownRelease, match="some"):
        await install(SDK, wanted, tmp_path / "cache")
    _nothing_is_left(tmp_path)


async def test_pip_s_own_words_are_told(log: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"some==6\.6\.6 ended with code 1") as caught:
        await install(SDK, "6.6.6", tmp_path / "cache")
    assert "no room" in caught.value.output
    _nothing_is_left(tmp_path)


async def test_a_python_without_venv_is_told(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_VENV", "1")
    with pytest.raises(RecordError, match="python3-venv") as caught:
        await install(SDK, "1.2.3", tmp_path / "cache")
    assert "ensurepip" in caught.value.output
    _nothing_is_left(tmp_path)


async def test_no_python_at_all_is_told(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_client.sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(RecordError, match="cannot be run"):
        await install(SDK, "1.2.3", tmp_path / "cache")


async def test_a_cache_that_cannot_be_written(log: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(RecordError, match="FLOWAY_CACHE"):
        await install(SDK, "1.2.3", tmp_path / "cache")


def _nothing_is_left(folder: Path) -> None:
    clients = folder / "cache" / "clients"
    assert not clients.exists() or list(clients.iterdir()) == []
