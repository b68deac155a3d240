"""What this provider remembers between exchanges, and what the next attempt's account is.

The pool of accounts, the threads of each session, what upstreams refused, who sealed which value.
What has to outlive the process is in the store.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from addons.accounts.model import Account, AccountState
from addons.accounts.rota import Rota
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
from addons.providers.contract import NextAccount, RefreshCredentials, Verdict
from addons.settings import Settings
from addons.store.contract import Store, StoreError

logger = logging.getLogger(__name__)

PARAMETERS = "codex.parameters"


class Memory(Rota[Progress]):
    """One per provider.

    Attributes:
        lineages: the last state of each thread.
        parameters: members that the upstream refused.
        seals: which account can read which sealed value.
    """

    def __init__(
        self,
        upstream: str,
        accounts: Sequence[Account],
        store: Store | None,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(roster.PROVIDER, accounts, store, settings, clock)
        self.lineages = Lineages()
        self.parameters = LearnedParameters()
        self.seals = Seals()
        self._upstream = upstream
        self._store = store
        self._doubted: dict[str, tuple[str, RefreshCredentials]] = {}
        """Tokens that were refused inside an answer, by account."""
        self._installations: dict[str, str] = {}

    async def start(self) -> None:
        await super().start()
        if self._store is None:
            return
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

    async def _again(self, asking: Progress) -> None:
        """Without the member that the upstream refused, if that is why."""
        if asking.refused is not None:
            self.parameters.learn(self._upstream, asking.refused, self._clock())
            asking.refused = None
            await self._keep_parameters()

    async def _signed_in(self, account: Account, asking: Progress) -> bool:
        if self.keeper is not None and not await self.keeper.ready(account):
            return False
        token, verdict = self._doubted.pop(account.handle, ("", None))
        if verdict is None or roster.credential_of(account).access_token != token:
            return True
        asking.token = token
        if await self._renewed(account, asking):
            return True
        asking.tried.add(account.handle)
        self.cool(account, asking.model, self._given_up(account, verdict))
        return False

    async def _renewed(self, account: Account, asking: Progress) -> bool:
        return await recover(account, asking, self.keeper)

    def _given_up(self, account: Account, refused: RefreshCredentials) -> NextAccount:
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
            self.cool(account, progress.model, verdict)
        elif isinstance(verdict, RefreshCredentials):
            self._doubted[account.handle] = (progress.token, verdict)

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
