"""Official clients from npm, kept in a cache.

One folder per release, laid out as ``.ci/run`` does it, so that both can share it::

    CACHE/clients/codex-0.169.0/node_modules/.bin/codex
    CACHE/clients/codex-0.169.0/installed               "@openai/codex@0.169.0"

A release is installed beside its place and moved there when it is complete: several installers at
once do no harm, and what is half installed is never used. ``FLOWAY_CLIENTS`` may name another
folder of this layout, which is read but not written.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from replay.record.errors import RecordError, UnknownRelease
from replay.record.processes import Finished, run
from replay.record.relocation import make_relative

MARKER = "installed"
INSTALL_SECONDS = 600.0
VIEW_SECONDS = 60.0
NEAR = 6
"""How many existing releases an error names."""
_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_SPECIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]*")


@dataclass(frozen=True, slots=True)
class Package:
    """A client on npm.

    Attributes:
        client: floway's name of it, ``codex``.
        name: npm's, ``@openai/codex``.
        program: what it installs in ``node_modules/.bin``.
    """

    client: str
    name: str
    program: str


CODEX = Package("codex", "@openai/codex", "codex")


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed release. ``fresh``: it was installed just now."""

    package: Package
    release: str
    program: Path
    fresh: bool = False


def cache_folder() -> Path:
    """``FLOWAY_CACHE``, or the platform's cache folder."""
    named = os.environ.get("FLOWAY_CACHE")
    return Path(named).expanduser().absolute() if named else user_cache_path("floway")


async def install(
    package: Package, wanted: str, cache: Path, *, tell: Callable[[str], None] = lambda _: None
) -> Installed:
    """A release of a client, installed if it is not there yet.

    Args:
        wanted: a release, or a tag such as ``latest``, for which npm is asked.
        tell: called with what is done, when that takes time.

    Raises:
        UnknownRelease: there is no such release; the message names near ones.
        RecordError: npm is missing or failed; with the end of its output.
    """
    if not _SPECIFIER.fullmatch(wanted):
        raise UnknownRelease(f"{wanted!r} is no release of {package.name}; say e.g. 0.142.0")
    release = wanted
    if not wanted[0].isdigit():
        tell(f"asking npm for {package.name}@{wanted}")
        release = await _tagged(package, wanted, cache)
    for root in _roots(cache):
        program = _usable(package, release, root)
        if program is not None:
            return Installed(package, release, program)
    tell(f"installing {package.name}@{release}")
    return Installed(package, release, await _install(package, release, cache), fresh=True)


def _roots(cache: Path) -> list[Path]:
    shared = os.environ.get("FLOWAY_CLIENTS")
    return [*([Path(shared).expanduser().absolute()] if shared else []), cache / "clients"]


def _usable(package: Package, release: str, root: Path) -> Path | None:
    folder = root / f"{package.client}-{release}"
    program = folder / "node_modules" / ".bin" / package.program
    try:
        marker = (folder / MARKER).read_text("utf-8").strip()
    except OSError:
        return None
    return program if marker == f"{package.name}@{release}" and program.exists() else None


async def _install(package: Package, release: str, cache: Path) -> Path:
    root = cache / "clients"
    try:
        root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{package.client}-{release}-", dir=root))
    except OSError as error:
        raise RecordError(
            f"cannot write the cache {root}: {error.strerror}; FLOWAY_CACHE names another one"
        ) from error
    try:
        specifier = f"{package.name}@{release}"
        options = ["--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(work)]
        ended = await _npm(["install", *options, specifier], cache, INSTALL_SECONDS)
        if ended.code != 0:
            if "ETARGET" in ended.output or "E404" in ended.output:
                raise await _unknown(package, release, cache)
            how = "took too long" if ended.code is None else f"ended with code {ended.code}"
            raise RecordError(f"npm install {specifier} {how}", ended.tail)
        program = work / "node_modules" / ".bin" / package.program
        if not program.exists():
            raise RecordError(f"{specifier} installs no program {package.program!r}", ended.tail)
        await asyncio.to_thread(make_relative, work)
        (work / MARKER).write_text(f"{specifier}\n", "utf-8")
        return _move(package, release, work, root)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move(package: Package, release: str, work: Path, root: Path) -> Path:
    """Put a complete installation into its place, unless another installer was faster."""
    place = root / f"{package.client}-{release}"
    for _ in range(3):
        program = _usable(package, release, root)
        if program is not None:
            return program
        if place.exists():  # incomplete: what .ci/run or an older floway left behind
            aside = work.with_name(work.name + ".old")
            place.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        try:
            work.rename(place)
        except OSError:  # another one came between
            continue
    program = _usable(package, release, root)
    if program is None:
        raise RecordError(f"cannot put the client into {place}; remove that folder")
    return program


async def newest(package: Package, cache: Path | None = None) -> str:
    """The newest release on npm.

    Raises:
        RecordError: npm does not say.
    """
    return await _tagged(package, "latest", cache or cache_folder())


async def _tagged(package: Package, tag: str, cache: Path) -> str:
    found = await _view(package, f"{package.name}@{tag}", "version", cache)
    if isinstance(found, str) and _SPECIFIER.fullmatch(found):
        return found
    raise await _unknown(package, tag, cache)


async def _unknown(package: Package, wanted: str, cache: Path) -> UnknownRelease:
    listed = await _view(package, package.name, "versions", cache)
    known = [str(item) for item in listed] if isinstance(listed, list) else []
    near = near_releases(wanted, known)
    hint = f"; there are: {', '.join(near)}" if near else ""
    return UnknownRelease(f"npm has no {package.name}@{wanted}{hint}", near)


async def _view(package: Package, specifier: str, field: str, cache: Path) -> Any:
    ended = await _npm(
        ["view", specifier, field, "--json", "--loglevel=silent"], cache, VIEW_SECONDS
    )
    if ended.code is None:
        raise RecordError(f"npm did not say within {VIEW_SECONDS:.0f} s which {package.name} exist")
    try:
        return json.loads(ended.output) if ended.code == 0 and ended.output.strip() else None
    except ValueError:
        return None


async def _npm(words: Sequence[str], cache: Path, seconds: float) -> Finished:
    npm = shutil.which("npm")
    if npm is None:
        raise RecordError(
            "npm is not installed, and the client comes from there; install Node.js, "
            "or name a folder with installed clients in FLOWAY_CLIENTS"
        )
    await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
    return await run([npm, *words], environment=os.environ, folder=cache, seconds=seconds)


def near_releases(wanted: str, known: Sequence[str], count: int = NEAR) -> tuple[str, ...]:
    """The releases of ``known`` that are nearest to the wanted one, in order.

    Pre-releases and builds for one platform are left out. Without a number the newest are given.
    """
    plain = sorted(
        (tuple(int(part) for part in match.groups()), item)
        for item in set(known)
        if (match := _RELEASE.fullmatch(item))
    )
    match = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", wanted)
    if match is None:
        return tuple(item for _, item in plain[-count:])
    place = tuple(int(part or 0) for part in match.groups())
    below = [item for number, item in plain if number <= place]
    above = [item for number, item in plain if number > place]
    half = count // 2
    after = above[: max(half, count - len(below))]
    return (*below[-max(1, count - len(after)) :], *after)[:count]
