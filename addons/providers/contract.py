"""What a provider must be able to do; provider-neutral and free of mitmproxy.

One exchange goes: ``plan`` -> (the request is sent) -> ``judge`` -> perhaps ``plan`` again with
another account -> ``before_commit`` -> ``observe`` for each event -> exactly one ``after``.

A provider whose upstream can't be sent to natively makes the attempt inside ``plan``: what comes of
it is :class:`Generated` or :class:`Tried`, and ``judge`` and ``before_commit`` are not called.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from addons.accounts.cooldowns import Source
from addons.errors import ClientError

if TYPE_CHECKING:
    from addons.exchange import Exchange
    from addons.front.models import ModelEntry
    from addons.front.routes import Route

type HeaderList = list[tuple[bytes, bytes]]
"""Ordered, with the letter case that goes on the wire."""


# --- plans ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A complete request, ready to be sent; it replaces the client's as a whole or not at all.

    Attributes:
        authority: value of ``host``/``:authority``; not part of ``headers``.
        headers: in wire order. For HTTP/1.1 a ``host`` entry marks the place of that header; it is
            put first where there is none.
        body: raw bytes as they go out (already compressed when the headers say so).
        http2: offer ``h2`` to the server. False for WebSocket upgrades.
        lane: requests with different lanes never share an upstream connection (an account's
            opaque handle, say). Never sent.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    authority: str
    headers: HeaderList
    body: bytes = b""
    http2: bool = True
    lane: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Send this request natively. ``summary`` (JSON-like) is shown in the flow's comment."""

    request: UpstreamRequest
    account: str
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generated:
    """Answer with a body that the provider produces; closing ``body`` cancels the work."""

    status: int
    headers: HeaderList
    body: AsyncIterator[bytes]
    account: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that the provider made itself, and that failed before the client had a byte.

    It counts as one that was sent natively and judged: its verdict decides whether ``plan`` is
    called again.

    Attributes:
        verdict: neither Commit nor Hold, and with an error for the client.
        status: of the upstream's answer, or what its error stands for; None when there was none.
        request: what was sent, for those who watch. Without it they see the client's own.
        said: what the upstream said, likewise; holds no secret.
    """

    account: str
    verdict: NextAccount | SameAccount | RefreshCredentials | Fail
    status: int | None = None
    request: UpstreamRequest | None = None
    said: bytes = b""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error; rendered in the client's protocol."""

    error: ClientError


type Plan = Forward | Generated | Tried | Refuse


# --- what came back, and what to do about it -----------------------------------------------------


class Ended(StrEnum):
    """How far an answer has come when it is judged."""

    OPEN = "open"  # more bytes may follow
    COMPLETE = "complete"  # the body has ended well
    BROKEN = "broken"  # connect failure, reset, timeout: nothing more will come
    WAITED = "waited"  # open, but the limit of bytes or seconds for a verdict is reached


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of an upstream answer when it is judged.

    Attributes:
        status: None when no headers came (connect failed, reset before headers).
        body: decoded body bytes so far (content-encoding undone).
        ended: see :class:`Ended`.
        error: transport error text when ``ended`` is BROKEN.
    """

    status: int | None
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""
    ended: Ended = Ended.OPEN
    error: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """Give it to the client."""


@dataclass(frozen=True, slots=True)
class Hold:
    """No verdict yet: more bytes are needed. An answer that is not OPEN must not be held."""


@dataclass(frozen=True, slots=True)
class NextAccount:
    """Try another account; this one is not asked again for ``cooldown`` seconds.

    ``scope`` says what cools: the account, the account for this model, or nothing.
    ``error`` is what the client is told when no account is left.
    ``backoff``: nobody said how long, so ``cooldown`` is the first step of an exponential one.
    ``source``: who said how long.
    """

    reason: str
    cooldown: float
    error: ClientError
    scope: str = "account"  # account | model | none
    backoff: bool = False
    source: Source = Source.UPSTREAM


@dataclass(frozen=True, slots=True)
class SameAccount:
    """Try the same account again after ``after`` seconds (bounded by the exchange's budget)."""

    reason: str
    error: ClientError
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class RefreshCredentials:
    """The account's credentials are stale: reload or refresh them, then try it once more."""

    reason: str
    error: ClientError


@dataclass(frozen=True, slots=True)
class Fail:
    """Tell the client. ``error`` None: the upstream's own answer is given as it is."""

    reason: str
    error: ClientError | None = None


type Verdict = Commit | Hold | NextAccount | SameAccount | RefreshCredentials | Fail


class Outcome(StrEnum):
    """How an exchange ended; exactly one per exchange."""

    COMPLETED = "completed"
    FAILED = "failed"
    TRUNCATED = "truncated"
    CLIENT_LEFT = "client_left"


class Provider(Protocol):
    """One upstream family."""

    name: str

    observed_events: frozenset[str]
    """Types of the events that ``observe`` and ``restore`` want to see; others pass unparsed."""

    @property
    def idle(self) -> bool:
        """It has no account, and can only say so."""

    def routes(self) -> Sequence[Route]:
        """The requests that this provider serves.

        Several providers may have a route for the same requests by base URL; then the request's
        model decides, by :meth:`claims`.
        """

    def claims(self, model: str) -> bool:
        """Whether requests for this model are this provider's, by the model's name alone.

        What no provider claims is served by the first one that has a route for it and is not
        :attr:`idle`.
        """

    def knows(self, exchange: Exchange) -> bool:
        """Whether a request that several providers could answer is from this one's official client.

        It then wants the provider's own answer, and not one for all.
        """

    async def models(self) -> Sequence[ModelEntry]:
        """The models that its accounts serve, by the names that clients use; none without accounts.

        Raises:
            ClientError: the list can't be had now.
        """

    async def start(self) -> None:
        """Before the first exchange; loads what was kept."""

    async def stop(self) -> None:
        """After the last one; ends background work."""

    async def plan(self, exchange: Exchange) -> Plan:
        """Called before every attempt; the verdict on the last one is in ``exchange.attempts``."""

    def judge(self, exchange: Exchange, answer: Answer) -> Verdict:
        """Pure and quick: called on headers and again for each piece of a held body."""

    def explain(
        self,
        exchange: Exchange,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> ClientError | None:
        """An upstream's own error (400-599) in neutral form.

        None: the client is given it as it is, because it knows the upstream's form and acts on it.
        """

    async def before_commit(self, exchange: Exchange) -> None:
        """The answer is about to be given to the client."""

    def observe(self, exchange: Exchange, event: dict[str, Any]) -> None:
        """An event of a committed answer: usage, ids, limits."""

    def restore(self, exchange: Exchange, event: dict[str, Any]) -> bool:
        """Undo in ``event["response"]``, where there is one, what ``plan`` moved in the request.

        True when something was changed.
        """

    def client_frame(self, exchange: Exchange, text: bytes) -> bytes:
        """A WebSocket text message of the client, as it goes upstream.

        Raises:
            ClientError: the message is refused; nothing goes upstream.
        """

    def server_frame(self, exchange: Exchange, text: bytes) -> bytes:
        """A WebSocket text message of the upstream, as it goes to the client."""

    def error_frame(self, exchange: Exchange, error: ClientError) -> bytes:
        """A WebSocket text message that tells the client of ``error``."""

    async def after(self, exchange: Exchange, outcome: Outcome) -> None:
        """Exactly once, at the end."""
