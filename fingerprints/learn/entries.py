"""A list of fields as the entries of a profile: order, presence, values, evidence. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fingerprints.learn.choices import Seen
from fingerprints.learn.conditions import TRAITS, Condition, Explained, both, explain
from fingerprints.learn.context import Context
from fingerprints.learn.lists import FieldList, Instance
from fingerprints.learn.order import Order, order_of
from fingerprints.learn.samples import Sample
from fingerprints.learn.values import Part, Values
from fingerprints.profile import Document, Entry, Presence, When

SHOWN_EXAMPLES = 3
"""Values of an unexplained field that are shown."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an entry rests on.

    Attributes:
        path: ``headers.responses.version``, ``documents.turn_metadata.turn_id``.
        entry: as in the profile.
        seen, of: in how many of the list's instances it was.
        recordings: names of the traces that have it.
        everywhere: these are all traces that have the list.
    """

    path: str
    entry: Entry
    seen: int
    of: int
    recordings: tuple[str, ...]
    everywhere: bool


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A field whose value no role and no rule explains, or whose presence nothing does.

    Attributes:
        path: as of :class:`Evidence`.
        what: what is not known.
        examples: some of its values.
        recordings: names of the traces that have it.
    """

    path: str
    what: str
    examples: tuple[str, ...]
    recordings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Learned:
    """A list as it goes into the profile.

    Attributes:
        entries: in wire order.
        random: groups of names whose order among each other is random.
        strings: of a document: all values are strings.
    """

    entries: tuple[Entry, ...]
    random: tuple[tuple[str, ...], ...]
    strings: bool
    evidence: tuple[Evidence, ...]
    unexplained: tuple[Unexplained, ...]


def document_of(learned: Learned) -> Document:
    """A learned list as a document."""
    return Document(
        order="free" if learned.random else "fixed",
        strings=learned.strings,
        members=learned.entries,
    )


type Inference = Callable[[str, Seen], list[Part]]
"""The parts of a field, from its name and where it was seen."""


def learn_list(
    listed: FieldList,
    context: Context,
    inference: Inference | None = None,
    traits: Sequence[str] = (),
) -> Learned:
    """The entries of a list.

    Args:
        inference: in the place of what roles and values say.
        traits: conditions that may explain something; all that the list has when none are given.
    """
    return _Learner(listed, context, inference, traits).learn()


