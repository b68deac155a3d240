"""Which account makes the next attempt, once the verdict on the last one has had its effect."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from addons.accounts.authority import Secret
from addons.accounts.keeper import Keeper
from addons.accounts.ledger import Ledger
from addons.accounts.model import Account, AccountState
from addons.accounts.pool import AllCooling, Pool
from addons.accounts.rules import matching, rules_for
from addons.accounts.strategies import STRATEGIES
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.providers.contract import (
    Commit,
    Fail,
    Hold,
    NextAccount,
    RefreshCredentials,
    SameAccount,
    Verdict,
)
from addons.providers.cursor.sign_in.authority import CursorAuthority
from addons.providers.cursor.sign_in.credentials import PROVIDER
from addons.providers.cursor.sign_in.roster import Renewal, credential_of
from addons.settings import Settings
from addons.store.contract import Store

if TYPE_CHECKING:
    from addons.providers.cursor.progress import Progress, Refusal

logger = logging.getLogger(__name__)


LENT: Final = ""
"""In the place of a model's name, for calls of official clients."""


class Serving:
    """One per provider.

    Args:
        accounts: those of the settings or of the sandbox, with their secrets.
        more: accounts that were added with a command.

    Attributes:
        keeper: of added accounts; None where there are none.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store | None,
        authority: CursorAuthority,
        accounts: Sequence[tuple[Account, Secret]],
        more: Sequence[Account] = (),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        found = {account.handle: account for account, _ in accounts}
        found |= {account.handle: account for account in more}
        strategy = STRATEGIES[settings.strategy_of(PROVIDER)]
        self.pool = Pool(found.values(), strategy=strategy)
        self.keeper: Keeper | None = None
        self._ledger = Ledger(PROVIDER, self.pool, store, clock=clock)
        self._renewal = Renewal(authority, accounts)
        self._rules = rules_for(settings.cooldown_rules, PROVIDER)
        self._patience = settings.wait_seconds
        self._clock = clock

    async def start(self) -> None:
        if self.keeper is not None:
            await self.keeper.start()
        await self._ledger.start()

    async def stop(self) -> None:
        if self.keeper is not None:
            await self.keeper.stop()
        await self._ledger.stop()
        await self._renewal.close()

    # --- before an attempt -------------------------------------------------------------------

    async def account(self, exchange: Exchange, progress: Progress) -> Account | ClientError:
        """The account for the next attempt, or what the client is told in its place."""
        same = await self.settle(exchange, progress)
        if same is not None:
            return same
        while True:
            barred = exchange.barred(self.pool.accounts, progress.tried)
            chosen = self.pool.choose(exchange.binding, progress.model, self._clock(), barred)
            if isinstance(chosen, Account):
                if await self.usable(chosen):
                    return chosen
                progress.tried.add(chosen.handle)
                continue
            self.pool.absolve(progress.model, chosen)
            if not await self._waited(exchange, progress, chosen):
                break
        verdict = exchange.attempts[-1].verdict if exchange.attempts else None
        last = verdict.error if isinstance(verdict, NextAccount | RefreshCredentials) else None
        if last is not None and len(self.pool.accounts) == 1:
            return last
        return chosen.client_error(progress.model, self._clock(), last=last)

    async def lent(self, exchange: Exchange, progress: Progress) -> Account | ClientError:
        """The account for a call of an official client: the same one for as long as it can serve,
        since the client keeps a state of its conversations that belongs to the account."""
        same = await self.settle(exchange, progress)
        if same is not None:
            return same
        exchange.conversation = f"{exchange.principal}:lent"
        while True:
            barred = exchange.barred(self.pool.accounts, progress.tried)
            chosen = self.pool.choose(exchange.binding, LENT, self._clock(), barred)
            if not isinstance(chosen, Account):
                return chosen.client_error(LENT, self._clock())
            if await self.usable(chosen):
                return chosen
            progress.tried.add(chosen.handle)

    async def usable(self, account: Account) -> bool:
        """See that its token is good, as far as is known."""
        if self.keeper is not None and not await self.keeper.ready(account):
            return False
        return await self._renewal.usable(account, self._clock())

    def may_go_on(self, account: str) -> Account | None:
        """The account of a run that waits, where it may go on with it.

        It may while it cools: the run was admitted before. It may not when a person has switched it
        off or wants another one.
        """
        found = self.pool.account(account)
        if found is None or found.state is not AccountState.READY:
            return None
        return found if self.pool.pinned in (None, account) else None

    async def _waited(self, exchange: Exchange, progress: Progress, found: AllCooling) -> bool:
        """Wait for the first account that is ready again, where the user wants that."""
        times = [each.until for each in found.reasons if each.until is not None and not each.tried]
        left = self._patience - (time.monotonic() - exchange.started)
        wait = max(min(times, default=float("inf")) - self._clock(), 0.0)
        if wait > left:
            return False
        logger.info("exchange %s waits %.1f s for an account", exchange.id, wait)
        await asyncio.sleep(wait)
        now = self._clock()
        progress.tried -= {
            each.account.handle
            for each in found.reasons
            if not each.tried and each.until is not None and each.until <= now
        }
        return True

    # --- after an attempt --------------------------------------------------------------------

    async def settle(self, exchange: Exchange, progress: Progress) -> Account | None:
        """Let the verdict on the last attempt have its effect, once.

        The result is the account that the next attempt has to ask: the same one.
        """
        last, count = progress.account, len(exchange.attempts)
        if last is None or count == progress.settled:
            return None
        progress.settled = count
        verdict = exchange.attempts[-1].verdict
        if verdict is None and progress.refused is not None:  # it failed once it was given
            verdict = progress.refused.verdict
        if isinstance(verdict, RefreshCredentials):
            from addons.providers.cursor.failures.classification import after_refresh

            if await self._renewed(last, progress):
                return last
            verdict = after_refresh(verdict)
        if isinstance(verdict, SameAccount):
            return last
        if isinstance(verdict, NextAccount):
            progress.tried.add(last.handle)
            self.cool(last, progress.model, verdict)
        return None

    async def _renewed(self, account: Account, progress: Progress) -> bool:
        """Whether there is a token that was not refused."""
        refused = progress.token
        if credential_of(account).access_token != refused:
            return True
        if account.handle in progress.renewed:
            return False
        progress.renewed.add(account.handle)
        if self.keeper is not None and await self.keeper.reload(account, refused):
            return True
        if self.keeper is not None and await self.keeper.renew(account, refused):
            return True
        return await self._renewal.usable(account, self._clock(), refused=refused)

    def ruled(self, verdict: Verdict, *, final: bool = True) -> Refusal:
        """The verdict as the user's own rules have it. Refused tokens are no matter for them.

        Args:
            final: there is not more to try than another account.
        """
        assert not isinstance(verdict, Commit | Hold), "a refusal"
        if not isinstance(verdict, NextAccount | SameAccount | Fail) or verdict.error is None:
            return verdict
        if not final:
            return verdict
        error = verdict.error
        rule = matching(self._rules, error.status, f"{error.code} {error.message}")
        if rule is None:
            return verdict
        if rule.cooldown is None:
            return Fail(f"{verdict.reason} (a rule of yours)", error)
        return NextAccount(f"{verdict.reason} (a rule of yours)", rule.cooldown, error, rule.scope)

    def cool(self, account: Account, model: str, verdict: NextAccount) -> None:
        """Apply a verdict to the account, as its scope says."""
        if verdict.scope == "none":
            return
        scope = model if verdict.scope == "model" else None
        now = self._clock()
        logger.info("account %s: %s", account.label, verdict.reason)
        if verdict.backoff:
            self.pool.back_off(
                account, scope, verdict.cooldown, verdict.reason, now=now, error=verdict.error
            )
        elif verdict.cooldown > 0:
            until = now + verdict.cooldown
            self.pool.cool(account, scope, until, verdict.reason, now=now, error=verdict.error)
