"""Secrets in keyrings, and which keyrings are none."""

from __future__ import annotations

import keyring.backends.fail
import keyring.backends.null
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.accounts.credentials import keyring_items
from addons.accounts.credentials.keyring_items import KeyringItems, is_real, platform_keyring
from addons.accounts.errors import AccountError
from tests.accounts.credentials.conftest import FakeKeyring


@given(st.text(max_size=40), st.integers(1, 12))
def test_long_secrets_are_cut_and_joined(text: str, length: int) -> None:
    keyring = FakeKeyring()
    items = KeyringItems(keyring, length)
    parts = items.write("one/1", text)
    assert items.read("one/1", parts) == text
    assert max(len(part) for part in keyring.items.values()) <= length
    items.delete("one/1", parts)
    assert not keyring.items


def test_a_keyring_that_takes_half_keeps_nothing() -> None:
    keyring = FakeKeyring()
    keyring.room = 2
    with pytest.raises(AccountError, match=r"takes no secret \(OSError\)") as told:
        KeyringItems(keyring, 3).write("one/1", "sesame-open")
    assert not keyring.items
    assert "ame" not in str(told.value)


def test_a_locked_keyring_and_a_lost_item_are_told_apart() -> None:
    keyring = FakeKeyring()
    items = KeyringItems(keyring)
    with pytest.raises(AccountError, match="no longer has"):
        items.read("one/1", 1)
    keyring.locked = True
    with pytest.raises(AccountError, match="unlock it"):
        items.read("one/1", 1)


def test_backends_that_protect_nothing_do_not_count() -> None:
    plain = type("PlaintextKeyring", (), {"priority": 5.0})
    weak = type("Windows", (), {"priority": 5.0, "__module__": "keyrings.alt.Windows"})
    none = type("Unavailable", (), {"priority": 0})
    backends = [plain(), weak(), none(), keyring.backends.fail.Keyring()]
    assert [is_real(each) for each in [*backends, keyring.backends.null.Keyring()]] == [False] * 5
    assert is_real(FakeKeyring())


def test_the_platform_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeKeyring()
    for backend, found in ((fake, fake), (keyring.backends.fail.Keyring(), None)):
        monkeypatch.setattr("keyring.get_keyring", lambda backend=backend: backend)
        assert platform_keyring() is found
    assert keyring_items.SERVICE == "floway"
