"""Accounts of a running floway, through its control API."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from addons.accounts.authority import Prompt, Secret, Show
from addons.operate import PREFIX
from addons.operate.errors import ControlError
from addons.operate.models import (
    AccountCooldown,
    AccountList,
    AccountView,
    AddedAccount,
    Answered,
    ClearedCooldowns,
    CooldownList,
    ErrorAnswer,
    Health,
    SignInStarted,
    SignInStatus,
)
from addons.operate.roster import no_such_account
from addons.operate.running import Running
from addons.operate.token import Token

ANSWER_SECONDS: Final = 60.0
"""A refresh asks another server."""

HEALTH_SECONDS: Final = 3.0
"""A floway that takes longer is not worth waiting for: what is kept can be asked."""

WAIT_SECONDS: Final = 20
"""For which a question about a sign-in waits for its end."""

PAUSE_SECONDS: Final = 0.2
"""Between two such questions."""


class RunningAccounts:
    """Implements :class:`replay.cli.account_desk.Accounts`.

    Args:
        transport: in place of the network, for tests.
    """

    def __init__(
        self, running: Running, token: Token, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._running = running
        self._http = httpx.AsyncClient(
            base_url=f"{running.url}{PREFIX}",
            headers={"authorization": f"Bearer {token.value}"},
            timeout=ANSWER_SECONDS,
            transport=transport,
            trust_env=False,  # floway may be the proxy that the environment names
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def problem(self) -> str:
        """Why it can't be asked; "" when it can."""
        who = f"the floway of process {self._running.pid}"
        try:
            health = await self._get("/health", Health, seconds=HEALTH_SECONDS)
        except ControlError as error:
            return f"{who} can't be asked ({error})"
        return "" if health.pid == self._running.pid else f"{who} is not at {self._running.url}"

    # --- accounts ----------------------------------------------------------------------------

    async def views(self) -> list[AccountView]:
        return (await self._get("/accounts", AccountList)).accounts

    async def named(self, name: str) -> AccountView:
        return await self._get(await self._path(name), AccountView)

    async def keep(
        self, provider: str, label: str, secret: Secret, *, imported: bool = False
    ) -> AddedAccount:
        body = {"provider": provider, "label": label, "sign_in": secret}
        return await self._ask("POST", "/accounts", AddedAccount, json=body)

    async def sign_in(self, provider: str, label: str, show: Show, *, device: bool) -> AddedAccount:
        asked: dict[str, str] = {"device": "true"} if device else {}
        if label:
            asked["label"] = label
        begun = await self._get(f"/{quote(provider)}-auth-url", SignInStarted, params=asked)
        show(Prompt(begun.url, begun.code, begun.expires_in))
        try:
            return await self._signed_in(begun.state)
        except asyncio.CancelledError:
            with contextlib.suppress(ControlError):
                await self._send("DELETE", "/auth-status", params={"state": begun.state})
            raise

    async def _signed_in(self, state: str) -> AddedAccount:
        while True:
            asked = {"state": state, "wait": str(WAIT_SECONDS)}
            found = await self._get("/auth-status", SignInStatus, params=asked)
            if found.added is not None:
                return found.added
            if found.error is not None:
                problem = found.error
                raise ControlError(409, problem.code, problem.message, problem.remedy)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _path(self, name: str) -> str:
        """
        Raises:
            ControlError: it can be nobody's name, and nobody's path.
        """
        if "/" in name or not name.strip("."):
            raise no_such_account(name, [view.label for view in await self.views()])
        return f"/accounts/{quote(name, safe='')}"

    async def relabel(self, name: str, new: str) -> AccountView:
        return await self._ask("PATCH", await self._path(name), AccountView, json={"label": new})

    async def switch(self, name: str, enabled: bool) -> AccountView:
        return await self._ask(
            "PATCH", await self._path(name), AccountView, json={"enabled": enabled}
        )

    async def prefer(
        self, name: str, *, weight: float | None = None, priority: int | None = None
    ) -> AccountView:
        asked = {"weight": weight, "priority": priority}
        return await self._ask("PATCH", await self._path(name), AccountView, json=asked)

    async def pin(self, name: str) -> AccountView:
        return await self._ask("PUT", f"{await self._path(name)}/pin", AccountView)

    async def unpin(self) -> None:
        await self._send("DELETE", "/pins")

    async def refresh(self, name: str) -> AccountView:
        return await self._ask("POST", f"{await self._path(name)}/refresh", AccountView)

    async def remove(self, name: str) -> AccountView:
        return await self._ask("DELETE", await self._path(name), AccountView)

    async def cooldowns(self) -> list[AccountCooldown]:
        return (await self._get("/cooldowns", CooldownList)).cooldowns

    async def clear_cooldowns(self, name: str = "") -> list[AccountCooldown]:
        params = {"account": name} if name else {}
        answer = await self._ask("DELETE", "/cooldowns", ClearedCooldowns, params=params)
        return answer.cleared

    # --- requests ----------------------------------------------------------------------------

    async def _get[A: Answered](
        self,
        path: str,
        form: type[A],
        *,
        params: dict[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> A:
        return await self._ask("GET", path, form, params=params, timeout=seconds)

    async def _ask[A: Answered](self, method: str, path: str, form: type[A], **more: Any) -> A:
        answer = await self._send(method, path, **more)
        try:
            return form.model_validate_json(answer.content)
        except ValidationError as error:
            raise _foreign(answer) from error

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """
        Raises:
            ControlError: as the API said, or there was no answer.
        """
        try:
            answer = await self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise ControlError(
                503, "unreachable", f"floway gave no answer ({type(error).__name__})"
            ) from None
        if answer.is_success:
            return answer
        try:
            problem = ErrorAnswer.model_validate_json(answer.content).error
        except ValidationError:
            raise _foreign(answer) from None
        raise ControlError(answer.status_code, problem.code, problem.message, problem.remedy)


def _foreign(answer: httpx.Response) -> ControlError:
    """Another version of floway, or something else."""
    return ControlError(
        502, "not_understood", f"the answer (HTTP {answer.status_code}) is not floway's"
    )
