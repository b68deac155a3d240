"""Compressed bodies: made as a release makes them, and looked at from outside.

A zstd frame says in its header whether it holds the content's size and a checksum and how big a
window it needs, so a body compressed with other settings can be told apart without being
decompressed. Recorded from 0.142.0 and 0.169.0: level 3, written as a stream (no content size),
no checksum, a window of 2 MiB; python-zstandard at the same settings gives the same bytes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import zstandard

from fingerprints.profile import Encoding

MAGIC = b"\x28\xb5\x2f\xfd"
"""First bytes of a zstd frame."""


class _Compressors(threading.local):
    """Compressors are costly to make and must not be shared between threads."""

    def __init__(self) -> None:
        self.by_settings: dict[tuple[int, bool, bool], zstandard.ZstdCompressor] = {}


_COMPRESSORS = _Compressors()

DEEPEST_KEPT = 9
"""Level up to which compressors are kept. One of level 22 holds 740 MB, and is only ever needed to
find out how somebody else's body was made."""


def compress(encoding: Encoding, raw: bytes) -> bytes:
    """One frame with the settings of ``encoding``."""
    settings = (encoding.level, encoding.content_size, encoding.checksum)
    compressor = _COMPRESSORS.by_settings.get(settings)
    if compressor is None:
        compressor = zstandard.ZstdCompressor(
            level=encoding.level,
            write_content_size=encoding.content_size,
            write_checksum=encoding.checksum,
        )
        if encoding.level <= DEEPEST_KEPT:
            _COMPRESSORS.by_settings[settings] = compressor
    stream = compressor.compressobj(size=len(raw) if encoding.content_size else -1)
    return stream.compress(raw) + stream.flush()


@dataclass(frozen=True, slots=True)
class Frame:
    """What the header of a zstd frame says, and its content.

    Attributes:
        content: decompressed bytes.
        content_size: the header holds the size of the content.
        checksum: a checksum follows the content.
        window: bytes.
        rest: bytes after the first frame; a second frame is among them.
    """

    content: bytes
    content_size: bool
    checksum: bool
    window: int
    rest: bytes


class BrokenFrame(ValueError):
    """Bytes that are no zstd frame, or one that is cut or too large."""


def read_frame(body: bytes, *, limit: int) -> Frame:
    """The first frame of ``body``.

    Args:
        limit: largest content in bytes that is accepted.

    Raises:
        BrokenFrame: not a zstd frame, cut, or larger than ``limit``.
    """
    try:
        parameters = zstandard.get_frame_parameters(body)
        reader = zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=False)
        content = reader.read(limit + 1)
        decompressor = zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj()
    except zstandard.ZstdError as error:
        raise BrokenFrame(str(error)) from error
    if len(content) > limit:
        raise BrokenFrame(f"more than {limit} bytes of content")
    decompressor.decompress(body)
    if not decompressor.eof:
        raise BrokenFrame("the frame is cut")
    unknown = parameters.content_size in (
        zstandard.CONTENTSIZE_UNKNOWN,
        zstandard.CONTENTSIZE_ERROR,
    )
    return Frame(
        content=content,
        content_size=not unknown,
        checksum=bool(parameters.has_checksum),
        window=int(parameters.window_size),
        rest=decompressor.unused_data,
    )