class _Learner:
    def __init__(
        self,
        listed: FieldList,
        context: Context,
        inference: Inference | None,
        traits: Sequence[str],
    ) -> None:
        self.listed = listed
        self.context = context
        self.naming = context.naming
        self.vocabulary = context.vocabulary
        self.inference = inference
        names = traits or (TRAITS if listed.of == "headers" else TRAITS[:-1])
        self.cases = [context.case(each.sample, names) for each in listed.instances]
        self.strings = _strings(listed)
        self.evidence: list[Evidence] = []
        self.unexplained: list[Unexplained] = []

    def learn(self) -> Learned:
        order = self._order()
        parts = {key: self._parts(key) for key in self.listed.names}
        entries: list[Entry] = []
        for place in order.places:
            for part, explained in parts[place.name]:
                entry = self._entry(place.name, place.condition, part, explained)
                if entry is not None:
                    entries.append(entry)
        return Learned(
            tuple(entries),
            order.random,
            self.strings,
            tuple(self.evidence),
            tuple(self.unexplained),
        )

    @property
    def _path(self) -> str:
        return f"{'headers' if self.listed.of == 'headers' else 'documents'}.{self.listed.name}"

    def _order(self) -> Order:
        rows = [
            [self.listed.key(name) for name, _ in instance.items]
            for instance in self.listed.instances
        ]
        return order_of(rows, self.cases)

    # --- one field ---------------------------------------------------------------------------

    def _seen(self, key: str) -> Seen:
        out = []
        for index, instance in enumerate(self.listed.instances):
            for name, value in instance.items:
                if self.listed.key(name) == key:
                    out.append((index, instance, value))
                    break
        return out

    def _parts(self, key: str) -> list[tuple[Part, Explained]]:
        """The parts of a field, each with its presence."""
        seen = self._seen(key)
        found = self.naming.found(self.listed, key)
        guards = self._guards(found.role)
        whole = self._presence(key, seen, found.role, guards)
        if self.inference is not None:
            return [(part, whole) for part in self.inference(key, seen)]
        values = Values(
            self.listed,
            self.vocabulary,
            self.context.release,
            self.cases,
            strings=self.strings,
            guards=guards,
            pool=self.context.pool,
        )
        parts = values.parts(key, seen, found)
        there = {index for index, _, _ in seen}
        present = [index in there for index in range(len(self.cases))]
        out = []
        for part in parts:
            if part.condition == Condition():
                out.append((part, whole))
                continue
            own = self._own(part, whole, present, guards)
            out.append((part, own))
        self._judge(key, seen, parts)
        return out

    def _own(
        self, part: Part, whole: Explained, present: Sequence[bool], guards: Sequence[str]
    ) -> Explained:
        """The presence of one of several parts."""
        joined = both(whole.condition, part.condition)
        if whole.always:
            return Explained(True, joined)
        inside = [
            flag and part.condition.meets(case)
            for flag, case in zip(present, self.cases, strict=True)
        ]
        own = explain(inside, self.cases, guards)
        return own if own.always else Explained(False, joined)

    def _presence(self, key: str, seen: Seen, role: str | None, guards: Sequence[str]) -> Explained:
        there = {index for index, _, _ in seen}
        present = [index in there for index in range(len(self.cases))]
        whole = explain(present, self.cases, () if self.inference else guards)
        if whole.always and (role in self.vocabulary.given or self._given(key)):
            return Explained(False, whole.condition)
        return whole

    def _given(self, key: str) -> bool:
        """Whether a member of an item is there because the upstream said so."""
        words = self.vocabulary.items.given if self.inference is not None else ()
        return key in words or f"{self.listed.name}.{key}" in words

    def _guards(self, role: str | None) -> list[str]:
        """Roles whose presence may explain that of a field; of its own and later ones, none."""
        if role in self.vocabulary.unguarded:
            return []
        known = list(self.vocabulary.conditions)
        return known[: known.index(role)] if role in known else known

    def _judge(self, key: str, seen: Seen, parts: Sequence[Part]) -> None:
        if not any(part.unexplained for part in parts):
            return
        texts = Counter(str(value) for _, _, value in seen)
        examples = sorted(texts, key=lambda text: (-texts[text], text))[:SHOWN_EXAMPLES]
        self.unexplained.append(
            Unexplained(
                f"{self._path}.{key}",
                "no role, and no constant",
                tuple(text if len(text) <= 80 else f"{text[:80]}…" for text in examples),
                tuple(sorted({instance.sample.recording for _, instance, _ in seen})),
            )
        )

    # --- its entries -------------------------------------------------------------------------

    def _entry(self, key: str, place: Condition, part: Part, explained: Explained) -> Entry | None:
        condition = both(place, explained.condition)
        if any(not values for _, values in condition.traits):
            return None  # this part never stands here
        seen = [
            (instance, name)
            for (index, instance, _), name in zip(
                self._seen(key), self._spellings(key), strict=True
            )
            if condition.meets(self.cases[index]) and part.condition.meets(self.cases[index])
        ]
        if not seen:
            return None
        when = {**condition.as_data(), **_place(self.listed, key)}
        # What floway does not build it can only pass on: a request without it must be possible.
        passed_on = part.unexplained and not self.listed.built and part.default is None
        always = explained.always and not passed_on
        entry = Entry(
            name=_spelling(seen),
            value=part.matcher,
            role=part.role,
            equal=part.equal,
            default=part.default,
            presence=Presence.ALWAYS if always else Presence.SOMETIMES,
            when=When.model_validate(when),
            reason=part.reason
            or self._reason(key, explained, passed_on=passed_on)
            or _plain_reason(part),
        )
        recordings = tuple(sorted({instance.sample.recording for instance, _ in seen}))
        every = {instance.sample.recording for instance in self.listed.instances}
        self.evidence.append(
            Evidence(
                f"{self._path}.{key}",
                entry,
                len(seen),
                sum(condition.meets(case) for case in self.cases),
                recordings,
                set(recordings) == every,
            )
        )
        return entry

    def _spellings(self, key: str) -> list[str]:
        out = []
        for instance in self.listed.instances:
            for name, _ in instance.items:
                if self.listed.key(name) == key:
                    out.append(name)
                    break
        return out

    def _reason(self, key: str, explained: Explained, *, passed_on: bool) -> str:
        """What the recordings say of a field that is there sometimes."""
        if explained.always:
            return "in every recording, from a source that is not known" if passed_on else ""
        if self._given(key):
            return "as the upstream gave it"
        there = {index for index, _, _ in self._seen(key)}
        samples = [instance.sample for instance in self.listed.instances]
        meets = [explained.condition.meets(case) for case in self.cases]
        chosen = [index for index, flag in enumerate(meets) if flag]
        for what, holds in _SETTINGS.items():
            flags = [holds(self, samples[index]) for index in chosen]
            if any(flags) and all(
                flag == (index in there) for flag, index in zip(flags, chosen, strict=True)
            ):
                return what
        for what, holds in _SETTINGS.items():
            if all(holds(self, samples[index]) for index in chosen if index in there) and not all(
                holds(self, samples[index]) for index in chosen
            ):
                return f"{what}, and not always"
        return "what explains its presence is not known"


