"""Fields of a profile: headers and members, with what they may be and when they are there."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from fingerprints.matchers import AnyOf, Const, Matcher, Template, Version, compact
from fingerprints.roles import ROLES
from fingerprints.serial import ascii_text


def _many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


type Names = Annotated[tuple[str, ...], BeforeValidator(_many)]
"""One name or a list of names."""

type Value = Annotated[Matcher, PlainSerializer(compact)]


class Presence(StrEnum):
    """How often a field is there, where it applies."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    NEVER = "never"


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class When(Part):
    """Where an entry applies; all that is given must hold. Empty lists hold everywhere.

    Attributes:
        kind: kinds of request, as in ``requests``.
        transport: ``http`` or ``websocket``.
        shape: body shapes, as in ``shapes``.
        sign_in: ``chatgpt`` or ``api_key``.
        http: HTTP versions, ``HTTP/1.1`` or ``HTTP/2.0``.
        has: roles that have a value in this request.
        lacks: roles that have none.
        place: ``header`` or ``body``: of a document that stands in both, the only one with it.
    """

    kind: Names = ()
    transport: Names = ()
    shape: Names = ()
    sign_in: Names = ()
    http: Names = ()
    has: Names = ()
    lacks: Names = ()
    place: Names = ()


class Entry(Part):
    """A header or a member.

    Attributes:
        name: as on the wire, with its letter case.
        value: what it may be.
        role: the role that fills it, and that makes it equal to the role's other places.
        equal: False where recordings show that it may differ from the role's other places.
        default: what the recorded client says where it has nothing particular to say; used when
            neither a role nor the caller's content has a value and the field is always there.
        presence: how often it is there where ``when`` holds.
        when: where it applies at all.
        reason: why it is as it is, or what is known of it.
        evidence: recordings behind it, by their name in ``recorded.evidence``.
        seen: ``12/40``: in how many of the requests that meet ``when`` it was.
    """

    name: str = Field(min_length=1)
    value: Value
    role: str | None = None
    equal: bool = True
    default: Any = None
    presence: Presence = Presence.ALWAYS
    when: When = When()
    reason: str = ""
    evidence: Names = ()
    seen: str = ""

    @model_validator(mode="after")
    def _roles_exist(self) -> Self:
        named = {*self.when.has, *self.when.lacks, *templated(self.value)}
        if self.role is not None:
            named.add(self.role)
        if unknown := sorted(named - ROLES.keys()):
            raise ValueError(
                f"role {', '.join(unknown)} does not exist; roles are listed in fingerprints/"
                "roles.py. A field whose source is not known has no role"
            )
        return self


def templated(matcher: Matcher) -> set[str]:
    """Roles inside the templates of a matcher."""
    match matcher:
        case Template():
            return set(matcher.roles)
        case AnyOf(options=options):
            return set().union(*(templated(option) for option in options))
        case _:
            return set()


class Document(Part):
    """An object with ordered members.

    Attributes:
        order: ``fixed``, or ``free`` for a map whose order is random on every request.
        strings: all values are strings (numbers and booleans as their text).
        members: in wire order.
        reason: what it is.
    """

    order: Literal["fixed", "free"] = "fixed"
    strings: bool = False
    reason: str = ""
    members: tuple[Entry, ...]

    @property
    def placed(self) -> frozenset[str]:
        """Members that stand only in one of the document's places."""
        return frozenset(entry.name for entry in self.members if entry.when.place)

    def shared(self, text: str, data: Any) -> str:
        """What of a JSON text all its places have."""
        placed = self.placed
        if not placed or not isinstance(data, dict):
            return text
        return ascii_text({name: value for name, value in data.items() if name not in placed})


def constant(matcher: Matcher, release: str) -> tuple[bool, Any]:
    """Whether a matcher leaves no choice, and the value that it forces."""
    match matcher:
        case Const(value=value):
            return True, value
        case Version():
            return True, release
        case _:
            return False, None
