from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from addons.accounts.credentials.document import Document
from addons.accounts.credentials.vault import Vault
from addons.accounts.model import account_handle

type MakeDocument = Callable[..., Document]


class FakeKeyring:
    """A keyring in memory, which can be locked and can fail after some writes."""

    priority = 5.0

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}
        self.locked = False
        self.room: int | None = None

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        if self.room is not None and len(self.items) >= self.room:
            raise OSError(f"no room for {password}")
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        del self.items[service, username]

    def _check(self) -> None:
        if self.locked:
            raise RuntimeError("locked")


def document(
    subject: str, label: str = "", token: str = "sesame", provider: str = "one"
) -> Document:
    handle = account_handle(provider, subject)
    return Document(provider, label, handle, {"token": token}, kind="plain")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "credentials"


@pytest.fixture
def keyring() -> FakeKeyring:
    return FakeKeyring()


@pytest.fixture(params=["file", "keyring"])
def vault(request: pytest.FixtureRequest, folder: Path, keyring: FakeKeyring) -> Vault:
    """The same behaviour is wanted of both places."""
    return Vault(folder, request.param, lambda: keyring)
