"""Secrets in the platform's keyring, through the library ``keyring``. Blocking."""

from __future__ import annotations

import contextlib
import sys
from typing import Final, Protocol

from addons.accounts.errors import AccountError

SERVICE: Final = "floway"

PART_LENGTH: Final = 1000 if sys.platform == "win32" else 60_000
"""Characters of one item. Windows takes 2560 bytes of UTF-16."""

_UNUSABLE: Final = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
"""Modules of backends that keep nothing, or keep it in the clear."""


class Keyring(Protocol):
    """What is used of a ``keyring`` backend."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


def platform_keyring() -> Keyring | None:
    """The platform's keyring; None where there is none that protects anything."""
    import keyring
    from keyring.backends.chainer import ChainerBackend
    from keyring.errors import KeyringError

    try:
        found = keyring.get_keyring()
        backends = found.backends if isinstance(found, ChainerBackend) else [found]
    except (KeyringError, RuntimeError):
        return None
    good = [each for each in backends if is_real(each)]
    return good[0] if good else None


def is_real(backend: object) -> bool:
    """Whether a backend keeps secrets, and not in the clear."""
    kind = type(backend)
    if kind.__module__.startswith(_UNUSABLE) or "plaintext" in kind.__name__.lower():
        return False
    return float(getattr(backend, "priority", 0)) > 0


class KeyringItems:
    """Long secrets in a keyring, cut into parts where the platform wants it so."""

    def __init__(self, keyring: Keyring, part_length: int = PART_LENGTH) -> None:
        self._keyring = keyring
        self._part_length = part_length

    def write(self, item: str, text: str) -> int:
        """Keep a text that is new to the keyring; how many parts it has.

        Raises:
            AccountError: the keyring refuses; nothing of it is left there.
        """
        size = self._part_length
        parts = [text[start : start + size] for start in range(0, len(text), size)] or [""]
        for number, part in enumerate(parts):
            try:
                self._keyring.set_password(SERVICE, _part(item, number), part)
            except Exception as error:  # noqa: BLE001 - each platform has errors of its own
                self.delete(item, number)
                raise _problem("takes no secret", error) from None
        return len(parts)

    def read(self, item: str, parts: int) -> str:
        """
        Raises:
            AccountError: the keyring is locked, or has not got it.
        """
        found = []
        for number in range(parts):
            try:
                part = self._keyring.get_password(SERVICE, _part(item, number))
            except Exception as error:  # noqa: BLE001 - likewise
                raise _problem("can't be read", error) from None
            if part is None:
                raise AccountError(
                    "the keyring no longer has this sign-in; add the account again "
                    "(floway accounts add)"
                )
            found.append(part)
        return "".join(found)

    def delete(self, item: str, parts: int) -> None:
        """Remove what is there of it; what can't be removed stays, and is of no use."""
        for number in range(parts):
            with contextlib.suppress(Exception):
                self._keyring.delete_password(SERVICE, _part(item, number))


def _part(item: str, number: int) -> str:
    return f"{item}.{number}"


def _problem(what: str, error: Exception) -> AccountError:
    # The library's errors come from the platform, and may repeat what they were given.
    return AccountError(
        f"the platform's keyring {what} ({type(error).__name__}); unlock it, or set "
        "credential_store to file"
    )
