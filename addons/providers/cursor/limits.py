"""What accounts have used, asked for now and then: Cursor's answers do not say it by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.accounts.quota import Quota

EVERY: Final = 300.0
"""Seconds between two questions about one account; it is asked only while it is used."""

type Ask = Callable[[Account], Awaitable[Quota | None]]
"""None: the upstream says nothing. Raises nothing."""


class Limits:
    """One per provider.

    Args:
        clock: unix seconds.
    """

    def __init__(self, pool: Pool, ask: Ask, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._ask = ask
        self._clock = clock
        self._asked: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def used(self, account: Account) -> None:
        """The account was used; its limits are asked for in the background where it is time."""
        now = self._clock()
        if now < self._asked.get(account.handle, float("-inf")) + EVERY:
            return
        self._asked[account.handle] = now
        task = asyncio.create_task(self._look(account), name="floway: limits of an account")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _look(self, account: Account) -> None:
        quota = await self._ask(account)
        if quota is not None:
            self._pool.observed(account, quota)
