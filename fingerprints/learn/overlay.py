"""The overlay: what people know of a release and recordings cannot show. Pure but for reading.

Beside the profile: ``codex/0.150.1.overlay.yaml`` for one release, where every entry must match
something, and ``codex/overlay.yaml`` for all releases of the client, where an entry may match
nothing in some of them.

==============  ==============================================================================
``reasons``     path glob: text. Paths are ``headers.LIST.NAME``, ``documents.DOCUMENT.NAME``,
                ``documents.DOCUMENT``, ``shapes.NAME``, ``requests.KIND.TRANSPORT``
``accepted``    path glob: why a field that is not explained may stay so
``set``         changes of learned entries: ``path``, optionally ``when`` (exactly that of the
                entry), and the members to change
``add``         entries that no recording shows: ``to`` (``headers.LIST``,
                ``documents.DOCUMENT``), ``after`` or ``before`` a name, and the ``entry``; where
                a recording shows the field, it wins, unless the entry stands ``beside`` it
``documents``   documents that no recording shows
``items``       rules of items that no recording shows
``order``       two entries that no recording shows together: ``in`` a list, ``first`` stands
                before ``then``
``shapes``      shapes that no recording shows
``models``      rules of models that no recording and no catalogue names; before the last rule
``never``       ``headers`` and ``members`` that are never sent
``originators`` name: what it is
``evidence``    name: what entries rest on that no recording shows
==============  ==============================================================================
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fingerprints.errors import ProfileError
from fingerprints.learn import described
from fingerprints.profile import Profile


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Part):
    """Of one or several learned entries."""

    path: str
    when: dict[str, Any] | None = None
    to: dict[str, Any]


class Addition(_Part):
    """An entry that no recording shows."""

    to: str
    after: str = ""
    before: str = ""
    beside: bool = False
    entry: dict[str, Any]


class Sequel(_Part):
    """Two entries of a list in their order."""

    in_: str = Field(alias="in")
    first: str
    then: str


class Names(_Part):
    """Headers and members."""

    headers: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


class Overlay(_Part):
    """See the module's text."""

    reasons: dict[str, str] = Field(default_factory=dict)
    accepted: dict[str, str] = Field(default_factory=dict)
    set: tuple[Change, ...] = ()
    add: tuple[Addition, ...] = ()
    order: tuple[Sequel, ...] = ()
    documents: dict[str, dict[str, Any]] = Field(default_factory=dict)
    items: tuple[dict[str, Any], ...] = ()
    shapes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    models: tuple[dict[str, Any], ...] = ()
    never: Names = Names()
    originators: dict[str, str] = Field(default_factory=dict)
    evidence: dict[str, str] = Field(default_factory=dict)


def read(file: Path) -> Overlay:
    """An overlay from its file.

    Raises:
        ProfileError: it cannot be read, or a field is wrong; names file, field and problem.
    """
    return described.read(Overlay, file, "fingerprints/learn/overlay.py")


def apply(profile: Profile, overlay: Overlay) -> tuple[Profile, list[str]]:
    """The profile with the overlay, and the overlay's entries that matched nothing.

    Raises:
        ProfileError: the result is no profile; names the field.
    """
    change = _Applied(profile.as_data())
    change.run(overlay)
    try:
        return Profile.model_validate(change.data), change.idle
    except ValidationError as error:
        problem, field = described.first_problem(error)
        raise ProfileError(
            f"the overlay makes it wrong: {problem}", field=field, remedy="Mend the overlay"
        ) from error


def accepts(overlays: Sequence[Overlay], path: str) -> str | None:
    """Why a field that is not explained may stay so; None when nothing says so."""
    for overlay in overlays:
        for pattern, reason in overlay.accepted.items():
            if fnmatch.fnmatchcase(path, pattern):
                return reason
    return None


def unused_acceptances(overlay: Overlay, paths: Sequence[str]) -> list[str]:
    """Entries of ``accepted`` that match no field that is not explained."""
    return [
        f"accepted: {pattern}"
        for pattern in overlay.accepted
        if not any(fnmatch.fnmatchcase(path, pattern) for path in paths)
    ]


type Data = dict[str, Any]


