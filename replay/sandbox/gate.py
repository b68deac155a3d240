"""The gate: refuses what does not look like the official client. The one place that knows how.

Coupling to the ``fingerprints`` package is kept in here. A gate never changes a request; it says
what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol

from fingerprints import library
from fingerprints.check import check_frame, check_request, inspect
from fingerprints.difference import Change, Difference, Layer
from fingerprints.errors import ProfileError
from fingerprints.observed import Observed
from fingerprints.profile import Profile
from replay.sandbox.messages import Request

CLIENT = "codex"
HEADER_LIMIT = 2000
"""Characters of the ``x-sandbox-gate`` header."""

type FrameCheck = Callable[[str], list[str]]
"""What is wrong with a message on a WebSocket; an empty list lets it through."""


class Gate(Protocol):
    """Checks requests and WebSocket messages of the ChatGPT paths.

    Attributes:
        models: those that its profile names; they are served, whatever the sandbox's own list.
    """

    mode: str
    models: frozenset[str]

    def request(self, request: Request) -> list[str]:
        """What is wrong with a request or an upgrade; an empty list lets it through."""

    def frames(self, request: Request) -> FrameCheck:
        """The check of messages on the WebSocket that ``request`` opened."""


class OpenGate:
    """Lets everything through."""

    mode = "off"
    models: frozenset[str] = frozenset()

    def request(self, request: Request) -> list[str]:
        return []

    def frames(self, request: Request) -> FrameCheck:
        return lambda _text: []


class ProfileGate:
    """Compares with a profile. Paths that the profile does not have pass: nothing is known of them.

    Args:
        mode: the mode's name.
        choose: the profile for a request, None where there is none for its release.
        models: see :class:`Gate`.
    """

    def __init__(
        self,
        mode: str,
        choose: Callable[[Request], Profile | None],
        models: frozenset[str] = frozenset(),
    ) -> None:
        self.mode = mode
        self.models = models
        self._choose = choose

    def request(self, request: Request) -> list[str]:
        profile = self._choose(request)
        if profile is None:
            return [f"no profile for the release that the request names ({_release(request)!r})"]
        if request.path not in _paths(profile):
            return []
        found = check_request(profile, _observed(request))
        return [str(difference) for difference in found if not _for_the_backend(difference)]

    def frames(self, request: Request) -> FrameCheck:
        profile = self._choose(request)
        if profile is None:
            return lambda _text: ["no profile for the release of this connection"]
        recognised, _ = inspect(profile, _observed(request))
        if recognised is None:
            return lambda _text: []
        known, sign_in = recognised.stable, recognised.sign_in

        def check(text: str) -> list[str]:
            found = check_frame(profile, text, sign_in=sign_in, known=known)
            return [str(difference) for difference in found if not _for_the_backend(difference)]

        return check


def _for_the_backend(difference: Difference) -> bool:
    """What a gate does not look at: members too many, which the backend behind it answers with
    400 ``Unsupported parameter`` (codex-wire.md §2.1), words of the caller's own in
    ``client_metadata`` (§9 no. 23), and queries."""
    if difference.layer is Layer.REQUEST_LINE and difference.path == "path":
        return True  # the path is a known one (else nothing is checked): only its query differs
    return (
        difference.layer is Layer.MEMBER_PRESENCE
        and difference.kind is Change.ADDED
        and difference.path.startswith("body:")
        and ("client_metadata" not in difference.path or _is_own_word(difference.path))
    )


def _is_own_word(path: str) -> bool:
    """Whether a member of ``client_metadata`` is no official client's."""
    _, inside, name = path.partition("client_metadata.")
    return bool(inside) and not name.startswith(_OFFICIAL) and name not in _official_words()


def make_gate(mode: str) -> Gate:
    """The gate of a mode.

    Args:
        mode: ``off``; ``newest``, the newest shipped profile; ``claimed``, the profile of the
            release that a request's ``version`` or user agent names; or a profile's name or file.

    Raises:
        ValueError: there is no such profile; the message says which there are.
    """
    if mode == "off":
        return OpenGate()
    try:
        if mode == "claimed":
            profiles = {
                item.release: library.load(item.file)
                for item in library.available()
                if item.client == CLIENT
            }
            return ProfileGate(mode, lambda request: profiles.get(_release(request)))
        profile = library.load(f"{CLIENT}@latest" if mode == "newest" else mode)
    except ProfileError as error:
        raise ValueError(f"gate: {error} ('off' needs no profile)") from error
    name = mode if mode != "newest" else profile.name
    return ProfileGate(name, lambda _request: profile, frozenset(profile.named_models))


@cache
def named_models() -> frozenset[str]:
    """The models that shipped profiles name."""
    return frozenset(slug for profile in _shipped() for slug in profile.named_models)


_OFFICIAL = ("x-codex-", "x-openai-", "ws_request_header_")
"""How words of official clients begin in ``client_metadata`` (codex-wire.md §2.4)."""


@cache
def _official_words() -> frozenset[str]:
    """Members of ``client_metadata`` that a shipped profile has."""
    return frozenset(name for profile in _shipped() for name in profile.members("client_metadata"))


def _shipped() -> list[Profile]:
    return [library.load(item.file) for item in library.available() if item.client == CLIENT]


def reasons_header(reasons: list[str]) -> str:
    """The reasons in one header value: ASCII, bounded, with a count of what was left out."""
    kept: list[str] = []
    size = 0
    for reason in reasons:
        text = reason.encode("ascii", "backslashreplace").decode()
        text = "".join(char if " " <= char <= "~" else " " for char in text)[:300]
        if size + len(text) > HEADER_LIMIT - 20:
            kept.append(f"and {len(reasons) - len(kept)} more")
            break
        kept.append(text)
        size += len(text) + 2
    return "; ".join(kept)


def _observed(request: Request) -> Observed:
    return Observed(
        method=request.method,
        path=request.target,
        headers=[
            (name.decode("latin-1"), value.decode("utf-8", "replace"))
            for name, value in request.headers
        ],
        body=request.body,
        http_version="HTTP/2.0" if request.http_version == "2" else f"HTTP/{request.http_version}",
        transport="websocket" if request.upgrade else "http",
    )


def _paths(profile: Profile) -> set[str]:
    """Paths of the profile's requests, without queries."""
    return {
        path.partition("?")[0]
        for forms in profile.requests.values()
        for form in forms.values()
        for paths in form.path.values()
        for path in paths
    }


def _release(request: Request) -> str:
    """The release that a request names, "" when it names none."""
    version = request.header("version")
    if version is None:
        version = (request.header("user-agent") or "").partition("/")[2].partition(" ")[0]
    return version
