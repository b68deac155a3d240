"""What is kept of accounts besides their secrets: switched off, in need of a login, pinned, seen.

In the store, by provider and handle, so that it holds for accounts of ``floway.toml`` as well. One
record counts changes; a running floway looks at it about once a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from addons.accounts.records import COOLDOWNS, open_cooldowns
from addons.accounts.seen import dump_cooldowns
from addons.store.contract import JsonLike, JsonValue, Store

STATES = "accounts.states"
PINS = "accounts.pins"
CHANGES = "accounts.changes"
SEEN = "accounts.seen"

_ALL = "all"
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a sign-in is over.

    Attributes:
        revision: of the credential that it is about; another one is worth a try.
        at: unix seconds.
    """

    revision: str
    code: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class State:
    """What a person, or a final refusal, made of an account.

    Attributes:
        weight, priority: see :class:`~.model.Account`; None: those of the settings.
    """

    enabled: bool = True
    problem: Problem | None = None
    weight: float | None = None
    priority: int | None = None


class States:
    """Typed access to the store's records about accounts."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def of(self, provider: str, handle: str) -> State:
        record = await self._store.get(STATES, key_of(provider, handle))
        return _state(record.value if record is not None else None)

    async def enable(self, provider: str, handle: str, enabled: bool) -> None:
        await self._change(provider, handle, lambda state: replace(state, enabled=enabled))
        await self.touch()

    async def prefer(
        self, provider: str, handle: str, *, weight: float | None, priority: int | None
    ) -> None:
        """How much the account is wanted; None leaves that to the settings.

        Raises:
            ValueError: the weight is not a positive number.
        """
        if weight is not None and not 0 < weight < float("inf"):
            raise ValueError(f"weight must be a positive number, not {weight!r}")
        await self._change(
            provider, handle, lambda state: replace(state, weight=weight, priority=priority)
        )
        await self.touch()

    async def ended(self, provider: str, handle: str, revision: str, code: str, text: str) -> None:
        """The authorization server said for good that this credential is over."""
        problem = Problem(revision, code, text, self._clock())
        await self._change(provider, handle, lambda state: replace(state, problem=problem))
        await self.touch()

    async def forget(self, provider: str, handle: str) -> None:
        """The account was removed, by a person."""
        await self._store.delete(STATES, key_of(provider, handle))
        await self._store.delete(SEEN, key_of(provider, handle))
        if await self.pinned(provider) == handle:
            await self._store.delete(PINS, provider)
        await self.touch()

    # --- pin -----------------------------------------------------------------------------------

    async def pinned(self, provider: str) -> str | None:
        """Handle of the account that every conversation is to use while it can serve."""
        record = await self._store.get(PINS, provider)
        return record.value if record is not None and isinstance(record.value, str) else None

    async def pin(self, provider: str, handle: str | None) -> None:
        if handle is None:
            await self._store.delete(PINS, provider)
        else:
            await self._store.put(PINS, provider, handle)
        await self.touch()

    # --- what a running floway has seen ----------------------------------------------------------

    async def seen(self, provider: str, handle: str) -> dict[str, Any]:
        """Limits and cooldowns as a running floway kept them, in the form of :mod:`~.seen`.

        {} when none did.
        """
        key = key_of(provider, handle)
        record = await self._store.get(SEEN, key)
        kept = record.value if record is not None and isinstance(record.value, dict) else {}
        cooldowns = open_cooldowns(await self._store.scan(COOLDOWNS, key), self._clock())
        quota = kept.get("quota")
        if quota is None and not cooldowns:
            return {}
        return {"quota": quota, "cooldowns": dump_cooldowns(cooldowns)}

    async def see(self, provider: str, handle: str, value: JsonLike) -> None:
        await self._store.put(SEEN, key_of(provider, handle), value)

    # --- changes ---------------------------------------------------------------------------------

    async def touch(self) -> None:
        """Something changed; running floways look again."""
        await self._store.put(CHANGES, _ALL, self._clock())

    async def version(self) -> int:
        """Another number after every :meth:`touch`."""
        record = await self._store.get(CHANGES, _ALL)
        return record.version if record is not None else 0

    async def _change(self, provider: str, handle: str, change: Callable[[State], State]) -> None:
        key = key_of(provider, handle)
        for _ in range(_TRIES):
            record = await self._store.get(STATES, key)
            state = change(_state(record.value if record is not None else None))
            version = record.version if record is not None else 0
            written = await self._store.compare_and_set(
                STATES, key, _dumped(state), version=version
            )
            if written is not None:
                return
        await self._store.put(STATES, key, _dumped(state))  # the last word is as good as any


def key_of(provider: str, handle: str) -> str:
    """The key of an account's records."""
    return f"{provider}:{handle}"


def _dumped(state: State) -> JsonLike:
    problem = state.problem
    return {
        "enabled": state.enabled,
        "weight": state.weight,
        "priority": state.priority,
        "problem": None
        if problem is None
        else {
            "revision": problem.revision,
            "code": problem.code,
            "text": problem.text,
            "at": problem.at,
        },
    }


def _state(value: JsonValue) -> State:
    """The state in a record; what a later version wrote differently counts as nothing."""
    if not isinstance(value, dict):
        return State()
    given = value.get("problem")
    problem = None
    if isinstance(given, dict):
        revision, code, text, at = (given.get(n) for n in ("revision", "code", "text", "at"))
        if isinstance(revision, str) and isinstance(code, str) and isinstance(at, int | float):
            problem = Problem(revision, code, str(text), float(at))
    weight, priority = value.get("weight"), value.get("priority")
    return State(
        value.get("enabled") is not False,
        problem,
        float(weight) if isinstance(weight, int | float) and 0 < weight < float("inf") else None,
        priority if isinstance(priority, int) else None,
    )
