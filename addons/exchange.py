"""The life of one client request, from its head to its outcome. No mitmproxy in here."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.front.aliases import DEFAULT, alias_of
from addons.front.bodies import decode, parse_object
from addons.front.contract import ClientProtocol, Renderer, Turn
from addons.front.earlier import EarlierBodies
from addons.front.routes import Route
from addons.providers.contract import HeaderList, Outcome, Provider, Verdict

logger = logging.getLogger(__name__)

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Watch(Protocol):
    """Looks at bytes that are passed on as they are, as they come. Its methods raise nothing."""

    def client(self, data: bytes) -> None:
        """More of the request's body."""

    def server(self, data: bytes) -> None:
        """More of the answer's body; ``b""`` is its end."""


@dataclass(slots=True)
class Attempt:
    """One sending of the exchange's request."""

    account: str
    started: float = field(default_factory=time.monotonic)
    status: int | None = None
    verdict: Verdict | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that may serve a request. ``route`` None: it serves no requests of this kind."""

    provider: Provider
    route: Route | None


@dataclass(slots=True)
class Usage:
    """Token counts as the upstream reported them."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @classmethod
    def of_response(cls, response: Mapping[str, Any]) -> Usage | None:
        """Token counts of a finished response object; None when it has none."""
        usage = response.get("usage")
        if not isinstance(usage, dict):
            return None
        return cls(
            input_tokens=_count(usage.get("input_tokens")),
            cached_tokens=_count(_inner(usage, "input_tokens_details").get("cached_tokens")),
            output_tokens=_count(usage.get("output_tokens")),
            reasoning_tokens=_count(_inner(usage, "output_tokens_details").get("reasoning_tokens")),
        )

    def summary(self) -> dict[str, int]:
        """For the flow's metadata."""
        return {
            "input": self.input_tokens,
            "cached": self.cached_tokens,
            "output": self.output_tokens,
        }


@dataclass(slots=True, eq=False, weakref_slot=True)
class Exchange:
    """Everything that is known of one client request.

    Attributes:
        id: short random id, for logs and the debugger.
        principal: hash of the client's key, ``local`` where none is needed.
        headers: the client's own headers, in order; never sent as they are.
        body: the client's body: for model requests decoded (zstd, gzip undone), else as it came.
        request: the same as JSON, for routes whose body is JSON; parsed once.
        turn: the model request in neutral form, for ``kind == "model"``.
        wants_default: its model is to be the one that the provider lists first.
        state: the provider's own notes; the core never looks inside.
        summary: small JSON for the flow's metadata and comment.
        hidden_headers: of the upstream's answer, in lower case; the client is not shown them.
        times: of a stream: bytes given to the client so far, and seconds since ``started``; None
            where nobody wants to know.
        candidates: all providers, where the model decides which one serves; else empty.
        given: how a produced answer has ended, as far as it has.
        watch: sees the bytes of an answer, and of a duplex request, that pass untouched.
        only_account: label of the one account that may serve it; "" for any. Nothing is learned of
            where its conversation belongs, then.
        profile: name of the profile in whose form it is to leave; "" for the usual one.
        earlier: bodies of earlier requests, which this one may repeat.
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
    wants_default: bool = False
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
    times: list[tuple[int, float]] | None = None
    candidates: Sequence[Candidate] = ()
    given: Outcome | None = None
    watch: Watch | None = None
    only_account: str = ""
    profile: str = ""
    earlier: EarlierBodies | None = None

    @property
    def websocket(self) -> bool:
        return self.route.kind == "model_socket"

    @property
    def streaming(self) -> bool:
        """Whether the client is given the answer as a stream of events."""
        return self.turn is None or self.turn.stream

    @property
    def binding(self) -> str:
        """The conversation that stays with the account that has served it; "" for none."""
        return "" if self.only_account else self.conversation

    def barred(self, accounts: Iterable[Account], tried: Collection[str]) -> Collection[str]:
        """Handles that are not to be asked: those tried, and all but the one that is wanted."""
        if not self.only_account:
            return tried
        others = (each.handle for each in accounts if each.label != self.only_account)
        return {*tried, *others}

    def header(self, name: str) -> str | None:
        """First value of a client header, by lower-case name."""
        wanted = name.encode()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("utf-8", "replace")
        return None

    def read(
        self,
        body: bytes,
        content_encoding: str | None,
        *,
        limit: int,
        aliases: Mapping[str, str] = _NONE,
    ) -> None:
        """Decode and parse the client's body once, as the route wants it.

        Args:
            limit: bytes, before as well as after decoding.
            aliases: other names of models, see :func:`addons.front.aliases.alias_of`.

        Raises:
            ClientError: the body is not what the route's protocol takes.
        """
        self.body = body
        if self.route.kind not in ("model", "count"):
            return
        self.body = decode(body, content_encoding, limit=limit)
        earlier = self.earlier if self.protocol.name == "responses" else None
        if earlier is None:
            self.request = parse_object(self.body)
        else:
            self.request = earlier.read(self.principal, self.body)
        if self.route.kind == "count":
            return
        self.turn = self.protocol.parse(self.request)
        if earlier is not None:
            earlier.keep(self.principal, self.body, self.request)
        self._follow_alias(self.turn, aliases)
        self._choose_provider(self.turn.model)
        self.renderer = self.protocol.renderer(self.turn, self.request)
        for note in self.turn.notes:
            logger.debug("exchange %s: %s", self.id, note)

    def _follow_alias(self, turn: Turn, aliases: Mapping[str, str]) -> None:
        meant = alias_of(turn.model, aliases)
        if meant == DEFAULT:
            self.wants_default = True
        elif meant is not None:
            turn.name_model(meant)

    def _choose_provider(self, model: str) -> None:
        """The provider that claims the model; without one, the first that has accounts.

        Raises:
            ClientError: it serves no requests of this kind.
        """
        for candidate in self.candidates:
            if candidate.provider.claims(model):
                if candidate.route is None:
                    raise ClientError(
                        404,
                        "model_not_found",
                        f"The model {model!r:.120} is not served at {self.route.path}; "
                        "`floway routes` lists where each provider's models are.",
                        param="model",
                    )
                self.provider, self.route = candidate.provider, candidate.route
                return
        for candidate in self.candidates:
            if candidate.route is not None and not candidate.provider.idle:
                self.provider, self.route = candidate.provider, candidate.route
                return


def _inner(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**63:
        return 0
    return int(value)
