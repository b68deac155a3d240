"""What can go wrong with sign-ins. No text of these errors holds a secret."""

from __future__ import annotations

from addons.errors import FlowayError


class AccountError(FlowayError):
    """An account can't be added, found or used; the text is for people and names the remedy."""


class LabelTaken(AccountError):
    """Another account of the provider has the label."""


class SignInEnded(AccountError):
    """The sign-in is over for good: only a new login mends it.

    Attributes:
        code: the authorization server's word, e.g. ``invalid_grant``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SignInUnavailable(AccountError):
    """The authorization server could not be asked, or failed; later it may work."""
