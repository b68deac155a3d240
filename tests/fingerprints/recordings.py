"""Recorded requests of the official client, reduced to their shape (see data/).

Texts, tools and tokens were taken out and everything else was left as it was sent, so a case
keeps header order, member order, metadata and ids, but not its length: ``content-length`` is set
again here, and bodies are compressed again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from fingerprints.apply import encode
from fingerprints.check import Difference, Observed, check_frame, check_request
from fingerprints.library import load
from fingerprints.profile import Profile
from fingerprints.serial import dumps

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Case:
    """One recorded request or WebSocket message."""

    name: str
    release: str
    kind: str
    transport: Any
    shape: str
    sign_in: Any
    headers: tuple[tuple[str, str], ...]
    data: Any
    http_version: str = ""
    method: str = ""
    path: str = ""
    zstd_header: str = ""
    raw: bytes | None = None

    @property
    def profile(self) -> Profile:
        return load(f"codex@{self.release}")

    @property
    def is_frame(self) -> bool:
        return not self.method

    def written(self) -> bytes:
        """The body as it goes on the wire."""
        if self.raw is not None:
            return self.raw
        raw = b"" if self.data is None else dumps(self.data)
        if not raw:
            return raw
        return encode(
            self.profile,
            self.kind,
            transport=self.transport,
            shape=self.shape,
            sign_in=self.sign_in,
            raw=raw,
        )

    def observed(self, raw: bytes | None = None) -> Observed:
        """The request, perhaps with other body bytes."""
        raw = self.written() if raw is None else raw
        headers = [
            (name, str(len(raw)) if name.lower() == "content-length" else value)
            for name, value in self.headers
        ]
        return Observed(self.method, self.path, headers, raw, self.http_version)

    def check(self, profile: Profile | None = None) -> list[Difference]:
        """The checker's word on it, told no more than a gate would know."""
        profile = profile or self.profile
        # The bundled catalogue of 0.142.0 has no lite model; the case was recorded with one.
        shape = self.shape if self.release == "0.142.0" and self.shape == "lite" else None
        if self.is_frame:
            return check_frame(profile, dumps(self.data), sign_in=self.sign_in, shape=shape)
        return check_request(profile, self.observed(), shape=shape)

    def with_data(self, data: Any) -> Case:
        """The same with another body."""
        return replace(self, data=data, raw=None)

    def with_headers(self, headers: list[tuple[str, str]]) -> Case:
        """The same with other headers."""
        return replace(self, headers=tuple(headers), raw=self.written())


@cache
def cases(release: str | None = None) -> tuple[Case, ...]:
    """All recorded cases, or those of one release."""
    return tuple(case for case in _read() if release in (None, case.release))


def _read() -> Iterator[Case]:
    for file in sorted(DATA.glob("codex-*/*.json")):
        raw = json.loads(file.read_text(encoding="utf-8"))
        release = file.parent.name.removeprefix("codex-")
        yield Case(
            name=f"{release}/{file.stem}",
            release=release,
            kind=raw["kind"],
            transport=raw["transport"],
            shape=raw["shape"],
            sign_in=raw["sign_in"],
            headers=tuple((name, value) for name, value in raw.get("headers", [])),
            data=raw.get("message", raw.get("body")),
            http_version=raw.get("http_version", ""),
            method=raw.get("method", ""),
            path=raw.get("path", ""),
            zstd_header=raw.get("zstd_header", ""),
        )


def case(name: str) -> Case:
    """One case by name, e.g. ``0.169.0/turn-http-full-chatgpt``."""
    return next(each for each in cases() if each.name == name)
