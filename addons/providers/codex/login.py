"""Signing in: in a browser that comes back to this machine, or by a code on another one."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from addons.accounts.authority import Prompt, Secret, Show
from addons.accounts.callback import callback
from addons.accounts.errors import AccountError
from addons.providers.codex import oauth
from addons.providers.codex.credentials import AUTH_CLAIM, jwt_claims
from addons.providers.codex.oauth import Pkce

type Post = Callable[[str, bytes, str], Awaitable[httpx.Response]]
"""URL, body, content type."""

BROWSER_SECONDS = 15 * 60.0
"""How long a person may take on the page."""

SLOWER = 5.0
"""Seconds that a poll waits longer after each ``slow_down`` (RFC 8628, 3.5)."""


@dataclass(slots=True)
class Login:
    """One way in.

    Attributes:
        issuer: base URL of the authorization server.
        ports: that it sends back to; 0: any.
    """

    issuer: str
    post: Post
    ports: Sequence[int] = oauth.OFFICIAL_PORTS
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    browser_seconds: float = BROWSER_SECONDS

    async def in_browser(self, show: Show) -> Secret:
        """
        Raises:
            AccountError: nobody came, it was declined, or no port is free.
        """
        pkce, state = Pkce.new(), secrets.token_urlsafe(32)
        async with callback(oauth.CALLBACK, state, self.ports) as waiting:
            back = oauth.redirect_uri(waiting.port)
            url = oauth.authorize_url(self.issuer, back, pkce, state)
            show(Prompt(url, expires_in=self.browser_seconds))
            found = await waiting.wait(self.browser_seconds)
        if "error" in found:
            word = oauth.error_code(b'{"error": "%b"}' % found["error"].encode())
            raise AccountError(f"the sign-in was not allowed ({word or 'no reason given'})")
        if not found.get("code"):
            raise AccountError("the authorization server sent no code; begin again")
        return await self._exchange(found["code"], back, pkce.verifier)

    async def by_device(self, show: Show) -> Secret:
        """
        Raises:
            AccountError: it was declined, took too long, or the server knows no device codes.
        """
        begun = await self._device()
        deadline = self.clock() + oauth.DEVICE_SECONDS
        url = f"{self.issuer}/codex/device"
        show(Prompt(url, begun["user_code"], oauth.DEVICE_SECONDS))
        good = await self._approved(begun, deadline)
        code, verifier = good.get("authorization_code"), good.get("code_verifier")
        if not isinstance(code, str) or not isinstance(verifier, str):
            raise AccountError("the authorization server sent no code; begin again")
        return await self._exchange(code, f"{self.issuer}/deviceauth/callback", verifier)

    async def _device(self) -> dict[str, Any]:
        answer = await self._json("deviceauth/usercode", {"client_id": oauth.CLIENT_ID})
        if answer.status_code == 404:
            raise AccountError("the authorization server knows no device codes; leave --device out")
        begun = oauth.json_object(answer.content)
        user_code = begun.get("user_code") or begun.get("usercode")
        device = begun.get("device_auth_id")
        if not answer.is_success or not isinstance(user_code, str) or not isinstance(device, str):
            raise _refused(answer)
        return {**begun, "user_code": user_code}

    async def _approved(self, begun: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Ask until a person has approved."""
        interval = oauth.device_interval(begun.get("interval"))
        asked = {name: begun[name] for name in ("device_auth_id", "user_code")}
        while True:
            try:
                answer = await self._json("deviceauth/token", asked)
            except _Unreachable:
                interval += SLOWER  # a laptop that was closed, a network that changes
            else:
                if answer.is_success:
                    return oauth.json_object(answer.content)
                if oauth.device_wait(answer.status_code, answer.content) == "slow_down":
                    interval += SLOWER
            if self.clock() + interval >= deadline:
                raise AccountError("nobody approved the code in time; begin again")
            await self.sleep(interval)

    async def _exchange(self, code: str, back: str, verifier: str) -> Secret:
        answer = await self._posted(
            f"{self.issuer}/oauth/token",
            oauth.code_form(code, back, verifier),
            "application/x-www-form-urlencoded",
        )
        if not answer.is_success:
            raise _refused(answer)
        tokens = oauth.json_object(answer.content)
        account = _workspace(tokens)
        if not account:
            raise AccountError("the sign-in names no workspace; choose one on the page, and retry")
        return oauth.signed_in(tokens, account, self.clock())

    async def _json(self, name: str, body: dict[str, str]) -> httpx.Response:
        url = f"{self.issuer}/api/accounts/{name}"
        return await self._posted(url, oauth.compact(body), "application/json")

    async def _posted(self, url: str, body: bytes, kind: str) -> httpx.Response:
        try:
            return await self.post(url, body, kind)
        except httpx.HTTPError as error:
            raise _Unreachable(
                f"the authorization server {self.issuer} can't be reached ({type(error).__name__})"
            ) from None


def _workspace(tokens: dict[str, Any]) -> str:
    """The workspace that the tokens are for; "" when they name none (codex-wire.md §5.2)."""
    for name in ("id_token", "access_token"):
        claims = jwt_claims(str(tokens.get(name) or "")).get(AUTH_CLAIM)
        account = claims.get("chatgpt_account_id") if isinstance(claims, dict) else None
        if isinstance(account, str) and account:
            return account
    return ""


class _Unreachable(AccountError):
    """The authorization server gave no answer."""


def _refused(answer: httpx.Response) -> AccountError:
    code = oauth.error_code(answer.content)
    told = f" ({code})" if code else ""
    return AccountError(
        f"the authorization server refused the sign-in: HTTP {answer.status_code}{told}"
    )
