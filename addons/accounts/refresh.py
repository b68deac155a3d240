"""Renewing sign-ins: once at a time per account, over all tasks and processes, and never in vain.

The chain after a refusal is that of official clients: reload, try again, refresh, try again, give
up. A refresh token may be good for one use, so the answer to it is written down before anything
else happens, and nobody's leaving interrupts that.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from addons.accounts.authority import Authority, Reason
from addons.accounts.credentials.document import Document
from addons.accounts.credentials.store import Credentials
from addons.accounts.errors import AccountError, SignInEnded, SignInUnavailable
from addons.accounts.states import States
from addons.store.contract import Store

logger = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 30.0
"""Longest time for the authorization server's answer."""

LEASE_SECONDS: Final = 90.0
"""A dead process holds up the others for so long; a living one is done earlier."""

FIRST_PAUSE: Final = 15.0
LONGEST_PAUSE: Final = 300.0
"""Seconds without another try after failures that may pass, doubling."""

_LOOK_AGAIN: Final = 0.05
"""Seconds between looks at a refresh that another process is making."""


@dataclass(frozen=True, slots=True)
class _Pause:
    until: float
    failures: int
    text: str


class Refresher:
    """Sign-ins that are good to use, for one provider.

    Args:
        clock: unix seconds.
        sleep: replaced by tests.

    Attributes:
        told: called with the account's label and how asking for a new sign-in ended:
            ``renewed``, ``over`` (only a login helps) or ``failed`` (for now).
    """

    def __init__(
        self,
        authority: Authority,
        credentials: Credentials,
        states: States,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._authority = authority
        self._credentials = credentials
        self._states = states
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._holder = f"refresher-{secrets.token_hex(8)}"
        self._running: dict[str, asyncio.Task[Document]] = {}
        self._pauses: dict[str, _Pause] = {}
        self.told: Callable[[str, str], None] = lambda _label, _result: None

    async def usable(
        self, name: str, *, refused: str | None = None, reason: Reason = "expiry"
    ) -> Document:
        """The sign-in of this name, renewed where it must be.

        Args:
            refused: a token that an upstream refused; what is given back has another one.

        Raises:
            SignInEnded: only a login helps.
            SignInUnavailable: it could not be renewed now.
            AccountError: there is none of this name, or it can't be renewed at all.
        """
        document = await self._read(name)
        if not self._to_be_renewed(document, refused):
            return document
        task = self._running.get(name)
        if task is None:
            task = asyncio.create_task(self._renew(document, reason), name=f"refresh {name}")
            self._running[name] = task
            task.add_done_callback(lambda done: self._finished(name, done))
        return await asyncio.shield(task)

    def pause(self, name: str) -> float:
        """Seconds until another try makes sense, after a failure that may pass; 0: at once."""
        known = self._pauses.get(name)
        return max(0.0, known.until - self._clock()) if known is not None else 0.0

    async def close(self) -> None:
        """Let what is under way come to its end: an unwritten answer would be a lost account."""
        if self._running:
            await asyncio.wait(set(self._running.values()), timeout=REFRESH_SECONDS)

    def _finished(self, name: str, done: asyncio.Task[Document]) -> None:
        self._running.pop(name, None)
        if not done.cancelled():
            done.exception()  # whoever waited has been told; nobody may be left

    async def _read(self, name: str) -> Document:
        document = await self._credentials.read(name)
        if document is None:
            raise AccountError(f"there is no credential {name} any more")
        return document

    def _to_be_renewed(self, document: Document, refused: str | None) -> bool:
        if refused is None:
            return self._authority.stale(document.secret, self._clock())
        return self._authority.describe(document.secret).token == refused

    async def _renew(self, document: Document, reason: Reason) -> Document:
        await self._refuse_what_is_over(document)
        if not self._authority.describe(document.secret).renewable:
            raise AccountError(f"the sign-in of {document.shown} can't be refreshed")
        pause = self._pauses.get(document.name)
        if pause is not None and pause.until > self._clock() and reason != "asked":
            raise SignInUnavailable(pause.text)
        lease = f"refresh {document.provider} {document.handle}"
        try:
            async with asyncio.timeout(LEASE_SECONDS + REFRESH_SECONDS):
                while await self._store.lease(lease, self._holder, LEASE_SECONDS) is None:
                    await self._sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise SignInUnavailable(
                f"another floway has been refreshing {document.shown} for too long"
            ) from None
        try:
            return await self._renew_alone(document, reason)
        finally:
            await self._store.release(lease, self._holder)

    async def _renew_alone(self, before: Document, reason: Reason) -> Document:
        """With the lease: look again, ask, write."""
        current = await self._read(before.name)
        if current.revision != before.revision:
            return current  # another process was here first
        await self._refuse_what_is_over(current)
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                secret = await self._authority.refresh(current.secret, reason)
        except SignInEnded as error:
            await self._states.ended(
                current.provider, current.handle, current.revision, error.code, str(error)
            )
            logger.warning("account %s: the sign-in is over (%s)", current.shown, error.code)
            self.told(current.shown, "over")
            raise
        except (SignInUnavailable, TimeoutError) as error:
            text = str(error) or "the authorization server did not answer in time"
            self._pause(current.name, text)
            logger.warning("account %s: could not be refreshed: %s", current.shown, text)
            self.told(current.shown, "failed")
            raise SignInUnavailable(text) from None
        self._pauses.pop(current.name, None)
        kept = await self._credentials.rotate(
            replace(current, secret=secret), revision=current.revision
        )
        logger.info("account %s: refreshed", current.shown)
        self.told(current.shown, "renewed")
        # None: a person signed in meanwhile, and theirs is the newer one.
        return kept if kept is not None else await self._read(current.name)

    async def _refuse_what_is_over(self, document: Document) -> None:
        state = await self._states.of(document.provider, document.handle)
        if state.problem is not None and state.problem.revision == document.revision:
            raise SignInEnded(state.problem.code, state.problem.text)

    def _pause(self, name: str, text: str) -> None:
        known = self._pauses.get(name)
        failures = known.failures + 1 if known is not None else 1
        wait = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE)
        self._pauses[name] = _Pause(self._clock() + wait, failures, text)
