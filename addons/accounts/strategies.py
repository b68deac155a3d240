"""In which order accounts are asked for a new conversation. Pure: clocks come in as arguments.

A strategy knows the accounts of one priority; :class:`Tiers` asks those of the highest first. Which
of them can serve is the pool's matter: it takes the first of the order that can.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from addons.accounts.model import Account


class Strategy(Protocol):
    """The order among accounts that are equally wanted."""

    def update(self, accounts: Iterable[Account], now: float) -> None:
        """The accounts there are. What is known of one goes by its handle and stays."""

    def order(self, now: float) -> Iterator[str]:
        """Handles, the best first. Not to be used any more once :meth:`chosen` was called."""

    def chosen(self, handle: str) -> None:
        """This one serves a new conversation."""

    def observed(self, account: Account, now: float) -> None:
        """The upstream has said something new of the account's limits."""


type MakeStrategy = Callable[[], Strategy]


class FillFirst:
    """The first account as long as it can serve, then the second, and so on.

    Keeps later accounts fresh, and most caches in one place.
    """

    def __init__(self) -> None:
        self._handles: list[str] = []

    def update(self, accounts: Iterable[Account], now: float) -> None:
        self._handles = [account.handle for account in accounts]

    def order(self, now: float) -> Iterator[str]:
        return iter(self._handles)

    def chosen(self, handle: str) -> None:
        pass

    def observed(self, account: Account, now: float) -> None:
        pass


class RoundRobin:
    """The account that was chosen longest ago comes first; accounts may come and go."""

    def __init__(self) -> None:
        self._rotation: OrderedDict[str, None] = OrderedDict()

    def update(self, accounts: Iterable[Account], now: float) -> None:
        wanted = [account.handle for account in accounts]
        keep = set(wanted)
        for handle in [handle for handle in self._rotation if handle not in keep]:
            del self._rotation[handle]
        for handle in wanted:
            self._rotation.setdefault(handle, None)

    def order(self, now: float) -> Iterator[str]:
        return iter(self._rotation)

    def chosen(self, handle: str) -> None:
        self._rotation.move_to_end(handle)

    def observed(self, account: Account, now: float) -> None:
        pass


class Weighted:
    """New conversations in proportion to the accounts' weights.

    Stride scheduling: each choice moves an account on by 1/weight, and the one that is furthest
    behind comes first. One that could not serve for a while is next once it can, and does not make
    up for what it has missed.
    """

    def __init__(self) -> None:
        self._weights: dict[str, float] = {}
        self._ranks = _Ranks()
        self._passed = 0.0

    def update(self, accounts: Iterable[Account], now: float) -> None:
        self._weights = {account.handle: account.weight for account in accounts}
        self._ranks.keep(self._weights)
        for handle in self._weights:
            if handle not in self._ranks:
                self._ranks.put(handle, self._passed)

    def order(self, now: float) -> Iterator[str]:
        return iter(self._ranks)

    def chosen(self, handle: str) -> None:
        at = max(self._ranks[handle], self._passed)
        self._passed = at
        self._ranks.put(handle, at + 1.0 / self._weights[handle])

    def observed(self, account: Account, now: float) -> None:
        pass


class LeastUsed:
    """The account whose fullest limit is the emptiest comes first.

    What counts is the fullest window that holds for the account as a whole, in percent; nothing
    known counts as unused. Until the upstream says more, each new conversation counts as
    :data:`GUESS` percent: many that begin at one time do not all go to one account.
    """

    GUESS: Final = 1.0

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._ranks = _Ranks()
        self._resets: list[tuple[float, str]] = []
        """When a window opens again, the next first; an entry may be out of date."""

    def update(self, accounts: Iterable[Account], now: float) -> None:
        self._accounts = {account.handle: account for account in accounts}
        self._ranks.keep(self._accounts)
        for account in self._accounts.values():
            if account.handle not in self._ranks:
                self._rank(account, now)

    def order(self, now: float) -> Iterator[str]:
        while self._resets and self._resets[0][0] <= now:
            _, handle = heapq.heappop(self._resets)
            if handle in self._accounts:
                self._rank(self._accounts[handle], now)
        return iter(self._ranks)

    def chosen(self, handle: str) -> None:
        self._ranks.put(handle, self._ranks[handle] + self.GUESS)

    def observed(self, account: Account, now: float) -> None:
        if account.handle in self._accounts:
            self._rank(account, now)

    def _rank(self, account: Account, now: float) -> None:
        load = 0.0
        resets: list[float] = []
        if account.quota is not None:
            load = account.quota.load(now)
            resets = [
                window.resets_at
                for window in account.quota.at(now).windows
                if window.general and window.resets_at is not None
            ]
        self._ranks.put(account.handle, load)
        if resets:
            heapq.heappush(self._resets, (min(resets), account.handle))
            self._tidy()

    def _tidy(self) -> None:
        """Each observation adds an entry; of an account only the newest is of use."""
        if len(self._resets) > 4 * len(self._accounts) + 16:
            nearest: dict[str, float] = {}
            for at, handle in self._resets:
                nearest[handle] = min(at, nearest.get(handle, at))
            self._resets = [(at, handle) for handle, at in nearest.items()]
            heapq.heapify(self._resets)


class _Ranks:
    """Handles in the order of a number; of equal ones, the one that was put longest ago first."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, int, str]] = {}
        self._sorted: list[tuple[float, int, str]] = []
        self._serial = 0

    def __contains__(self, handle: str) -> bool:
        return handle in self._entries

    def __getitem__(self, handle: str) -> float:
        return self._entries[handle][0]

    def __iter__(self) -> Iterator[str]:
        return (handle for _, _, handle in self._sorted)

    def put(self, handle: str, rank: float) -> None:
        known = self._entries.get(handle)
        if known is not None:
            del self._sorted[bisect_left(self._sorted, known)]
        self._serial += 1
        entry = self._entries[handle] = (rank, self._serial, handle)
        insort(self._sorted, entry)

    def keep(self, handles: Iterable[str]) -> None:
        """Forget all others."""
        wanted = set(handles)
        self._entries = {name: entry for name, entry in self._entries.items() if name in wanted}
        self._sorted = sorted(self._entries.values())


class Tiers:
    """One strategy for each priority; the accounts of the highest come first."""

    def __init__(self, make: MakeStrategy) -> None:
        self._make = make
        self._tiers: dict[int, Strategy] = {}
        self._of: dict[str, Strategy] = {}

    def update(self, accounts: Iterable[Account], now: float) -> None:
        groups: dict[int, list[Account]] = {}
        for account in accounts:
            groups.setdefault(account.priority, []).append(account)
        known, self._tiers, self._of = self._tiers, {}, {}
        for priority in sorted(groups, reverse=True):
            strategy = known.get(priority)
            if strategy is None:
                strategy = self._make()
            strategy.update(groups[priority], now)
            self._tiers[priority] = strategy
            self._of |= {account.handle: strategy for account in groups[priority]}

    def order(self, now: float) -> Iterator[str]:
        for strategy in self._tiers.values():
            yield from strategy.order(now)

    def chosen(self, handle: str) -> None:
        self._of[handle].chosen(handle)

    def observed(self, account: Account, now: float) -> None:
        strategy = self._of.get(account.handle)
        if strategy is not None:
            strategy.observed(account, now)


STRATEGIES: Final[dict[str, MakeStrategy]] = {
    "round_robin": RoundRobin,
    "fill_first": FillFirst,
    "least_used": LeastUsed,
    "weighted": Weighted,
}
"""By the word of the setting ``strategy``."""
