"""Token counts of the responses of one run. Pure.

The server counts once, at the end (``turn_ended``; old servers send it without numbers). Until
then there are the deltas that it counts as it goes, the state's own word on how full the context
is, and the sizes of what was sent. A run with tool calls is several responses, and each of them
has to say something.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from addons.providers.cursor.proto.agent_pb2 import ConversationStateStructure, TurnEndedUpdate
from addons.providers.cursor.run_outputs import Usage

BYTES_PER_TOKEN = 4
"""The usual rough measure (cursor-protocol.md §4.10)."""

_BILLED_SUM = 3
"""A count of cache reads that is more than this times the context is a sum over all steps, as it
is billed, and says nothing of this response (§4.10)."""


class UsageCounts:
    """Counts of one run.

    Args:
        request_bytes: of the run request.
    """

    def __init__(self, request_bytes: int) -> None:
        self._sent = request_bytes
        self._context = 0
        self._deltas = 0
        self._characters = 0
        self._told = 0

    @property
    def produced(self) -> int:
        """Tokens of the whole run so far, counted by the server or else estimated."""
        return max(self._deltas, _tokens(self._characters))

    @property
    def untold(self) -> int:
        """Those of the response that is under way."""
        return max(0, self.produced - self._told)

    def delta(self, tokens: int) -> None:
        """The server counted this many more tokens of output."""
        self._deltas += max(0, tokens)

    def text(self, characters: int) -> None:
        """So many characters of output came: text, thoughts, calls."""
        self._characters += characters

    def result(self, size: int) -> None:
        """Bytes of a tool's result."""
        self._sent += size

    def checkpoint(self, state: bytes) -> None:
        """The conversation's state, which says how full the context is."""
        try:
            used = ConversationStateStructure.FromString(state).token_details.used_tokens
        except DecodeError:  # a state is the server's own affair: it is given back as it came
            return
        if used:
            self._context = used

    def so_far(self, *, blob_bytes: int) -> Usage:
        """Of the response that ends now, in mid-run: always an estimate.

        Args:
            blob_bytes: of the blobs that the server has asked for in this run.
        """
        output = self.untold
        self._told += output
        if self._context > output:
            prompt = self._context - output
        else:
            prompt = max(1, (self._sent + blob_bytes) // BYTES_PER_TOKEN)
        return Usage(prompt, output, estimated=True)

    def at_end(self, update: TurnEndedUpdate | None, *, blob_bytes: int) -> Usage:
        """Of the last response.

        Args:
            update: what the server counted for the whole run; None: it ended without a count.
        """
        if update is None or not update.HasField("input_tokens"):
            return self.so_far(blob_bytes=blob_bytes)
        counted = max(0, update.input_tokens)
        cached = max(0, update.cache_read_tokens)
        if self._context and cached > _BILLED_SUM * self._context:
            cached = 0
        cached = min(cached, counted)
        written = min(max(0, update.cache_write_tokens), counted - cached)
        # The output of earlier responses was told with them.
        given = update.HasField("output_tokens")
        total = update.output_tokens if given else self.produced
        output = max(0, total - self._told)
        return Usage(
            counted,
            output,
            cached,
            written,
            min(max(0, update.reasoning_tokens), output),
            estimated=not given or self._told > 0,
        )


def _tokens(characters: int) -> int:
    return -(-characters // BYTES_PER_TOKEN)
