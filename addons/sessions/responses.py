"""The responses that can be continued: snapshots in memory, items in the store until asked for.

A response is committed once it is complete; what failed or broke off leaves nothing. Writing is
behind (:mod:`addons.store.write_behind`), so that no answer waits for it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from addons.errors import BadRequest
from addons.sessions.snapshots import (
    NOT_STORED,
    JsonObject,
    Snapshot,
    Snapshots,
    dumped,
    is_response_id,
    loaded,
    snapshot_key,
)
from addons.store.contract import MAX_SCAN, MAX_VALUE_BYTES, Store, StoreError
from addons.store.write_behind import WriteBehind
from fingerprints.serial import dumps, loads

logger = logging.getLogger(__name__)

HEADS: Final = "responses"
ITEMS: Final = "responses.items"
MAX_CHAIN: Final = 2000
"""Most responses that one request may continue, one after the other."""

MEMORY_BYTES: Final = 4 * 1024 * 1024
"""Bytes of items that are in memory as well, the ones used last; others are read from the store."""

_SWEEP_EVERY = 256
_PARAM = "previous_response_id"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept, and how much of it one request may use.

    Attributes:
        seconds: from a response's last use until it is forgotten.
        item_bytes: of items that are kept in all; 0: none are.
        continue_bytes: of items that one request may continue.
    """

    seconds: float = 7 * 86_400.0
    item_bytes: int = 64 * 1024 * 1024
    continue_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pending:
    """What is known of a response before it is complete; belongs to one attempt.

    Attributes:
        items: of the request, as the caller gave them; None: nothing of it is to be kept.
        parent: the response that the caller continues; "" for none.
        base: the items are the whole history, see :class:`~.snapshots.Snapshot`.
        metadata: by provider name.
        parent_metadata: likewise, what is to be known of the parent from now on.
    """

    principal: str
    conversation: str
    account: str
    items: Sequence[Any] | None = None
    parent: str = ""
    base: bool = True
    metadata: Mapping[str, JsonObject] = field(default_factory=dict)
    parent_metadata: Mapping[str, JsonObject] = field(default_factory=dict)


