"""Small files for their owner only, replaced as a whole. Blocking."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from addons.accounts.errors import AccountError

FILE_MODE = 0o600
FOLDER_MODE = 0o700
MAX_BYTES = 1024 * 1024


def check_modes(folder: Path) -> None:
    """Nobody but the owner may read the folder or a file in it.

    Raises:
        AccountError: who can, and the command that mends it.
    """
    if os.name == "nt" or not folder.exists():  # there, the profile's own rights protect it
        return
    for path, allowed in ((folder, FOLDER_MODE), *((f, FILE_MODE) for f in folder.glob("*.json"))):
        check_mode(path, allowed)


def check_mode(path: Path, allowed: int) -> None:
    """
    Raises:
        AccountError: others have rights to it, or it is not there.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise AccountError(f"{path} can't be read: {error.strerror}") from None
    if os.name != "nt" and mode & ~allowed:
        raise AccountError(
            f"{path} holds sign-ins and has mode {mode:04o}, so that others can get at it; "
            f"mend it with: chmod {allowed:o} '{path}'"
        )


def read_private(path: Path) -> bytes:
    """The content of a file that only its owner can read.

    Raises:
        FileNotFoundError: there is none.
        AccountError: others can read it, or it can't be read.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise AccountError(f"{path} can't be read: {error.strerror}") from None
    if os.name != "nt" and mode & ~FILE_MODE:
        check_mode(path, FILE_MODE)
    if len(data) > MAX_BYTES:
        raise AccountError(f"{path} is larger than 1 MiB; it is no sign-in")
    return data


def write_private(path: Path, data: bytes) -> None:
    """Put a file in the place of another in one step: after a crash it is the old or the new one.

    Raises:
        AccountError: it can't be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise AccountError(f"{path} can't be written: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    """The rename itself survives a power cut; not every platform can open a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
