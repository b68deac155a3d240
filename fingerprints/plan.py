"""Profiles compiled into plans: lists of steps that fill one field each.

A plan is made once per variant; applying it is a walk over its steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from fingerprints.errors import IllegalHeader, MissingRole, ProfileError
from fingerprints.json_values import copied
from fingerprints.matchers import (
    AnyOf,
    Content,
    Items,
    JsonText,
    Matcher,
    Nested,
    SameAs,
    Template,
    as_text,
)
from fingerprints.profile import Entry, Presence, Profile, constant
from fingerprints.roles import Json
from fingerprints.serial import ascii_text
from fingerprints.variant import Variant

_ILLEGAL = re.compile(r"[^\t -~\x80-\xff]")


class _Absent(Enum):
    ABSENT = "no value"


ABSENT: Final = _Absent.ABSENT
"""Stands for no value, where None is a value."""

type Filled = Json | Literal[_Absent.ABSENT]


@dataclass(frozen=True, slots=True)
class Note:
    """What became of a member of the caller's body that was not sent as it came.

    Attributes:
        path: ``metadata``, ``reasoning.budget``, ``client_metadata.x``.
        action: ``left out`` or ``overridden``.
        reason: one sentence.
    """

    path: str
    action: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.action}, {self.reason}"


@dataclass(slots=True)
class Filling:
    """The values of one request while its plan is walked.

    Attributes:
        roles: role values; None and missing are the same.
        texts: JSON texts that were already made, by document (and place, where the document has
            members that stand in one only): a header and its copy are one text.
        unknown: paths of the caller's members that no step of their object knows.
        overridden: paths of the caller's members whose value the profile forces, or that should
            be an object and are not.
        keep: put unknown members at the end of their object.
    """

    roles: dict[str, Any]
    texts: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    overridden: list[str] = field(default_factory=list)
    keep: bool = False


type Fill = Callable[[Filling, Mapping[str, Any]], Filled]
"""A field's value from roles and the caller's object at this level."""


@dataclass(frozen=True, slots=True)
class Step:
    """One field of a plan.

    Attributes:
        role: asked before ``fill`` is; None where no role fills the field.
        has, lacks: roles that must have a value, and those that must have none.
        source: what to name when there is no value.
        forces: the value that the profile forces, if it does.
    """

    name: str
    role: str | None
    fill: Fill
    required: bool
    has: tuple[str, ...]
    lacks: tuple[str, ...]
    source: str
    path: str
    forces: Any = ABSENT

    def met(self, roles: Mapping[str, Any]) -> bool:
        """Whether the conditions on roles hold."""
        if self.lacks and any(roles.get(role) is not None for role in self.lacks):
            return False
        return None not in map(roles.get, self.has)


class Plan:
    """Steps of one object or header list, for one variant."""

    def __init__(self, path: str, steps: list[Step]) -> None:
        self.path = path
        self.steps = steps
        self.names = frozenset(step.name for step in steps)
        self.forced = {s.name: s.forces for s in steps if s.forces is not ABSENT}
        self._quick = [(step, step.role, bool(step.has or step.lacks)) for step in steps]

    def headers(self, filling: Filling) -> list[tuple[str, str]]:
        """The header list.

        Raises:
            MissingRole: a header that is always sent has no value.
            IllegalHeader: a value has a character that no header may hold.
        """
        out = []
        for name, value in self._values(filling, _NOTHING):
            text = value if type(value) is str else as_text(value)
            if not (text.isascii() and text.isprintable()) and _ILLEGAL.search(text):
                raise IllegalHeader(f"{self.path}{name}")
            out.append((name, text))
        return out

    def object(
        self, filling: Filling, given: Mapping[str, Any], *, strings: bool
    ) -> dict[str, Any]:
        """The object; ``given`` is what the caller brings at this level.

        Raises:
            MissingRole: a member that is always sent has no value.
        """
        out: dict[str, Any] = dict(self._values(filling, given))
        if strings:
            out = {n: v if type(v) is str else as_text(v) for n, v in out.items()}
        if given:
            self._account(filling, given, out, strings)
        return out

    def _values(self, filling: Filling, given: Mapping[str, Any]) -> list[tuple[str, Any]]:
        roles = filling.roles
        out: list[tuple[str, Any]] = []
        for step, role, conditional in self._quick:
            if conditional and not step.met(roles):
                continue
            value = roles.get(role) if role is not None else None
            if value is None:
                value = step.fill(filling, given)
                if value is ABSENT:
                    if step.required:
                        raise MissingRole(step.source, step.path)
                    continue
            out.append((step.name, value))
        return out

    def _account(
        self, filling: Filling, given: Mapping[str, Any], out: dict[str, Any], strings: bool
    ) -> None:
        """Nothing of the caller's is lost without a word."""
        prefix = self.path.partition(":")[2]
        prefix = f"{prefix}." if prefix else ""
        if not given.keys() <= self.names:
            for name, value in given.items():
                if name not in self.names:
                    filling.unknown.append(prefix + name)
                    if filling.keep:
                        out[name] = as_text(value) if strings else value
        filling.overridden += [
            prefix + name
            for name, forced in self.forced.items()
            if name in given and given[name] != forced
        ]


