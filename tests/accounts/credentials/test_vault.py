"""Adding, updating, renaming, rotating and removing; the same in files and in a keyring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.accounts.credentials.vault import Vault
from addons.accounts.errors import AccountError, LabelTaken
from tests.accounts.credentials.conftest import FakeKeyring, document


def names(vault: Vault) -> list[str]:
    return [sheet.document.name for sheet in vault.sheets()]


def test_added_and_read_again(vault: Vault, keyring: FakeKeyring, folder: Path) -> None:
    kept, known = vault.put(document("ann", "work"), now=5.0)
    assert (known, kept.name, kept.added_at) == (False, "one.work", 5.0)
    assert vault.read("one.work") == kept
    assert Vault(folder, "auto", lambda: keyring).read("one.work") == kept
    text = (folder / "one.work.json").read_text()
    assert ("sesame" in text) == (not keyring.items)


def test_the_same_subject_is_updated(vault: Vault) -> None:
    first, _ = vault.put(document("ann", "work"), now=5.0)
    again, known = vault.put(document("ann", token="second"), now=9.0)
    assert known
    assert (again.name, again.added_at, again.secret) == ("one.work", 5.0, {"token": "second"})
    assert again.revision != first.revision
    assert names(vault) == ["one.work"]


def test_and_renamed_where_a_label_is_given(vault: Vault) -> None:
    first, _ = vault.put(document("ann"), now=5.0)
    vault.put(document("ann", "work"), now=6.0)
    assert names(vault) == ["one.work"] != [first.name]


def test_a_label_of_another_subject_is_refused(vault: Vault, keyring: FakeKeyring) -> None:
    vault.put(document("ann", "work"), now=5.0)
    items = dict(keyring.items)
    with pytest.raises(LabelTaken, match=r"called 'work'.*--label"):
        vault.put(document("bob", "Work", token="other"), now=5.0)
    kept = vault.read("one.work")
    assert kept is not None
    assert kept.secret == {"token": "sesame"}
    assert keyring.items == items


def test_providers_do_not_disturb_each_other(vault: Vault) -> None:
    vault.put(document("ann", "work"), now=5.0)
    vault.put(document("ann", "work", provider="two"), now=5.0)
    assert names(vault) == ["one.work", "two.work"]


def test_a_label_that_is_another_one_s_hash_is_refused(vault: Vault) -> None:
    kept, _ = vault.put(document("ann"), now=5.0)
    with pytest.raises(LabelTaken):
        vault.put(document("bob", kept.shown), now=5.0)


def test_relabel(vault: Vault) -> None:
    vault.put(document("ann", "work"), now=5.0)
    vault.put(document("bob", "home"), now=5.0)
    with pytest.raises(LabelTaken):
        vault.relabel("one.work", "home")
    with pytest.raises(AccountError, match="there is no"):
        vault.relabel("one.none", "x")
    assert vault.relabel("one.work", "office").secret == {"token": "sesame"}
    assert names(vault) == ["one.home", "one.office"]


def test_rotation_needs_the_revision_that_was_read(vault: Vault, keyring: FakeKeyring) -> None:
    kept, _ = vault.put(document("ann", "work"), now=5.0)
    items = len(keyring.items)
    fresh = vault.rotate(replace(kept, secret={"token": "second"}), revision=kept.revision)
    assert fresh is not None
    assert vault.read("one.work") == fresh
    assert vault.rotate(replace(kept, secret={"token": "third"}), revision=kept.revision) is None
    assert vault.read("one.work") == fresh
    assert len(keyring.items) == items


def test_removed(vault: Vault, keyring: FakeKeyring) -> None:
    vault.put(document("ann", "work"), now=5.0)
    assert vault.remove("one.work")
    assert not vault.remove("one.work")
    assert (names(vault), keyring.items, vault.read("one.work")) == ([], {}, None)


def test_every_change_changes_the_stamp(vault: Vault) -> None:
    stamps = [vault.stamp()]
    kept, _ = vault.put(document("ann", "work"), now=5.0)
    stamps.append(vault.stamp())
    vault.rotate(replace(kept, secret={"token": "second"}), revision=kept.revision)
    stamps.append(vault.stamp())
    vault.remove("one.work")
    stamps.append(vault.stamp())
    assert stamps[0] == stamps[-1]
    assert len(set(stamps)) == 3


def test_where_secrets_go(folder: Path, keyring: FakeKeyring) -> None:
    Vault(folder, "auto", lambda: keyring).put(document("ann", "a"), now=5.0)
    Vault(folder, "auto", lambda: None).put(document("bob", "b"), now=5.0)
    assert "sesame" not in (folder / "one.a.json").read_text()
    assert "sesame" in (folder / "one.b.json").read_text()
    with pytest.raises(AccountError, match="credential_store to file"):
        Vault(folder, "keyring", lambda: None).put(document("cid", "c"), now=5.0)
    with pytest.raises(AccountError, match="can't reach"):
        Vault(folder, "auto", lambda: None).read("one.a")


def test_moved_to_files_the_keyring_is_left_clean(folder: Path, keyring: FakeKeyring) -> None:
    Vault(folder, "keyring", lambda: keyring).put(document("ann", "a"), now=5.0)
    Vault(folder, "file", lambda: keyring).put(document("ann", "a"), now=6.0)
    assert keyring.items == {}


def test_a_keyring_that_refuses_changes_nothing(folder: Path, keyring: FakeKeyring) -> None:
    vault = Vault(folder, "keyring", lambda: keyring)
    kept, _ = vault.put(document("ann", "a"), now=5.0)
    keyring.room = 1
    with pytest.raises(AccountError, match="takes no secret"):
        vault.put(document("ann", "a", token="second"), now=6.0)
    assert vault.read("one.a") == kept


def test_a_loose_file_stops_everything(vault: Vault, folder: Path) -> None:
    vault.put(document("ann", "work"), now=5.0)
    (folder / "one.work.json").chmod(0o644)
    for attempt in (vault.check, vault.sheets, lambda: vault.read("one.work")):
        with pytest.raises(AccountError, match="chmod 600"):
            attempt()


subjects = st.sampled_from(["ann", "bob", "cid"])
given_labels = st.sampled_from(["", "a", "A", "b"])


@settings(max_examples=60)
@given(st.lists(st.tuples(subjects, given_labels), max_size=8))
def test_one_credential_per_subject_and_one_subject_per_name(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    vault = Vault(tmp_path_factory.mktemp("vault") / "c", "file", lambda: None)
    labels: dict[str, str] = {}
    for number, (subject, label) in enumerate(steps):
        wanted = label or labels.get(subject, "")
        taken = {o.casefold() for s, o in labels.items() if s != subject and o}
        new = document(subject, label, token=str(number))
        if wanted.casefold() in taken:
            with pytest.raises(LabelTaken):
                vault.put(new, now=1.0)
            continue
        kept, known = vault.put(new, now=1.0)
        assert known == (subject in labels)
        assert kept.label == wanted
        labels[subject] = wanted
    found = vault.sheets()
    assert len(found) == len(labels) == len({s.document.name.casefold() for s in found})
    assert {s.document.handle for s in found} == {document(s).handle for s in labels}
