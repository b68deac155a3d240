"""One request of the candidate against the same request of the goldens, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fingerprints.compare.allowances import (
    FREE,
    SOMETIMES,
    Allowance,
    excuse,
    excuse_value,
)
from fingerprints.compare.facts import Container, Facts, Unit, Value, layer_of
from fingerprints.compare.noise import Habits, Noise, type_of
from fingerprints.compare.shape import Pattern, covering, spelled
from fingerprints.difference import Change, Difference, Layer, moved, shorten
from fingerprints.matchers import as_text
from fingerprints.roles import Json

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of two requests side by side.

    Attributes:
        path: as in a difference.
        golden: its value in the first golden, None where it has none.
        candidate: its value, None where it has none.
        noise: what the goldens allow, where it is more than one value.
    """

    path: str
    golden: str | None
    candidate: str | None
    noise: str = ""


@dataclass(slots=True)
class PairDifferences:
    """What one comparison found.

    Attributes:
        found: differences.
        excused: differences that an allowance covers, with its text.
    """

    found: list[Difference] = field(default_factory=list)
    excused: list[tuple[Difference, str]] = field(default_factory=list)

    def add(self, difference: Difference, allowance: Allowance | None) -> None:
        if allowance is None:
            self.found.append(difference)
        else:
            self.excused.append((difference, f"{allowance.path}={allowance.word}"))


class PairComparison:
    """A candidate's request and what its goldens allow.

    Args:
        noise: of the goldens.
        unit: the golden's unit, for its kind.
        facts: the candidate's, with items numbered as in the first golden.
        habits: what is seen over all recordings.
        content: paths of what the caller brings: only the JSON type is compared.
        allowances: rules that a person gave.
    """

    def __init__(
        self,
        noise: Noise,
        unit: Unit,
        facts: Facts,
        *,
        habits: Habits,
        content: Sequence[str] = (),
        allowances: Sequence[Allowance] = (),
    ) -> None:
        self.noise = noise
        self.unit = unit
        self.facts = facts
        self._habits = habits
        self._content = tuple(content)
        self._allowances = allowances
        self.result = PairDifferences()

    def run(self) -> PairDifferences:
        self._part("line", Layer.REQUEST_LINE)
        self._golden_paths()
        self._own_paths()
        self._case()
        self._order()
        self._part("encoding", Layer.ENCODING)
        return self.result

    # --- layers ---

    def _part(self, name: str, layer: Layer) -> None:
        theirs: dict[str, Json] = getattr(self.facts, name)
        for key, wanted in self.noise.part(name).items():
            if key not in theirs:
                continue  # told by another fact: the coding, or the missing field
            value = theirs[key]
            if not wanted.accepts(value):
                goldens = [getattr(facts, name)[key] for facts in self.noise.facts]
                self._add_value(layer, key, Change.VALUE, wanted, value, goldens)
        first = getattr(self.noise.reference, name)
        for key in theirs:
            if key.endswith("problem") and key not in first:
                shown = as_text(theirs[key])
                found = Difference(layer, key, Change.BROKEN, NOTHING, shorten(shown))
                self.result.add(found, None)

    def _golden_paths(self) -> None:
        for path in self.noise.paths():
            if self._inside_content(path):
                continue
            if path in self.facts.values:
                self._value(path, self.facts.values[path])
            elif self._parent_is_there(path) and self.noise.always(path):
                self._presence(path, Change.REMOVED)

    def _own_paths(self) -> None:
        known = {path for facts in self.noise.facts for path in facts.values}
        for path in self.facts.values:
            if path in known or self._inside_content(path):
                continue
            parent = self.facts.parents.get(path)
            is_item = parent is not None and path.startswith("[", len(parent))
            if is_item and parent is not None and self.noise.varies_in_length(parent):
                continue
            if parent is None or (parent in known and self._same_type(parent)):
                repeated = "#" in path and path.rpartition("#")[2].isdigit()
                self._presence(path, Change.REPEATED if repeated else Change.ADDED)

    def _value(self, path: str, value: Value) -> None:
        wanted = self.noise.types(path)
        if type_of(value) not in wanted:
            goldens = self.noise.values(path)
            shown = _shown(self.noise.reference.values.get(path, goldens[0]))
            plain = [each for each in [*goldens, value] if not isinstance(each, Container)]
            cover = spelled(covering(plain)) if len(plain) == len(goldens) + 1 else "any"
            if path in self._content:
                cover = "any"
            found = Difference(
                Layer.VALUE, path, Change.TYPE, shown, _shown(value), cover=f"{path}={cover}"
            )
            raw: Json = {} if isinstance(value, Container) else value
            self.result.add(found, excuse_value(self._allowances, path, raw))
        elif not isinstance(value, Container) and path not in self._content:
            pattern = self.noise.pattern(path)
            if not pattern.accepts(value):
                layer = Layer.REQUEST_LINE if path.startswith("query:") else Layer.VALUE
                goldens_plain = [
                    each for each in self.noise.values(path) if not isinstance(each, Container)
                ]
                self._add_value(layer, path, Change.VALUE, pattern, value, goldens_plain)

    def _presence(self, path: str, kind: Change) -> None:
        golden = self.noise.values(path)
        own = self.facts.values.get(path)
        expected = _shown(golden[0]) if kind is Change.REMOVED else NOTHING
        actual = NOTHING if kind is Change.REMOVED else _shown(own)
        if kind is Change.REPEATED:
            expected = "once"
        found = Difference(
            layer_of(path), path, kind, expected, actual, cover=f"{path}={SOMETIMES}"
        )
        self.result.add(found, excuse(self._allowances, path, SOMETIMES))

    def _case(self) -> None:
        wanted = self.noise.part("spelled")
        for name, value in self.facts.spelled.items():
            if name in wanted and not wanted[name].accepts(value):
                path = f"header:{name}"
                golden = str(self.noise.reference.spelled[name])
                found = Difference(Layer.HEADER_CASE, path, Change.CASE, golden, str(value))
                self.result.add(found, excuse(self._allowances, path, "any"))

    def _order(self) -> None:
        for path, theirs in self.facts.orders.items():
            ours = self.noise.reference.orders.get(path)
            if ours is None or self._inside_content(path) or path in self._content:
                continue
            common = set(ours) & set(theirs)
            expected = [name for name in ours if name in common]
            actual = [name for name in theirs if name in common]
            groups = self._habits.groups(self.unit, self.noise.reference, path)
            is_header = path == "header:"
            if expected == actual or (groups and not is_header and path != "query:"):
                continue
            for group in groups:
                _settle(actual, expected, group)
            layer = Layer.HEADER_ORDER if is_header else Layer.MEMBER_ORDER
            layer = Layer.REQUEST_LINE if path == "query:" else layer
            for name, before, after in moved(expected, actual):
                self._moved(layer, path, name, before, after)

    def _moved(self, layer: Layer, path: str, name: str, before: str, after: str) -> None:
        place = f"{path}{name}" if path.endswith(":") else f"{path}.{name}"
        found = Difference(
            layer,
            place,
            Change.MOVED,
            f"after {before}" if before else "first",
            f"after {after}" if after else "first",
            cover=f"{place}={FREE}",
        )
        self.result.add(found, excuse(self._allowances, place, FREE))

    # --- how ---

    def _add_value(
        self,
        layer: Layer,
        path: str,
        kind: Change,
        wanted: Pattern,
        value: Json,
        goldens: Sequence[Json],
    ) -> None:
        found = Difference(
            layer,
            path,
            kind,
            shorten(str(wanted)),
            shorten(as_text(value)),
            cover=f"{path}={spelled(covering([*goldens, value]))}",
        )
        self.result.add(found, excuse_value(self._allowances, path, value))

    def _inside_content(self, path: str) -> bool:
        return any(path.startswith((f"{each}[", f"{each}.")) for each in self._content)

    def _parent_is_there(self, path: str) -> bool:
        parent = next((f.parents[path] for f in self.noise.facts if path in f.parents), None)
        if parent is None:
            return True
        return parent in self.facts.values and self._same_type(parent)

    def _same_type(self, path: str) -> bool:
        return type_of(self.facts.values[path]) in self.noise.types(path)

    def rows(self) -> list[Row]:
        """Golden and candidate side by side, path by path, in the golden's order."""
        return rows(self.noise, self.facts)