_NOTHING: Mapping[str, Any] = {}


class Compiler:
    """Compiles the parts of a profile for one variant."""

    def __init__(self, profile: Profile, variant: Variant) -> None:
        self.profile = profile
        self.variant = variant
        self.promoted: list[tuple[str, tuple[str, ...]]] = []
        """Roles that the caller's content can fill, and where it has them."""

    def header_plan(self, name: str) -> Plan:
        """Plan of a header list."""
        return self._plan("header:", self.profile.headers[name])

    def body_plan(self, name: str) -> Plan:
        """Plan of a document as a body."""
        return self._plan("body:", self.profile.documents[name].members)

    def _plan(self, path: str, entries: tuple[Entry, ...], *, by_name: bool = False) -> Plan:
        """``by_name``: the object is one role's value, which has the members by name."""
        steps = [self._step(path, entry, by_name) for entry in self.variant.entries(entries)]
        return Plan(path, steps)

    def _step(self, path: str, entry: Entry, by_name: bool) -> Step:
        here = f"{path}{entry.name}" if path.endswith(":") else f"{path}.{entry.name}"
        forced, value = constant(entry.value, self.profile.release)
        if isinstance(entry.value, Nested):
            fill = self._nested(entry.value.document, entry, here)
        else:
            fill = self._fill(entry.value, entry.name, here)
        if by_name and fill is _no_source:
            fill = _from_content(entry.name)
        source = self._source(entry, here)
        role = None if forced or isinstance(entry.value, Nested) else entry.role
        if role is not None and isinstance(entry.value, Content) and path.startswith("body:"):
            self.promoted.append((role, tuple(here.removeprefix("body:").split("."))))
        if entry.default is not None and entry.presence is Presence.ALWAYS:
            fill = _first_of(fill, _constant(entry.default))
        required = entry.presence is Presence.ALWAYS
        if required and role is None and fill is _no_source:
            raise ProfileError(
                f"{here} is always sent, and nothing says with what",
                field=here,
                remedy="Give it a role, a default, a constant or a template, or presence sometimes",
            )
        return Step(
            name=entry.name,
            role=role,
            fill=fill,
            required=required and not (isinstance(entry.value, JsonText) and path == "header:"),
            has=entry.when.has,
            lacks=entry.when.lacks,
            source=source,
            path=here,
            forces=value if forced else ABSENT,
        )

    def _source(self, entry: Entry, here: str) -> str:
        if entry.role is not None:
            return entry.role
        if isinstance(entry.value, Template):
            return ", ".join(dict.fromkeys(entry.value.roles))
        return here

    def _fill(self, matcher: Matcher, name: str, here: str) -> Fill:
        forced, value = constant(matcher, self.profile.release)
        if forced:
            return _constant(value)
        match matcher:
            case Template(text=text):
                return _from_template(text)
            case Content() | Items():
                return _from_content(name)
            case JsonText(document=document):
                return self._json_text(document, here)
            case AnyOf(options=options):
                return _first_of(*(self._fill(option, name, here) for option in options))
            case SameAs(path=path):
                return self._same(path)
            case _:
                return _no_source

    def _nested(self, document: str, entry: Entry, here: str) -> Fill:
        source = self.profile.documents[document]
        name, role = entry.name, entry.role
        plan = self._plan(here, source.members, by_name=role is not None)

        def fill(filling: Filling, given: Mapping[str, Any]) -> Filled:
            mine = given.get(name) if role is None else filling.roles.get(role)
            if not isinstance(mine, dict):
                if role is not None:
                    return ABSENT
                if mine is not None:
                    filling.overridden.append(here.partition(":")[2])
                mine = _NOTHING
            return plan.object(filling, mine, strings=source.strings)

        return fill

    def _json_text(self, document: str, here: str) -> Fill:
        source = self.profile.documents[document]
        key = f"{here.partition(':')[0]}:{document}" if source.placed else document
        plan = self._plan(f"text:{document}", tuple(self.variant.entries(source.members, here)))

        def fill(filling: Filling, _given: Mapping[str, Any]) -> Filled:
            text = filling.texts.get(key)
            if text is None:
                text = ascii_text(plan.object(filling, {}, strings=source.strings))
                filling.texts[key] = text
            if here.startswith("header:") and "\x7f" in text:
                return ABSENT  # the official client leaves a header out that HTTP cannot hold
            return text

        return fill

    def _same(self, path: str) -> Fill:
        """The source of another field, for equalities that have no role."""
        surface, _, rest = path.partition(":")
        entries = self._surface(surface)
        names = rest.split(".") if surface == "body" else [rest]
        for depth, name in enumerate(names):
            entry = next((each for each in entries if each.name == name), None)
            if entry is None:
                break
            if depth + 1 == len(names):
                if entry.role is not None:
                    return _from_role(entry.role)
                if isinstance(entry.value, SameAs):
                    break
                return self._fill(entry.value, entry.name, path)
            if not isinstance(entry.value, JsonText | Nested):
                break
            entries = self.variant.entries(self.profile.documents[entry.value.document].members)
        raise ProfileError(
            f"same_as {path}: there is no such field with a source of its own",
            field=path,
            remedy="Name a field that has a role, a constant or a template",
        )

    def _surface(self, surface: str) -> list[Entry]:
        form = self.profile.requests[self.variant.kind][self.variant.transport]
        if surface == "header":
            return self.variant.entries(self.profile.headers[form.headers]) if form.headers else []
        if not form.body:
            return []
        return self.variant.entries(self.profile.documents[form.body].members)


