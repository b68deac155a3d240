"""The control API's bearer token: made at the first start, kept for its owner only. Blocking."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from addons.accounts.credentials.files import read_private, write_private
from addons.accounts.errors import AccountError
from addons.operate.errors import ControlError

FILE_NAME: Final = "control.token"
_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class Token:
    """The token, and where it is kept.

    Attributes:
        new: it has just been made, so that a person has to be told of it.
    """

    value: str = field(repr=False)
    file: Path
    new: bool = False

    def is_shown_by(self, authorization: str) -> bool:
        """Whether a header's value shows it. The time tells nothing of how much of it matches."""
        scheme, _, shown = authorization.strip().partition(" ")
        same = hmac.compare_digest(shown.strip().encode("utf-8", "replace"), self.value.encode())
        return same and scheme.lower() == "bearer"


def kept(home: Path) -> Token | None:
    """The token of this home; None where floway never ran.

    Raises:
        ControlError: others can read it, or it is none.
    """
    file = home / FILE_NAME
    try:
        value = read_private(file).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except AccountError as error:
        raise ControlError(
            500, "token_unusable", str(error).replace("sign-ins", "a token")
        ) from None
    if len(value) != _DIGITS or set(value) - set("0123456789abcdef"):
        raise ControlError(500, "token_unusable", f"{file} holds no token", "remove the file")
    return Token(value, file)


def kept_or_made(home: Path) -> Token:
    """The token of this home; two floways that start at once have the same.

    Raises:
        ControlError: others can read it, or it can't be written.
    """
    known = kept(home)
    if known is not None:
        return known
    file = home / FILE_NAME
    value = secrets.token_hex(_DIGITS // 2)
    draft = file.with_name(f".{FILE_NAME}.{secrets.token_hex(4)}")
    try:
        write_private(draft, f"{value}\n".encode())
        try:
            os.link(draft, file)  # unlike a rename it fails where another process was first
        except FileExistsError:
            other = kept(home)
            if other is not None:
                return other
        except OSError:  # a file system without hard links
            draft.replace(file)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()
    except (AccountError, OSError) as error:
        raise ControlError(500, "token_unusable", f"{file} can't be written: {error}") from None
    return Token(value, file, new=True)
