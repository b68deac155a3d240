"""The vocabulary: what a client's releases call things, as data for the learner.

``fingerprints/vocabulary/<client>.yaml``. A client without one is learned too, without roles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fingerprints.errors import ProfileError
from fingerprints.json_values import JsonType
from fingerprints.learn import described
from fingerprints.roles import ROLES

SHELF = Path(__file__).parents[1] / "vocabulary"
"""Folder of the shipped vocabularies."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class KindRule(_Part):
    """How a kind of request is told.

    Attributes:
        kind: its name.
        upgrade: it asks for a WebSocket.
        message: it is a message on one.
        method: HTTP method; "" for any.
        path: glob of the path without its query.
        marks: values that must be there, by ``header:NAME…`` or ``body:MEMBER…``.
    """

    kind: str
    upgrade: bool = False
    message: bool = False
    method: str = ""
    path: str = "*"
    marks: dict[str, Any] = Field(default_factory=dict)


class Mark(_Part):
    """A value at a place."""

    at: str
    is_: Any = Field(alias="is")


class ShapeRule(_Part):
    """A body shape: any of the marks tells it; without marks it is the shape of the rest."""

    name: str
    marks: tuple[Mark, ...] = ()


class ContentRule(_Part):
    """A member that the caller brings; type and default of the recordings where none is given.

    Attributes:
        items: it holds the items of the input, for which the profile has rules.
    """

    items: bool = False
    type: JsonType | None = None
    default: Any = None


class Candidates(_Part):
    """Looked for in all recordings."""

    headers: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


class ItemWords(_Part):
    """What is known of the items of the input.

    Attributes:
        upstream: kinds of items (type and role) that the upstream makes: their ids are its own.
        fields: member -> role.
        given: members, or ``DOCUMENT.MEMBER``, that are as the upstream gave them, if it did.
        free: members of any JSON type.
        defaults: member -> value that the client puts there where the caller brings none.
        parts: ``DOCUMENT.MEMBER`` -> what a writer says of a part, by its type; ``*`` for others.
    """

    upstream: tuple[str, ...] = ()
    fields: dict[str, str] = Field(default_factory=dict)
    given: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    defaults: dict[str, Any] = Field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Vocabulary(_Part):
    """See the comments in ``vocabulary/codex.yaml``, which has every field."""

    client: str
    hosts: tuple[str, ...] = ()
    kinds: tuple[KindRule, ...] = ()
    prefixes: tuple[str, ...] = ()
    kind_said_at: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    model_said_at: tuple[str, ...] = ()
    shapes: tuple[ShapeRule, ...] = (ShapeRule(name="full"),)
    documents: dict[str, str] = Field(default_factory=dict)
    lists: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    templates: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    environment: tuple[str, ...] = ()
    model_defaults: tuple[str, ...] = ()
    enumerated: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    content: dict[str, ContentRule] = Field(default_factory=dict)
    shared_by_subagents: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    unguarded: tuple[str, ...] = ()
    items: ItemWords = ItemWords()
    never: Candidates = Candidates()
    originators: dict[str, str] = Field(default_factory=dict)

    def unknown_roles(self) -> list[str]:
        """Role names that :mod:`fingerprints.roles` does not have."""
        named = {role for roles in self.fields.values() for role in roles}
        named |= {*self.environment, *self.model_defaults, *self.enumerated}
        named |= {*self.opaque, *self.conditions, *self.shared_by_subagents}
        named |= {*self.given, *self.unguarded, *self.items.fields.values()}
        return sorted(named - ROLES.keys())


def load(client: str, file: Path | None = None) -> Vocabulary:
    """The vocabulary of a client; an empty one where none is shipped.

    Raises:
        ProfileError: it cannot be read; names file, field and problem.
    """
    chosen = file or SHELF / f"{client}.yaml"
    if file is None and not chosen.exists():
        return Vocabulary(client=client)
    vocabulary = described.read(Vocabulary, chosen, "fingerprints/learn/vocabulary.py")
    if unknown := vocabulary.unknown_roles():
        raise ProfileError(
            f"no role is called {', '.join(unknown)}",
            file=chosen,
            remedy="Roles are listed in fingerprints/roles.py",
        )
    return vocabulary
