"""Which account makes the next attempt, once the verdict on the last one has had its effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from addons.accounts.authority import Secret
from addons.accounts.model import Account, AccountState
from addons.accounts.rota import Rota
from addons.accounts.rules import matching
from addons.errors import ClientError
from addons.exchange import Attempt, Exchange
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

LENT: Final = ""
"""In the place of a model's name, for calls of official clients."""


class Serving(Rota["Progress"]):
    """One per provider.

    Args:
        accounts: those of the settings or of the sandbox, with their secrets.
        more: accounts that were added with a command.
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
        super().__init__(PROVIDER, found.values(), store, settings, clock)
        self._renewal = Renewal(authority, accounts)

    async def stop(self) -> None:
        await super().stop()
        await self._renewal.close()

    # --- before an attempt -------------------------------------------------------------------

    async def lent(self, exchange: Exchange, progress: Progress) -> Account | ClientError:
        """The account for a call of an official client: the same one for as long as it can serve,
        since the client keeps a state of its conversations that belongs to the account."""
        same = await self.settle(exchange, progress)
        if same is not None:
            return same
        exchange.conversation = f"{exchange.principal}:lent"
        found = await self.choose(exchange, progress, LENT)
        return found if isinstance(found, Account) else found.client_error(LENT, self._clock())

    async def _signed_in(self, account: Account, asking: Progress) -> bool:
        good = await self.usable(account)
        if not good:
            asking.tried.add(account.handle)
        return good

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

    # --- after an attempt --------------------------------------------------------------------

    def _verdict(self, attempt: Attempt, asking: Progress) -> Verdict | None:
        if attempt.verdict is None and asking.refused is not None:  # it failed once it was given
            return asking.refused.verdict
        return attempt.verdict

    def _given_up(self, account: Account, refused: RefreshCredentials) -> NextAccount:
        from addons.providers.cursor.failures.classification import after_refresh

        return after_refresh(refused)

    async def _renewed(self, account: Account, asking: Progress) -> bool:
        refused = asking.token
        if credential_of(account).access_token != refused:
            return True
        if account.handle in asking.renewed:
            return False
        asking.renewed.add(account.handle)
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
        rule = matching(self.rules, error.status, f"{error.code} {error.message}")
        if rule is None:
            return verdict
        if rule.cooldown is None:
            return Fail(f"{verdict.reason} (a rule of yours)", error)
        return NextAccount(f"{verdict.reason} (a rule of yours)", rule.cooldown, error, rule.scope)
