"""Official clients' calls: passed as they are, byte for byte, with an account's token where asked.

The client's own headers stay in their order and letter case. Of one connection only are those that
RFC 9110 §7.6.1 names; they are left out.
"""

from __future__ import annotations

from typing import Final

from addons.exchange import Exchange
from addons.front.keys import presented_keys, principal_id
from addons.providers.contract import HeaderList, UpstreamRequest
from addons.providers.cursor.wire.endpoint import BACKEND, RUN, Endpoint, Hosts

_OF_ONE_CONNECTION: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"trailer"}
    | {b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings", b"expect"}
    | {b"host", b"content-length"}
)
_EXCHANGE: Final = "/auth/"
_REAL: Final = Endpoint.parse(BACKEND)


def is_official(exchange: Exchange) -> bool:
    """Whether the caller is an official client: each of its requests says of which kind."""
    return exchange.header("x-cursor-client-type") is not None


def is_swappable(exchange: Exchange) -> bool:
    """Whether an account's token may stand in for the client's.

    Not where tokens are given out: the client would be handed the account's.
    """
    return not exchange.path.startswith(_EXCHANGE)


def is_floway_s(exchange: Exchange, header: tuple[bytes, bytes]) -> bool:
    """Whether a header shows the key that let the caller in here; Cursor must not see it."""
    keys = (key.decode("latin-1") for key in presented_keys([header]))
    return any(principal_id(key) == exchange.principal for key in keys)


def request(
    exchange: Exchange, hosts: Hosts, *, token: str = "", lane: str = ""
) -> UpstreamRequest:
    """The client's call as it goes on.

    Args:
        hosts: where calls go. One for a host of Cursor goes there, unless the user has named
            another backend: then Cursor is not to be reached at all.
        token: of an account, in place of the client's own; "" leaves that.
        lane: of the account.
    """
    path = exchange.path.partition("?")[0]
    target = hosts.agent if path == RUN else hosts.backend
    if exchange.route.host is not None and hosts.backend == _REAL:
        target = Endpoint("https", exchange.route.host, 443)
    duplex = exchange.route.kind == "duplex"
    return UpstreamRequest(
        exchange.method,
        target.scheme,
        target.host,
        target.port,
        target.prefix + exchange.path,
        target.authority,
        _headers(exchange, token, duplex=duplex),
        exchange.body,
        lane=lane or f"own {exchange.principal}",
    )


def _headers(exchange: Exchange, token: str, *, duplex: bool) -> HeaderList:
    listed = exchange.header("connection") or ""
    gone = _OF_ONE_CONNECTION | {word.strip().lower().encode() for word in listed.split(",")}
    headers: HeaderList = []
    for name, value in exchange.headers:
        key = name.lower()
        if token and key == b"authorization":
            headers.append((name, b"Bearer " + token.encode()))
        elif is_floway_s(exchange, (name, value)):
            continue
        elif key not in gone and not key.startswith(b":"):
            headers.append((name, value))
    if not duplex and (exchange.body or exchange.method in ("POST", "PUT", "PATCH")):
        headers.append((b"content-length", str(len(exchange.body)).encode()))
    return headers
