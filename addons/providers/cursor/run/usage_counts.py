"""Token counts of the responses of one run. Pure.

The server counts once, at the end (``turn_ended``; old servers send it without numbers). Until
then there are the deltas that it counts as it goes, the state's own word on how full the context
is, and the sizes of what was sent. A run with tool calls is several responses, and each of them
has to say something.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from addons.providers.cursor.proto.agent_pb2 import ConversationStateStructure, TurnEndedUpdate
from addons.providers.cursor.run.run_outputs import Usage

BYTES_PER_TOKEN = 4
"""The usual rough measure (cursor-protocol.md §4.10)."""

_BILLED_SUM = 3
"""A prompt that is more than this times the context is a sum over all steps of the run, as it is
billed (§4.10). A client that takes it for the size of its conversation would compact that."""


class UsageCounts:
    """Counts of one run.

    Args:
        request_bytes: of the run request, without the state in it.
        state: that the run continues; empty where it is new.
    """

    def __init__(self, request_bytes: int, state: bytes = b"") -> None:
        self._sent = request_bytes
        self._context = _used_tokens(state)
        self._deltas = 0
        self._characters = 0
        self._told = 0
        self._in_context = 0  # tokens of output that the context holds already

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
        used = _used_tokens(state)
        if used:
            self._context = used
            self._in_context = self.produced
            self._sent = 0

    def so_far(self, *, blob_bytes: int) -> Usage:
        """Of the response that ends now, in mid-run: always an estimate.

        Args:
            blob_bytes: of the blobs that the server has asked for in this run.
        """
        prompt = self._prompt(blob_bytes)
        output = self.untold
        self._told += output
        return Usage(prompt, output, estimated=True)

    def at_end(self, update: TurnEndedUpdate | None, *, blob_bytes: int) -> Usage:
        """Of the last response.

        Args:
            update: what the server counted for the whole run; None: it ended without a count.
        """
        if update is None or not update.HasField("input_tokens"):
            return self.so_far(blob_bytes=blob_bytes)
        prompt = max(0, update.input_tokens)
        cached, written = max(0, update.cache_read_tokens), max(0, update.cache_write_tokens)
        if cached > prompt:  # then this server does not count them in
            prompt += cached
        estimated = self._told > 0 or not update.HasField("output_tokens")
        if self._context and prompt > _BILLED_SUM * self._context:
            share = self._prompt(blob_bytes) / prompt
            prompt, cached, written = (int(n * share) for n in (prompt, cached, written))
            estimated = True
        written = min(written, prompt - cached)
        # The output of earlier responses was told with them.
        total = update.output_tokens if update.HasField("output_tokens") else self.produced
        output = max(0, total - self._told)
        reasoning = min(max(0, update.reasoning_tokens), output)
        return Usage(prompt, output, cached, written, reasoning, estimated)

    def _prompt(self, blob_bytes: int) -> int:
        """An estimate of what the model reads for the response that is under way."""
        if not self._context:
            return max(1, (self._sent + blob_bytes) // BYTES_PER_TOKEN)
        own = max(0, self._in_context - self._told)
        return max(1, self._context - own + self._sent // BYTES_PER_TOKEN)


def _used_tokens(state: bytes) -> int:
    """How full the context is by a state's own word; 0: it says nothing, or can't be read."""
    try:
        return ConversationStateStructure.FromString(state).token_details.used_tokens
    except DecodeError:  # a state is the server's own affair: it is given back as it came
        return 0


def _tokens(characters: int) -> int:
    return -(-characters // BYTES_PER_TOKEN)
