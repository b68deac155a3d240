"""The body of an answer that is held back for a verdict, with its content-encoding undone."""

from __future__ import annotations

from addons.front.bodies import IncrementalDecoder

HELD_BYTES = 64 * 1024 * 1024
"""Most bytes that a held answer may have once its content-encoding is undone."""


class HeldBody:
    """The held body of one attempt, decoded piece by piece."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._decoder: IncrementalDecoder | None = None
        self._taken = 0
        self._content = b""

    def decoded(self, chunks: list[bytes]) -> bytes:
        """All that is held, decoded; ``chunks`` are those of the last call and perhaps more.

        Raises:
            ClientError: 502 ``upstream_encoding``.
        """
        if self._decoder is None:
            self._decoder = IncrementalDecoder(self.encoding, limit=HELD_BYTES)
        for chunk in chunks[self._taken :]:
            self._content += self._decoder.feed(chunk)
        self._taken = len(chunks)
        return self._content
