"""``aiserver.v1.ErrorDetails``: what Cursor itself says of an error.

It comes beside a Connect code that often says less, or something else: "Update Required" comes
as ``resource_exhausted``. Texts here are free of private parts and bounded, so that they may be
shown and logged. Source of the fields and names: cursor-protocol.md §2.2, §3.13.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from addons.providers.cursor.proto import aiserver_pb2 as aiserver
from fingerprints.quoting import quoted

MAX_TEXT: Final = 600
"""Longest upstream text that is repeated, in characters."""

MAX_DETAILS: Final = 16

TYPE: Final = "aiserver.v1.ErrorDetails"

_PRIVATE = re.compile(
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"  # an e-mail address
    r"|\beyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*"  # a JWT
    r"|\b(?:crsr|key|sk|sess)[-_][A-Za-z0-9_-]{8,}"  # a key
    r"|\b(?:user|auth0|github|google-oauth2|workos)(?:\||%7C|_)[A-Za-z0-9|_-]{4,}"  # who it is
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"  # ids of runs and accounts
    r"|\b[0-9a-fA-F]{32,}\b"  # digests, keys
)


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One entry of an error's ``details``.

    Attributes:
        type: name of the message, :data:`TYPE` for those that are understood.
        name: the error's name without its prefix, as ``RATE_LIMITED``; a number that has no name
            here is ``#56``; "" when the entry could not be read or names no error.
        title, detail: what a user of Cursor's own client sees.
        expected: Cursor knows the error as one that happens.
        retryable: Cursor says that trying again makes sense; None: it says nothing.
    """

    type: str
    name: str = ""
    title: str = ""
    detail: str = ""
    expected: bool | None = None
    retryable: bool | None = None

    @property
    def text(self) -> str:
        """Title and detail in one line; "" when there are none."""
        if self.title and self.detail and not self.detail.startswith(self.title):
            return f"{self.title}: {self.detail}"
        return self.detail or self.title


def private_free(text: str) -> str:
    """One bounded line of an upstream's text, without e-mail addresses, tokens and ids."""
    line = " ".join(quoted(_PRIVATE.sub("…", text[: 4 * MAX_TEXT])).split())
    return line if len(line) <= MAX_TEXT else line[:MAX_TEXT] + "…"


def parse(details: object) -> tuple[ErrorDetail, ...]:
    """The entries of a Connect error's ``details``; what can't be read keeps only its type.

    Args:
        details: the JSON value: a list of ``{"type", "value": base64, "debug": {…}}``.
    """
    if not isinstance(details, list):
        return ()
    return tuple(_entry(each) for each in details[:MAX_DETAILS] if isinstance(each, dict))


def first_named(details: Sequence[ErrorDetail]) -> ErrorDetail | None:
    """The entry that names an error; else the first that has a text."""
    for entry in details:
        if entry.name and entry.name != "UNSPECIFIED":
            return entry
    return next((entry for entry in details if entry.text), None)


def _entry(entry: dict[str, Any]) -> ErrorDetail:
    kind = _string(entry.get("type")).rpartition("/")[2][:200]
    if kind == TYPE:
        message = _message(_string(entry.get("value")))
        if message is not None:
            return _of_message(message)
    debug = entry.get("debug")
    if isinstance(debug, dict):
        return _of_debug(kind, debug)
    return ErrorDetail(kind)


def _message(value: str) -> aiserver.ErrorDetails | None:
    try:
        value = value.rstrip("=")  # the protocol leaves the padding out
        raw = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
        message = aiserver.ErrorDetails.FromString(raw)
    except (binascii.Error, ValueError, DecodeError):
        return None
    return message if raw else None


def _of_message(message: aiserver.ErrorDetails) -> ErrorDetail:
    own = message.details
    return ErrorDetail(
        TYPE,
        name_of(message.error),
        private_free(own.title),
        private_free(own.detail),
        message.is_expected if message.HasField("is_expected") else None,
        own.is_retryable if own.HasField("is_retryable") else None,
    )


def _of_debug(kind: str, debug: dict[str, Any]) -> ErrorDetail:
    """The same as JSON; members in camel case, the error by name or number."""
    error = debug.get("error")
    name = name_of(error) if isinstance(error, int) else _string(error)
    own = debug.get("details")
    own = own if isinstance(own, dict) else {}
    return ErrorDetail(
        kind,
        name.removeprefix("ERROR_")[:100],
        private_free(_string(own.get("title"))),
        private_free(_string(own.get("detail"))),
        _boolean(debug.get("isExpected")),
        _boolean(own.get("isRetryable")),
    )


def name_of(number: int) -> str:
    """``RATE_LIMITED`` for 50; ``#99`` for a number that has no name here; "" for 0."""
    if number == 0:
        return ""
    value = aiserver.ErrorCode.DESCRIPTOR.values_by_number.get(number)
    return f"#{number}" if value is None else value.name.removeprefix("ERROR_")


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
