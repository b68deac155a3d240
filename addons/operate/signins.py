"""Logins that a person is in the middle of: begun by one request, looked at by others."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from addons.accounts.authority import Prompt, Secret
from addons.errors import FlowayError
from addons.operate.desk import Desk
from addons.operate.errors import ControlError, explained
from addons.operate.models import AddedAccount, Problem, SignInStarted, SignInStatus

logger = logging.getLogger(__name__)

LIMIT: Final = 32
"""Logins that are remembered; the oldest are given up."""

FORGET_AFTER: Final = 900.0
"""Seconds after its end for which the result of a login can be asked for."""

PROMPT_SECONDS: Final = 30.0
"""Longest wait for the address to open; a device code has to be asked for first."""


@dataclass(eq=False)
class _Login:
    task: asyncio.Task[AddedAccount]
    prompt: asyncio.Future[Prompt]
    ended: float | None = field(default=None)


class SignIns:
    """The logins of one process. To be used on one event loop.

    Args:
        clock: seconds, steady.
    """

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._logins: OrderedDict[str, _Login] = OrderedDict()

    async def begin(self, provider: str, label: str, *, device: bool) -> SignInStarted:
        """Begin a login, and say what a person has to do.

        Raises:
            ControlError: no such provider, or a label that can't be used.
            AccountError: the login could not be begun.
        """
        self._desk.check_label(provider, label)
        self._forget()
        while len(self._logins) >= LIMIT:
            _, oldest = self._logins.popitem(last=False)
            oldest.task.cancel()
        prompt: asyncio.Future[Prompt] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            self._run(provider, label, prompt, device=device), name=f"floway: sign-in {provider}"
        )
        state = secrets.token_urlsafe(24)
        login = self._logins[state] = _Login(task, prompt)
        task.add_done_callback(lambda _: self._over(login))
        try:
            async with asyncio.timeout(PROMPT_SECONDS):
                waited: set[asyncio.Future[AddedAccount] | asyncio.Future[Prompt]]
                waited = {task, prompt}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not prompt.done():
                await task  # it has failed
                raise ControlError(502, "sign_in_failed", "the sign-in showed no address")
        except BaseException as error:
            await self.cancel(state)
            if isinstance(error, TimeoutError):
                raise ControlError(
                    503, "sign_in_unavailable", "the authorization server does not answer"
                ) from None
            raise
        shown = prompt.result()
        return SignInStarted(
            url=shown.url, code=shown.code, state=state, expires_in=shown.expires_in
        )

    async def status(self, state: str, wait: float = 0.0) -> SignInStatus:
        """How far a login is; after ``wait`` seconds, or when it has ended.

        Raises:
            ControlError: there is no such login, or it was long ago.
        """
        self._forget()
        task = self._known(state).task
        if wait > 0:
            await asyncio.wait({task}, timeout=wait)
        if not task.done():
            return SignInStatus(status="waiting")
        if task.cancelled():
            given_up = Problem(code="cancelled", message="the sign-in was given up")
            return SignInStatus(status="failed", error=given_up)
        error = task.exception()
        if error is None:
            return SignInStatus(status="done", added=task.result())
        told = explained(error) if isinstance(error, FlowayError) else _unexpected()
        problem = Problem(code=told.code, message=told.message, remedy=told.remedy)
        return SignInStatus(status="failed", error=problem)

    async def cancel(self, state: str) -> None:
        """Give a login up, and forget it.

        Raises:
            ControlError: there is no such login.
        """
        login = self._known(state)
        del self._logins[state]
        login.task.cancel()
        await asyncio.wait({login.task})

    async def close(self) -> None:
        tasks = {login.task for login in self._logins.values()}
        self._logins.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(
        self, provider: str, label: str, prompt: asyncio.Future[Prompt], *, device: bool
    ) -> AddedAccount:
        def show(shown: Prompt) -> None:
            if not prompt.done():
                prompt.set_result(shown)

        authority = self._desk.authority(provider)
        login = authority.device_login if device else authority.browser_login
        secret: Secret = await login(show)
        # A sign-in that was made is kept, whoever has stopped waiting for it.
        return await asyncio.shield(self._desk.keep(provider, label, secret))

    def _known(self, state: str) -> _Login:
        login = self._logins.get(state)
        if login is None:
            raise ControlError(
                404, "no_such_sign_in", "there is no sign-in of this state", "begin a new one"
            )
        return login

    def _over(self, login: _Login) -> None:
        login.ended = self._clock()
        if not login.task.cancelled() and (error := login.task.exception()) is not None:
            if isinstance(error, FlowayError):
                logger.info("a sign-in did not come about: %s", error)
            else:
                logger.error("a sign-in failed", exc_info=error)

    def _forget(self) -> None:
        """Results that nobody will ask for any more."""
        now = self._clock()
        for state, login in list(self._logins.items()):
            if login.ended is not None and now - login.ended > FORGET_AFTER:
                del self._logins[state]


def _unexpected() -> ControlError:
    return ControlError(500, "internal", "the sign-in failed", "floway's log says why")
