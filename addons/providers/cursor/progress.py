"""What this provider remembers of one exchange, from its first attempt to its end."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from addons.accounts.model import Account
from addons.exchange import Exchange
from addons.front.contract import Json
from addons.providers.contract import Fail, NextAccount, RefreshCredentials, SameAccount
from addons.providers.cursor.official.watching import RunWatch
from addons.providers.cursor.run.run_outputs import TurnEnded
from addons.providers.cursor.telling.conversation import Conversation, resolve
from addons.providers.cursor.telling.history import History
from addons.providers.cursor.telling.reading import read
from addons.providers.cursor.telling.request import Prepared

logger = logging.getLogger(__name__)

type Refusal = NextAccount | SameAccount | RefreshCredentials | Fail


@dataclass(frozen=True, slots=True)
class Said:
    """A model request as this provider reads it."""

    conversation: Conversation
    history: History


@dataclass(frozen=True, slots=True)
class Begun:
    """What a run began with: a response of it, perhaps of a later request, needs it at its end.

    Attributes:
        token: the access token that it went out with.
        generation: of the conversation's id.
        started: unix seconds.
        with_state: it continues a checkpoint.
    """

    prepared: Prepared
    token: str = field(repr=False)
    generation: int
    started: float
    with_state: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """How a run failed.

    Attributes:
        generation: of the conversation's id in it.
        status: HTTP status that stands for the error; None: there was no answer.
        said: the error in words, free of private parts.
        spoiled: the conversation's state or id is refused, and is to be replaced.
    """

    verdict: Refusal
    generation: int
    status: int | None
    said: str
    spoiled: bool


@dataclass(slots=True)
class Progress:
    """``exchange.state``.

    Attributes:
        said: of a model request; None for the others.
        account: of the attempt that is under way, or was the last.
        begun: what its run began with; None for a call beside the model.
        tried: handles that are not asked again for this exchange.
        asked: attempts by handle.
        renewed: handles whose tokens were renewed for this exchange.
        settled: attempts whose verdict has had its effect.
        resumed: a run that waits was looked for.
        lent: the token that an official client's call went out with.
        lent_at: unix seconds of that.
        watch: of an official client's run.
        ended: how the run's turn ended, if it ended well.
        refused: how it failed.
        as_text: a history that was told in messages was refused; it is told as one text now.
    """

    model: str = ""
    said: Said | None = None
    account: Account | None = None
    begun: Begun | None = None
    tried: set[str] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)
    renewed: set[str] = field(default_factory=set)
    settled: int = 0
    resumed: bool = False
    lent: str = field(default="", repr=False)
    lent_at: float = 0.0
    watch: RunWatch | None = None
    ended: TurnEnded | None = None
    refused: Refused | None = None
    as_text: bool = False

    @property
    def token(self) -> str:
        """The access token of the last attempt."""
        return self.begun.token if self.begun is not None else self.lent

    def lend(self, account: Account, token: str, now: float) -> None:
        """An official client's call is made with an account."""
        self.account, self.lent, self.lent_at = account, token, now
        self.asked[account.handle] = self.asked.get(account.handle, 0) + 1

    def begin(self, account: Account, begun: Begun) -> None:
        """Another attempt: nothing is known of its answer."""
        self.account, self.begun = account, begun
        self.asked[account.handle] = self.asked.get(account.handle, 0) + 1
        self.ended = self.refused = None


def read_request(exchange: Exchange, progress: Progress, body: Json) -> Said:
    """Whose conversation the request is, and what was said in it; noted in both.

    Args:
        body: in the neutral form, with all that was said before.

    Raises:
        ClientError: it is not what this provider can serve.
    """
    assert exchange.turn is not None
    headers = {
        name.decode("latin-1").lower(): value.decode("utf-8", "replace")
        for name, value in reversed(exchange.headers)
    }
    conversation = resolve(exchange.principal, headers, body, exchange.request)
    said = progress.said = Said(conversation, read(body))
    progress.model = exchange.turn.model
    exchange.conversation = conversation.session
    exchange.summary["session"] = conversation.session
    for note in said.history.notes:
        logger.info("exchange %s: %s", exchange.id, note)
    return said
