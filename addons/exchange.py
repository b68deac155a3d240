"""The life of one client request, from its head to its outcome. No mitmproxy in here."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from addons.front.bodies import decode, parse_object
from addons.front.contract import ClientProtocol, Renderer, Turn
from addons.front.routes import Route
from addons.providers.contract import HeaderList, Outcome, Provider, Verdict

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Attempt:
    """One sending of the exchange's request."""

    account: str
    started: float = field(default_factory=time.monotonic)
    status: int | None = None
    verdict: Verdict | None = None
    reason: str = ""


@dataclass(slots=True)
class Usage:
    """Token counts as the upstream reported them."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(slots=True, eq=False)
class Exchange:
    """Everything that is known of one client request.

    Attributes:
        id: short random id, for logs and the debugger.
        principal: hash of the client's key, ``local`` where none is needed.
        headers: the client's own headers, in order; never sent as they are.
        body: the client's body: for model requests decoded (zstd, gzip undone), else as it came.
        request: the same as JSON, for routes whose body is JSON; parsed once.
        turn: the model request in neutral form, for ``kind == "model"``.
        state: the provider's own notes; the core never looks inside.
        summary: small JSON for the flow's metadata and comment.
        hidden_headers: of the upstream's answer, in lower case; the client is not shown them.
    """

    id: str
    route: Route
    provider: Provider
    protocol: ClientProtocol
    principal: str
    method: str
    path: str
    headers: HeaderList
    body: bytes = b""
    request: dict[str, Any] = field(default_factory=dict)
    turn: Turn | None = None
    renderer: Renderer | None = None
    conversation: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    committed: bool = False
    outcome: Outcome | None = None
    usage: Usage | None = None
    state: Any = None
    summary: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    hidden_headers: set[str] = field(default_factory=set)

    @property
    def websocket(self) -> bool:
        return self.route.kind == "model_socket"

    @property
    def streaming(self) -> bool:
        """Whether the client is given the answer as a stream of events."""
        return self.turn is None or self.turn.stream

    def header(self, name: str) -> str | None:
        """First value of a client header, by lower-case name."""
        wanted = name.encode()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("utf-8", "replace")
        return None

    def read(self, body: bytes, content_encoding: str | None, *, limit: int) -> None:
        """Decode and parse the client's body once, as the route wants it.

        Args:
            limit: bytes, before as well as after decoding.

        Raises:
            ClientError: the body is not what the route's protocol takes.
        """
        self.body = body
        if self.route.kind != "model":
            return
        self.body = decode(body, content_encoding, limit=limit)
        self.request = parse_object(self.body)
        self.turn = self.protocol.parse(self.request)
        self.renderer = self.protocol.renderer(self.turn, self.request)
        for note in self.turn.notes:
            logger.debug("exchange %s: %s", self.id, note)