def _no_source(_filling: Filling, _given: Mapping[str, Any]) -> Filled:
    return ABSENT


def _constant(value: Json) -> Fill:
    if isinstance(value, list | dict):  # a copy: what is sent may be changed by the caller
        return lambda _filling, _given: copied(value)
    return lambda _filling, _given: value


def _from_role(role: str) -> Fill:
    def fill(filling: Filling, _given: Mapping[str, Any]) -> Filled:
        value = filling.roles.get(role)
        return ABSENT if value is None else value

    return fill


def _from_content(name: str) -> Fill:
    def fill(_filling: Filling, given: Mapping[str, Any]) -> Filled:
        value = given.get(name)
        return ABSENT if value is None else value

    return fill


def _from_template(text: str) -> Fill:
    pieces = Template(text=text).pieces()
    names = pieces[1::2]
    before, last = list(zip(pieces[0::2], names, strict=False)), pieces[-1]

    def fill(filling: Filling, _given: Mapping[str, Any]) -> Filled:
        roles = filling.roles
        out = ""
        for literal, name in before:
            value = roles.get(name)
            if value is None:
                return ABSENT
            out += literal + (value if type(value) is str else as_text(value))
        return out + last

    return fill


def _first_of(*fills: Fill) -> Fill:
    used = [fill for fill in fills if fill is not _no_source]
    if not used:
        return _no_source
    if len(used) == 1:
        return used[0]

    def fill(filling: Filling, given: Mapping[str, Any]) -> Filled:
        for each in used:
            value = each(filling, given)
            if value is not ABSENT:
                return value
        return ABSENT

    return fill
