"""What the bench's upstream answers now, over whatever protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from replay.bench.answers import HEADERS, events

_SESSION = re.compile(rb"\nsession[-_]id:[ \t]*([^\r\n]+)")


@dataclass(slots=True)
class Script:
    """What is answered now, and what has been asked.

    Attributes:
        marker: lower-case bytes; of the sessions whose requests hold them in their head, every
            second request is refused. Empty: none is.
        model: the model of the answers and of the model list.
        asked: model requests since the counters were last read.
        refused: those answered 429.
    """

    marker: bytes
    model: str
    asked: int = 0
    refused: int = 0
    events: list[bytes] = field(default_factory=list)
    http1: list[bytes] = field(default_factory=list)
    one_write: bool = True
    _answered: set[bytes] = field(default_factory=set)
    """Marked sessions whose last request was answered."""

    def prepare(self, deltas: int, one_write: bool) -> None:
        """The answer from now on: an SSE stream with ``deltas`` text deltas."""
        self.events = events(deltas, self.model)
        self.one_write = one_write
        head = http1_head(200, [*HEADERS, ("transfer-encoding", "chunked")])
        writes = [b"%x\r\n%b\r\n" % (len(event), event) for event in self.events]
        writes[0] = head + writes[0]
        writes[-1] += b"0\r\n\r\n"
        self.http1 = [b"".join(writes)] if one_write else writes

    def take(self, head: bytes) -> bool:
        """Count a model request; whether it is to be answered (False: refused).

        A conversation stays on the account that answered it last. So when each session (which may
        be one for a conversation, or one for each of its accounts) is answered and refused in
        turn, every request of a conversation but the first meets exactly one refusal, whatever
        the order in which accounts are chosen.
        """
        self.asked += 1
        lower = head.lower()
        if not self.marker or self.marker not in lower:
            return True
        session = _SESSION.search(lower)
        if session is None:
            return True
        if session[1] in self._answered:
            self._answered.remove(session[1])
            self.refused += 1
            return False
        self._answered.add(session[1])
        return True

    def counters(self) -> dict[str, int]:
        """Counters since the last call."""
        seen = {"asked": self.asked, "refused": self.refused}
        self.asked = self.refused = 0
        return seen

    def side(self, method: str, path: str) -> tuple[int, bytes]:
        """Status and JSON body for what is not a model request."""
        if method == "GET" and path.partition("?")[0].endswith("/models"):
            return 200, json.dumps({"models": [{"slug": self.model}]}).encode()
        return 404, b'{"detail":"Not Found"}'


def http1_head(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    reason = {200: "OK", 404: "Not Found", 429: "Too Many Requests"}[status]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode()


def is_model_request(method: str, path: str) -> bool:
    return method == "POST" and path.partition("?")[0].endswith("/responses")
