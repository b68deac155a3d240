"""This provider's part in accounts: :class:`addons.accounts.authority.Authority`."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import orjson

from addons.accounts.authority import Description, Reason, Secret, Show
from addons.accounts.errors import AccountError, SignInEnded, SignInUnavailable
from addons.accounts.quota import Quota
from addons.providers.cursor.sign_in.credentials import (
    PROVIDER,
    Credential,
    CredentialError,
    parse,
    read,
)
from addons.providers.cursor.sign_in.login import PAGE, Login, tokens
from addons.providers.cursor.sign_in.usage import quota_of
from addons.providers.cursor.wire.endpoint import BACKEND, Endpoint
from addons.settings import Settings

TIMEOUT: Final = 20.0
"""Seconds for each answer."""

EXCHANGE: Final = "/auth/exchange_user_api_key"
USAGE: Final = "/aiserver.v1.DashboardService/GetCurrentPeriodUsage"
_MAX_FILE: Final = 1024 * 1024


class CursorAuthority:
    """Logins on Cursor's page, and API keys; see :mod:`.credentials` for the secrets' form.

    Args:
        settings: name the hosts: ``upstreams`` that of the API, ``issuers`` that of the page.
        trust_env: go through the proxy that the environment names. Not inside a floway, which may
            be that proxy itself.
        ca_file: to trust besides the usual ones.
    """

    provider = PROVIDER

    def __init__(
        self,
        settings: Settings,
        *,
        trust_env: bool = False,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._backend = Endpoint.parse(settings.upstreams.get(PROVIDER) or BACKEND).url
        self._site = settings.issuers.get(PROVIDER, PAGE).rstrip("/")
        self._trust_env = trust_env
        self._ca_file = ca_file
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    # --- secrets -----------------------------------------------------------------------------

    def credential(self, secret: Secret) -> Credential:
        try:
            return parse(secret, source="the kept sign-in")
        except CredentialError as error:
            raise AccountError(str(error)) from None

    def describe(self, secret: Secret) -> Description:
        credential = self.credential(secret)
        return Description(
            credential.handle,
            credential.mode,
            credential.access_token,
            expires_at=credential.expires_at,
            renewable=credential.renewable,
        )

    def stale(self, secret: Secret, now: float) -> bool:
        credential = self.credential(secret)
        return credential.renewable and credential.stale(now)

    def with_key(self, key: str) -> Secret:
        secret: Secret = {"apiKey": key.strip()}
        try:
            parse(secret, source="the key")
        except CredentialError:
            raise AccountError(
                "that is no API key: it must be printable ASCII characters without spaces"
            ) from None
        return secret

    def read_file(self, path: Path) -> Secret:
        try:
            if path.stat().st_size > _MAX_FILE:
                raise AccountError(f"{path} is larger than 1 MiB; it holds no sign-in of Cursor")
            secret = read(path.read_bytes(), source=str(path))
            parse(secret, source=str(path))
        except CredentialError as error:
            raise AccountError(str(error)) from None
        except OSError as error:
            raise AccountError(f"{path} can't be read ({type(error).__name__})") from None
        return secret

    def import_warning(self, secret: Secret) -> str:
        """None: a refresh token stays good after its use (cursor-protocol.md §5.3)."""
        return ""

    # --- logins ------------------------------------------------------------------------------

    async def browser_login(self, show: Show) -> Secret:
        return await Login(self._site, self._backend, self._http().get).run(show)

    async def device_login(self, show: Show) -> Secret:
        """The same: its page may be opened on any machine."""
        return await self.browser_login(show)

    # --- refresh -----------------------------------------------------------------------------

    async def refresh(self, secret: Secret, reason: Reason) -> Secret:
        credential = self.credential(secret)
        bearer = credential.api_key or credential.refresh_token
        answer = await self._post(EXCHANGE, bearer)
        if answer.status_code in (401, 403):
            raise SignInEnded("refused", "Cursor does not take the sign-in any more")
        if not answer.is_success:
            raise SignInUnavailable(f"Cursor answered HTTP {answer.status_code}")
        try:
            fresh = tokens(answer.content)
        except AccountError as error:
            raise SignInUnavailable(str(error)) from None
        kept = {"refreshToken": credential.refresh_token, "apiKey": credential.api_key}
        return {**{name: value for name, value in kept.items() if value}, **fresh}

    # --- limits ------------------------------------------------------------------------------

    async def quota(self, secret: Secret) -> Quota | None:
        credential = self.credential(secret)
        if not credential.access_token:
            return None
        try:
            answer = await self._post(USAGE, credential.access_token)
            found = orjson.loads(answer.content) if answer.is_success else None
        except (SignInUnavailable, orjson.JSONDecodeError):
            return None
        return quota_of(found, self._clock())

    # --- requests ----------------------------------------------------------------------------

    async def _post(self, path: str, bearer: str) -> httpx.Response:
        """
        Raises:
            SignInUnavailable: no answer.
        """
        headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json"}
        try:
            return await self._http().post(self._backend + path, headers=headers, content=b"{}")
        except httpx.HTTPError as error:
            raise SignInUnavailable(f"Cursor can't be reached ({type(error).__name__})") from None

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context(cafile=self._ca_file),
                timeout=TIMEOUT,
                trust_env=self._trust_env,
            )
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None
