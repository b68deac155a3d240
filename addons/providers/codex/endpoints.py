"""Upstream endpoints beside the model: usage, settings, start-up calls. No I/O.

In the release's form where the profile has them; any other one keeps the client's own headers, in
their order and letter case, but for those that say who the client is: that is the account's part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.bodies import decode
from addons.providers.codex.roster import credential_of
from addons.providers.codex.upstream import Upstream
from addons.providers.contract import HeaderList, UpstreamRequest
from fingerprints import apply
from fingerprints.errors import MissingRole
from fingerprints.profile import Profile, SignIn
from fingerprints.roles import Roles
from fingerprints.serial import loads
from fingerprints.variant import HttpVersion

OF_ONE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer"}
    | {b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings"}
    | {b"expect", b"content-length", b"accept-encoding"}
)
"""Headers of the client's connection (RFC 9110 §7.6.1), and those that are made anew."""

OF_THE_CLIENT = frozenset(
    {b"authorization", b"x-api-key", b"api-key", b"cookie", b"cookie2"}
    | {b"chatgpt-account-id", b"openai-organization", b"openai-project", b"x-oai-attestation"}
    | {b"x-codex-turn-state", b"forwarded", b"via", b"x-real-ip", b"true-client-ip"}
)
"""Headers with the client's own sign-in, or where it is; replaced or left out, never sent on."""

_FORWARDED = b"x-forwarded-"
_VERSION = re.compile(r"(?<![^&])client_version=[^&]*")


class Endpoints:
    """Builds requests for one upstream in the form of one profile."""

    def __init__(self, upstream: Upstream, profile: Profile) -> None:
        self._upstream = upstream
        self._profile = profile
        self._kinds = _kinds(profile)

    def request(self, exchange: Exchange, account: Account, roles: Roles) -> UpstreamRequest:
        """The client's call as the account's.

        Raises:
            ClientError: 404, the account has no such endpoints.
        """
        path = exchange.path.partition("?")[0]
        sign_in = sign_in_of(account)
        kind = self._kinds.get((exchange.method, path, sign_in))
        content = _json_object(exchange)
        if kind is None or content is None:
            return self._as_it_is(exchange, account)
        try:
            made = apply.request(
                self._profile,
                kind,
                shape=next(iter(self._profile.shapes)),
                sign_in=sign_in,
                roles=roles,
                content=content,
                http_version=header_version(self._profile, kind),
                unknown="keep",
            )
        except MissingRole:  # not a call that the release makes there
            return self._as_it_is(exchange, account)
        path = self._path(kind, sign_in, exchange.path)
        http2 = speaks_http2(self._profile, kind)
        return assembled(self._upstream, replace(made, path=path), account, http2=http2)

    def _path(self, kind: str, sign_in: SignIn, wanted: str) -> str:
        """The client's path and query, with the version of the release."""
        release = self._profile.release
        name, _, query = wanted.partition("?")
        if query:
            return f"{name}?{_VERSION.sub(f'client_version={release}', query)}"
        paths = self._profile.requests[kind]["http"].path.get(sign_in, ())
        same = [each for each in paths if each.partition("?")[0] == name]
        return same[0].replace("{version}", release)

    def _as_it_is(self, exchange: Exchange, account: Account) -> UpstreamRequest:
        upstream = self._upstream
        if sign_in_of(account) == "api_key" and not exchange.path.startswith("/v1/"):
            raise ClientError(
                404,
                "not_with_api_keys",
                f"{exchange.path.partition('?')[0]} is for ChatGPT sign-ins; the account "
                "signs in with an API key.",
            )
        return UpstreamRequest(
            exchange.method,
            upstream.scheme,
            upstream.host,
            upstream.port,
            upstream.prefix + exchange.path,
            upstream.authority,
            _headers(exchange, account),
            exchange.body,
            lane=account.handle,
        )


def header_version(profile: Profile, kind: str) -> HttpVersion:
    """The HTTP version whose header list is made.

    That of HTTP/1.1 where it is known, because it says where ``host`` stands; over HTTP/2 that
    entry is left out.
    """
    versions = profile.requests[kind]["http"].http
    return "HTTP/1.1" if "HTTP/1.1" in versions else "HTTP/2.0"


def speaks_http2(profile: Profile, kind: str) -> bool:
    """Whether the release makes this request over HTTP/2 where the host speaks it."""
    return "HTTP/2.0" in profile.requests[kind]["http"].http


def assembled(
    upstream: Upstream, made: apply.Assembled, account: Account, *, http2: bool = True
) -> UpstreamRequest:
    """What the profile has made, for an upstream."""
    return UpstreamRequest(
        made.method,
        upstream.scheme,
        upstream.host,
        upstream.port,
        upstream.prefix + made.path,
        upstream.authority,
        [(name.encode("latin-1"), value.encode("latin-1")) for name, value in made.headers],
        made.body,
        http2=http2,
        lane=account.handle,
    )


def sign_in_of(account: Account) -> SignIn:
    """How the account signs in, in the profile's words."""
    return "api_key" if credential_of(account).mode == "apikey" else "chatgpt"


def credential_roles(account: Account) -> Roles:
    """Roles that belong to the account."""
    credential = credential_of(account)
    return {"access_token": credential.access_token, "account_id": credential.account_id or None}


def _headers(exchange: Exchange, account: Account) -> HeaderList:
    """The client's headers with the account's sign-in in the place of the client's."""
    credential = credential_of(account)
    own = {b"authorization": b"Bearer " + credential.access_token.encode()}
    if credential.account_id:
        own[b"chatgpt-account-id"] = credential.account_id.encode()
    listed = exchange.header("connection") or ""
    gone = OF_ONE_CONNECTION | {word.strip().lower().encode() for word in listed.split(",")}
    headers: HeaderList = []
    for name, value in exchange.headers:
        key = name.lower()
        if key in own:
            headers.append((name, own.pop(key)))
        elif key not in gone | OF_THE_CLIENT and not key.startswith(_FORWARDED):
            headers.append((name, value))
    headers += own.items()
    if exchange.body or exchange.method in ("POST", "PUT", "PATCH"):
        headers.append((b"content-length", str(len(exchange.body)).encode()))
    return headers


def _kinds(profile: Profile) -> Mapping[tuple[str, str, SignIn], str]:
    """Method, path (without query) and sign-in of the release's side requests, to their kind."""
    found: dict[tuple[str, str, SignIn], str] = {}
    for kind, forms in profile.requests.items():
        form = forms.get("http")
        if form is None or form.method is None or kind in ("turn", "compaction", "refresh"):
            continue
        for sign_in, paths in form.path.items():
            for path in _names(paths):
                found.setdefault((form.method, path, sign_in), kind)
    return found


def _names(paths: Sequence[str]) -> list[str]:
    return [path.partition("?")[0] for path in paths]


def _json_object(exchange: Exchange) -> dict[str, Any] | None:
    """The call's body as a JSON object; {} where there is no body, None when it is another one."""
    if not exchange.body:
        return {}
    try:
        parsed = loads(decode(exchange.body, exchange.header("content-encoding")))
    except (ClientError, ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
