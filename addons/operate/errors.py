"""Errors of the control API and of the commands: a word for programs, a sentence, and a remedy."""

from __future__ import annotations

from addons.accounts.errors import AccountError, LabelTaken, SignInEnded, SignInUnavailable
from addons.errors import FlowayError
from addons.store.contract import StoreError


class ControlError(FlowayError):
    """Something that was asked for and can't be done.

    Attributes:
        status: HTTP status, 400-599.
        code: machine-readable word, e.g. ``no_such_account``.
        message: a sentence; holds no secret.
        remedy: what would help; "" where nothing would.
    """

    def __init__(self, status: int, code: str, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.status = status
        self.code = code
        self.message = message
        self.remedy = remedy


def explained(error: FlowayError) -> ControlError:
    """Any of floway's own errors as one of the API."""
    match error:
        case ControlError():
            return error
        case LabelTaken():
            status, code = 409, "label_taken"
        case SignInEnded():
            status, code = 409, "needs_login"
        case SignInUnavailable():
            status, code = 503, "sign_in_unavailable"
        case AccountError():
            status, code = 409, "account_unusable"
        case StoreError():
            status, code = 503, "store_unavailable"
        case _:
            status, code = 409, "failed"
    # The texts of these errors name their remedy, after a semicolon mostly.
    message, _, remedy = str(error).partition("; ")
    return ControlError(status, code, message, remedy)
