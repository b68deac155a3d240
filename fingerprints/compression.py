"""Bodies decompressed for a trace, with what can be told of how they were compressed. Pure."""

from __future__ import annotations

import zstandard

from fingerprints.codings import CodingError, DecoderChain, coding_names
from fingerprints.encoding import BrokenFrame, Frame, compress, read_frame
from fingerprints.profile import Encoding
from fingerprints.trace import Coding

MAX_DECODED = 64 * 1024 * 1024
"""Bytes; what is larger is not read."""

LEVEL_LIMITS = ((4, 32 * 1024 * 1024), (9, 4 * 1024 * 1024), (15, 512 * 1024), (22, 64 * 1024))
"""Up to this level, contents of at most so many bytes are compressed to find the level."""

_LEVELS: tuple[int, ...] = (3, 1, 2, *range(4, 23))


class Decoder:
    """Undoes the codings of a body that comes in pieces.

    Attributes:
        problem: why it cannot be read, "" while it can. What was given before is right.
    """

    def __init__(self, encoding: str, *, limit: int = MAX_DECODED) -> None:
        self.problem = ""
        self._chain: DecoderChain | None = None
        try:
            self._chain = DecoderChain(encoding, limit=limit)
        except CodingError as error:
            self.problem = str(error)

    def feed(self, chunk: bytes) -> bytes:
        """What ``chunk`` holds; b"" once there is a problem."""
        out = b""
        if self._chain is None:
            return out
        try:
            for piece in self._chain.feed(chunk):
                out += piece
        except CodingError as error:
            self.problem = str(error)
            self._chain = None
        return out

    def close(self) -> None:
        """The end of the body: it may be cut."""
        if self._chain is not None and not self._chain.complete:
            self.problem = "cut: the compressed data has no end"


def decode(
    raw: bytes, encoding: str, *, limit: int = MAX_DECODED
) -> tuple[bytes, Coding | None, str]:
    """Content, how it was compressed (None: not at all), and what is wrong with it.

    Args:
        encoding: value of ``content-encoding``; "" for none.
    """
    names = coding_names(encoding)
    if not names:
        return raw, None, ""
    if names == ("zstd",):
        try:
            return _zstd(raw, encoding, limit)
        except (BrokenFrame, zstandard.ZstdError) as error:
            cause = str(error)
            if not raw.startswith(b"\x28\xb5\x2f\xfd"):
                return raw, Coding(name=encoding, length=len(raw)), f"zstd: {cause}"
    decoder = Decoder(encoding, limit=limit)
    content = decoder.feed(raw)
    decoder.close()
    return content, Coding(name=encoding, length=len(raw)), decoder.problem


def _zstd(raw: bytes, encoding: str, limit: int) -> tuple[bytes, Coding, str]:
    frame = read_frame(raw, limit=limit)
    coding = Coding(
        name=encoding,
        length=len(raw),
        level=zstd_level(frame, raw[: len(raw) - len(frame.rest)]),
        content_size=frame.content_size,
        checksum=frame.checksum,
        window=frame.window,
        rest=len(frame.rest),
    )
    return frame.content, coding, ""


def zstd_level(frame: Frame, compressed: bytes) -> int | None:
    """The level that makes ``compressed`` of the frame's content: 3, the library's own, first.

    None when none does (another library, content written in pieces), or the content is too large
    to try the higher levels on. Levels that would ask for another window are passed over: the high
    ones take seconds.
    """
    for level in _LEVELS:
        if len(frame.content) > next(size for highest, size in LEVEL_LIMITS if level <= highest):
            continue
        if not frame.content_size and _window(level) != frame.window:
            continue
        encoding = Encoding(
            name="zstd",
            level=level,
            content_size=frame.content_size,
            checksum=frame.checksum,
            window=frame.window,
        )
        if compress(encoding, frame.content) == compressed:
            return level
    return None


def _window(level: int) -> int:
    """Bytes that a frame of unknown size asks for at this level."""
    parameters = zstandard.ZstdCompressionParameters.from_level(level)
    return 1 << int(parameters.window_log)
