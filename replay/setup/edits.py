"""Members put into a settings file's text, and taken out again. Pure.

What is not ours stays as it is: other members, and in TOML and ``.env`` files comments and layout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import tomlkit
from tomlkit.exceptions import TOMLKitError

from replay.setup.errors import SetupError

type Format = Literal["json", "toml", "env"]
type Path = tuple[str, ...]
"""Names of the members that lead to a value."""

type Members = Mapping[str, Any]
"""Strings, and objects of members."""

ABSENT: Final = None
"""Stands for a member that was not there. No member that is set here is null."""

_ENV_LINE: Final = r"(?m)^(?:export[ \t]+)?%s[ \t]*=[ \t]*(.*)$"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value that was written.

    Attributes:
        before: what stood there; :data:`ABSENT` where nothing did.
    """

    path: Path
    value: Any
    before: Any = ABSENT

    @property
    def name(self) -> str:
        return ".".join(self.path)


def leaves(members: Members, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value; an empty object is one."""
    for name, value in members.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def put(text: str, form: Format, members: Members) -> tuple[str, list[Leaf]]:
    """The text with the members, and what to undo.

    Raises:
        SetupError: the text can't be read, or a value stands where an object has to.
    """
    document = _read(text, form)
    done = []
    for path, value in leaves(members):
        done.append(Leaf(path, value, document.get(path)))
        document.set(path, value)
    return document.text(), done


def take_out(text: str, form: Format, done: Sequence[Leaf]) -> tuple[str, list[Leaf]]:
    """The text as it was before, and the values that somebody has changed since: they stay.

    Raises:
        SetupError: the text can't be read.
    """
    document = _read(text, form)
    kept = []
    for leaf in reversed(done):
        if document.get(leaf.path) != leaf.value:
            kept.append(leaf)
        elif leaf.before is ABSENT:
            document.remove(leaf.path)
        else:
            document.set(leaf.path, leaf.before)
    return document.text(), kept[::-1]


def _read(text: str, form: Format) -> _Tree | _Lines:
    if form == "env":
        return _Lines(text)
    try:
        if form == "toml":
            return _Tree(tomlkit.parse(text), tomlkit.dumps, tomlkit.table)
        root = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError, TOMLKitError) as error:
        hint = "; comments are not JSON" if form == "json" and "//" in text else ""
        raise SetupError(f"it is no {form.upper()} ({error}){hint}") from None
    if not isinstance(root, dict):
        raise SetupError("it is no JSON object")
    return _Tree(root, _json, dict)


def _json(root: Any) -> str:
    return json.dumps(root, indent=2, ensure_ascii=False) + "\n"


class _Tree:
    """Nested objects.

    Args:
        make: an empty object.
    """

    def __init__(self, root: Any, write: Callable[[Any], str], make: Callable[[], Any]) -> None:
        self._root = root
        self._write = write
        self._object = make

    def text(self) -> str:
        return self._write(self._root)

    def get(self, path: Path) -> Any:
        here = self._root
        for name in path:
            if not isinstance(here, dict) or name not in here:
                return ABSENT
            here = here[name]
        return here.unwrap() if hasattr(here, "unwrap") else here

    def set(self, path: Path, value: Any) -> None:
        here = self._root
        for depth, name in enumerate(path[:-1]):
            if name not in here:
                here[name] = self._object()
            here = here[name]
            if not isinstance(here, dict):
                raise SetupError(f"{'.'.join(path[: depth + 1])} is a value, and must be an object")
        here[path[-1]] = value

    def remove(self, path: Path) -> None:
        """The value, and the objects above it that are empty then."""
        above = [self._root]
        for name in path[:-1]:
            above.append(above[-1][name])
        del above[-1][path[-1]]
        for here, name in zip(above[-2::-1], path[-2::-1], strict=True):
            if here[name]:
                return
            del here[name]


class _Lines:
    """``NAME=value`` lines of a file for a shell or a dotenv reader."""

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text

    def get(self, path: Path) -> Any:
        found = self._line(path).search(self._text)
        return ABSENT if found is None else found[1].strip()

    def set(self, path: Path, value: Any) -> None:
        line = self._line(path)
        if (found := line.search(self._text)) is not None:
            start, end = found.span(1)
            self._text = self._text[:start] + value + self._text[end:]
            return
        gap = "\n" if self._text and not self._text.endswith("\n") else ""
        self._text += f"{gap}{path[-1]}={value}\n"

    def remove(self, path: Path) -> None:
        self._text = re.sub(self._line(path).pattern + r"\n?", "", self._text, count=1)

    @staticmethod
    def _line(path: Path) -> re.Pattern[str]:
        return re.compile(_ENV_LINE % re.escape(path[-1]))
