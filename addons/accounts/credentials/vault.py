"""The kept sign-ins of all providers. Blocking; :class:`.store.Credentials` is its async face."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from addons.accounts.credentials.document import Document, Sheet, dump, parse
from addons.accounts.credentials.files import check_modes, read_private, write_private
from addons.accounts.credentials.keyring_items import Keyring, KeyringItems, platform_keyring
from addons.accounts.credentials.naming import SUFFIX, same_name
from addons.accounts.errors import AccountError, LabelTaken

type FindKeyring = Callable[[], Keyring | None]


class Vault:
    """A folder with one file for each sign-in; their secrets are in it or in the keyring.

    Args:
        folder: made when it is first needed.
        where: ``auto``, ``keyring`` or ``file``: where new secrets go. Those that are kept are
            found wherever they are.
    """

    def __init__(
        self, folder: Path, where: str = "auto", find_keyring: FindKeyring = platform_keyring
    ) -> None:
        self.folder = folder
        self._where = where
        self._find_keyring = find_keyring
        self._items: KeyringItems | None = None
        self._looked = False

    # --- reading -----------------------------------------------------------------------------

    def check(self) -> None:
        """
        Raises:
            AccountError: others can read a file, and how to mend it.
        """
        check_modes(self.folder)

    def sheets(self) -> list[Sheet]:
        """All of them by name, without the secrets that are in the keyring.

        Raises:
            AccountError: a file can't be used.
        """
        found = []
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path.name.startswith("."):
                continue
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                found.append(parse(read_private(path), source=str(path)))
        return found

    def read(self, name: str) -> Document | None:
        """One with its secret; None when there is none.

        Raises:
            AccountError: it can't be read.
        """
        sheet = self._sheet(name)
        while sheet is not None:
            try:
                return self._opened(sheet)
            except AccountError:
                # A writer takes the old item away once the file names the new one.
                again = self._sheet(name)
                if again is not None and again.item == sheet.item:
                    raise
                sheet = again
        return None

    def documents(self, provider: str) -> list[Document]:
        """All of a provider, with their secrets."""
        names = [s.document.name for s in self.sheets() if s.document.provider == provider]
        return [document for name in names if (document := self.read(name)) is not None]

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Another value whenever a file was added, changed or removed."""
        found = []
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.folder):
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    status = entry.stat()
                    found.append((entry.name, status.st_mtime_ns, status.st_ino))
        return tuple(sorted(found))

    # --- writing -----------------------------------------------------------------------------

    def put(self, document: Document, *, now: float) -> tuple[Document, bool]:
        """Add a sign-in, or bring the one of the same subject up to date.

        Without a label, one that is known keeps its own.

        Returns:
            What is kept now, and whether it was known before.

        Raises:
            LabelTaken: another subject has the label.
        """
        with self._alone():
            known = self._same_subject(document)
            label = document.label or (known.document.label if known is not None else "")
            added = known.document.added_at if known is not None else now
            fresh = replace(document, label=label, added_at=added)
            self._refuse_collision(fresh)
            kept = self._write(fresh, known)
            if known is not None and known.document.name != kept.name:
                self._path(known.document.name).unlink(missing_ok=True)
            return kept, known is not None

    def rotate(self, document: Document, *, revision: str) -> Document | None:
        """Write a new secret where the kept one still has ``revision``; None: it has another."""
        with self._alone():
            known = self._sheet(document.name)
            if known is None or known.document.revision != revision:
                return None
            return self._write(document, known)

    def relabel(self, name: str, label: str) -> Document:
        """
        Raises:
            LabelTaken: another one has the label.
            AccountError: there is no such credential.
        """
        with self._alone():
            known = self._sheet(name)
            if known is None:
                raise AccountError(f"there is no credential {name}")
            fresh = replace(self._opened(known), label=label)
            self._refuse_collision(fresh)
            kept = self._write(fresh, known)
            if kept.name != name:
                self._path(name).unlink(missing_ok=True)
            return kept

    def remove(self, name: str) -> bool:
        """True when there was one."""
        with self._alone():
            known = self._sheet(name)
            if known is None:
                return False
            self._path(name).unlink(missing_ok=True)
            self._forget(known)
            return True

    # --- parts -------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _sheet(self, name: str) -> Sheet | None:
        path = self._path(name)
        try:
            return parse(read_private(path), source=str(path))
        except FileNotFoundError:
            return None

    def _same_subject(self, document: Document) -> Sheet | None:
        for sheet in self.sheets():
            other = sheet.document
            if (other.provider, other.handle) == (document.provider, document.handle):
                return sheet
        return None

    def _refuse_collision(self, document: Document) -> None:
        for sheet in self.sheets():
            other = sheet.document
            mine = (other.provider, other.handle) == (document.provider, document.handle)
            if not mine and same_name(other.name, document.name):
                raise LabelTaken(
                    f"another {document.provider} account is called {other.shown!r}; choose "
                    f"another label (--label), or remove that one (floway accounts remove "
                    f"{other.shown})"
                )

    def _write(self, document: Document, before: Sheet | None) -> Document:
        """The new secret first, then the file that names it, then the old one's removal."""
        document = replace(document, revision=secrets.token_hex(8))
        sheet = Sheet(document)
        items = self._keyring() if self._where != "file" else None
        if items is not None:
            item = f"{document.provider}/{secrets.token_hex(8)}"
            sheet = Sheet(document, item, items.write(item, json.dumps(document.secret)))
        elif self._where == "keyring":
            raise AccountError(
                "this machine has no keyring that floway can use; set credential_store to file"
            )
        try:
            write_private(self._path(document.name), dump(sheet))
        except BaseException:
            self._forget(sheet)
            raise
        if before is not None:
            self._forget(before)
        return document

    def _opened(self, sheet: Sheet) -> Document:
        if not sheet.item:
            return sheet.document
        items = self._keyring()
        if items is None:
            raise AccountError(
                f"the sign-in of {sheet.document.shown} is in a keyring that this process can't "
                "reach; run floway in your own session, or add the account again"
            )
        try:
            secret = json.loads(items.read(sheet.item, sheet.parts))
        except ValueError:
            secret = None
        if not isinstance(secret, dict):
            raise AccountError(
                f"the keyring's item of {sheet.document.shown} is damaged; add the account again"
            )
        return replace(sheet.document, secret=secret)

    def _forget(self, sheet: Sheet) -> None:
        items = self._keyring() if sheet.item else None
        if items is not None:
            items.delete(sheet.item, sheet.parts)

    def _keyring(self) -> KeyringItems | None:
        if not self._looked:
            self._looked = True
            found = self._find_keyring()
            self._items = None if found is None else KeyringItems(found)
        return self._items

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process changes the folder; the lock goes with the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        check_modes(self.folder)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)


if os.name == "nt":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
