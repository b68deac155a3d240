"""One kept sign-in, and its form on disk. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from addons.accounts.credentials.naming import LABEL, credential_name, shown_label
from addons.accounts.errors import AccountError

type Json = dict[str, Any]

_HANDLE = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Document:
    """A sign-in with what tells it from others.

    Attributes:
        provider: the provider's name.
        label: the person's word; "" when none was given.
        handle: opaque name of the subject (:func:`addons.accounts.model.account_handle`).
        secret: the provider's own object; never shown.
        kind: the provider's word for the way of signing in.
        added_at: unix seconds.
        revision: another one after every write.
    """

    provider: str
    label: str
    handle: str
    secret: Json = field(repr=False)
    kind: str = ""
    added_at: float = 0.0
    revision: str = ""

    @property
    def name(self) -> str:
        return credential_name(self.provider, self.label, self.handle)

    @property
    def shown(self) -> str:
        """What people call it: the label, or what stands in for one."""
        return shown_label(self.provider, self.name)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The file of a document. The secret is in it, or where the item in the keyring says.

    Attributes:
        item: name of the keyring's item; "": the secret is in the file.
        parts: how many items it was cut into.
    """

    document: Document
    item: str = ""
    parts: int = 0


def dump(sheet: Sheet) -> bytes:
    """The file's content."""
    document = sheet.document
    members: Json = {
        "provider": document.provider,
        "label": document.label,
        "handle": document.handle,
        "kind": document.kind,
        "added_at": document.added_at,
        "revision": document.revision,
    }
    if sheet.item:
        members["keyring"] = {"item": sheet.item, "parts": sheet.parts}
    else:
        members["secret"] = document.secret
    return (json.dumps(members, indent=2) + "\n").encode()


def parse(data: bytes, *, source: str) -> Sheet:
    """
    Args:
        source: the file's name, for errors.

    Raises:
        AccountError: names the file and the member, and nothing of what stands in it.
    """
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise AccountError(f"{source} holds no JSON object; {_REMEDY}")
    words = {}
    for name in ("provider", "label", "handle", "kind", "revision"):
        word = members.get(name, "")
        if not isinstance(word, str):
            raise AccountError(f"{source}: {name} must be a text; {_REMEDY}")
        words[name] = word
    if not LABEL.fullmatch(words["provider"]):
        raise AccountError(f"{source}: provider is missing; {_REMEDY}")
    if words["label"] and not LABEL.fullmatch(words["label"]):
        raise AccountError(f"{source}: label is none; {_REMEDY}")
    if len(words["handle"]) != 16 or set(words["handle"]) - _HANDLE:
        raise AccountError(f"{source}: handle must be 16 hex digits; {_REMEDY}")
    added = members.get("added_at", 0.0)
    if isinstance(added, bool) or not isinstance(added, int | float):
        raise AccountError(f"{source}: added_at must be a number; {_REMEDY}")
    item, parts = _keyring(members.get("keyring"), source)
    secret = members.get("secret", {})
    if not isinstance(secret, dict) or not (secret or item):
        raise AccountError(f"{source}: secret must be an object; {_REMEDY}")
    return Sheet(Document(secret=secret, added_at=float(added), **words), item, parts)


def _keyring(value: Any, source: str) -> tuple[str, int]:
    if value is None:
        return "", 0
    item, parts = (value.get("item"), value.get("parts")) if isinstance(value, dict) else ("", 0)
    if not isinstance(item, str) or not item or not isinstance(parts, int) or not 0 < parts <= 100:
        raise AccountError(f"{source}: keyring must have item and parts; {_REMEDY}")
    return item, parts


_REMEDY = "remove the file, and add the account again (floway accounts add)"
