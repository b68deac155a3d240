"""Client keys: who is asking, without keeping or repeating the key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from addons.errors import ClientError

LOCAL: Final = "local"
"""Principal of every caller when no keys are configured (floway listens on loopback only then)."""

type Headers = Sequence[tuple[bytes, bytes]]

_REMEDY = (
    "Send one of the keys of this floway's `client_keys` setting as `Authorization: Bearer KEY` "
    "(the API key setting of your client; header `x-api-key` or `api-key` works as well)."
)


class ClientKeys:
    """The configured keys, as digests.

    Args:
        keys: the configured keys; none means that no key is needed.

    Raises:
        ValueError: a key is empty or holds white space or control or non-ASCII characters, which
            no client could send in a header.
    """

    __slots__ = ("_principals",)

    def __init__(self, keys: Iterable[str]) -> None:
        self._principals: list[tuple[bytes, str]] = []
        for number, key in enumerate(keys, 1):
            if not key or not key.isascii() or not key.isprintable() or " " in key:
                raise ValueError(
                    f"client key number {number} must be printable ASCII without spaces, "
                    "at least one character"
                )
            self._principals.append((_digest(key.encode()), principal_id(key)))

    @property
    def required(self) -> bool:
        """Whether a caller must present a key."""
        return bool(self._principals)

    def principal(self, headers: Headers) -> str:
        """The principal of a request with these headers: a short hash of its key, or ``local``.

        A client may send a key in more than one header; one that is known is enough. The time does
        not depend on which configured key, or how much of one, matches.

        Raises:
            ClientError: 401, ``invalid_api_key`` for a wrong key as for a missing one. Never
                repeats what was sent.
        """
        if not self._principals:
            return LOCAL
        found: str | None = None
        presented = False
        for key in presented_keys(headers):
            presented = True
            digest = _digest(key)
            for known, principal in self._principals:
                if hmac.compare_digest(known, digest):
                    found = principal
        if found is not None:
            return found
        complaint = "Incorrect API key provided." if presented else "You didn't provide an API key."
        raise ClientError(401, "invalid_api_key", f"{complaint} {_REMEDY}")


def presented_keys(headers: Headers) -> Iterator[bytes]:
    """Keys found in ``Authorization: Bearer``, ``x-api-key`` and ``api-key``, in header order."""
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"authorization":
            scheme, _, key = value.strip().partition(b" ")
            key = key.strip()
            if scheme.lower() == b"bearer" and key:
                yield key
        elif lowered in (b"x-api-key", b"api-key"):
            key = value.strip()
            if key:
                yield key


def proxy_keys(headers: Headers) -> list[tuple[bytes, bytes]]:
    """What ``Proxy-Authorization`` presents, in the form of a key header.

    A proxy's URL has room for a name and a password (``http://floway:KEY@127.0.0.1:8080``); the
    key is the password, or the name where there is none.
    """
    found: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name.lower() != b"proxy-authorization":
            continue
        scheme, _, text = value.strip().partition(b" ")
        key = text.strip()
        if scheme.lower() == b"basic":
            try:
                user, _, password = base64.b64decode(key, validate=True).partition(b":")
            except binascii.Error:
                continue
            key = password or user
        found.append((b"x-api-key", key))
    return found


def principal_id(key: str) -> str:
    """The principal of a key: 16 hexadecimal digits, the same on every start of floway."""
    return hashlib.blake2b(key.encode(), digest_size=8, person=b"principal").hexdigest()


def _digest(key: bytes) -> bytes:
    # Digests have one length, so the comparison does not tell how long a configured key is.
    return hashlib.sha256(key).digest()
