"""Python clients from PyPI, each release in an environment of its own, kept in the cache::

    CACHE/clients/openai-sdk-3.52.0/bin/python
    CACHE/clients/openai-sdk-3.52.0/installed           "openai==3.52.0"

As with npm (:mod:`replay.record.install`), a release is installed beside its place and moved there
when it is complete. Nothing but ``bin/python`` is used of it, which does not mind the move.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from replay.record.errors import Lacking, RecordError, UnknownRelease
from replay.record.gateway_session import GatewaySession
from replay.record.install import INSTALL_SECONDS, MARKER, VIEW_SECONDS, Package
from replay.record.processes import TAIL, Finished, run
from replay.record.third_party import ClientScenario

STEP_SECONDS = 60.0
"""For one script."""
LATEST = "latest"
LACKING = 3
"""Exit code of a script whose client has no such thing; its last line says what it lacks."""
_RELEASE = re.compile(r"[0-9][0-9A-Za-z.!+-]*")
_LISTED = re.compile(r"^\S+ \(([^)\s]+)\)", re.MULTILINE)
_PYTHON = Path("Scripts", "python.exe") if sys.platform == "win32" else Path("bin", "python")


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed release and the interpreter that finds it."""

    package: Package
    release: str
    python: Path


async def install(
    package: Package, wanted: str, cache: Path, *, tell: Callable[[str], None] = lambda _: None
) -> Installed:
    """A release, installed if it is not there yet.

    Args:
        package: ``name`` is PyPI's; ``program`` is of no meaning here.
        wanted: a release, or ``latest``, for which the package index is asked.
        tell: called with what is done, when that takes time.

    Raises:
        UnknownRelease: there is no such release.
        RecordError: Python has no venv or pip, or pip failed; with the end of its output.
    """
    if wanted != LATEST and not _RELEASE.fullmatch(wanted):
        raise UnknownRelease(
            f"{wanted!r} is no release of {package.name}; say e.g. 1.2.3 or latest"
        )
    root = cache / "clients"
    if wanted != LATEST:
        there = _usable(package, wanted, root)
        if there is not None:
            return there
    try:
        root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{package.client}-", dir=root))
    except OSError as error:
        raise RecordError(
            f"cannot write the cache {root}: {error.strerror}; FLOWAY_CACHE names another one"
        ) from error
    try:
        tell(f"making a Python environment for {package.name}")
        python = await _environment(work)
        release = wanted
        if wanted == LATEST:
            tell(f"asking for the latest {package.name}")
            release = await _latest(package, python, work)
            there = _usable(package, release, root)
            if there is not None:
                return there
        tell(f"installing {package.name}=={release}")
        await _pip_install(package, release, python, work)
        (work / MARKER).write_text(f"{package.name}=={release}\n", "utf-8")
        return _move(package, release, work, root)
    finally:
        shutil.rmtree(work, ignore_errors=True)


async def _environment(folder: Path) -> Path:
    words = [sys.executable, "-m", "venv", str(folder)]
    ended = await _run(words, folder, VIEW_SECONDS)
    if ended.code != 0:
        raise RecordError(
            "Python cannot make an environment, and the client needs one of its own; install its "
            "venv and ensurepip (on Debian: python3-venv)",
            ended.tail,
        )
    return folder / _PYTHON


async def _latest(package: Package, python: Path, folder: Path) -> str:
    ended = await _pip(python, ["index", "versions", package.name], folder, VIEW_SECONDS)
    listed = _LISTED.search(ended.output)
    if ended.code != 0 or listed is None:
        raise RecordError(f"pip does not say which {package.name} is the latest", ended.tail)
    return listed[1]


async def _pip_install(package: Package, release: str, python: Path, folder: Path) -> None:
    specifier = f"{package.name}=={release}"
    ended = await _pip(python, ["install", "--quiet", specifier], folder, INSTALL_SECONDS)
    if ended.code == 0:
        return
    if "No matching distribution" in ended.output:
        raise UnknownRelease(f"the package index has no {specifier} for this Python")
    how = "took too long" if ended.code is None else f"ended with code {ended.code}"
    raise RecordError(f"pip install {specifier} {how}", ended.tail)


async def _pip(python: Path, words: Sequence[str], folder: Path, seconds: float) -> Finished:
    more = ["--disable-pip-version-check", "--no-input"]
    return await _run([str(python), "-m", "pip", *words, *more], folder, seconds)


async def _run(words: Sequence[str], folder: Path, seconds: float) -> Finished:
    try:
        return await run(words, environment=os.environ, folder=folder, seconds=seconds)
    except OSError as error:
        raise RecordError(f"{words[0]} cannot be run: {error.strerror}") from error


def _usable(package: Package, release: str, root: Path) -> Installed | None:
    folder = root / f"{package.client}-{release}"
    try:
        marker = (folder / MARKER).read_text("utf-8").strip()
    except OSError:
        return None
    python = folder / _PYTHON
    same = marker == f"{package.name}=={release}"
    return Installed(package, release, python) if same and python.exists() else None


def _move(package: Package, release: str, work: Path, root: Path) -> Installed:
    """Put a complete environment into its place, unless another one was faster."""
    place = root / f"{package.client}-{release}"
    if place.exists() and _usable(package, release, root) is None:
        shutil.rmtree(place, ignore_errors=True)
    try:
        work.rename(place)
    except OSError as error:
        if _usable(package, release, root) is None:
            raise RecordError(f"cannot put the client into {place}; remove that folder") from error
    there = _usable(package, release, root)
    assert there is not None, "it is complete and in its place"
    return there


async def call(
    installed: Installed, script: Path, words: Sequence[str], session: GatewaySession
) -> str:
    """Run a script with the client's interpreter; gives the end of what it said.

    Raises:
        Lacking: the script says that the client has no such thing.
        RecordError: it failed.
    """
    ended = await run(
        [installed.python, "-I", script, *words],
        environment=session.environment,
        folder=session.work,
        seconds=STEP_SECONDS,
    )
    said = ended.output[-TAIL:].replace(str(session.home.parent), "⟨folder⟩")
    if ended.code == LACKING:
        raise Lacking(f"{installed.release} lacks it: {said.strip().rpartition('\n')[2]}")
    if ended.code != 0:
        how = "did not end in time" if ended.code is None else f"ended with code {ended.code}"
        raise RecordError(f"{installed.package.name} {' '.join(words[:1])} {how}", said)
    return said


@dataclass(frozen=True, slots=True)
class ScriptedClient:
    """An installed release that a script of ours uses.

    Attributes:
        words: the script's arguments for a scenario.
    """

    installed: Installed
    script: Path
    words: Callable[[GatewaySession, ClientScenario], list[str]]

    @property
    def release(self) -> str:
        return self.installed.release

    async def drive(self, session: GatewaySession, scenario: ClientScenario) -> str:
        """
        Raises:
            RecordError: the script failed.
        """
        return await call(self.installed, self.script, self.words(session, scenario), session)
