"""What a provider shows of its inside to those who operate floway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from addons.accounts.keeper import Keeper
from addons.accounts.pool import Pool
from addons.sessions.journal import Journal


@dataclass(frozen=True, slots=True)
class Operated:
    """The parts of one provider that can be looked at and steered.

    Attributes:
        provider: its name.
        keeper: keeps the pool in step with the store; None where the accounts are made up.
        journal: counts its conversations' tokens; None where it has none.
    """

    provider: str
    pool: Pool
    keeper: Keeper | None = None
    journal: Journal | None = None


@runtime_checkable
class Operable(Protocol):
    """A provider that has such parts."""

    def operated(self) -> Operated:
        """Looked at again for every request: parts may be replaced."""
