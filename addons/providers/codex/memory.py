"""What this provider remembers between exchanges, and what the next attempt's account is.

The pool of accounts, the threads of each session, what upstreams refused, who sealed which value.
What has to outlive the process is in the store.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace

from addons.accounts.keeper import Keeper
from addons.accounts.model import Account, AccountState
from addons.accounts.pool import Pool
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
from addons.providers.contract import NextAccount, RefreshCredentials, SameAccount
from addons.store.contract import Store, StoreError

logger = logging.getLogger(__name__)

PARAMETERS = "codex.parameters"


class Memory:
    """One per provider.

    Attributes:
        pool: which account serves which conversation, and which one cools.
        lineages: the last state of each thread.
        parameters: members that the upstream refused.
        seals: which account can read which sealed value.
        keeper: of accounts that were added; None where only the settings name accounts.
    """

    def __init__(self, upstream: str, accounts: Sequence[Account], store: Store | None) -> None:
        self.pool = Pool(accounts)
        self.lineages = Lineages()
        self.parameters = LearnedParameters()
        self.seals = Seals()
        self.keeper: Keeper | None = None
        self._upstream = upstream
        self._store = store
        self._installations: dict[str, str] = {}

    async def load(self) -> None:
        """Fetch what the store has kept."""
        if self._store is None:
            return
        if self.keeper is not None:
            await self.keeper.start()
        for account in self.pool.accounts:
            await self.install(account)
        kept = await self._store.get(PARAMETERS, "refused")
        if kept is not None:
            try:
                self.parameters.load(kept.value)
            except ValueError as error:  # of another version, say; it is learned again
                logger.warning("what the upstream refused before is forgotten: %s", error)

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
            verdict = after_refresh(verdict)
            if last.state is AccountState.NEEDS_LOGIN:  # which no time mends, and a login at once
                verdict = replace(verdict, cooldown=0.0)
            elif self.keeper is not None and (pause := self.keeper.pause(last)):
                reason = "its sign-in could not be refreshed for now"
                verdict = replace(verdict, reason=reason, cooldown=pause)
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
            chosen = self.pool.choose(exchange.conversation, progress.model, now, progress.tried)
            if not isinstance(chosen, Account):
                break
            if self.keeper is None or await self.keeper.ready(chosen):
                return chosen
        if exchange.route.kind == "passthrough":
            for each in chosen.reasons:  # limits hold for model requests only
                if each.error is not None and each.error.status in (429, 503):
                    return each.account
        verdict = exchange.attempts[-1].verdict if exchange.attempts else None
        last_error = None
        if isinstance(verdict, NextAccount | RefreshCredentials):
            last_error = verdict.error
            if len(self.pool.accounts) == 1:
                return last_error
        return chosen.client_error(progress.model, now, last=last_error)

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
            until = now + verdict.cooldown
            self.pool.cool(account, scope, until, verdict.reason, now=now, error=verdict.error)

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
