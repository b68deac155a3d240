"""Ends of a run that are neither Cursor's "no" nor the transport's trouble."""

from __future__ import annotations

from addons.providers.cursor.failures.errors import ConnectError, CursorError


class BlobMissing(ConnectError):
    """The server asked for a part of the conversation's state that is not kept here.

    It is given the server's own form of the same trouble, which it would have reported later: the
    state is of no use, and the conversation has to be begun anew (cursor-protocol.md §2.4, §4.5).
    """

    word = "conversation_state_lost"

    def __init__(self) -> None:
        super().__init__("internal", "Blob not found: it was asked for and is not kept here")


class ParkedTooLong(CursorError):
    """No client came back with the results of the tool calls. Nobody waits for this error.

    Attributes:
        seconds: the limit.
    """

    status = 504
    word = "tool_results_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"No results of the tool calls came within {seconds:g} seconds.")
        self.seconds = seconds


class EndedInCall(CursorError):
    """The server ended the turn while the client was working on the tool calls."""

    status = 502
    word = "upstream_gave_up_tools"

    def __init__(self) -> None:
        super().__init__("The upstream ended the turn before the results of its tool calls came.")


class RunCancelled(CursorError):
    """floway itself ended the run; the reason says why."""

    status = 503
    word = "run_cancelled"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The request was cancelled: {reason}.")
