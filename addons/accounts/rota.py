"""Whose turn it is: the account that makes the next attempt of an exchange, once the verdict on the
last one has had its effect."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Protocol

from addons.accounts.keeper import Keeper
from addons.accounts.ledger import Ledger
from addons.accounts.model import Account
from addons.accounts.pool import AllCooling, Pool
from addons.accounts.rules import rules_for
from addons.accounts.strategies import STRATEGIES
from addons.errors import ClientError
from addons.exchange import Attempt, Exchange
from addons.providers.contract import NextAccount, RefreshCredentials, SameAccount, Verdict
from addons.settings import Settings
from addons.store.contract import Store

logger = logging.getLogger(__name__)


class Asking(Protocol):
    """What is known of an exchange that asks for accounts.

    Attributes:
        model: limits of which count.
        account: of the attempt that is under way, or was the last.
        tried: handles that are not asked again for this exchange.
        settled: attempts whose verdict has had its effect.
    """

    model: str
    account: Account | None
    tried: set[str]
    settled: int


class Rota[A: Asking](ABC):
    """One per provider, which says what is special about its sign-ins.

    Attributes:
        pool: which account serves which conversation, and which one cools.
        ledger: keeps what the pool learns.
        rules: the user's own on refusals.
        keeper: of accounts that were added; None where there are none.
    """

    def __init__(
        self,
        provider: str,
        accounts: Iterable[Account],
        store: Store | None,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.pool = Pool(accounts, strategy=STRATEGIES[settings.strategy_of(provider)])
        self.ledger = Ledger(provider, self.pool, store, clock=clock)
        self.rules = rules_for(settings.cooldown_rules, provider)
        self.keeper: Keeper | None = None
        self._patience = settings.wait_seconds
        self._clock = clock

    async def start(self) -> None:
        """Fetch what the store has kept."""
        if self.keeper is not None:
            await self.keeper.start()
        await self.ledger.start()

    async def stop(self) -> None:
        """End what runs, and write what waits."""
        if self.keeper is not None:
            await self.keeper.stop()
        await self.ledger.stop()

    # --- what is the provider's ----------------------------------------------------------------

    @abstractmethod
    async def _signed_in(self, account: Account, asking: A) -> bool:
        """See that the chosen account's sign-in is good, as far as is known.

        An account for which it is not must not be chosen again: it cools, needs a login, or has
        been noted as tried.
        """

    @abstractmethod
    async def _renewed(self, account: Account, asking: A) -> bool:
        """Whether there is a token now in the place of the one that was refused."""

    @abstractmethod
    def _given_up(self, account: Account, refused: RefreshCredentials) -> NextAccount:
        """What a refused sign-in means that could not be renewed."""

    def _verdict(self, attempt: Attempt, asking: A) -> Verdict | None:
        """On the last attempt."""
        return attempt.verdict

    async def _again(self, asking: A) -> None:  # noqa: B027 - most have nothing to do
        """The same account is asked once more."""

    # --- before an attempt -----------------------------------------------------------------------

    async def account(self, exchange: Exchange, asking: A) -> Account | ClientError:
        """The account for the next attempt, or what the client is told in its place."""
        same = await self.settle(exchange, asking)
        if same is not None:
            return same
        while True:
            found = await self.choose(exchange, asking, asking.model)
            if isinstance(found, Account):
                return found
            self.pool.absolve(asking.model, found)
            if exchange.route.kind == "passthrough":
                for each in found.reasons:  # limits hold for model requests only
                    if each.error is not None and each.error.status in (429, 503):
                        return each.account
                break
            if not await self._waited(exchange, asking, found):
                break
        verdict = exchange.attempts[-1].verdict if exchange.attempts else None
        last = verdict.error if isinstance(verdict, NextAccount | RefreshCredentials) else None
        if last is not None and len(self.pool.accounts) == 1:
            return last
        return found.client_error(asking.model, self._clock(), last=last)

    async def choose(self, exchange: Exchange, asking: A, model: str) -> Account | AllCooling:
        """The pool's choice, with a sign-in that is good as far as is known."""
        while True:
            barred = exchange.barred(self.pool.accounts, asking.tried)
            found = self.pool.choose(exchange.binding, model, self._clock(), barred)
            if isinstance(found, Account) and logger.isEnabledFor(logging.DEBUG):
                why = self.pool.why(found, exchange.binding, model, self._clock())
                logger.debug("exchange %s: account %s: %s", exchange.id, found.label, why)
            if not isinstance(found, Account) or await self._signed_in(found, asking):
                return found

    async def _waited(self, exchange: Exchange, asking: A, found: AllCooling) -> bool:
        """Wait for the first account that is ready again; False when the user wants no such wait.

        An account that has cooled since it was tried may be asked again.
        """
        times = [each.until for each in found.reasons if each.until is not None and not each.tried]
        left = self._patience - (time.monotonic() - exchange.started)
        wait = min(times, default=float("inf")) - self._clock()
        if wait > left:
            return False
        logger.info("exchange %s waits %.1f s for an account", exchange.id, max(wait, 0.0))
        await asyncio.sleep(max(wait, 0.0))
        now = self._clock()
        asking.tried -= {
            each.account.handle
            for each in found.reasons
            if not each.tried and each.until is not None and each.until <= now
        }
        return True

    # --- after an attempt ------------------------------------------------------------------------

    async def settle(self, exchange: Exchange, asking: A) -> Account | None:
        """Let the verdict on the last attempt have its effect, once.

        The result is the account that the next attempt has to ask: the same one.
        """
        last, count = asking.account, len(exchange.attempts)
        if last is None or count == asking.settled:
            return None
        asking.settled = count
        verdict = self._verdict(exchange.attempts[-1], asking)
        if isinstance(verdict, RefreshCredentials):
            if await self._renewed(last, asking):
                return last
            verdict = self._given_up(last, verdict)
        if isinstance(verdict, SameAccount):
            await self._again(asking)
            return last
        if isinstance(verdict, NextAccount):
            asking.tried.add(last.handle)
            self.cool(last, asking.model, verdict)
        return None

    def cool(self, account: Account, model: str, verdict: NextAccount) -> None:
        """Apply a verdict to the account, as its scope says."""
        if verdict.scope == "none":
            return
        scope = model if verdict.scope == "model" else None
        now, reason, error = self._clock(), verdict.reason, verdict.error
        logger.info("account %s: %s", account.label, reason)
        if verdict.backoff:
            self.pool.back_off(account, scope, verdict.cooldown, reason, now=now, error=error)
        elif verdict.cooldown > 0:
            until, source = now + verdict.cooldown, verdict.source
            self.pool.cool(account, scope, until, reason, now=now, source=source, error=error)
