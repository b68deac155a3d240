"""A request as it was seen on the wire, and which of the profile's requests it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fingerprints.encoding import MAGIC, BrokenFrame, Frame, read_frame
from fingerprints.profile import Form, Profile, SignIn, Transport
from fingerprints.serial import loads

MAX_BODY = 256 * 1024 * 1024
"""Largest decompressed body in bytes that is looked at."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A request as it was received.

    Attributes:
        method: ``POST``.
        path: with its query.
        headers: in order, with the letter case of the wire. HTTP/2 pseudo headers may be among
            them; they are left aside.
        body: raw bytes, compressed if they came so.
        http_version: ``HTTP/1.1`` or ``HTTP/2.0``.
        transport: ``websocket`` for an upgrade; told from the ``upgrade`` header when None.
        level: compression level, where it is known (from a trace); the bytes alone don't say.
        faults: what is wrong with the encoding and these bytes cannot show (from a trace).
    """

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""
    http_version: str = "HTTP/2.0"
    transport: Transport | None = None
    level: int | None = None
    faults: tuple[str, ...] = ()

    def header(self, name: str) -> str | None:
        """First value of a header, by lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def over(self) -> Transport:
        """``transport``, or what the headers say."""
        if self.transport is not None:
            return self.transport
        return "websocket" if (self.header("upgrade") or "").lower() == "websocket" else "http"


@dataclass(frozen=True, slots=True)
class Body:
    """A decoded body.

    Attributes:
        text: JSON bytes, decompressed; b"" when there is no body or it is broken.
        data: parsed, None when there is nothing to parse.
        frame: the zstd frame, None when the body is not compressed.
        problem: why it could not be read, "" when it could.
    """

    text: bytes = b""
    data: Any = None
    frame: Frame | None = None
    problem: str = ""


def read_body(raw: bytes) -> Body:
    """Decompress and parse. Never raises: what is wrong is in ``problem``."""
    if not raw:
        return Body()
    frame = None
    text = raw
    if raw.startswith(MAGIC):
        try:
            frame = read_frame(raw, limit=MAX_BODY)
        except BrokenFrame as error:
            return Body(problem=f"zstd: {error}")
        text = frame.content
    try:
        return Body(text, loads(text), frame)
    except ValueError as error:
        return Body(text, None, frame, f"not JSON: {error}")


def dig(path: str, headers: Sequence[tuple[str, str]], data: Any) -> Any:
    """The value at ``header:NAME[.MEMBER…]`` or ``body:MEMBER[.MEMBER…]``; None when not there.

    Strings on the way are read as JSON.
    """
    surface, _, rest = path.partition(":")
    if surface == "header":
        name, _, rest = rest.partition(".")
        here: Any = next((value for key, value in headers if key.lower() == name.lower()), None)
    else:
        here = data
    for part in rest.split(".") if rest else ():
        if isinstance(here, str):
            try:
                here = loads(here)
            except ValueError:
                return None
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the profile's requests that an observed one may be."""

    kind: str
    form: Form
    sign_ins: tuple[SignIn, ...]
    exact: bool


def candidates(profile: Profile, observed: Observed) -> list[Candidate]:
    """Requests with this transport, method and path; exact paths (with the query) before others."""
    out = []
    for kind, forms in profile.requests.items():
        form = forms.get(observed.over)
        if form is None or form.method != observed.method:
            continue
        for exact in (True, False):
            sign_ins = tuple(
                sign_in
                for sign_in, paths in form.path.items()
                if any(_same_path(profile, path, observed.path, exact) for path in paths)
            )
            if sign_ins:
                out.append(Candidate(kind, form, sign_ins, exact))
                break
    out.sort(key=lambda each: not each.exact)
    return out


def _same_path(profile: Profile, path: str, seen: str, exact: bool) -> bool:
    path = path.replace("{version}", profile.release)
    return path == seen if exact else path.partition("?")[0] == seen.partition("?")[0]


def by_marks(
    found: Sequence[tuple[str, Form]], headers: Sequence[tuple[str, str]], data: Any
) -> str:
    """Of several kinds with one method and path: the marked one whose marks are all there."""
    for kind, form in found:
        if form.marks and all(
            dig(path, headers, data) == value for path, value in form.marks.items()
        ):
            return kind
    return next((kind for kind, form in found if not form.marks), found[0][0])


def sign_in_of(observed: Observed, possible: Sequence[SignIn]) -> SignIn:
    """The sign-in; where the path leaves it open, an API key is told by its ``sk-``.

    Calls that need no sign-in are made without one when there is only an API key.
    """
    if len(possible) == 1:
        return possible[0]
    token = observed.header("authorization")
    return "api_key" if token is None or token.startswith("Bearer sk-") else "chatgpt"
