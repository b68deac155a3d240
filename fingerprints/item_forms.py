"""How a release writes the items of the input: the profile's item rules, ready to be applied.

Only what a writer of items needs: the members that identify an item and say where it comes from.
What an item says (content, arguments, output) is the caller's. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fingerprints.entry import Entry, Presence, constant
from fingerprints.errors import ProfileError
from fingerprints.matchers import Nested, PerPart, Prefixed, Uuid
from fingerprints.profile import ItemRule, Profile
from fingerprints.roles import Json
from fingerprints.variant import Variant

ANY_PART = "*"
"""Key of a default for parts of all other types."""

_MADE_BY_WRITER = {"item_id", "item_turn_id", "item_create_time"}


@dataclass(frozen=True, slots=True)
class MetadataMember:
    """One member of an item's metadata.

    Attributes:
        source: ``turn``: id of the item's turn; ``time``: unix seconds; ``parts``: one value for
            each part of the content; ``value``: always ``value``.
        by_part: with ``parts``: value by the part's type, :data:`ANY_PART` for others.
    """

    name: str
    source: Literal["turn", "time", "parts", "value"]
    value: Json = None
    by_part: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class ItemForm:
    """How one kind of item is written.

    Attributes:
        order: members in wire order.
        prefix: what ids begin with; "" for items that are sent without one.
        uuid: version of the UUID behind the prefix; None where ids are the upstream's own.
        metadata: the member that says where the item comes from; "" for none.
        metadata_members: in wire order.
        fixed: members that are always there, with the value that they have unless the caller
            brings another.
    """

    order: tuple[str, ...]
    prefix: str = ""
    uuid: int | None = None
    metadata: str = ""
    metadata_members: tuple[MetadataMember, ...] = ()
    fixed: tuple[tuple[str, Json], ...] = ()
    place: Mapping[str, int] = field(init=False, repr=False, compare=False)
    """Index in ``order`` by member."""

    def __post_init__(self) -> None:
        places = {name: index for index, name in enumerate(self.order)}
        object.__setattr__(self, "place", places)


class ItemForms:
    """The forms of one body shape.

    Args:
        shape: one of the profile's shapes.

    Raises:
        ProfileError: a member of an item is always sent and nothing says with what.
    """

    def __init__(self, profile: Profile, shape: str) -> None:
        self._profile = profile
        self._variant = Variant("turn", "http", shape, "chatgpt")
        self._rules: list[tuple[ItemRule, ItemForm]] = []
        self._known: dict[tuple[str, str], ItemForm | None] = {}
        for rule in profile.items:
            if rule.shape and shape not in rule.shape:
                continue
            self._rules.append((rule, self._form(rule)))

    def of(self, kind: str, role: str = "", *, leading: bool = False) -> ItemForm | None:
        """The form of an item; None where the release was never seen to send such an item.

        Args:
            kind: ``type`` of the item.
            role: ``role`` of the item, "" for none.
            leading: it is the message that has the instructions.
        """
        if leading:
            return self._find(kind, role, leading=True) or self._find(kind, role)
        key = (kind, role)
        try:
            return self._known[key]
        except KeyError:
            found = self._find(kind, role)
            if len(self._known) < 256:
                self._known[key] = found
            return found

    def _find(self, kind: str, role: str, *, leading: bool = False) -> ItemForm | None:
        for rule, form in self._rules:
            if rule.leading is leading and rule.fits(kind, role, self._variant.shape):
                return form
        return None

    def _form(self, rule: ItemRule) -> ItemForm:
        entries = self._variant.entries(self._profile.documents[rule.document].members)
        prefix, uuid, metadata = "", None, ""
        members: tuple[MetadataMember, ...] = ()
        fixed: list[tuple[str, Json]] = []
        for entry in entries:
            if entry.role == "item_id":
                prefix, uuid = _id(entry)
            elif isinstance(entry.value, Nested) and self._is_metadata(entry.value.document):
                metadata, members = entry.name, self._metadata(entry.value.document)
            elif entry.default is not None and entry.presence is Presence.ALWAYS:
                fixed.append((entry.name, entry.default))
        order = tuple(dict.fromkeys(entry.name for entry in entries))
        return ItemForm(order, prefix, uuid, metadata, members, tuple(fixed))

    def _is_metadata(self, document: str) -> bool:
        members = self._profile.documents[document].members
        return any(
            entry.role in _MADE_BY_WRITER or isinstance(entry.value, PerPart) for entry in members
        )

    def _metadata(self, document: str) -> tuple[MetadataMember, ...]:
        out = []
        for entry in self._variant.entries(self._profile.documents[document].members):
            made = _metadata_member(entry)
            if made is not None:
                out.append(made)
            elif entry.presence is Presence.ALWAYS:
                raise ProfileError(
                    f"{document}.{entry.name} is always sent, and nothing says with what",
                    field=f"documents.{document}",
                    remedy="Give it a role, a constant or a default, or presence sometimes",
                )
        return tuple(out)


def item_forms(profile: Profile, shape: str) -> ItemForms:
    """The forms of a shape, made once.

    Raises:
        ProfileError: as :class:`ItemForms`.
    """
    return profile.compiled(("items", shape), lambda: ItemForms(profile, shape))


def _id(entry: Entry) -> tuple[str, int | None]:
    match entry.value:
        case Prefixed(prefix=prefix, rest=Uuid(versions=versions)):
            return prefix, versions[0]
        case Prefixed(prefix=prefix):
            return prefix, None
        case _:
            return "", None


def _metadata_member(entry: Entry) -> MetadataMember | None:
    if entry.role == "item_turn_id":
        return MetadataMember(entry.name, "turn")
    if entry.role == "item_create_time":
        return MetadataMember(entry.name, "time")
    if isinstance(entry.value, PerPart):
        if isinstance(entry.default, dict):
            return MetadataMember(entry.name, "parts", by_part=entry.default)
        forced, value = constant(entry.value.item, "")
        return MetadataMember(entry.name, "parts", by_part={ANY_PART: value}) if forced else None
    forced, value = constant(entry.value, "")
    if forced or entry.default is not None:
        return MetadataMember(entry.name, "value", value if forced else entry.default)
    return None
