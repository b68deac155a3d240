"""Whether a caller may use the control API or read the metrics. Pure.

The token alone would do against strangers; the rest is against a browser on the same machine, which
any page can make send requests to a loopback address, under a name of the page's own that resolves
to it (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from addons.operate.errors import ControlError
from addons.operate.token import Token
from addons.settings import is_loopback

FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers of a proxy in between: the peer is not the caller then."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A request, as far as it matters here.

    Attributes:
        peer: address of the other end of the connection.
        headers: by lower-case name.
    """

    scheme: str
    peer: str
    headers: Mapping[str, str]


def check(caller: Caller, token: Token, hosts: Collection[str], *, open_here: bool) -> None:
    """Let the caller in.

    Args:
        hosts: names by which floway may be reached, besides ``localhost`` and addresses.
        open_here: callers on this machine need no token.

    Raises:
        ControlError: 401, 403 or 421.
    """
    host = caller.headers.get("host", "")
    if not is_own_host(host, hosts):
        raise ControlError(
            421,
            "wrong_host",
            "the control API is not reached by this host name",
            "use localhost, an IP address, or a name of the setting control_hosts",
        )
    origin = caller.headers.get("origin")
    foreign = origin is not None and origin.lower() != f"{caller.scheme}://{host}".lower()
    if foreign or caller.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise ControlError(
            403, "foreign_origin", "pages of other origins may not use the control API"
        )
    if token.is_shown_by(caller.headers.get("authorization", "")):
        return
    if open_here and is_here(caller) and "authorization" not in caller.headers:
        return
    raise ControlError(
        401,
        "token_needed",
        "the token is missing or wrong",
        f"send the content of {token.file.name} in FLOWAY_HOME as `Authorization: Bearer TOKEN`",
    )


def is_here(caller: Caller) -> bool:
    """Whether the caller is on this machine, and speaks for itself."""
    if any(name in caller.headers for name in FORWARDED):
        return False
    return is_loopback(caller.peer)


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Whether a Host header is one that no page can choose: an address, or a known name."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return False
    if not name or parts.path or parts.query or parts.fragment or "@" in host:
        return False
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
