"""This provider's part in accounts: :class:`addons.accounts.authority.Authority`."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from addons.accounts.authority import Description, Reason, Secret, Show
from addons.accounts.errors import AccountError, SignInUnavailable
from addons.accounts.model import Account
from addons.accounts.quota import Quota
from addons.providers.codex import oauth, projection
from addons.providers.codex.credentials import Credential, CredentialError, CredentialFile, parse
from addons.providers.codex.endpoints import credential_roles, header_version, speaks_http2
from addons.providers.codex.environment import detect
from addons.providers.codex.login import Login
from addons.providers.codex.planning import DEFAULT_PROFILE, ORIGINATOR
from addons.providers.codex.upstream import REAL, Upstream
from addons.providers.codex.usage import quota_from_usage
from addons.settings import Settings, is_loopback
from addons.verbatim import bare_request, verbatim_mounts
from fingerprints import apply
from fingerprints.errors import ProfileError
from fingerprints.library import load
from fingerprints.profile import Profile
from fingerprints.roles import Json

PROVIDER = "codex"
TIMEOUT = 20.0
"""Seconds for each answer."""


class CodexAuthority:
    """Sign-ins with ChatGPT, and API keys; secrets have the form of ``auth.json``.

    Args:
        settings: name the profile, in whose form requests are made where it has them.
        trust_env: go through the proxy that the environment names. Not inside a floway, which may
            be that proxy itself.
    """

    provider = PROVIDER

    def __init__(
        self,
        settings: Settings,
        *,
        trust_env: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = settings.issuers.get(PROVIDER, oauth.ISSUER)
        self._upstream = Upstream.parse(settings.upstreams.get(PROVIDER) or REAL)
        self._settings = settings
        self._trust_env = trust_env
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    # --- secrets -----------------------------------------------------------------------------

    def credential(self, secret: Secret) -> Credential:
        try:
            return parse(json.dumps(secret), source="the kept sign-in")
        except CredentialError as error:
            raise AccountError(str(error)) from None

    def describe(self, secret: Secret) -> Description:
        credential = self.credential(secret)
        return Description(
            credential.handle,
            credential.mode,
            credential.access_token,
            credential.email or "",
            credential.plan,
            credential.expires_at,
            renewable=bool(credential.refresh_token),
        )

    def stale(self, secret: Secret, now: float) -> bool:
        credential = self.credential(secret)
        return bool(credential.refresh_token) and credential.stale(now)

    def with_key(self, key: str) -> Secret:
        secret: Secret = {"auth_mode": "apikey", "OPENAI_API_KEY": key.strip()}
        try:
            parse(json.dumps(secret), source="the key")
        except CredentialError:
            raise AccountError(
                "that is no API key: it must be printable ASCII characters without spaces"
            ) from None
        return secret

    def read_file(self, path: Path) -> Secret:
        try:
            CredentialFile(path).load()
            secret: Secret = json.loads(path.read_bytes())
        except CredentialError as error:
            raise AccountError(str(error)) from None
        except (OSError, ValueError) as error:
            raise AccountError(f"{path} can't be read ({type(error).__name__})") from None
        kept = ("auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh")
        return {name: secret[name] for name in kept if secret.get(name) is not None}

    def import_warning(self, secret: Secret) -> str:
        if not self.describe(secret).renewable:
            return ""
        return (
            "This is a copy of another program's sign-in. Refresh tokens are good for one use: "
            "whichever of the two refreshes first signs the other one out. Where the other "
            f"program goes on being used, give floway a login of its own: floway accounts add "
            f"{PROVIDER}"
        )

    # --- logins ------------------------------------------------------------------------------

    async def browser_login(self, show: Show) -> Secret:
        return await self._login().in_browser(show)

    async def device_login(self, show: Show) -> Secret:
        return await self._login().by_device(show)

    def _login(self) -> Login:
        own = is_loopback(urlsplit(self.issuer).hostname or "")
        # A server of one's own sends back to any port; the real one has a list.
        ports = (*oauth.OFFICIAL_PORTS, 0) if own else oauth.OFFICIAL_PORTS
        return Login(self.issuer, self._post, ports, self._clock)

    async def _post(self, url: str, body: bytes, kind: str) -> httpx.Response:
        headers = [("content-type", kind), ("accept", "*/*"), ("host", _authority(url))]
        headers.append(("content-length", str(len(body))))
        return await self._http().send(bare_request("POST", url, headers, body, seconds=TIMEOUT))

    # --- refresh -----------------------------------------------------------------------------

    async def refresh(self, secret: Secret, reason: Reason) -> Secret:
        credential = self.credential(secret)
        request = self._refresh_request(credential, reason)
        try:
            answer = await self._http().send(request)
        except httpx.HTTPError as error:
            raise SignInUnavailable(
                f"the authorization server can't be reached ({type(error).__name__})"
            ) from None
        if not answer.is_success:
            raise oauth.refresh_problem(answer.status_code, answer.content)
        tokens = oauth.json_object(answer.content)
        if not isinstance(tokens.get("access_token"), str):
            raise SignInUnavailable("the answer to the refresh has no access_token")
        fresh = oauth.refreshed(secret, tokens, self._clock())
        self.credential(fresh)
        return fresh

    def _refresh_request(self, credential: Credential, reason: Reason) -> httpx.Request:
        """In the form of the profile, where it has one (codex-wire.md §5.3)."""
        plain = oauth.refresh_body(credential.refresh_token, reason)
        url = f"{self.issuer}/oauth/token"
        roles: dict[str, Json] = {
            "refresh_reason": plain["refresh_reason"],
            "refresh_token": credential.refresh_token,
        }
        made = self._made(
            "refresh",
            credential,
            self.issuer,
            roles,
            {
                "client_id": oauth.CLIENT_ID,
                "grant_type": "refresh_token",
            },
        )
        if made is not None:
            return made
        body = oauth.compact(plain)
        headers = [("content-type", "application/json"), ("accept", "*/*")]
        headers += [("host", _authority(url)), ("content-length", str(len(body)))]
        return bare_request("POST", url, headers, body, seconds=TIMEOUT)

    # --- limits ------------------------------------------------------------------------------

    async def quota(self, secret: Secret) -> Quota | None:
        credential = self.credential(secret)
        request = None
        if credential.mode != "apikey":
            request = self._made("usage", credential, self._upstream.url, {}, {})
        if request is None:
            return None
        try:
            answer = await self._http().send(request)
        except httpx.HTTPError:
            return None
        found = oauth.json_object(answer.content) if answer.is_success else {}
        return quota_from_usage(found, self._clock())

    # --- requests ----------------------------------------------------------------------------

    def _made(
        self,
        kind: str,
        credential: Credential,
        base: str,
        roles: Mapping[str, Json],
        content: Mapping[str, Any],
    ) -> httpx.Request | None:
        """A request in the form of the profile; None where it has no such, or can't make it."""
        profile = self._profile
        if kind not in profile.kinds:
            return None
        account = Account(PROVIDER, "", credential.handle, credential)
        try:
            made = apply.request(
                profile,
                kind,
                shape=next(iter(profile.shapes)),
                sign_in="chatgpt",
                roles={
                    **self._machine,
                    **credential_roles(account),
                    "originator": ORIGINATOR,
                    "authority": urlsplit(base).netloc,
                    **roles,
                },
                content=content,
                http_version=header_version(profile, kind),
            )
        except ProfileError:  # it names a value that only the client itself has
            return None
        return bare_request(
            made.method, f"{base}{made.path}", made.headers, made.body, seconds=TIMEOUT
        )

    @cached_property
    def _profile(self) -> Profile:
        return load(self._settings.profile or DEFAULT_PROFILE)

    @cached_property
    def _machine(self) -> Mapping[str, Json]:
        settings = self._settings
        return projection.of_machine(
            detect(
                os_words=settings.client_os,
                arch=settings.client_arch,
                terminal_word=settings.client_terminal,
            )
        )

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            profile = self._profile
            http2 = "refresh" in profile.kinds and speaks_http2(profile, "refresh")
            verify = ssl.create_default_context()
            self._client = httpx.AsyncClient(
                # The environment's proxy is httpx's own affair.
                mounts=None if self._trust_env else verbatim_mounts(verify, http2=http2),
                verify=verify,
                timeout=TIMEOUT,
                trust_env=self._trust_env,
                http2=http2,
            )
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _authority(url: str) -> str:
    return urlsplit(url).netloc