def rows(noise: Noise, facts: Facts) -> list[Row]:
    """Golden and candidate side by side."""
    first = noise.reference
    out = [
        Row(name, as_text(value), _maybe(facts.line, name)) for name, value in first.line.items()
    ]
    paths = list(first.values)
    own = list(facts.values)
    for at, path in enumerate(own):
        if path not in first.values:
            before = own[at - 1] if at else None
            paths.insert(paths.index(before) + 1 if before else 0, path)
    for path in paths:
        varies = ""
        if path in first.values and not isinstance(first.values[path], Container):
            plain = [each for each in noise.values(path) if not isinstance(each, Container)]
            pattern = noise.pattern(path) if len(plain) == len(noise.values(path)) else None
            varies = str(pattern) if pattern is not None and pattern.op != "const" else ""
        golden = _shown(first.values[path]) if path in first.values else None
        candidate = _shown(facts.values[path]) if path in facts.values else None
        out.append(Row(path, golden, candidate, varies))
    return out + [
        Row(name, as_text(value), _maybe(facts.encoding, name))
        for name, value in first.encoding.items()
    ]


def _maybe(part: dict[str, Json], name: str) -> str | None:
    return as_text(part[name]) if name in part else None


def _settle(actual: list[str], expected: list[str], group: frozenset[str]) -> None:
    """Puts the names of a group, whose order is random, as the golden has them."""
    inside = [index for index, name in enumerate(actual) if name in group]
    names = sorted((actual[index] for index in inside), key=expected.index)
    for index, name in zip(inside, names, strict=True):
        actual[index] = name


def _shown(value: Value) -> str:
    if isinstance(value, Container):
        return value.type
    return shorten(as_text(value))
