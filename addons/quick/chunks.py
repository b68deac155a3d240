"""A chunked HTTP/1 body's whole chunks, taken out of what has come in one go.

h11, which mitmproxy reads bodies with, takes a chunk in three steps of Python and makes an event of
it; a stream of small events costs more there than in all that is done with them. What stands in
the buffer as a plain chunk (a size of up to eight digits, no extension) and is there to its end is
taken here. All else is left to h11: a chunk's beginning, extensions, the last chunk, trailers, and
what is wrong.

Rests on ``ChunkedReader`` of h11 0.16; ``tests/quick/test_chunks.py`` compares. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")


def whole_chunks(reader: object, buffer: ReceiveBuffer) -> list[bytes]:
    """The data of chunks that are taken out of ``buffer``; none where the reader is in one.

    Args:
        reader: whatever reads the body.
    """
    if type(reader) is not ChunkedReader:
        return []
    if reader._bytes_in_chunk or reader._bytes_to_discard or reader._reading_trailer:
        return []
    data, at = bytes(buffer), 0
    pieces: list[bytes] = []
    while (size := _SIZE.match(data, at)) is not None:
        begin = size.end()
        end = begin + int(size[1], 16)
        if end == begin or data[end : end + 2] != b"\r\n":
            break
        pieces.append(data[begin:end])
        at = end + 2
    if at:
        buffer.maybe_extract_at_most(at)
    return pieces
