"""The Connect protocol's envelopes, without I/O (cursor-protocol.md §2).

A message on a stream is ``flags: 1 byte | length: u32 big-endian | payload``. How the transport
cuts the bytes has no meaning. The last message of a server has the flag :data:`END_STREAM` and
JSON in it: what went wrong, if anything did.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from addons.providers.cursor.failures.errors import BrokenStream, ConnectError, FrameTooLarge
from fingerprints.codings import CodingError, DecoderChain, TooLarge

COMPRESSED: Final = 0x01
END_STREAM: Final = 0x02
TRAILERS: Final = 0x80
"""Of grpc-web: the payload is a block of trailers, not a message."""

DEFAULT_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message, before and after decompression. A checkpoint may have 48 MiB (§4.9)."""

HEADER: Final = struct.Struct(">BI")


class Frame(NamedTuple):
    """One message.

    Attributes:
        flags: as they came, without :data:`COMPRESSED` where the payload was opened.
    """

    flags: int
    payload: bytes

    @property
    def end(self) -> bool:
        """Whether this is the stream's last message, with JSON in it."""
        return bool(self.flags & END_STREAM)


def frame(payload: bytes, flags: int = 0) -> bytes:
    """The bytes of one message."""
    return HEADER.pack(flags, len(payload)) + payload


class FrameReader:
    """Cuts a byte stream into messages, however it comes.

    Args:
        limit: bytes of one message's payload, before and after decompression.
        encoding: how compressed payloads are compressed: the answer's
            ``connect-content-encoding``; may be set when the headers come.

    Attributes:
        failure: why nothing more can be read; None while all is well.
    """

    __slots__ = ("_buffer", "_limit", "_need", "encoding", "failure")

    def __init__(self, limit: int = DEFAULT_LIMIT, encoding: str = "gzip") -> None:
        self.encoding = encoding
        self.failure: BrokenStream | None = None
        self._limit = limit
        self._buffer = bytearray()
        self._need = HEADER.size  # bytes of the buffer below which nothing is complete

    @property
    def pending(self) -> int:
        """Bytes of a message whose end has not been seen."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that ``data`` completes.

        Raises:
            BrokenStream: too large a message, or one that can't be decompressed; also on every
                later call. Messages before it are given first (:attr:`failure` says it at once).
        """
        if self.failure is not None:
            raise self.failure
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._need:
            return []
        frames: list[Frame] = []
        start, size = 0, len(buffer)
        self._need = HEADER.size
        try:
            while size - start >= HEADER.size:
                flags, length = HEADER.unpack_from(buffer, start)
                if length > self._limit:
                    raise FrameTooLarge(length, self._limit)
                stop = start + HEADER.size + length
                if stop > size:
                    self._need = stop - start
                    break
                payload = bytes(memoryview(buffer)[start + HEADER.size : stop])
                start = stop
                frames.append(self._opened(flags, payload))
        except BrokenStream as error:
            self.failure = error
            buffer.clear()
            if not frames:
                raise
            return frames
        del buffer[:start]
        return frames

    def close(self) -> None:
        """The byte stream has ended.

        Raises:
            BrokenStream: in the middle of a message.
        """
        if self.failure is not None:
            raise self.failure
        if self._buffer:
            self.failure = BrokenStream(
                f"the answer ended in the middle of a message ({len(self._buffer)} bytes of it)"
            )
            raise self.failure

    def _opened(self, flags: int, payload: bytes) -> Frame:
        if not flags & COMPRESSED:
            return Frame(flags, payload)
        flags &= ~COMPRESSED
        if not payload:
            return Frame(flags, b"")  # an empty message need not be compressed to say so
        return Frame(flags, decompress(payload, self.encoding, self._limit))


def decompress(payload: bytes, encoding: str, limit: int = DEFAULT_LIMIT) -> bytes:
    """
    Raises:
        BrokenStream: not ``encoding``, cut off, or more than ``limit`` bytes.
    """
    try:
        chain = DecoderChain(encoding, limit=limit)
        if chain.plain:
            raise BrokenStream("a message is compressed, but the headers name no encoding")
        opened = b"".join(chain.feed(payload))
    except TooLarge as error:
        raise FrameTooLarge(error.limit + 1, limit) from error
    except CodingError as error:
        raise BrokenStream(f"a message could not be decompressed: {error}") from error
    if not chain.complete:
        raise BrokenStream("a message's compressed data is cut off")
    return opened


@dataclass(frozen=True, slots=True)
class EndStream:
    """The payload of the last message.

    Attributes:
        error: None: the stream ended well.
        metadata: trailers, by lower-case name.
    """

    error: ConnectError | None = None
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, payload: bytes) -> EndStream:
        """
        Raises:
            BrokenStream: not a JSON object.
        """
        document = _object(payload)
        metadata = _metadata(document.get("metadata"))
        error = document.get("error")
        if error is None:
            return cls(None, metadata)
        return cls(ConnectError.parse(error, metadata=metadata), metadata)


def _object(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload) if payload else {}
    except (ValueError, RecursionError) as error:
        raise BrokenStream("the last message of the stream is not JSON") from error
    if not isinstance(document, dict):
        raise BrokenStream("the last message of the stream is not a JSON object")
    return document


def _metadata(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name, values in value.items():
        if isinstance(values, list):
            found[name.lower()] = tuple(each for each in values if isinstance(each, str))
    return found
