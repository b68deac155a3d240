"""Which rule of a profile lets a changed request pass.

The checker may only miss a change that a rule allows: a field that is there sometimes, a value that
the matcher accepts and that stands nowhere else, an order that is free. For a change that was
missed, :meth:`Excuses.rule` names that rule; where it finds none, the checker has a hole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fingerprints.entry import Entry, Presence
from fingerprints.item_check import rules_for
from fingerprints.matchers import Matcher, accepts, as_text, describe, template_pattern
from fingerprints.profile import Profile
from fingerprints.serial import loads
from fingerprints.variant import Variant

type Key = str | int
type Headers = Sequence[tuple[str, str]]

type Keys = tuple[Key, ...]
"""Where something is: ``("header", "session-id")``, ``("body", "input", 0, "type")``. The members
of JSON text follow like those of an object."""

GONE = object()
"""The value of what is not there."""

_NARROW = ("const", "version", "same_as")


@dataclass(frozen=True, slots=True)
class Place:
    """An entry, and the list that it stands in.

    Attributes:
        rule: in words: ``headers.responses version: version``.
        entry: the profile's entry.
        strings: all values there are strings.
        free: the order of the list is free.
        group: names whose order with this one is random.
    """

    rule: str
    entry: Entry
    strings: bool
    free: bool = False
    group: frozenset[str] = frozenset()


class Excuses:
    """The rules for one request.

    Args:
        variant: what the request was taken for.
        headers, data: the request, unchanged.
        known: roles that stand outside of it too, as those of a connection.
    """

    def __init__(
        self,
        profile: Profile,
        variant: Variant,
        headers: Headers,
        data: Any,
        known: Mapping[str, str],
    ) -> None:
        self.profile = profile
        self.variant = variant
        self.places: dict[Keys, list[Place]] = {}
        self._lists: dict[Keys, str] = {}
        form = profile.requests[variant.kind][variant.transport]
        if form.headers:
            entries = variant.entries(profile.headers[form.headers])
            rule = f"headers.{form.headers}"
            values = {name.lower(): value for name, value in headers}
            for entry in entries:
                name = entry.name.lower()
                group = next((frozenset(g) for g in form.unordered if entry.name in g), frozenset())
                place = Place(_rule(rule, entry), entry, strings=True, group=group)
                self._add(("header", name), place, values.get(name, GONE))
        if form.body:
            self._document(("body",), form.body, data)
        self._known = known
        self._spots = self._counted(headers, data, known)

    def _add(self, keys: Keys, place: Place, value: Any) -> None:
        self.places.setdefault(keys, []).append(place)
        matcher = place.entry.value
        if matcher.op == "json" and isinstance(value, str):
            try:
                self._document(keys, matcher.document, loads(value))
            except ValueError:
                return
        elif matcher.op == "document":
            self._document(keys, matcher.document, value)
        elif matcher.op == "items" and isinstance(value, list):
            self._lists[keys] = place.rule
            self._items(keys, value)

    def _document(self, keys: Keys, name: str, value: Any) -> None:
        document = self.profile.documents[name]
        for entry in self.variant.entries(document.members):
            place = Place(
                _rule(f"documents.{name}", entry),
                entry,
                strings=document.strings,
                free=document.order == "free",
            )
            inner = value.get(entry.name, GONE) if isinstance(value, dict) else GONE
            self._add((*keys, entry.name), place, inner)

    def _items(self, keys: Keys, items: Sequence[Any]) -> None:
        messages = 0
        for index, item in enumerate(items):
            messages += isinstance(item, dict) and item.get("type") == "message"
            for rule in rules_for(self.profile, self.variant.shape, item, first=messages == 1):
                self._document((*keys, index), rule.document, item)

    def _counted(
        self, headers: Headers, data: Any, known: Mapping[str, str]
    ) -> dict[str, set[Keys]]:
        """Role to the places where it stands in the unchanged request."""
        out: dict[str, set[Keys]] = {role: {("known",)} for role in known}
        for keys, places in self.places.items():
            value = at(keys, headers, data)
            # Items have ids and times of their own, equal to nothing else.
            if value is GONE or any(isinstance(key, int) for key in keys):
                continue
            for place in places:
                if self._accepts(place, value):
                    for role, _ in self._said(place.entry, value):
                        out.setdefault(role, set()).add(keys)
        return out

    def _accepts(self, place: Place, value: Any) -> bool:
        release = self.profile.release
        return accepts(place.entry.value, value, release=release, strings=place.strings)

    # --- what for ---

    def rule(
        self,
        operation: str,
        keys: Keys,
        headers: Headers,
        data: Any,
        crossed: Sequence[Key] = (),
    ) -> str:
        """The rule that lets a change pass, "" when none does.

        Args:
            operation: ``drop``, ``move``, or any other for a new value.
            keys: of what was changed.
            headers, data: the request with the change.
            crossed: for ``move``: the names that it was moved past.
        """
        for items, rule in self._lists.items():
            here = keys[: len(items) + 1]
            if here[:-1] == items and here[-1:] and not self._has_rule(at(here, headers, data)):
                return f"{rule}, no rule for such an item"
        for length in range(len(keys), 1, -1):
            here = keys[:length]
            places = self.places.get(here)
            if places is None:
                continue
            exact = length == len(keys)
            if exact and operation == "move":
                return next(self._moved(places, crossed), "")
            value = at(here, headers, data)
            if value is GONE:
                return next(self._absent(here, places, headers, data), "")
            return next(self._present(here, places, value, headers, data), "")
        return ""

    def _has_rule(self, item: Any) -> bool:
        if not isinstance(item, dict):
            return True
        return bool(rules_for(self.profile, self.variant.shape, item, first=True))

    def _absent(
        self, keys: Keys, places: Sequence[Place], headers: Headers, data: Any
    ) -> Iterator[str]:
        for place in places:
            entry = place.entry
            sometimes = entry.presence is Presence.SOMETIMES
            if sometimes and not self._still_said(keys, place, headers, data):
                yield f"{place.rule}, sometimes"
            for role in entry.when.has:
                if not any(self._others(role, keys, headers, data)):
                    yield f"{place.rule}, only with {role}"

    def _moved(self, places: Sequence[Place], crossed: Sequence[Key]) -> Iterator[str]:
        for place in places:
            if place.free:
                yield f"{place.rule.partition(' ')[0]}, order free"
            if place.group and set(crossed) <= {name.lower() for name in place.group}:
                yield f"{place.rule.partition(' ')[0]}, unordered"

    def _present(
        self, keys: Keys, places: Sequence[Place], value: Any, headers: Headers, data: Any
    ) -> Iterator[str]:
        for place in places:
            matcher = place.entry.value
            if matcher.op in ("json", "document", *_NARROW):
                continue
            if self._accepts(place, value) and not self._contradicted(
                keys, place, value, headers, data
            ):
                yield place.rule

    # --- roles ---

    def _still_said(self, keys: Keys, place: Place, headers: Headers, data: Any) -> bool:
        """Whether a role of the entry still stands elsewhere, so that it must stand here too."""
        role = place.entry.role
        return role is not None and any(self._others(role, keys, headers, data))

    def _contradicted(
        self, keys: Keys, place: Place, value: Any, headers: Headers, data: Any
    ) -> bool:
        """Whether another place says something else of a role than the changed value does."""
        if any(isinstance(key, int) for key in keys):
            return False
        return any(
            other != text
            for role, text in self._said(place.entry, value)
            for other in self._others(role, keys, headers, data)
        )

    def _others(self, role: str, keys: Keys, headers: Headers, data: Any) -> Iterator[str]:
        """What other places of the changed request say of a role."""
        for spot in self._spots.get(role, ()):
            if spot == keys:
                continue
            if spot == ("known",):
                yield self._known[role]
                continue
            value = at(spot, headers, data)
            for place in self.places[spot]:
                if value is not GONE and self._accepts(place, value):
                    yield from (
                        text for name, text in self._said(place.entry, value) if name == role
                    )

    def _said(self, entry: Entry, value: Any) -> Iterator[tuple[str, str]]:
        """Roles and what the field says of them."""
        if entry.role is not None and entry.equal and value is not GONE:
            yield entry.role, as_text(value)
        yield from self._templated(entry.value, value)

    def _templated(self, matcher: Matcher, value: Any) -> Iterator[tuple[str, str]]:
        release = self.profile.release
        if matcher.op == "any_of":
            for option in matcher.options:
                if accepts(option, value, release=release, strings=True):
                    yield from self._templated(option, value)
                    return
        if matcher.op == "template" and isinstance(value, str):
            found = template_pattern(matcher.text, release).fullmatch(value)
            if found is not None:
                yield from zip(matcher.roles, found.groups(), strict=True)


def _rule(rule: str, entry: Entry) -> str:
    return f"{rule} {entry.name}: {describe(entry.value)}"


def at(keys: Keys, headers: Headers, data: Any) -> Any:
    """The value there; :data:`GONE` when there is none. JSON text is opened on the way."""
    if keys[0] == "header":
        name, rest = keys[1], keys[2:]
        here: Any = next((value for key, value in headers if key.lower() == name), GONE)
    else:
        here, rest = data, keys[1:]
    for key in rest:
        if isinstance(here, str):
            try:
                here = loads(here)
            except ValueError:
                return GONE
        if isinstance(key, int):
            if not isinstance(here, list) or key >= len(here):
                return GONE
            here = here[key]
        elif isinstance(here, dict) and key in here:
            here = here[key]
        else:
            return GONE
    return here
