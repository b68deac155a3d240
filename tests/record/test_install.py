"""Clients from npm, with a stand-in for npm."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.record.errors import RecordError, UnknownRelease
from replay.record.install import CODEX, cache_folder, install, near_releases
from tests.record.conftest import install_fake

NPM = f"""#!/bin/sh
"exec" "{sys.executable}" "$0" "$@"
import json, os, pathlib, sys, time
words = [word for word in sys.argv[1:] if not word.startswith("--")]
with open(os.environ["NPM_LOG"], "a") as log:
    log.write(" ".join(words) + "\\n")
known = ["0.1.0", "0.2.0", "0.2.1-alpha.1", "0.3.0", "0.3.0-linux-x64"]
name, _, version = words[1 if words[0] == "view" else -1].rpartition("@")
if words[0] == "view":
    if words[2] == "versions":
        print(json.dumps(known))
    elif version == "latest":
        print(json.dumps("0.3.0"))
    sys.exit(0)
if version == "0.2.0":
    print("npm error code EACCES\\nnpm error no room")
    sys.exit(243)
if version not in known:
    print(f"npm error code ETARGET\\nnpm error notarget No matching version found for {{name}}")
    sys.exit(1)
program = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1], "node_modules/.bin/codex")
program.parent.mkdir(parents=True)
if version != "0.1.0":
    program.write_text("#!/bin/sh\\n")
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What npm was asked, line by line."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "npm").write_text(NPM)
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("NPM_LOG", str(tmp_path / "npm.log"))
    monkeypatch.delenv("FLOWAY_CLIENTS", raising=False)
    return tmp_path / "npm.log"


async def test_installed_once(log: Path, tmp_path: Path) -> None:
    told: list[str] = []
    first = await install(CODEX, "0.3.0", tmp_path / "cache", tell=told.append)
    again = await install(CODEX, "0.3.0", tmp_path / "cache", tell=told.append)
    assert (first.release, first.fresh, again.fresh) == ("0.3.0", True, False)
    assert first.program == again.program
    assert first.program.is_file()
    assert told == ["installing @openai/codex@0.3.0"]
    assert len(log.read_text().splitlines()) == 1
    place = tmp_path / "cache" / "clients"
    assert [item.name for item in place.iterdir()] == ["codex-0.3.0"]
    assert (place / "codex-0.3.0" / "installed").read_text() == "@openai/codex@0.3.0\n"


async def test_a_tag_is_asked_for(log: Path, tmp_path: Path) -> None:
    assert (await install(CODEX, "latest", tmp_path)).release == "0.3.0"
    assert log.read_text().splitlines()[0] == "view @openai/codex@latest version"


async def test_several_at_once_end_with_one_whole_installation(log: Path, tmp_path: Path) -> None:
    found = await asyncio.gather(*(install(CODEX, "0.3.0", tmp_path) for _ in range(3)))
    assert len({item.program for item in found}) == 1
    assert found[0].program.is_file()
    assert len(list((tmp_path / "clients").iterdir())) == 1


async def test_half_an_installation_is_not_used(log: Path, tmp_path: Path) -> None:
    program = install_fake(tmp_path / "clients", "0.3.0", "good")
    (program.parents[2] / "installed").unlink()
    found = await install(CODEX, "0.3.0", tmp_path)
    assert found.fresh
    assert found.program.read_text() == "#!/bin/sh\n"


async def test_a_shared_folder_is_used_and_not_written(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    program = install_fake(shared, "0.9.0", "good")
    monkeypatch.setenv("FLOWAY_CLIENTS", str(shared))
    assert (await install(CODEX, "0.9.0", tmp_path / "cache")).program == program
    assert not log.exists()
    await install(CODEX, "0.3.0", tmp_path / "cache")
    assert [item.name for item in shared.iterdir()] == ["codex-0.9.0"]


@pytest.mark.parametrize("wanted", ["0.2.9", "nightly"])
async def test_a_release_that_does_not_exist(log: Path, tmp_path: Path, wanted: str) -> None:
    with pytest.raises(UnknownRelease) as caught:
        await install(CODEX, wanted, tmp_path)
    assert caught.value.near == ("0.1.0", "0.2.0", "0.3.0")
    message = f"npm has no @openai/codex@{wanted}; there are: 0.1.0, 0.2.0, 0.3.0"
    assert str(caught.value) == message
    left = tmp_path / "clients"
    assert not left.exists() or not list(left.iterdir())


@pytest.mark.parametrize("wanted", ["", "--help", "1 2", "../x", "a/b"])
async def test_what_cannot_be_a_release(log: Path, tmp_path: Path, wanted: str) -> None:
    with pytest.raises(UnknownRelease, match="is no release"):
        await install(CODEX, wanted, tmp_path)
    assert not log.exists()


async def test_npm_that_fails_is_quoted(log: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="ended with code 243") as caught:
        await install(CODEX, "0.2.0", tmp_path)
    assert "no room" in caught.value.output


async def test_a_package_without_the_program(log: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="installs no program 'codex'"):
        await install(CODEX, "0.1.0", tmp_path)


async def test_no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FLOWAY_CLIENTS", raising=False)
    with pytest.raises(RecordError, match=r"npm is not installed.*FLOWAY_CLIENTS"):
        await install(CODEX, "0.3.0", tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
async def test_a_cache_that_cannot_be_written(log: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(RecordError, match="FLOWAY_CACHE"):
        await install(CODEX, "0.3.0", closed)


def test_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLOWAY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("FLOWAY_CACHE")
    assert cache_folder().name == "floway"


KNOWN = [f"0.{minor}.{patch}" for minor in range(40, 60) for patch in range(2)]


def test_near_releases() -> None:
    assert near_releases("0.50.7", KNOWN) == (
        "0.49.1",
        "0.50.0",
        "0.50.1",
        "0.51.0",
        "0.51.1",
        "0.52.0",
    )
    assert near_releases("9.0.0", KNOWN)[-1] == "0.59.1"
    assert near_releases("0.1.0", KNOWN)[0] == "0.40.0"
    assert near_releases("nightly", KNOWN)[-1] == "0.59.1"
    assert near_releases("1.0.0", []) == ()


@given(st.tuples(*[st.integers(0, 99)] * 3), st.sets(st.sampled_from(KNOWN)))
def test_near_releases_are_known_in_order_and_as_many_as_there_are(
    wanted: tuple[int, int, int], known: set[str]
) -> None:
    found = near_releases(".".join(map(str, wanted)), list(known))
    assert set(found) <= known
    assert len(found) == min(6, len(known))
    assert list(found) == sorted(found, key=KNOWN.index)
