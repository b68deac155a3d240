"""What goes into a run and comes out of it, as values. No protobuf, no I/O, no clock.

Times are seconds of any clock that does not go back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from addons.providers.cursor.failures.errors import CursorError

# --- in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a tool's result. ``data``: the decoded bytes."""

    data: bytes
    mime_type: str


type Part = str | Image


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a client says came of one tool call.

    Attributes:
        call_id: as it was given to the client in :class:`ToolCall`.
        parts: texts and pictures in their order; none is a result without content.
        is_error: the tool failed, and the parts say why.
    """

    call_id: str
    parts: tuple[Part, ...]
    is_error: bool = False


# --- out -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """An ``AgentClientMessage``, to be sent in the order in which it came out."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDone:
    """The reasoning before this is one whole."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one of the client's tools.

    Attributes:
        call_id: ours: unique among all runs, and of letters, digits and ``_`` only, which every
            client protocol takes. The server's own ids are neither.
        arguments: a JSON object as text.
    """

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one response.

    Attributes:
        input_tokens: all of the prompt, what was read from and written to the cache included.
        output_tokens: reasoning included.
        estimated: not (all of it) the server's own count.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class AwaitTools:
    """The response ends here: the model waits for the results of the calls before this.

    Attributes:
        late_error: the run broke off when the calls were given already. They are the model's all
            the same; what comes of them is for another run, and the error for the account.
    """

    usage: Usage
    late_error: CursorError | None = None


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The response and the run end here, well.

    Attributes:
        checkpoint: the conversation's state, byte for byte as the last update gave it; None where
            there was none, or where it can't be trusted.
        late_error: the answer was complete, and then the server reported this: it concerns the
            account, not the answer.
    """

    usage: Usage
    checkpoint: bytes | None = field(default=None, repr=False)
    late_error: CursorError | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The response and the run end here, badly.

    Attributes:
        produced_tokens: what the server had counted or sent of this response until then; 0:
            nothing, so that the same may be asked again.
    """

    error: CursorError
    produced_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the log: a refused exec, a result that nobody asked for. No content in it."""

    text: str


type ResponseOutput = Text | Thinking | ThinkingDone | ToolCall | AwaitTools | TurnEnded | Failed
"""What a client's response is made of."""

type Output = ResponseOutput | Send | Note