def _plain_reason(part: Part) -> str:
    """What the recordings say of a field that is there always."""
    if part.unexplained:
        return "not explained"
    if part.role is not None:
        return "by its name, and no recording contradicts"
    match part.matcher.op:
        case "const":
            return "the same in every recording"
        case "template" | "any_of":
            return "made of these in every recording"
        case "document" | "json":
            return "an object of its own"
        case "content" | "items":
            return "the caller's"
        case _:
            return "of this form in every recording"


def _is_later(learner: _Learner, sample: Sample) -> bool:
    return learner.context.later_in_turn(sample)


def _in_git(_learner: _Learner, sample: Sample) -> bool:
    return sample.git


def _is_tui(_learner: _Learner, sample: Sample) -> bool:
    return sample.surface == "tui"


def _is_exec(_learner: _Learner, sample: Sample) -> bool:
    return sample.surface == "exec"


_SETTINGS = {
    "only from the second request of a turn": _is_later,
    "only in a git folder": _in_git,
    "only from the terminal UI": _is_tui,
    "only from exec": _is_exec,
}
"""What may explain a presence that no condition of the profile can say."""


def _strings(listed: FieldList) -> bool:
    """Whether a document holds strings only, numbers and truth values as their text among them."""
    if listed.of == "headers":
        return True
    values = [value for each in listed.instances for _, value in each.items]
    if not values or not all(isinstance(value, str) for value in values):
        return False
    return any(value in ("true", "false") or value.isdecimal() for value in values)


def _place(listed: FieldList, key: str) -> dict[str, list[str]]:
    """Where a member stands of a document that is both in a header and in the body: only in one of
    them, if requests that have both say so and no request says otherwise."""
    if listed.of == "headers":
        return {}
    places: dict[str, dict[str, bool]] = defaultdict(dict)
    for instance in listed.instances:
        surface = instance.path.partition(":")[0]
        has = any(name == key for name, _ in instance.items)
        here = places[instance.sample.name]
        here[surface] = here.get(surface, False) or has
    for one, other in (("body", "header"), ("header", "body")):
        only = [here for here in places.values() if here.get(one) and here.get(other) is False]
        if len(only) > 1 and not any(here.get(other) for here in places.values()):
            return {"place": [one]}
    return {}


def _spelling(seen: Sequence[tuple[Instance, str]]) -> str:
    """A header's name: as HTTP/1.1 shows it, since HTTP/2 has lower case only."""
    old = [name for instance, name in seen if instance.sample.http != "HTTP/2.0"]
    counts = Counter(old or [name for _, name in seen])
    return max(sorted(counts), key=lambda name: counts[name])
