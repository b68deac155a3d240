"""Content codings of request bodies: zstd and gzip, undone with a limit on the result."""

from __future__ import annotations

import zlib

import zstandard


class BadCoding(ValueError):
    """The body does not decode. ``status``: 400, 413 or 415."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def decode_body(body: bytes, coding: str, limit: int) -> bytes:
    """The body without its content coding.

    Args:
        coding: value of ``content-encoding``; empty or ``identity`` changes nothing.
        limit: bytes of the result at most.

    Raises:
        BadCoding: unknown coding (415), damaged body (400), or a result over the limit (413).
    """
    for name in reversed([part.strip().lower() for part in coding.split(",")]):
        if name in ("", "identity"):
            continue
        if name == "zstd":
            body = _zstd(body, limit)
        elif name in ("gzip", "x-gzip", "deflate"):
            body = _zlib(body, limit)
        else:
            raise BadCoding(415, f"Unsupported content-encoding: {name}")
    return body


def _zstd(body: bytes, limit: int) -> bytes:
    try:
        with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
            data: bytes = reader.read(limit + 1)
    except zstandard.ZstdError as error:
        raise BadCoding(400, f"The zstd body is damaged: {error}") from error
    if len(data) > limit:
        raise BadCoding(413, f"The decoded body is larger than {limit} bytes.")
    return data


def _zlib(body: bytes, limit: int) -> bytes:
    decoder = zlib.decompressobj(wbits=47)  # gzip or zlib by their headers
    try:
        data = decoder.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadCoding(400, f"The compressed body is damaged: {error}") from error
    if len(data) > limit:
        raise BadCoding(413, f"The decoded body is larger than {limit} bytes.")
    if not decoder.eof:
        raise BadCoding(400, "The compressed body is cut off.")
    return data
