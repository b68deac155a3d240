"""What this provider remembers of one exchange, from its first attempt to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from addons.accounts.model import Account
from addons.providers.codex import verdicts
from addons.providers.codex.identity import Identity
from addons.providers.codex.planning import Planner, Shaped
from addons.sessions.responses import Pending


@dataclass(slots=True)
class Progress:
    """What this provider remembers of one exchange (``exchange.state``).

    Attributes:
        tried: handles that are not asked again for this exchange.
        asked: attempts by handle.
        token: the access token that the attempt went out with.
        reloaded: handles whose credentials were read again for this exchange.
        renewed: handles whose credentials were refreshed for this exchange.
        settled: attempts whose verdict has had its effect.
        refused: a member that the upstream named as unsupported in the last answer.
        headers_read: limits in the head of the attempt's answer were noted.
        output: the WebSocket response that is under way has given output.
        prefix: names instructions and tools of the last WebSocket message.
        body: of that message, as the caller sent it; of an HTTP request the caller's, with the
            history that it continues in the place of its name.
        turns: how many there were on the WebSocket connection.
        handshake: the identity of the WebSocket connection.
        pending: what is to be kept of the attempt's response once that is complete.
        answered: id of the completed response.
        output_items: finished items of the response that is under way.
        dropped: what the attempt's account could not be sent, in words.
        planner: the one that has made the attempt's request; None: the usual one.
    """

    identity: Identity
    model: str = ""
    account: Account | None = None
    shaped: Shaped | None = None
    started: float = 0.0
    tried: set[str] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)
    scan: verdicts.StreamScan = field(default_factory=verdicts.StreamScan)
    token: str = ""
    reloaded: set[str] = field(default_factory=set)
    renewed: set[str] = field(default_factory=set)
    settled: int = 0
    refused: str | None = None
    headers_read: bool = False
    output: bool = False
    prefix: str = ""
    body: dict[str, Any] | None = None
    turns: int = 0
    handshake: Identity | None = None
    pending: Pending | None = None
    answered: str = ""
    output_items: list[Any] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    planner: Planner | None = None

    def begin(self, now: float) -> None:
        """Another attempt, or another message: nothing is known of its answer."""
        self.started = now
        self.scan = verdicts.StreamScan()
        self.output = self.headers_read = False
        self.pending, self.answered = None, ""
        self.output_items, self.dropped = [], []

    def restore(self, event: dict[str, Any]) -> bool:
        """Put the caller's own values back into an event's response; True when it changed."""
        response = event.get("response")
        if self.shaped is None or not isinstance(response, dict):
            return False
        return self.shaped.restore(response)
