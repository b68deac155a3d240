"""Checkpoints as records of the store: one that names the parts, and one for each part. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import zstandard
from pydantic import TypeAdapter, ValidationError

from addons.providers.cursor.telling.blobs import BlobLimits, BlobMap, BlobsFull
from addons.providers.cursor.telling.coverage import Cover
from addons.providers.cursor.telling.state import Checkpoint
from addons.store.contract import JsonLike


@dataclass(frozen=True, slots=True)
class Head:
    """The naming record.

    Attributes:
        state: name of the state's record.
        blobs: id and name of each; the name is "" where the id says it.
        fresh_until: unix seconds until which the records of the blobs surely exist.
    """

    account: str
    generation: int
    started: float
    covered: Cover
    state: str
    blobs: tuple[tuple[str, str], ...]
    size: int
    fresh_until: float

    def names(self) -> Iterator[str]:
        yield self.state
        for blob_id, name in self.blobs:
            yield name or blob_id

    def dumped(self) -> JsonLike:
        """JSON-like."""
        return asdict(self)


_HEAD = TypeAdapter(Head)


def head_of(checkpoint: Checkpoint, fresh_until: float) -> Head:
    """The naming record of a checkpoint."""
    names = ((blob_id, hashlib.sha256(data).digest()) for blob_id, data in checkpoint.blobs.items())
    return Head(
        account=checkpoint.account,
        generation=checkpoint.generation,
        started=checkpoint.started,
        covered=checkpoint.covered,
        state=hashlib.sha256(checkpoint.state).hexdigest(),
        blobs=tuple((each.hex(), "" if name == each else name.hex()) for each, name in names),
        size=checkpoint.size,
        fresh_until=fresh_until,
    )


def loaded(value: object) -> Head | None:
    """What :meth:`Head.dumped` gave; None for anything else, of another version, say."""
    try:
        return _HEAD.validate_python(value)
    except ValidationError:
        return None


def parts(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The contents of a checkpoint by name."""
    contents = [checkpoint.state, *dict(checkpoint.blobs.items()).values()]
    return {hashlib.sha256(data).hexdigest(): data for data in contents}


def whole(head: Head, found: Mapping[str, object], limits: BlobLimits) -> Checkpoint | None:
    """The checkpoint of its records; None where one is missing or broken."""
    try:
        blobs = BlobMap(
            {bytes.fromhex(each): unpacked(found[name or each]) for each, name in head.blobs},
            limits,
        )
        state = unpacked(found[head.state])
    except (KeyError, ValueError, BlobsFull):
        return None
    return Checkpoint(head.account, head.generation, state, blobs, head.covered, head.started)


def packed(data: bytes) -> str:
    """A part as it is written."""
    return base64.b64encode(zstandard.compress(data)).decode()


def unpacked(value: object) -> bytes:
    """
    Raises:
        ValueError: it is not what :func:`packed` gave.
    """
    if not isinstance(value, str):
        raise ValueError("no text")
    try:
        return zstandard.decompress(base64.b64decode(value, validate=True))
    except (binascii.Error, zstandard.ZstdError) as error:
        raise ValueError("not packed") from error
