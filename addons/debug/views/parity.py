"""A request as the client sent it beside what left, and what a profile says of that. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from addons.debug.views.outline import opened
from addons.debug.views.sections import PANEL, columns, cut, joined, section, size
from addons.errors import ClientError
from addons.front.bodies import decode
from fingerprints.check import check_request
from fingerprints.observed import Observed
from fingerprints.profile import Profile

NAME: Final = 32
"""Characters of a member's name; of a longer one, the end."""

VALUE: Final = 42
"""Characters of a value beside its name: a line fits beside mitmweb's list of flows."""

SECRET: Final = ("authorization", "api-key", "cookie", "account-id", "token")
"""Ends of the names of headers that say who pays."""

type Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Side:
    """One form of the request.

    Attributes:
        body: raw bytes, compressed where they came so.
    """

    line: str
    headers: Headers
    body: bytes

    @property
    def data(self) -> Any:
        """The body as JSON; None where it is none."""
        encoding = next((v for n, v in self.headers if n.lower() == "content-encoding"), None)
        try:
            return json.loads(decode(self.body, encoding)) if self.body else None
        except (ClientError, ValueError, RecursionError):
            return None


def shown(client: Side, upstream: Side, checked: str) -> str:
    """The check, and both sides, member by member: where they differ, the client's above.

    Args:
        checked: of :func:`check`.
    """
    return joined(
        [
            section("Request", [f"client    {client.line}", f"upstream  {upstream.line}"]),
            checked,
            section("Headers: = same  ~ changed  + added  - left out", _headers(client, upstream)),
            section("Body", _body(client, upstream)),
        ]
    )


def check(profile: Profile | None, name: str, upstream: Observed) -> str:
    """What the profile says of what left.

    Args:
        name: of the profile, which may be gone.
    """
    if profile is None:
        return section("Check", [f"there is no profile {name!r} here" if name else "no profile"])
    found = check_request(profile, upstream)
    title = f"Check against {profile.name}"
    if not found:
        return section(title, ["same: the release would send this"])
    count = "1 difference" if len(found) == 1 else f"{len(found)} differences"
    return section(f"{title}: {count}", [line for each in found for line in _wrapped(str(each))])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, PANEL, subsequent_indent="    ", break_on_hyphens=False) or [""]


def _headers(client: Side, upstream: Side) -> list[str]:
    mine, theirs = _by_name(client.headers), _by_name(upstream.headers)
    if "host" not in theirs:
        mine.pop("host", None)  # in HTTP/2 it is no header; the line of the request has it
    return columns(list(_compared(mine, theirs)))


def _by_name(headers: Headers) -> dict[str, str]:
    """In wire order; those that stand several times with a number."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, number = name.lower(), 2
        while key in found:
            key, number = f"{name.lower()} #{number}", number + 1
        found[key] = masked(name, value)
    return found


def masked(name: str, value: str) -> str:
    """A header's value; of a secret only its kind and length."""
    if not name.lower().endswith(SECRET):
        return value
    scheme, space, rest = value.partition(" ")
    return f"{scheme} ⟨{len(rest)} characters⟩" if space else f"⟨{len(value)} characters⟩"


def _body(client: Side, upstream: Side) -> list[str]:
    mine, theirs = client.data, upstream.data
    lines = [f"client {size(len(client.body))}, upstream {size(len(upstream.body))} on the wire"]
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return [*lines, "no JSON object on both sides"] if client.body or upstream.body else []
    return [*lines, *columns(list(_compared(_members(mine), _members(theirs))))]


def _members(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Members with objects and JSON texts opened, lists by their length."""
    found: dict[str, str] = {}
    for name, value in data.items():
        inner = opened(value) if isinstance(value, str) else value
        if isinstance(inner, dict) and inner and prefix.count(".") < 3:
            found |= _members(inner, f"{prefix}{name}.")
        elif isinstance(value, list):
            found[f"{prefix}{name}"] = f"[{len(value)}] {json.dumps(value, ensure_ascii=False)}"
        else:
            found[f"{prefix}{name}"] = json.dumps(value, ensure_ascii=False)
    return found


def _compared(client: Mapping[str, str], upstream: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The upstream's members in their order, then what was left out."""
    for name, value in upstream.items():
        before = client.get(name)
        if before is None or before == value:
            yield _row("+" if before is None else "=", name, f"  {cut(value, VALUE)}")
        else:
            yield _row("~", name, f"  {cut(before, VALUE)}")
            yield "", f"→ {cut(value, VALUE)}"
    for name, value in client.items():
        if name not in upstream:
            yield _row("-", name, f"  {cut(value, VALUE)}")


def _row(mark: str, name: str, value: str) -> tuple[str, str]:
    return f"{mark} {name if len(name) <= NAME else f'…{name[1 - NAME :]}'}", value
