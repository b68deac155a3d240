"""A text of an upstream as it may be repeated: to a client, in a reason, in a record. Pure."""

from __future__ import annotations

from fingerprints.placeholders import PLACEHOLDER
from fingerprints.redaction import Redactor

HIDDEN = "…"


def quoted(text: str) -> str:
    """The text with :data:`HIDDEN` in the place of what is secret or private by its form or name.

    Tokens, e-mail addresses, git remotes, paths below a home.
    """
    return PLACEHOLDER.sub(HIDDEN, Redactor().masked(text))
