"""Clients' settings files: changed with a backup, and put back. Blocking.

Of each change a record is kept in floway's home, so that it can be undone whole where nobody has
touched the file since, and member by member where somebody has.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from replay.setup.edits import Format, Leaf, put, take_out
from replay.setup.errors import SetupError
from replay.setup.targets import Target

BACKUP = ".before-floway"
"""Added to the name of the file as it was."""


@dataclass(frozen=True, slots=True)
class Record:
    """A change that can be undone.

    Attributes:
        existed: there was such a file before; where it did, the backup has its content.
        digest: SHA-256 of what was written.
    """

    file: Path
    form: Format
    existed: bool
    digest: str
    leaves: tuple[Leaf, ...]

    @property
    def backup(self) -> Path:
        return self.file.with_name(self.file.name + BACKUP)


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of the file.

    Attributes:
        whole: it is, byte for byte, what it was.
        kept: values that somebody has changed since; they stay.
    """

    file: Path
    whole: bool
    kept: Sequence[Leaf] = ()


class SetupDesk:
    """
    Args:
        folder: for the records; made when one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, target: Target, file: Path) -> Record:
        """Change ``file`` so that the client uses floway; a former change is undone first.

        Raises:
            SetupError: the file was left as it is.
        """
        known = self.record(target.name)
        if known is not None:
            self.undo(target.name)
        before = _content(file)
        try:
            text, leaves = put(before or "", target.form, target.members)
        except SetupError as error:
            raise SetupError(f"{file}: {error}. Nothing was changed") from None
        record = Record(file, target.form, before is not None, _digest(text), tuple(leaves))
        if before is not None:
            _write(record.backup, before)
        self._keep(target.name, record)
        _write(file, text)
        return record

    def undo(self, name: str) -> Undone | None:
        """Take the change of a client back; None where there is none.

        Raises:
            SetupError: the file was left as it is.
        """
        record = self.record(name)
        if record is None:
            return None
        now = _content(record.file)
        undone = Undone(record.file, whole=now is None or _digest(now) == record.digest)
        if now is not None and undone.whole:
            self._restore(record)
        elif now is not None:
            try:
                text, kept = take_out(now, record.form, record.leaves)
            except SetupError as error:
                raise SetupError(
                    f"{record.file}: {error}. Nothing was changed; the file as it was is "
                    f"{record.backup.name} beside it"
                ) from None
            _write(record.file, text)
            undone = Undone(record.file, whole=False, kept=kept)
        record.backup.unlink(missing_ok=True)
        self._place(name).unlink(missing_ok=True)
        return undone

    def record(self, name: str) -> Record | None:
        """What was changed for a client.

        Raises:
            SetupError: the record can't be read.
        """
        place = self._place(name)
        text = _content(place)
        if text is None:
            return None
        try:
            members = json.loads(text)
            leaves = tuple(
                Leaf(tuple(leaf["path"]), leaf["value"], leaf["before"])
                for leaf in members.pop("leaves")
            )
            return Record(**{**members, "file": Path(members["file"]), "leaves": leaves})
        except (ValueError, TypeError, KeyError):
            raise SetupError(
                f"{place} can't be read. Remove it, and undo the change by hand"
            ) from None

    def _restore(self, record: Record) -> None:
        if not record.existed:
            record.file.unlink()
            return
        before = _content(record.backup)
        if before is None:
            raise SetupError(f"{record.backup} is gone; nothing was changed")
        _write(record.file, before)

    def _keep(self, name: str, record: Record) -> None:
        place = self._place(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(place, json.dumps({**asdict(record), "file": str(record.file)}, indent=2) + "\n")

    def _place(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _content(file: Path) -> str | None:
    """
    Raises:
        SetupError: it is there, and can't be read.
    """
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{file} can't be read ({type(error).__name__})") from None


def _write(file: Path, text: str) -> None:
    """At once or not at all, for the owner alone where it is new: it may hold a client key.

    Raises:
        SetupError: it could not be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        target = file.resolve()  # a link stays one
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        made = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                out.write(text)
            if target.exists():
                made.chmod(target.stat().st_mode & 0o7777)
            made.replace(target)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SetupError(f"{file} can't be written ({error.strerror or error})") from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
