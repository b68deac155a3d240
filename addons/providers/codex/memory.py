"""What this provider remembers between exchanges, and what the next attempt's account is.

The pool of accounts, the threads of each session, what upstreams refused, who sealed which value.
What has to outlive the process is in the store.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from addons.accounts.keeper import Keeper
from addons.accounts.ledger import Ledger
from addons.accounts.model import Account, AccountState
from addons.accounts.pool import AllCooling, Pool
from addons.accounts.rules import rules_for
from addons.accounts.strategies import STRATEGIES
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.providers.codex import roster, seals
from addons.providers.codex.classification import after_refresh
from addons.providers.codex.identity import Identity
from addons.providers.codex.lineage import Lineages
from addons.providers.codex.parameters import LearnedParameters
from addons.providers.codex.planning import Shaped
from addons.providers.codex.progress import Progress
from addons.providers.codex.recovery import recover
from addons.providers.codex.refusals import Refusal
from addons.providers.codex.seals import Seals, sealed_values
from addons.providers.contract import NextAccount, RefreshCredentials, SameAccount, Verdict
from addons.settings import Settings
from addons.store.contract import Store, StoreError

logger = logging.getLogger(__name__)

PARAMETERS = "codex.parameters"


class Memory:
    """One per provider.

    Attributes:
        pool: which account serves which conversation, and which one cools.
        ledger: keeps what the pool learns.
        rules: the user's own on refusals.
        lineages: the last state of each thread.
        parameters: members that the upstream refused.
        seals: which account can read which sealed value.
        keeper: of accounts that were added; None where only the settings name accounts.
    """

    def __init__(
        self,
        upstream: str,
        accounts: Sequence[Account],
        store: Store | None,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        strategy = STRATEGIES[settings.strategy_of(roster.PROVIDER)]
        self.pool = Pool(accounts, strategy=strategy)
        self.ledger = Ledger(roster.PROVIDER, self.pool, store, clock=clock)
        self.rules = rules_for(settings.cooldown_rules, roster.PROVIDER)
        self.lineages = Lineages()
        self.parameters = LearnedParameters()
        self.seals = Seals()
        self.keeper: Keeper | None = None
        self._upstream = upstream
        self._store = store
        self._patience = settings.wait_seconds
        self._clock = clock
        self._doubted: dict[str, tuple[str, RefreshCredentials]] = {}
        """Tokens that were refused inside an answer, by account."""
        self._installations: dict[str, str] = {}

    async def load(self) -> None:
        """Fetch what the store has kept."""
        if self._store is None:
            return
        if self.keeper is not None:
            await self.keeper.start()
        await self.ledger.start()
        for account in self.pool.accounts:
            await self.install(account)
        kept = await self._store.get(PARAMETERS, "refused")
        if kept is not None:
            try:
                self.parameters.load(kept.value)
            except ValueError as error:  # of another version, say; it is learned again
                logger.warning("what the upstream refused before is forgotten: %s", error)

    async def close(self) -> None:
        """End what runs, and write what waits."""
        if self.keeper is not None:
            await self.keeper.stop()
        await self.ledger.stop()

    async def install(self, account: Account) -> None:
        """See that the account has an installation id that is kept, also one that was added late.

        The store is asked once per account.
        """
        if self._store is None or account.handle in self._installations:
            return
        try:
            kept = await roster.installation(account, self._store)
        except StoreError as error:
            logger.warning("account %s: its installation id is not kept: %s", account.label, error)
            kept = str(uuid.uuid4())
        self._installations.setdefault(account.handle, kept)

    def installation(self, account: Account) -> str:
        """The account's installation id; minted for this process where nothing is kept."""
        known = self._installations.get(account.handle)
        return known or self._installations.setdefault(account.handle, str(uuid.uuid4()))

    def remember(self, identity: Identity, now: float, model: str, principal: str) -> None:
        """The request goes out: its thread's state is the last one known."""
        self.lineages.remember(identity.session_id, identity.strand(now, model), principal)

    def with_state(self, identity: Identity, account: Account) -> Identity:
        """With the turn state of the account, and never with that of another one.

        The caller's own comes first. Most callers know nothing of turn states; theirs are kept
        here (codex-wire.md §1.7).
        """
        state = identity.turn_state
        if state is not None and self.seals.readable(state, account.handle):
            return identity
        kept = self.lineages.state(
            identity.session_id, identity.thread_id, identity.turn_id, account.handle
        )
        return identity if kept == state else replace(identity, turn_state=kept)

    def state_given(self, identity: Identity, account: Account, state: str) -> None:
        """The upstream gave the account a turn state for this turn."""
        self.seals.made(state, account.handle)
        self.lineages.keep_state(
            identity.session_id, identity.thread_id, identity.turn_id, account.handle, state
        )

    async def settle(self, exchange: Exchange, progress: Progress, now: float) -> Account | None:
        """Let the verdict on the last attempt have its effect, once.

        The result is the account that the next attempt has to ask: the same one.
        """
        last, count = progress.account, len(exchange.attempts)
        if last is None or count == progress.settled:
            return None
        progress.settled = count
        verdict = exchange.attempts[-1].verdict
        if isinstance(verdict, RefreshCredentials):
            if await recover(last, progress, self.keeper):
                return last
            verdict = self._given_up(last, verdict)
        if isinstance(verdict, SameAccount):
            if progress.refused is not None:
                self.parameters.learn(self._upstream, progress.refused, now)
                progress.refused = None
                await self._keep_parameters()
            return last
        if isinstance(verdict, NextAccount):
            progress.tried.add(last.handle)
            self.cool(last, progress.model, verdict, now)
        return None

    async def account(
        self, exchange: Exchange, progress: Progress, now: float
    ) -> Account | ClientError:
        """The account for the next attempt, after the verdict on the last one has its effect."""
        same = await self.settle(exchange, progress, now)
        if same is not None:
            return same
        while True:
            chosen = await self._chosen(exchange, progress)
            if isinstance(chosen, Account):
                return chosen
            self.pool.absolve(progress.model, chosen)
            if exchange.route.kind == "passthrough":
                for each in chosen.reasons:  # limits hold for model requests only
                    if each.error is not None and each.error.status in (429, 503):
                        return each.account
            elif await self._waited(exchange, progress, chosen):
                continue
            break
        verdict = exchange.attempts[-1].verdict if exchange.attempts else None
        last_error = None
        if isinstance(verdict, NextAccount | RefreshCredentials):
            last_error = verdict.error
            if len(self.pool.accounts) == 1:
                return last_error
        return chosen.client_error(progress.model, self._clock(), last=last_error)

    async def _chosen(self, exchange: Exchange, progress: Progress) -> Account | AllCooling:
        """The pool's choice, with a sign-in that is good as far as is known."""
        while True:
            now = self._clock()
            barred = exchange.barred(self.pool.accounts, progress.tried)
            chosen = self.pool.choose(exchange.binding, progress.model, now, barred)
            if not isinstance(chosen, Account):
                return chosen
            if self.keeper is not None and not await self.keeper.ready(chosen):
                continue
            token, verdict = self._doubted.pop(chosen.handle, ("", None))
            if verdict is None or roster.credential_of(chosen).access_token != token:
                return chosen
            progress.token = token
            if await recover(chosen, progress, self.keeper):
                return chosen
            progress.tried.add(chosen.handle)
            self.cool(chosen, progress.model, self._given_up(chosen, verdict), now)

    async def _waited(self, exchange: Exchange, progress: Progress, found: AllCooling) -> bool:
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
        progress.tried -= {
            each.account.handle
            for each in found.reasons
            if not each.tried and each.until is not None and each.until <= now
        }
        return True

    def _given_up(self, account: Account, refused: RefreshCredentials) -> NextAccount:
        """What a refused sign-in means that could not be renewed."""
        verdict = after_refresh(refused)
        if account.state is AccountState.NEEDS_LOGIN:  # which no time mends, and a login at once
            return replace(verdict, cooldown=0.0)
        if self.keeper is not None and (pause := self.keeper.pause(account)):
            reason = "its sign-in could not be refreshed for now"
            return replace(verdict, reason=reason, cooldown=pause)
        return verdict

    def refused(self, account: Account, progress: Progress, verdict: Verdict | None) -> None:
        """An answer that goes to the client already, or a message, was a refusal.

        Nothing can be sent again; what is learned counts for the next request.
        """
        if isinstance(verdict, NextAccount):
            self.cool(account, progress.model, verdict, self._clock())
        elif isinstance(verdict, RefreshCredentials):
            self._doubted[account.handle] = (progress.token, verdict)

    def cool(self, account: Account, model: str, verdict: NextAccount, now: float) -> None:
        """Apply a verdict to the account, as its scope says."""
        if verdict.scope == "none":
            return
        scope = model if verdict.scope == "model" else None
        logger.info("account %s: %s", account.label, verdict.reason)
        if verdict.backoff:
            self.pool.back_off(
                account, scope, verdict.cooldown, verdict.reason, now=now, error=verdict.error
            )
        elif verdict.cooldown > 0:
            self.pool.cool(
                account,
                scope,
                now + verdict.cooldown,
                verdict.reason,
                now=now,
                source=verdict.source,
                error=verdict.error,
            )

    async def _keep_parameters(self) -> None:
        if self._store is None:
            return
        try:
            await self._store.put(PARAMETERS, "refused", self.parameters.dump())
        except StoreError as error:
            logger.warning("what the upstream refused is not kept: %s", error)

    def unsealed(self, refusal: Refusal | None, sent: Shaped, account: Account) -> bool:
        """Whether the account can't read an item, which the next request leaves out."""
        if refusal is None or seals.REFUSED not in refusal.words:
            return False
        return self.seals.refused(sealed_values(sent.content), account.handle)
