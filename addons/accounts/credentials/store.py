"""The kept sign-ins, for the event loop: every file and keyring access runs in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from addons.accounts.credentials.document import Document, Sheet
from addons.accounts.credentials.vault import Vault
from addons.accounts.states import States


class Credentials:
    """:class:`Vault`, and the word to running floways that something changed.

    Args:
        states: told of every change but of rotations, which only their reader needs.
    """

    def __init__(
        self, vault: Vault, states: States, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.vault = vault
        self._states = states
        self._clock = clock

    async def sheets(self, provider: str | None = None) -> list[Sheet]:
        """All of a provider, or of all, without secrets that are in the keyring."""
        found = await asyncio.to_thread(self.vault.sheets)
        return [sheet for sheet in found if provider in (None, sheet.document.provider)]

    async def read(self, name: str) -> Document | None:
        """One, with its secret."""
        return await asyncio.to_thread(self.vault.read, name)

    async def put(self, document: Document) -> tuple[Document, bool]:
        """As :meth:`Vault.put`."""
        kept, known = await asyncio.to_thread(self.vault.put, document, now=self._clock())
        await self._states.touch()
        return kept, known

    async def rotate(self, document: Document, *, revision: str) -> Document | None:
        """As :meth:`Vault.rotate`. Goes on to its end when the caller is cancelled."""
        return await asyncio.shield(
            asyncio.to_thread(self.vault.rotate, document, revision=revision)
        )

    async def relabel(self, name: str, label: str) -> Document:
        """As :meth:`Vault.relabel`."""
        kept = await asyncio.to_thread(self.vault.relabel, name, label)
        await self._states.touch()
        return kept

    async def remove(self, name: str) -> bool:
        """As :meth:`Vault.remove`."""
        gone = await asyncio.to_thread(self.vault.remove, name)
        await self._states.touch()
        return gone