class ResponseLog:
    """All responses of one floway.

    Args:
        store: None: what is known ends with the process.
        clock: unix seconds.
    """

    def __init__(
        self, store: Store | None, behind: WriteBehind, limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._behind = behind
        self._limits = limits
        self._clock = clock
        self._snapshots = Snapshots(item_bytes=limits.item_bytes)
        self._items: OrderedDict[str, bytes] = OrderedDict()
        self._items_size = 0
        self._commits = 0

    def __len__(self) -> int:
        return len(self._snapshots)

    async def load(self) -> None:
        """Fetch the snapshots that the store has kept; their items stay there until asked for."""
        if self._store is None:
            return
        found: list[Snapshot] = []
        after = ""
        while records := await self._store.scan(HEADS, after=after):
            after = records[-1].key
            for record in records:
                try:
                    found.append(loaded(record.value))
                except ValueError as error:  # of another version, say
                    logger.warning("%s", error)
            if len(records) < MAX_SCAN:
                break
        for snapshot in sorted(found, key=lambda each: each.made):
            self._forget(self._snapshots.add(snapshot))

    # --- finding -----------------------------------------------------------------------------

    def find(self, principal: str, response_id: Any) -> Snapshot | None:
        """A response of this principal, from memory; None for one that is not known or too old."""
        if not is_response_id(response_id):
            return None
        snapshot = self._snapshots.find(principal, response_id)
        if snapshot is not None and snapshot.kept + self._limits.seconds <= self._clock():
            return None
        return snapshot

    async def history(self, principal: str, response_id: str) -> list[Any]:
        """All items up to and with a response: what a request that continues it means.

        Raises:
            BadRequest: it is not known, its items are not kept, or there are too many.
        """
        chain: list[Snapshot] = []
        size, wanted = 0, response_id
        while wanted:
            snapshot = self.find(principal, wanted) or await self._fetch(principal, wanted)
            if snapshot is None:
                raise not_found(response_id, "" if wanted == response_id else wanted)
            if not snapshot.stored:
                raise not_stored(response_id)
            size += snapshot.size
            if size > self._limits.continue_bytes or len(chain) >= MAX_CHAIN:
                raise too_large(response_id, self._limits.continue_bytes)
            chain.append(snapshot)
            wanted = "" if snapshot.base else snapshot.parent
        items: list[Any] = []
        for snapshot in reversed(chain):
            text = await self._text(snapshot)
            if text is None:
                raise not_found(response_id, snapshot.id)
            items += loads(text)
            self._touch(snapshot, text)
        return items

    async def _fetch(self, principal: str, response_id: str) -> Snapshot | None:
        """A response that another floway has committed to the same store."""
        if self._store is None or not is_response_id(response_id):
            return None
        try:
            record = await self._store.get(HEADS, snapshot_key(principal, response_id))
            snapshot = None if record is None else loaded(record.value)
        except (StoreError, ValueError) as error:
            logger.warning("a response can't be read: %s", error)
            return None
        if snapshot is not None:
            self._forget(self._snapshots.add(snapshot))
        return self.find(principal, response_id)

    async def _text(self, snapshot: Snapshot) -> bytes | None:
        text = self._items.get(snapshot.key)
        if text is not None:
            self._items.move_to_end(snapshot.key)
            return text
        if self._store is None:
            return None
        try:
            record = await self._store.get(ITEMS, snapshot.key)
        except StoreError as error:
            logger.warning("the items of a response can't be read: %s", error)
            return None
        if record is None or not isinstance(record.value, str):
            return None
        text = record.value.encode()
        self._keep(snapshot.key, text)
        return text

    def _touch(self, snapshot: Snapshot, text: bytes) -> None:
        """A response that is used lives on; written when half its time is over."""
        now = self._clock()
        if now - snapshot.kept > self._limits.seconds / 2:
            snapshot = self._snapshots.change(snapshot, kept=now)
            self._write(snapshot, text)

    # --- committing --------------------------------------------------------------------------

    def commit(self, pending: Pending, response_id: Any, output: Sequence[Any]) -> Snapshot | None:
        """A response is complete: keep it. None for one without a usable id.

        Args:
            output: the response's items.
        """
        if not is_response_id(response_id):
            return None
        now = self._clock()
        parent = self.find(pending.principal, pending.parent)
        text = self._written(pending, output)
        snapshot = Snapshot(
            id=response_id,
            principal=pending.principal,
            conversation=pending.conversation,
            account=pending.account,
            made=now,
            kept=now,
            parent=pending.parent if is_response_id(pending.parent) else "",
            base=pending.base,
            size=NOT_STORED if text is None else len(text),
            metadata=pending.metadata,
        )
        if parent is not None and parent.id != response_id:
            parent = self._snapshots.change(
                parent,
                child=parent.child or response_id,
                metadata={**parent.metadata, **pending.parent_metadata},
            )
            self._write(parent)
        gone = self._snapshots.add(snapshot)
        if text is not None:
            self._keep(snapshot.key, text)
        self._write(snapshot, text)
        self._forget(gone)
        self._commits += 1
        if self._commits % _SWEEP_EVERY == 0:
            self._forget(self._snapshots.expire(now - self._limits.seconds))
        return snapshot

    def _written(self, pending: Pending, output: Sequence[Any]) -> bytes | None:
        """The items of a response as text; None where they are not to be kept."""
        if pending.items is None or not self._limits.item_bytes:
            return None
        # A copy: the encoder leaves much room behind what it writes, and this one stays.
        text = b"%b" % dumps([*pending.items, *output])
        largest = min(self._limits.item_bytes, self._limits.continue_bytes, MAX_VALUE_BYTES // 2)
        return text if len(text) <= largest else None

    def _write(self, snapshot: Snapshot, text: bytes | None = None) -> None:
        seconds = self._limits.seconds - (self._clock() - snapshot.kept)
        if seconds <= 0:
            return
        principal, name, key = snapshot.principal, snapshot.id, snapshot.key

        def head() -> JsonObject:
            return dumped(self._snapshots.find(principal, name) or snapshot)

        self._behind.put(HEADS, key, head, ttl=seconds)
        if text is not None:
            self._behind.put(ITEMS, key, text.decode, ttl=seconds)

    def _forget(self, gone: Sequence[Snapshot]) -> None:
        for snapshot in gone:
            text = self._items.pop(snapshot.key, None)
            self._items_size -= len(text or b"")
            self._behind.delete(HEADS, snapshot.key)
            if snapshot.stored:
                self._behind.delete(ITEMS, snapshot.key)

    def _keep(self, key: str, text: bytes) -> None:
        self._items_size += len(text) - len(self._items.pop(key, b""))
        self._items[key] = text
        while self._items_size > (MEMORY_BYTES if self._store else self._limits.item_bytes):
            _, oldest = self._items.popitem(last=False)
            self._items_size -= len(oldest)


# --- errors --------------------------------------------------------------------------------------


def not_found(response_id: str, earlier: str = "") -> BadRequest:
    """The response, or (``earlier``) one that it continues, is not known here."""
    named = repr(response_id[:80])
    why = f"an earlier response that {named} continues is no longer kept" if earlier else ""
    return BadRequest(
        "previous_response_not_found",
        f"Previous response with id {named} not found"
        + (f": {why}" if why else ": it is not yours, was not completed, or is too old")
        + ". Send the whole input, without `previous_response_id`.",
        param=_PARAM,
    )


def not_stored(response_id: str) -> BadRequest:
    """It is known, and its items are not kept."""
    return BadRequest(
        "previous_response_not_stored",
        f"Previous response with id {response_id[:80]!r} was not stored: it, or one that it "
        "continues, was made with `store: false`, or its items were too large to be kept. Send "
        "the whole input, without `previous_response_id`.",
        param=_PARAM,
    )


def too_large(response_id: str, limit: int) -> BadRequest:
    """More than one request may continue."""
    return BadRequest(
        "previous_response_too_large",
        f"The conversation that {response_id[:80]!r} continues is larger than {limit} bytes of "
        f"items or {MAX_CHAIN} responses. Send the input that still matters, or raise the setting "
        "`continue_bytes`.",
        param=_PARAM,
    )
