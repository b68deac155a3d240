"""Content codings (RFC 9110 §8.4): zstd, gzip, deflate, br, undone piece by piece.

Every piece that a decoder yields is bounded, whatever the input, so that a few bytes which expand
to gigabytes are noticed before they fill the memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import brotli  # type: ignore[import-untyped]  # the package ships no types
import zstandard

from fingerprints.errors import FingerprintError

MAX_CODINGS: Final = 4
"""Codings in one header; nobody means more than two."""

_PIECE = 256 * 1024
_INPUT_SLICE = 64 * 1024
# A zstd block of 4 bytes can stand for 128 KiB, and the binding has no limit on its output: 1 KiB
# of input is at most 32 MiB of output. Slices cost about 0.1 µs per kilobyte.
_ZSTD_SLICE = 1024
# RFC 9659 §3: a decoder of HTTP bodies must take windows up to 8 MB and may refuse larger ones.
_ZSTD_WINDOW = 8 * 1024 * 1024


class CodingError(FingerprintError):
    """The bytes are not what the content-encoding header says."""


class UnknownCoding(CodingError):
    """A content coding that is not known here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown content coding {name!r}")
        self.name = name


class TooLarge(CodingError):
    """The decoded bytes would exceed the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes after decoding")
        self.limit = limit


class Decoder(Protocol):
    """One coding. ``complete``: the input so far ends at the end of a frame."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    @property
    def complete(self) -> bool: ...


class _Zstd:
    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None

    @property
    def complete(self) -> bool:
        return self._frame is None

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_SLICE):
            piece = data[start : start + _ZSTD_SLICE]
            while piece:
                if self._frame is None:
                    self._frame = self._context.decompressobj()
                try:
                    out = self._frame.decompress(piece)
                except zstandard.ZstdError as error:
                    raise CodingError(f"not valid zstd ({error})") from error
                piece = b""
                if self._frame.eof:
                    piece = self._frame.unused_data  # the next frame
                    self._frame = None
                if out:
                    yield out


class _Zlib:
    """gzip (any number of members) and deflate (zlib or, as some senders do, raw)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream: zlib._Decompress | None = None
        self._head = b""
        self._padding = False

    @property
    def complete(self) -> bool:
        return self._stream is None and not self._head

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _INPUT_SLICE):
            yield from self._feed(data[start : start + _INPUT_SLICE])

    def _feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._padding:  # gzip allows zeros after the last member
                if data.strip(b"\0"):
                    raise CodingError(f"bytes after the end of the {self._name} data")
                return
            if self._stream is None:
                data = self._head + data
                self._head = b""
                if len(data) < 2:
                    self._head = data
                    return
                self._stream = self._open(data)
                if self._stream is None:
                    continue
            try:
                out = self._stream.decompress(data, _PIECE)
            except zlib.error as error:
                raise CodingError(f"not valid {self._name} ({error})") from error
            ended = self._stream.eof
            data = self._stream.unused_data if ended else self._stream.unconsumed_tail
            if ended:
                self._stream = None
                self._padding = self._name == "deflate" or data[:1] == b"\0"
            if out:
                yield out

    def _open(self, data: bytes) -> zlib._Decompress | None:
        if self._name == "gzip":
            if data[:1] == b"\0":
                self._padding = True
                return None
            return zlib.decompressobj(wbits=31)
        # RFC 1950: the low nibble is the method, and the pair is a multiple of 31.
        is_zlib = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        return zlib.decompressobj(wbits=15 if is_zlib else -15)


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._started = False

    @property
    def complete(self) -> bool:
        return not self._started or bool(self._stream.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _INPUT_SLICE):
            piece = data[start : start + _INPUT_SLICE]
            self._started = True
            if self._stream.is_finished():
                raise CodingError("bytes after the end of the br data")
            while True:
                try:
                    out: bytes = self._stream.process(piece, output_buffer_limit=_PIECE)
                except brotli.error as error:
                    raise CodingError(f"not valid br ({error})") from error
                if out:
                    yield out
                if self._stream.is_finished():
                    break
                # It also says that it accepts more while output waits that did not fit.
                if not out and self._stream.can_accept_more_data():
                    break
                piece = b""


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "zstd": _Zstd,
    "gzip": lambda: _Zlib("gzip"),
    "x-gzip": lambda: _Zlib("gzip"),
    "deflate": lambda: _Zlib("deflate"),
    "br": _Brotli,
}

KNOWN: Final = ("zstd", "gzip", "deflate", "br", "identity")
"""Names for messages and for accept-encoding."""


class DecoderChain:
    """All codings of one content-encoding header, undone in the right order.

    Args:
        header: the header's value; None, "" and ``identity`` mean plain bytes. Codings are listed
            in the order in which they were applied, so the last one is undone first.
        limit: bytes that any of the layers may put out in total; None for no limit.

    Raises:
        UnknownCoding: also when there are more than :data:`MAX_CODINGS`.
    """

    def __init__(self, header: str | None, *, limit: int | None = None) -> None:
        self.names = coding_names(header)
        self._limit = limit
        self._layers: list[Decoder] = []
        self._sizes: list[int] = []
        for name in reversed(self.names):
            make = _DECODERS.get(name)
            if make is None:
                raise UnknownCoding(name)
            self._layers.append(make())
            self._sizes.append(0)
        if len(self._layers) > MAX_CODINGS:
            raise UnknownCoding(", ".join(self.names))

    @property
    def plain(self) -> bool:
        """Whether there is nothing to undo."""
        return not self._layers

    @property
    def complete(self) -> bool:
        """Whether the input so far may be the whole of it."""
        return all(layer.complete for layer in self._layers)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces.

        Raises:
            CodingError: the bytes are not what the header says.
            TooLarge: a layer has put out more than the limit.
        """
        return self._feed(0, data)

    def _feed(self, depth: int, data: bytes) -> Iterator[bytes]:
        if depth == len(self._layers):
            yield data
            return
        for piece in self._layers[depth].feed(data):
            self._sizes[depth] += len(piece)
            if self._limit is not None and self._sizes[depth] > self._limit:
                raise TooLarge(self._limit)
            yield from self._feed(depth + 1, piece)


def coding_names(header: str | None) -> tuple[str, ...]:
    """The codings of a content-encoding header, lower case, ``identity`` left out."""
    if not header:
        return ()
    names = (name.strip().lower() for name in header.split(","))
    return tuple(name for name in names if name and name != "identity")
