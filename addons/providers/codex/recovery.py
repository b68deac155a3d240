"""What is done about a refused sign-in, step by step."""

from __future__ import annotations

from addons.accounts.keeper import Keeper
from addons.accounts.model import Account
from addons.providers.codex.progress import Progress
from addons.providers.codex.roster import reload


async def recover(account: Account, progress: Progress, keeper: Keeper | None) -> bool:
    """One step after a 401: reload, (try again,) refresh, (try again,) give up.

    The official client's chain (codex-wire.md §5.3). True: there is a token that was not refused.
    """
    refused = progress.token
    if account.handle not in progress.reloaded:
        progress.reloaded.add(account.handle)
        if await reload(account, refused):
            return True
        if keeper is not None and await keeper.reload(account, refused):
            return True
    if keeper is None or account.handle in progress.renewed:
        return False
    progress.renewed.add(account.handle)
    return await keeper.renew(account, refused)
