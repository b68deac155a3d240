"""Finished responses, as a later request may continue them. Pure: no clock, no storage.

A snapshot says to which conversation a response belongs, which one it continued, and what the
provider needs to know to go on from it. The items themselves are kept apart (:mod:`.responses`),
for callers that have not said ``store: false``.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

type JsonObject = dict[str, Any]

MAX_ID: Final = 256
"""Longest response id, in characters."""

MAX_METADATA_BYTES: Final = 4096
"""Most bytes of what a provider attaches to one response, as JSON."""

NOT_STORED: Final = -1
"""The size of a response whose items are not kept."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One completed response.

    Attributes:
        id: of the response, as the upstream gave it.
        principal: whose it is; nobody else finds it.
        conversation: key of the conversation.
        account: opaque handle of the account that answered.
        made: unix seconds.
        kept: unix seconds at which its time to live began.
        parent: the response that it continued; "" for none.
        child: the first response that continued it; a second one makes a fork.
        base: its items are the whole history: it has replaced what was before, or continues
            nothing.
        size: bytes of its items, or :data:`NOT_STORED`.
        metadata: by provider name, see :func:`checked_metadata`.
    """

    id: str
    principal: str
    conversation: str
    account: str
    made: float
    kept: float
    parent: str = ""
    child: str = ""
    base: bool = True
    size: int = NOT_STORED
    metadata: Mapping[str, JsonObject] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Under which it is kept: the same id of two principals is two responses."""
        return snapshot_key(self.principal, self.id)

    @property
    def stored(self) -> bool:
        """Whether its items are kept."""
        return self.size != NOT_STORED


def snapshot_key(principal: str, response_id: str) -> str:
    """Key of a response; response ids are checked by :func:`is_response_id`."""
    return f"{principal}:{response_id}"


def is_response_id(value: Any) -> bool:
    """Whether this can be the id of a response: 1 to 256 printable ASCII characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID
        and value.isascii()
        and value.isprintable()
    )


def checked_metadata(provider: str, value: JsonObject) -> Mapping[str, JsonObject]:
    """What a provider attaches, under its name.

    Raises:
        ValueError: no JSON object, or larger than :data:`MAX_METADATA_BYTES`.
    """
    if not provider or not isinstance(value, dict):
        raise ValueError("a provider attaches a JSON object under its name")
    if not all(isinstance(name, str) for name in value):
        raise ValueError(f"{provider}: members of the attached object must have names")
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"{provider}: what is attached must be JSON: {error}") from None
    if len(text) > MAX_METADATA_BYTES:
        raise ValueError(
            f"{provider}: {len(text)} bytes are attached; at most {MAX_METADATA_BYTES} may be"
        )
    return {provider: json.loads(text)}


_STORED = TypeAdapter(Snapshot)


def dumped(snapshot: Snapshot) -> JsonObject:
    """As JSON, for :func:`loaded`."""
    return asdict(snapshot)


def loaded(data: Any) -> Snapshot:
    """
    Raises:
        ValueError: not of :func:`dumped`'s form.
    """
    try:
        snapshot = _STORED.validate_python(data)
        for provider, value in snapshot.metadata.items():
            checked_metadata(provider, value)
    except ValidationError as error:
        raise ValueError(f"a kept response is malformed: {error.errors()[0]['msg']}") from None
    if not is_response_id(snapshot.id):
        raise ValueError("a kept response is malformed: its id")
    return snapshot


class Snapshots:
    """The snapshots of all principals, within bounds.

    When there are too many, or too many bytes of items, the oldest go first: those of the
    principal that has most, so that a busy one does not push out a quiet one.

    Args:
        limit: snapshots.
        item_bytes: bytes of items.
    """

    def __init__(self, limit: int = 20_000, item_bytes: int = 64 * 1024 * 1024) -> None:
        self._limit = limit
        self._item_bytes = item_bytes
        self._known: dict[str, OrderedDict[str, Snapshot]] = {}
        self._bytes: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(len(known) for known in self._known.values())

    def __iter__(self) -> Iterator[Snapshot]:
        """Those of one principal after the other, its oldest first."""
        for known in self._known.values():
            yield from known.values()

    @property
    def item_bytes(self) -> int:
        """Bytes of items, over all principals."""
        return sum(self._bytes.values())

    def find(self, principal: str, response_id: str) -> Snapshot | None:
        known = self._known.get(principal)
        return known.get(response_id) if known else None

    def add(self, snapshot: Snapshot) -> list[Snapshot]:
        """Take a snapshot in; those that had to go for it, itself perhaps among them."""
        self.drop(snapshot.principal, snapshot.id)
        known = self._known.setdefault(snapshot.principal, OrderedDict())
        known[snapshot.id] = snapshot
        self._count(snapshot, 1)
        gone: list[Snapshot] = []
        while len(self) > self._limit:
            gone.append(self._oldest(max(self._known, key=lambda name: len(self._known[name]))))
        while self.item_bytes > self._item_bytes:
            gone.append(self._oldest(max(self._bytes, key=self._bytes.__getitem__), stored=True))
        return gone

    def change(self, snapshot: Snapshot, **members: Any) -> Snapshot:
        """The same snapshot with other members; its place among the others stays."""
        changed = replace(snapshot, **members)
        known = self._known.get(snapshot.principal)
        if known is not None and snapshot.id in known:
            known[snapshot.id] = changed
        return changed

    def drop(self, principal: str, response_id: str) -> Snapshot | None:
        """Forget one."""
        known = self._known.get(principal)
        snapshot = known.pop(response_id, None) if known else None
        if snapshot is not None:
            self._count(snapshot, -1)
            if not known:
                del self._known[principal]
        return snapshot

    def expire(self, before: float) -> list[Snapshot]:
        """Forget those whose time to live began before this; what was forgotten."""
        late = [snapshot for snapshot in self if snapshot.kept < before]
        for snapshot in late:
            self.drop(snapshot.principal, snapshot.id)
        return late

    def _oldest(self, principal: str, *, stored: bool = False) -> Snapshot:
        known = self._known[principal]
        name = next(key for key, each in known.items() if each.stored or not stored)
        snapshot = self.drop(principal, name)
        assert snapshot is not None
        return snapshot

    def _count(self, snapshot: Snapshot, sign: int) -> None:
        if snapshot.stored:
            total = self._bytes.get(snapshot.principal, 0) + sign * snapshot.size
            self._bytes[snapshot.principal] = total
            if not total:
                del self._bytes[snapshot.principal]
