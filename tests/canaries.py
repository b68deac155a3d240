"""Marked secrets, and a search for them wherever floway leaves something behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

BARE = ("control.token", "mask.key")
"""Files that are secrets themselves."""


@dataclass(frozen=True, slots=True)
class Find:
    """A secret that was found.

    Attributes:
        secret: its name.
        where: the file, or what was asked.
        around: what stands before it, which tells how it came there.
    """

    secret: str
    where: str
    around: str

    def __str__(self) -> str:
        return f"{self.secret} in {self.where}: …{self.around}"


def spellings(secret: str) -> set[bytes]:
    """How a secret can be written: as it is, in a URL, in JSON, in base64 at any place."""
    data = secret.encode()
    found = {data, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + data).rstrip(b"=")
        inner = coded[4 if shift else 0 : -1]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return {each for each in found if len(each) >= 8}


class Search:
    """
    Args:
        secrets: by name; at least 8 characters each.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        assert all(len(secret) >= 8 for secret in secrets.values()), "too short to be looked for"
        self._spelt = [
            (name, spelt) for name, secret in secrets.items() for spelt in spellings(secret)
        ]

    def in_bytes(self, data: bytes, where: str) -> Iterator[Find]:
        """Each secret that is in it, once."""
        told = set()
        for name, spelt in self._spelt:
            place = data.find(spelt)
            if place >= 0 and name not in told:
                told.add(name)
                around = data[max(0, place - 80) : place].decode("utf-8", "replace")
                yield Find(name, where, around)

    def below(self, folder: Path, *, besides: tuple[str, ...] = ()) -> Iterator[Find]:
        """In all files, but those that are secrets themselves, and some folders."""
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and path.name not in BARE and name.parts[0] not in besides:
                yield from self.in_bytes(path.read_bytes(), str(name))
                yield from self.in_bytes(str(name).encode(), f"the name of {name}")
