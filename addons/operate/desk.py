"""What can be done with accounts, by command or by the control API."""

from __future__ import annotations

from addons.accounts.authority import Secret
from addons.accounts.credentials.document import Document
from addons.accounts.credentials.naming import checked_label, same_name
from addons.accounts.ledger import end_cooldowns
from addons.accounts.model import AccountState
from addons.accounts.refresh import Refresher
from addons.accounts.seen import dump_quota
from addons.operate.account_view import Entry
from addons.operate.errors import ControlError
from addons.operate.models import AccountCooldown, AccountView, AddedAccount
from addons.operate.roster import Roster, cooldowns_of


class Desk(Roster):
    """Steers accounts. Running floways follow: that of this process at once, others by a look at
    the store about once a second."""

    async def keep(
        self, provider: str, label: str, secret: Secret, *, imported: bool = False
    ) -> AddedAccount:
        """Keep a sign-in; the same account again is brought up to date.

        Raises:
            ControlError: floway.toml has an account of that label.
            AccountError: it can't be used, or the label is taken.
        """
        self.check_label(provider, label)
        authority = self.authority(provider)
        described = authority.describe(secret)
        document = Document(provider, label, described.handle, secret, kind=described.kind)
        kept, known = await self.credentials.put(document)
        await self.states.enable(kept.provider, kept.handle, True)
        await self._tell(provider)
        entry = await self.find(f"{kept.provider}:{kept.shown}")
        folder = str(self.settings.credentials)
        return AddedAccount(
            account=await self.view(entry),
            updated=known,
            where="in the keyring" if entry.kept == "keyring" else f"in {folder}",
            warning=authority.import_warning(secret) if imported else "",
        )

    def check_label(self, provider: str, label: str) -> None:
        """Whether an account may be added under this label; before a person signs in.

        Raises:
            ControlError: floway.toml uses it, or there is no such provider.
            AccountError: it can't be one.
        """
        self.authority(provider)
        if not label:
            return
        checked_label(label)
        for given in self.settings.accounts:
            if given.provider == provider and same_name(given.label, label):
                raise ControlError(
                    409,
                    "label_taken",
                    f"{self.settings.file} has an account {given.label!r}",
                    "choose another --label",
                )

    async def relabel(self, name: str, new: str) -> AccountView:
        """
        Raises:
            ControlError: it was not added, or there is none.
            AccountError: the label is taken, or can't be one.
        """
        entry, document = await self.added(name)
        self.check_label(entry.provider, new)
        kept = await self.credentials.relabel(document.name, checked_label(new))
        await self._tell(entry.provider)
        return await self.named(f"{kept.provider}:{kept.shown}")

    async def switch(self, name: str, enabled: bool) -> AccountView:
        """Use an account again, or keep it and don't use it.

        Raises:
            ControlError: there is none, or it can't be read.
        """
        entry = await self._readable(name)
        if entry.origin == "sandbox":
            account = self.account(entry)
            assert account is not None
            account.state = AccountState.READY if enabled else AccountState.DISABLED
            account.reason = "" if enabled else f"floway accounts enable {entry.label}"
        else:
            await self.states.enable(entry.provider, entry.handle, enabled)
            await self._tell(entry.provider)
        return await self.view(entry)

    async def prefer(
        self, name: str, *, weight: float | None = None, priority: int | None = None
    ) -> AccountView:
        """How much an account is wanted for new conversations; None leaves one as it is.

        Raises:
            ControlError: as :meth:`switch`.
            ValueError: the weight is not a positive number.
        """
        entry = await self._readable(name)
        if entry.origin == "sandbox":
            account = self.account(entry)
            assert account is not None
            account.weight = account.weight if weight is None else weight
            account.priority = account.priority if priority is None else priority
        else:
            state = await self.states.of(entry.provider, entry.handle)
            await self.states.prefer(
                entry.provider,
                entry.handle,
                weight=state.weight if weight is None else weight,
                priority=state.priority if priority is None else priority,
            )
            await self._tell(entry.provider)
        return await self.view(entry)

    async def pin(self, name: str) -> AccountView:
        """Every conversation uses it while it can serve.

        Raises:
            ControlError: as :meth:`switch`.
        """
        entry = await self._readable(name)
        if entry.origin == "sandbox":
            live = self.live_of(entry.provider)
            assert live is not None
            live.pool.pinned = entry.handle
        else:
            await self.states.pin(entry.provider, entry.handle)
            await self._tell(entry.provider)
        return await self.view(entry)

    async def unpin(self) -> None:
        """floway chooses by itself, for every provider."""
        for provider in self._makers:
            await self.states.pin(provider, None)
            await self._tell(provider)
        for operated in self.live():
            if operated.keeper is None:
                operated.pool.pinned = None

    async def refresh(self, name: str) -> AccountView:
        """Renew the sign-in now, where it can be, and ask for the account's limits.

        Raises:
            ControlError: it was not added, or there is none.
            SignInEnded: only a login helps.
            SignInUnavailable: for now it can't be done.
        """
        entry, document = await self.added(name)
        authority = self.authority(entry.provider)
        secret = await self.secret(document)
        described = authority.describe(secret)
        if described.renewable:
            refresher = self._refresher(entry.provider)
            fresh = await refresher.usable(document.name, refused=described.token, reason="asked")
            secret = fresh.secret
        quota = await authority.quota(secret)
        if quota is not None:
            live, account = self.live_of(entry.provider), self.account(entry)
            if live is not None and account is not None:
                live.pool.observed(account, quota)
            await self.states.see(entry.provider, entry.handle, {"quota": dump_quota(quota)})
        await self.states.touch()
        await self._tell(entry.provider)
        return await self.named(f"{entry.provider}:{entry.label}")

    async def remove(self, name: str) -> AccountView:
        """Forget an added account and its sign-in; what it was like.

        Raises:
            ControlError: it was not added, or there is none.
        """
        entry, document = await self.added(name)
        view = await self.view(entry)
        await self.credentials.remove(document.name)
        await self.states.forget(entry.provider, entry.handle)
        await self._tell(entry.provider)
        return view

    async def clear_cooldowns(self, name: str = "") -> list[AccountCooldown]:
        """End the cooldowns of one account, or of all; those that were open.

        Raises:
            ControlError: as :meth:`find`.
        """
        cleared = []
        for entry in [await self.find(name)] if name else await self.entries():
            own = cooldowns_of(await self.view(entry))
            if not own:
                continue
            live = self.live_of(entry.provider)
            if live is not None:
                live.pool.cooldowns.clear(entry.handle, all_models=True)
            await end_cooldowns(self.store, entry.provider, entry.handle, self.clock())
            cleared += own
        return cleared

    # --- this process ------------------------------------------------------------------------

    async def _readable(self, name: str) -> Entry:
        entry = await self.find(name)
        if not entry.handle:
            raise ControlError(
                409, "account_unusable", f"{entry.label} can't be read: {entry.problem}"
            )
        return entry

    def _refresher(self, provider: str) -> Refresher:
        live = self.live_of(provider)
        if live is not None and live.keeper is not None:
            return live.keeper.refresher
        return Refresher(self.authority(provider), self.credentials, self.states, self.store)

    async def _tell(self, provider: str) -> None:
        """Let the live pool follow at once; those of other processes look by themselves."""
        live = self.live_of(provider)
        if live is not None and live.keeper is not None:
            await live.keeper.look()
