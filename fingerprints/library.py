"""The shelf of profiles: finding, reading and caching them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fingerprints.errors import ProfileError
from fingerprints.profile import Misplaced, Profile

SHELF = Path(__file__).parent / "profiles"
"""Folder of the shipped profiles: ``<client>/<release>.yaml``."""

_NAME = re.compile(r"(?P<client>[a-z][a-z0-9-]*)@(?P<release>[0-9A-Za-z.+-]+)")


@dataclass(frozen=True, slots=True)
class Shelved:
    """A shipped profile: its client, release and file."""

    client: str
    release: str
    file: Path

    @property
    def name(self) -> str:
        """``codex@0.169.0``, as :func:`load` takes it."""
        return f"{self.client}@{self.release}"


def available() -> list[Shelved]:
    """The shipped profiles, by client, the newest release of each first."""
    found = [
        Shelved(file.parent.name, file.stem, file)
        for file in SHELF.glob("*/*.yaml")
        if not file.stem.endswith("overlay")  # what people add to the profiles
    ]
    found.sort(key=lambda item: release_key(item.release), reverse=True)
    found.sort(key=lambda item: item.client)
    return found


def release_key(release: str) -> tuple[tuple[int, ...], int, str]:
    """Sorts releases by number, and ``1.2.3-alpha`` before ``1.2.3``."""
    numbers, _, suffix = release.partition("-")
    parts = tuple(int(part) for part in re.findall(r"\d+", numbers))
    return parts, 0 if suffix else 1, suffix


def load(name: str | Path) -> Profile:
    """A profile by name or file.

    Args:
        name: ``codex@0.169.0``, ``codex@latest``, or the path of a YAML file.

    The result is cached; a file is read again when it has changed.

    Raises:
        ProfileError: unknown name, unreadable file, or a field that is wrong; the error names
            file, line, field and remedy.
    """
    file = _find(name)
    try:
        stat = file.stat()
    except OSError as error:
        raise ProfileError(
            f"cannot be read: {error.strerror}", file=file, remedy="Give the path of a profile"
        ) from error
    return _read(file, stat.st_mtime_ns, stat.st_size)


def _find(name: str | Path) -> Path:
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        file = Path(name)
        if file.suffix not in (".yaml", ".yml") and not file.exists():
            raise ProfileError(f"{str(name)!r} is no profile", remedy=_what_exists())
        return file
    client, release = match["client"], match["release"]
    shelved = [item for item in available() if item.client == client]
    if release == "latest" and shelved:
        return shelved[0].file
    for item in shelved:
        if item.release == release:
            return item.file
    raise ProfileError(f"there is no profile {name}", remedy=_what_exists())


def _what_exists() -> str:
    names = ", ".join(item.name for item in available())
    return f"There are {names}; CLIENT@latest is the newest; a path to a YAML file works too"


@lru_cache(maxsize=32)
def _read(file: Path, _mtime: int, _size: int) -> Profile:
    return parse(file.read_bytes(), file)


def parse(text: bytes, file: Path | None = None) -> Profile:
    """A profile from YAML text; ``file`` is named in errors.

    Raises:
        ProfileError: as :func:`load`.
    """
    data = _read_yaml(text, file, "safe")
    if not isinstance(data, dict):
        raise ProfileError(
            "not a profile: the top level must be a map", file=file, remedy="See profile.py"
        )
    try:
        return Profile.model_validate(_plain(data))
    except ValidationError as error:
        # Read once more, with the lines: who makes no mistake does not pay for them.
        raise _explained(error, _read_yaml(text, file, "rt"), file) from error


def _read_yaml(text: bytes, file: Path | None, how: Literal["safe", "rt"]) -> Any:
    """The document: ``safe`` in a quarter less memory and time, ``rt`` knows where all of it stood.

    ``pure``: the same YAML 1.2 everywhere; the compiled reader, where there is one, reads 1.1.

    Raises:
        ProfileError: it is not YAML.
    """
    try:
        return YAML(typ=how, pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ProfileError(
            f"not YAML: {error.problem}", file=file, line=line, remedy="Mend the syntax there"
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(f"not YAML: {error}", file=file, remedy="Mend the syntax") from error


def _plain(data: Any) -> Any:
    """The same without YAML's own types, so that constants are ordinary JSON values."""
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    for kind in (bool, int, float, str):
        if isinstance(data, kind):
            return kind(data)
    return data


def _explained(error: ValidationError, data: CommentedMap, file: Path | None) -> ProfileError:
    """The first problem, at its place in the file; how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    cause = first.get("ctx", {}).get("error")
    location = cause.location if isinstance(cause, Misplaced) else first["loc"]
    path, line = _place(data, location)
    message = str(first["msg"]).removeprefix("Value error, ")
    if len(problems) > 1:
        message += f" ({len(problems) - 1} more of this kind or others)"
    return ProfileError(
        message,
        file=file,
        line=line,
        field=path,
        remedy="The format is described in fingerprints/profile.py",
    )


def _place(data: CommentedMap, location: tuple[int | str, ...]) -> tuple[str, int | None]:
    """Path and line of a pydantic location; parts that are not in the data are left out."""
    path, line = "", 1
    here: Any = data
    for part in location:
        if isinstance(here, CommentedMap) and part in here:
            line = here.lc.key(part)[0] + 1 if part in (here.lc.data or {}) else line
            path += f".{part}" if path else str(part)
        elif isinstance(here, CommentedSeq) and isinstance(part, int) and part < len(here):
            line = here.lc.item(part)[0] + 1 if part in (here.lc.data or {}) else line
            path += f"[{part}]"
        elif isinstance(here, CommentedMap):
            path += f".{part}" if path else str(part)
            break
        else:
            continue
        here = here[part]
    return path, line
