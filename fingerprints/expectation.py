"""What a profile says of every field of one way of sending, for showing beside what was seen."""

from __future__ import annotations

from collections.abc import Iterator

from fingerprints.matchers import describe
from fingerprints.profile import Entry, Form, Presence, Profile
from fingerprints.variant import Variant


def expected(profile: Profile, variant: Variant) -> dict[str, str]:
    """Path to what may stand there, in the order of the wire.

    Paths are those of differences, header names in lower case. Where several entries could fill a
    path, each is named.
    """
    form = profile.requests.get(variant.kind, {}).get(variant.transport)
    if form is None:
        return {}
    return profile.compiled(("expected", variant), lambda: _expected(profile, variant, form))


def _expected(profile: Profile, variant: Variant, form: Form) -> dict[str, str]:
    out: dict[str, str] = {}
    if form.method is not None:
        paths = form.path.get(variant.sign_in, ())
        out["method"] = form.method
        out["path"] = " or ".join(path.replace("{version}", profile.release) for path in paths)
        out["http_version"] = " or ".join(form.http)
    found: list[tuple[str, str]] = []
    if form.headers:
        entries = variant.entries(profile.headers[form.headers])
        found += _fields(profile, variant, "header:", entries, 4)
    if form.body:
        members = variant.entries(profile.documents[form.body].members)
        found += _fields(profile, variant, "body:", members, 4)
    for path, text in found:
        out[path] = f"{out[path]}, or {text}" if path in out else text
    return out


def _fields(
    profile: Profile, variant: Variant, path: str, entries: list[Entry], depth: int
) -> Iterator[tuple[str, str]]:
    for entry in entries:
        name = entry.name.lower() if path == "header:" else entry.name
        here = f"{path}{name}" if path.endswith(":") else f"{path}.{name}"
        yield here, _said(entry)
        if depth and entry.value.op in ("json", "document"):
            document = profile.documents[entry.value.document]
            members = variant.entries(document.members)
            yield from _fields(profile, variant, here, members, depth - 1)


def _said(entry: Entry) -> str:
    text = describe(entry.value)
    if entry.role is not None and entry.equal:
        text += f" = {entry.role}"
    if entry.presence is Presence.SOMETIMES:
        text += ", sometimes"
    text += "".join(f", with {role}" for role in entry.when.has)
    return text + "".join(f", without {role}" for role in entry.when.lacks)
