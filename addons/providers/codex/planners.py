"""One planner for each profile that is asked for: the usual one, and those of replays."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.providers.codex.environment import detect
from addons.providers.codex.planning import Planner
from addons.providers.codex.rehearsal import rehearse
from addons.providers.codex.upstream import Upstream
from addons.settings import Settings
from fingerprints.errors import FingerprintError

MOST: Final = 8
"""Planners besides the usual one that are kept; each holds a compiled profile."""


class Planners:
    """
    Attributes:
        usual: in the form of the profile that the settings name.

    Raises:
        ProfileError: that profile does not exist, or can't be applied.
    """

    def __init__(self, settings: Settings, upstream: Upstream, accounts: Sequence[Account]) -> None:
        self._upstream = upstream
        self._accounts = accounts
        self._machine = detect(
            os_words=settings.client_os,
            arch=settings.client_arch,
            terminal_word=settings.client_terminal,
        )
        self._made: OrderedDict[str, Planner] = OrderedDict()
        self.usual = self._make(settings.profile)

    async def of(self, exchange: Exchange) -> Planner:
        """The one in whose form the exchange's request leaves.

        Raises:
            ClientError: 400, the profile that was asked for can't be used.
        """
        name = exchange.profile
        if not name or name == self.usual.profile.name:
            return self.usual
        if name not in self._made:
            try:  # a profile is read and compiled: a moment too long for the event loop
                made = await asyncio.to_thread(self._make, name)
            except FingerprintError as error:
                raise ClientError(400, "profile_unusable", str(error)) from error
            self._made[name] = made
            while len(self._made) > MOST:
                self._made.popitem(last=False)
        return self._made[name]

    def _make(self, profile: str) -> Planner:
        planner = Planner(self._upstream, profile, self._machine)
        rehearse(planner, self._accounts)
        return planner