class _Applied:
    """An overlay's way through the data of a profile."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.idle: list[str] = []

    def run(self, overlay: Overlay) -> None:
        for name, shape in overlay.shapes.items():
            self.data["shapes"].setdefault(name, shape)
        for name, document in overlay.documents.items():
            self.data["documents"].setdefault(name, document)
        for rule in overlay.items:
            self._item(rule)
        for change in overlay.set:
            self._set(change)
        for addition in overlay.add:
            self._add(addition)
        for sequel in overlay.order:
            self._order(sequel)
        for pattern, reason in overlay.reasons.items():
            self._reason(pattern, reason)
        self._rest(overlay)

    def _lists(self) -> Iterator[tuple[str, list[Data]]]:
        for name, entries in self.data.get("headers", {}).items():
            yield f"headers.{name}", entries
        for name, document in self.data.get("documents", {}).items():
            yield f"documents.{name}", document["members"]

    def _places(self) -> Iterator[tuple[str, Data]]:
        for path, entries in self._lists():
            for entry in entries:
                yield f"{path}.{entry['name']}", entry
        for name, document in self.data.get("documents", {}).items():
            yield f"documents.{name}", document
        for name, shape in self.data.get("shapes", {}).items():
            yield f"shapes.{name}", shape
        for kind, forms in self.data.get("requests", {}).items():
            for transport, form in forms.items():
                yield f"requests.{kind}.{transport}", form

    def _add(self, addition: Addition) -> None:
        name = addition.entry.get("name")
        used = False
        for path, entries in self._lists():
            if not fnmatch.fnmatchcase(path, addition.to):
                continue
            names = [entry["name"] for entry in entries]
            alike = [old for old in entries if old["name"] == name]
            if any(addition.beside is False or _same(old, addition.entry) for old in alike):
                continue
            if not self._knows(addition.entry):
                continue
            place = _place(names, addition)
            if place is not None:
                entries.insert(place, dict(addition.entry))
                used = True
        if not used:
            self.idle.append(f"add: {addition.to}.{name}")

    def _item(self, rule: Data) -> None:
        """A rule for items; where a recording shows such an item, it wins."""
        rules = self.data.setdefault("items", [])
        known = any(
            old["type"] == rule["type"]
            and (not old.get("role") or set(_many(rule.get("role", ()))) <= set(_many(old["role"])))
            for old in rules
        )
        if known or rule["document"] not in self.data["documents"]:
            self.idle.append(f"items: {rule['type']}")
        else:
            rules.append(rule)

    def _order(self, sequel: Sequel) -> None:
        used = False
        for path, entries in self._lists():
            names = [entry["name"] for entry in entries]
            if fnmatch.fnmatchcase(path, sequel.in_) and {sequel.first, sequel.then} <= {*names}:
                used = True
                place, target = names.index(sequel.first), names.index(sequel.then)
                if place > target:
                    entries.insert(target, entries.pop(place))
        if not used:
            self.idle.append(f"order: {sequel.in_}: {sequel.first}, {sequel.then}")

    def _knows(self, entry: Data) -> bool:
        """Whether the release has the kinds and shapes that the entry's conditions name."""
        when = entry.get("when", {})
        known = {"kind": self.data["requests"], "shape": self.data["shapes"]}
        return all(
            any(value in names for value in _many(when[key]))
            for key, names in known.items()
            if key in when
        )

    def _set(self, change: Change) -> None:
        used = False
        for path, entry in self._places():
            if not fnmatch.fnmatchcase(path, change.path):
                continue
            if change.when is not None and _plain(entry.get("when", {})) != _plain(change.when):
                continue
            entry |= change.to
            for key in [key for key, value in change.to.items() if value is None]:
                del entry[key]
            used = True
        if not used:
            self.idle.append(f"set: {change.path}")

    def _reason(self, pattern: str, reason: str) -> None:
        found = [data for path, data in self._places() if fnmatch.fnmatchcase(path, pattern)]
        for data in found:
            data["reason"] = reason
        if not found:
            self.idle.append(f"reasons: {pattern}")

    def _rest(self, overlay: Overlay) -> None:
        self.data["recorded"]["evidence"] = self.data["recorded"]["evidence"] | overlay.evidence
        rules = self.data["models"]
        rules[-1:-1] = overlay.models
        never = self.data.setdefault("never", {})
        for what in ("headers", "members"):
            extra = getattr(overlay.never, what)
            if extra:
                never[what] = list(dict.fromkeys([*never.get(what, ()), *extra]))
        for name, text in overlay.originators.items():
            if name in self.data["originators"]:
                self.data["originators"][name] = text
            else:
                self.idle.append(f"originators: {name}")


def _place(names: Sequence[str], addition: Addition) -> int | None:
    if addition.after:
        places = [index for index, name in enumerate(names) if name == addition.after]
        return places[-1] + 1 if places else None
    if addition.before:
        return names.index(addition.before) if addition.before in names else None
    return len(names)


def _same(one: Data, other: Data) -> bool:
    return bool(one["value"] == other["value"])


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _plain(when: Data) -> dict[str, set[str]]:
    return {key: set(_many(value)) for key, value in when.items()}
