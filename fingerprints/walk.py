"""A walk over the fields of one request, against the entries of a profile.

Two passes: the first collects the role values that the request holds (the pool), the second
judges, because whether a field may be there can depend on a role that stands elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fingerprints.difference import Change, Difference, Layer, moved, shorten
from fingerprints.item_check import check_items
from fingerprints.json_values import as_text, json_type
from fingerprints.matchers import Matcher, accepts, describe, template_pattern
from fingerprints.observed import dig
from fingerprints.profile import Entry, Presence, Profile
from fingerprints.roles import ROLES
from fingerprints.serial import ascii_text, loads, untidy
from fingerprints.variant import Variant

type Pool = dict[str, list[tuple[str, str]]]
"""Role (or JSON text) to the places where it stands and its value there, as text."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A list of fields: where it is, and in which layers its faults are."""

    path: str
    rule: str
    strings: bool
    ordered: bool
    set_layer: Layer
    order_layer: Layer
    unordered: Sequence[Sequence[str]] = ()

    def at(self, name: str) -> str:
        return f"{self.path}{name}" if self.path.endswith(":") else f"{self.path}.{name}"


class Walk:
    """Collects as it goes; :meth:`differences` judges everything that was walked."""

    def __init__(
        self,
        profile: Profile,
        variant: Variant,
        headers: Sequence[tuple[str, str]],
        data: Any,
        parts: int | None = None,
    ) -> None:
        """``parts``: of the content of the item that is walked."""
        self.profile = profile
        self.variant = variant
        self._parts = parts
        self.pool: Pool = {}
        self._headers = [(name, value) for name, value in headers if not name.startswith(":")]
        self._data = data
        self._judgements: list[Callable[[], None]] = []
        self._found: list[Difference] = []

    def differences(self) -> list[Difference]:
        """What is wrong with what was walked, and with the roles across all of it."""
        for judge in self._judgements:
            judge()
        self._judgements.clear()
        found, self._found = self._found, []
        return found + self._equalities()

    # --- what is walked ---

    def headers(self, name: str, unordered: Sequence[Sequence[str]] = ()) -> None:
        """The request's headers against a header list."""
        entries = self.variant.entries(self.profile.headers[name])
        place = _Place(
            "header:",
            f"headers.{name}",
            strings=True,
            ordered=True,
            set_layer=Layer.HEADER_SET,
            order_layer=Layer.HEADER_ORDER,
            unordered=unordered,
        )
        lower = self.variant.http == "HTTP/2.0"
        canonical = {entry.name.lower(): entry.name for entry in entries}
        fields = []
        for seen, value in self._headers:
            known = canonical.get(seen.lower(), seen.lower())
            wanted = known.lower() if lower else known
            if seen != wanted:
                self._report(
                    Layer.HEADER_CASE, f"header:{known}", Change.CASE, wanted, seen, place.rule
                )
            fields.append((known, value))
        self._fields(place, entries, fields)

    def document(self, path: str, name: str, value: Any) -> None:
        """A value against a document."""
        if not isinstance(value, dict):
            self._report(
                Layer.VALUE, path, Change.TYPE, "object", json_type(value), f"documents.{name}"
            )
            return
        document = self.profile.documents[name]
        place = _Place(
            path,
            f"documents.{name}",
            strings=document.strings,
            ordered=document.order == "fixed",
            set_layer=Layer.MEMBER_PRESENCE,
            order_layer=Layer.MEMBER_ORDER,
        )
        self._fields(place, self.variant.entries(document.members, path), list(value.items()))

    # --- how ---

    def _fields(
        self, place: _Place, entries: Sequence[Entry], fields: Sequence[tuple[str, Any]]
    ) -> None:
        by_name: dict[str, list[Entry]] = {}
        for entry in entries:
            by_name.setdefault(entry.name, []).append(entry)
        for name, value in fields:
            for entry in by_name.get(name, ()):
                if self._collect(place, entry, value):
                    break
        self._judgements.append(lambda: self._judge(place, entries, by_name, fields))

    def _collect(self, place: _Place, entry: Entry, value: Any) -> bool:
        """Put what the field says of roles into the pool; False when the entry cannot be it."""
        path = place.at(entry.name)
        matcher = entry.value
        if matcher.op == "document":
            self.document(path, matcher.document, value)
            return True
        if matcher.op == "json":
            return self._collect_text(path, matcher.document, value)
        if matcher.op == "items" and isinstance(value, list):
            self._judgements.append(lambda: self._items(path, value))
            return True
        if not self._accepts(entry.value, value, place.strings):
            if entry.role is not None and entry.equal and isinstance(value, str | int):
                self.pool.setdefault(entry.role, []).append((path, as_text(value)))
            return False
        if entry.role is not None and entry.equal:
            self.pool.setdefault(entry.role, []).append((path, as_text(value)))
        for role, text in self._placeholders(entry.value, value):
            self.pool.setdefault(role, []).append((path, text))
        return True

    def _items(self, path: str, items: list[Any]) -> None:
        def walk(parts: int) -> Walk:
            return Walk(self.profile, self.variant, (), None, parts)

        self._found += check_items(self.profile, self.variant.shape, path, items, walk)

    def _collect_text(self, path: str, name: str, value: Any) -> bool:
        if not isinstance(value, str):
            return False
        try:
            inner = loads(value)
        except ValueError:
            return False
        text = self.profile.documents[name].shared(value, inner)
        self.pool.setdefault(_text_key(name), []).append((path, text))
        self.document(path, name, inner)
        return True

    def _placeholders(self, matcher: Matcher, value: Any) -> list[tuple[str, str]]:
        if matcher.op == "any_of":
            for option in matcher.options:
                if self._accepts(option, value, True):
                    return self._placeholders(option, value)
        if matcher.op == "template" and isinstance(value, str):
            found = template_pattern(matcher.text, self.profile.release).fullmatch(value)
            if found is not None:
                pairs = zip(matcher.roles, found.groups(), strict=True)
                return [(role, text) for role, text in pairs if role != "version"]
        return []

    def _accepts(self, matcher: Matcher, value: Any, strings: bool) -> bool:
        return accepts(matcher, value, release=self.profile.release, strings=strings)

    def _judge(
        self,
        place: _Place,
        entries: Sequence[Entry],
        by_name: Mapping[str, list[Entry]],
        fields: Sequence[tuple[str, Any]],
    ) -> None:
        counts = Counter(name for name, _ in fields)
        judged: list[tuple[str, Entry]] = []
        for name, value in fields:
            path = place.at(name)
            if counts[name] > 1 and any(done == name for done, _ in judged):
                self._report(
                    place.set_layer, path, Change.REPEATED, "once", f"{counts[name]} times"
                )
                continue
            allowed = [entry for entry in by_name.get(name, ()) if self._guarded(entry)]
            if not allowed:
                self._not_allowed(place, name, value, by_name.get(name, []))
                continue
            entry = next(
                (each for each in allowed if self._accepts(each.value, value, place.strings)),
                allowed[0],
            )
            judged.append((name, entry))
            self._value(place, entry, value)
        for entry in entries:
            if entry.name not in counts and self._required(place, entry):
                self._report(
                    place.set_layer,
                    place.at(entry.name),
                    Change.REMOVED,
                    describe(entry.value),
                    "nothing",
                    _rule(place, entry),
                )
        if place.ordered:
            self._order(place, entries, judged)

    def _guarded(self, entry: Entry) -> bool:
        """Whether the conditions on roles hold in this request."""
        when = entry.when
        return all(self.pool.get(role) for role in when.has) and not any(
            self.pool.get(role) for role in when.lacks
        )

    def _required(self, place: _Place, entry: Entry) -> bool:
        path = place.at(entry.name)
        if not self._guarded(entry):
            return False
        if entry.value.op == "json" and path.startswith("header:"):
            texts = self.pool.get(_text_key(entry.value.document), ())
            if any("\x7f" in text for _, text in texts):
                return False  # HTTP cannot hold it; see matchers.py
        if entry.presence is Presence.ALWAYS:
            return True
        # One role fills all its places or none of them.
        return entry.role is not None and bool(self.pool.get(entry.role))

    def _not_allowed(
        self, place: _Place, name: str, value: Any, candidates: Sequence[Entry]
    ) -> None:
        path = place.at(name)
        never = self.profile.never
        if candidates:
            entry = candidates[0]
            conditions = [f"only with {role}" for role in entry.when.has]
            conditions += [f"only without {role}" for role in entry.when.lacks]
            expected, rule = ", ".join(conditions), _rule(place, entry)
        elif name in never.headers and path.startswith("header:"):
            expected, rule = "never", "never.headers"
        elif path == f"body:{name}" and name in never.members:
            expected, rule = "never", "never.members"
        else:
            expected, rule = f"not in {place.rule} for {self.variant.kind}", ""
        secret = name.lower() in ("authorization", "cookie", "proxy-authorization")
        shown = "⟨secret⟩" if secret else shorten(as_text(value))
        self._report(place.set_layer, path, Change.ADDED, expected, shown, rule)

    def _value(self, place: _Place, entry: Entry, value: Any) -> None:
        path = place.at(entry.name)
        matcher = entry.value
        if matcher.op == "json":
            self._json_text(place, entry, value)
        elif matcher.op == "same_as":
            wanted = dig(matcher.path, self._headers, self._data)
            if wanted is None or as_text(wanted) != as_text(value):
                self._report(
                    Layer.EQUALITY,
                    path,
                    Change.EQUALITY,
                    f"the value of {matcher.path}",
                    _shown(entry, value),
                    _rule(place, entry),
                )
        elif matcher.op != "document" and not self._accepts(matcher, value, place.strings):
            self._wrong(place, entry, value)
        elif matcher.op == "per_part" and self._parts not in (None, len(value)):
            wanted = f"{self._parts} of them, one for each part of the content"
            self._report(Layer.VALUE, path, Change.VALUE, wanted, str(len(value)))

    def _wrong(self, place: _Place, entry: Entry, value: Any) -> None:
        expected = describe(entry.value)
        kind = Change.VALUE
        if not place.strings and _expected_type(entry.value) not in (None, json_type(value)):
            kind = Change.TYPE
        self._report(
            Layer.VALUE,
            place.at(entry.name),
            kind,
            expected,
            _shown(entry, value),
            _rule(place, entry),
        )

    def _json_text(self, place: _Place, entry: Entry, value: Any) -> None:
        path, rule = place.at(entry.name), _rule(place, entry)
        if not isinstance(value, str):
            self._report(Layer.VALUE, path, Change.TYPE, "string", json_type(value), rule)
            return
        try:
            inner = loads(value)
        except ValueError as error:
            self._report(Layer.VALUE, path, Change.BROKEN, "JSON text", str(error), rule)
            return
        if ascii_text(inner) != value:
            wanted = "compact JSON in ASCII"
            for fault in untidy(value, ascii_only=True):
                self._report(Layer.ENCODING, path, Change.VALUE, wanted, fault, rule)

    def _order(
        self, place: _Place, entries: Sequence[Entry], judged: Sequence[tuple[str, Entry]]
    ) -> None:
        rank = {id(entry): index for index, entry in enumerate(entries)}
        expected = [name for name, _ in sorted(judged, key=lambda pair: rank[id(pair[1])])]
        actual = [name for name, _ in judged]
        for group in place.unordered:
            inside = [index for index, name in enumerate(actual) if name in group]
            names = sorted((actual[index] for index in inside), key=expected.index)
            for index, name in zip(inside, names, strict=True):
                actual[index] = name
        for name, before, after in moved(expected, actual):
            self._report(
                place.order_layer,
                place.at(name),
                Change.MOVED,
                f"after {before}" if before else "first",
                f"after {after}" if after else "first",
                place.rule,
            )

    def _equalities(self) -> list[Difference]:
        out = []
        for role, places in self.pool.items():
            counts = Counter(text for _, text in places)
            if len(counts) < 2:
                continue
            wanted = max(counts, key=lambda text: counts[text])
            source = next(path for path, text in places if text == wanted)
            secret = role in ROLES and ROLES[role].secret
            label = role if role in ROLES else "JSON text"
            for path, text in places:
                if text != wanted:
                    out.append(
                        Difference(
                            Layer.EQUALITY,
                            path,
                            Change.EQUALITY,
                            f"the {label} of {source}" + ("" if secret else f", {shorten(wanted)}"),
                            "another" if secret else shorten(text),
                            f"role {role}" if role in ROLES else "one text, two places",
                        )
                    )
        return out

    def _report(
        self, layer: Layer, path: str, kind: Change, expected: str, actual: str, rule: str = ""
    ) -> None:
        self._found.append(Difference(layer, path, kind, expected, actual, rule))


def _text_key(document: str) -> str:
    return f"text:{document}"


def _rule(place: _Place, entry: Entry) -> str:
    return f"{place.rule} {entry.name}: {describe(entry.value)}"


def _shown(entry: Entry, value: Any) -> str:
    roles = [entry.role] if entry.role else []
    if entry.value.op == "template":
        roles += entry.value.roles
    if any(ROLES[role].secret for role in roles):
        return f"⟨{len(as_text(value))} characters⟩"
    return shorten(as_text(value))


def _expected_type(matcher: Matcher) -> str | None:
    match matcher.op:
        case "uuid" | "template" | "text" | "version" | "prefixed":
            return "string"
        case "int" | "time_ms":
            return "int"
        case "bool":
            return "bool"
        case "content":
            return None if matcher.type == "any" else matcher.type
        case "list" | "per_part" | "items":
            return "array"
        case "const":
            return json_type(matcher.value)
        case _:
            return None
