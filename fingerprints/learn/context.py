"""What the lists of a release share: roles, turns, the conditions of a sample. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fingerprints.learn.conditions import Case
from fingerprints.learn.naming import Naming
from fingerprints.learn.samples import Sample
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.roles import ROLES


class Context:
    """What the lists of a release share.

    Args:
        samples: all of them.
    """

    def __init__(
        self, samples: Sequence[Sample], naming: Naming, vocabulary: Vocabulary, release: str
    ) -> None:
        self.naming = naming
        self.vocabulary = vocabulary
        self.release = release
        self.pool = {
            role: sorted(
                {text for roles in naming.values.values() for text in roles.get(role, {}).values()}
            )
            for role in vocabulary.enumerated
        }
        self._first: dict[tuple[str, str], tuple[int, int]] = {}
        for sample in samples:
            turn = naming.role(sample, "turn_id")
            if turn is not None:
                place = (sample.number, sample.message)
                key = (sample.recording, turn)
                self._first[key] = min(place, self._first.get(key, place))

    def later_in_turn(self, sample: Sample) -> bool:
        """Whether another request of the turn came before it in the recording."""
        turn = self.naming.role(sample, "turn_id")
        first = self._first.get((sample.recording, turn)) if turn is not None else None
        return first is not None and first != (sample.number, sample.message)

    def case(self, sample: Sample, names: Sequence[str]) -> Case:
        """A sample as far as conditions go."""
        traits = [(name, sample.trait(name)) for name in names]
        later = str(self.later_in_turn(sample))
        setting = (sample.scenario, sample.surface, str(sample.git), later)
        return Case(tuple(traits), self.roles(sample), setting)

    def roles(self, sample: Sample) -> frozenset[str]:
        """Roles with a value in the sample; a message has those of its connection, too."""
        own = self.naming.roles(sample)
        if sample.message < 0:
            return own
        upgrade = self.naming.roles(replace(sample, message=-1))
        return own | {role for role in upgrade if ROLES[role].stable}
