"""What must not be shown becomes a placeholder, the same for the same value while the home lasts.

One rule for all that is written or shown: :class:`fingerprints.redaction.Redactor`. Here it has
the salt of a home, a lock, and what the process knows to be secret: client keys, and the tokens
and account ids that pass in headers.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
import sysconfig
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from addons.accounts.credentials.files import read_private, write_private
from addons.accounts.errors import AccountError
from fingerprints.placeholders import BELOW, HOME
from fingerprints.redaction import Redactor, is_account_member, is_secret_member

KEY_FILE: Final = "mask.key"
KEY_BYTES: Final = 32

MOST_KNOWN: Final = 500
"""Values that are looked for everywhere; the oldest are forgotten."""

MOST_WORDS: Final = 4096
"""Words whose masked form is remembered."""

MOST_CHARACTERS: Final = 32 * 1024
"""Of one line; the rest is cut off."""

UNMASKABLE: Final = "(a line that could not be searched for secrets; it is not shown)"

_MARK: Final = "\x00"
_PUT_BY = re.compile(f"{_MARK}([0-9]+){_MARK}")
_FILE = re.compile(r'File "([^"\n]+)"')


def key_of(home: Path) -> bytes:
    """The salt of a home, made when there is none. Blocking.

    A home that can't be written, or read, has a new one each time: then placeholders are the same
    within one process only.
    """
    with contextlib.suppress(AccountError, FileNotFoundError):
        found = read_private(home / KEY_FILE)
        if len(found) == KEY_BYTES:
            return found
    made = secrets.token_bytes(KEY_BYTES)
    with contextlib.suppress(AccountError):
        write_private(home / KEY_FILE, made)
    return made


class Mask:
    """For any thread. Its methods raise nothing: what can't be masked is not shown."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._redactor = Redactor(salt, MOST_KNOWN)
        # Reentrant: the garbage collector may log something in the midst of it.
        self._lock = threading.RLock()
        self._known: dict[str, str] = {}
        self._words: dict[str, str] = {}
        self._own: re.Pattern[str] | None = None
        self._headers: dict[bytes, str] = {}
        """Kind of secret that a header of this name holds; "" for none."""

    def know(self, value: str, kind: str = "secret") -> None:
        """A value that is masked wherever it stands from now on."""
        with self._lock:
            if value in self._known:
                return
            self._known[value] = kind
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._redactor.know(value, kind)
            self._words.clear()

    def learn(self, headers: Any) -> None:
        """The secrets in the headers of a request: pairs of bytes. Cheap for those known before."""
        for name, value in headers:
            kind = self._headers.get(name)
            if kind is None:
                kind = self._kind(name)
            if kind:
                self._know_header(value.decode("utf-8", "replace"), kind)

    def _kind(self, name: bytes) -> str:
        if len(self._headers) > MOST_WORDS:
            self._headers.clear()
        text = name.decode("utf-8", "replace")
        kind = "secret" if is_secret_member(text) else "account" if is_account_member(text) else ""
        self._headers[name] = kind
        return kind

    def _know_header(self, value: str, kind: str) -> None:
        if value in self._known:
            return
        self.know(value, kind)
        for part in re.split(r"[\s;]+", value):  # "Bearer TOKEN", "name=value; name=value"
            word = part.partition("=")[2] or part
            if len(word) >= 12:
                self.know(word, kind)

    def show(self, paths: Iterable[Path]) -> None:
        """Paths that the person has set, and what is below them: these are told as they are."""
        known = sorted({str(path) for path in paths}, key=lambda path: (-len(path), path))
        names = "|".join(re.escape(path) for path in known if len(path) > 1)
        self._own = re.compile(rf"(?:{names})(?![A-Za-z0-9_-]){BELOW}") if names else None
        self._words.clear()

    def line(self, text: str, *, paths: bool = True) -> str:
        """A text of whatever lines.

        Args:
            paths: whether paths are masked, which are not those of :meth:`show`.
        """
        try:
            if len(text) > MOST_CHARACTERS:
                text = f"{text[:MOST_CHARACTERS]} (and {len(text) - MOST_CHARACTERS} characters)"
            shown = self._own if paths else HOME
            kept: list[str] = []
            if shown is not None and "/" in text.replace("\\", "/"):
                text = shown.sub(lambda found: _put_by(found[0], kept), text.replace(_MARK, ""))
            with self._lock:
                text = self._redactor.masked(_shortened(text))
            return _PUT_BY.sub(lambda found: kept[int(found[1])], text) if kept else text
        except Exception:  # noqa: BLE001 - a log line of its own would come here again
            return UNMASKABLE

    def word(self, text: str) -> str:
        """As :meth:`line`, for what comes again and again: a label, a model."""
        found = self._words.get(text)
        if found is None:
            found = self.line(text)
            if len(self._words) > MOST_WORDS:
                self._words.clear()
            self._words[text] = found
        return found

    def value(self, value: Any) -> Any:
        """A JSON value; long texts in it are not kept."""
        try:
            with self._lock:
                return self._redactor.redact(value)
        except Exception:  # noqa: BLE001 - as above
            return UNMASKABLE

    def redactor(self) -> Redactor:
        """One of its own for another thread: the same placeholders, and what is known so far."""
        made = Redactor(self._salt, MOST_KNOWN)
        with self._lock:
            for value, kind in self._known.items():
                made.know(value, kind)
        return made


def _put_by(path: str, kept: list[str]) -> str:
    kept.append(path)
    return f"{_MARK}{len(kept) - 1}{_MARK}"


def _shortened(text: str) -> str:
    """Files in a traceback as they are called in their package, and not where it lies."""
    if 'File "' not in text:
        return text
    return _FILE.sub(lambda found: f'File "{_called(found[1])}"', text)


def _called(path: str) -> str:
    for root in _ROOTS:
        if path.startswith(root):
            return path[len(root) :]
    return path


def _roots() -> list[str]:
    folders = {str(Path(__file__).parents[3]), *sys.path}
    folders |= {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    whole = {folder.rstrip("/\\") for folder in folders if folder and Path(folder).is_absolute()}
    # mitmproxy puts the script's folder there, which is a package.
    whole = {folder for folder in whole if not Path(folder, "__init__.py").exists()}
    return sorted((f"{folder}/" for folder in whole), key=len, reverse=True)


_ROOTS = _roots()
