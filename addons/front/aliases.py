"""Other names for models: clients that insist on their own are served all the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

DEFAULT: Final = "default"
"""In the place of a model's name: the one that the provider lists first."""


def alias_of(model: str, aliases: Mapping[str, str]) -> str | None:
    """The model that is meant by a name; None where the name is no alias.

    Args:
        aliases: name, or pattern with ``*``, -> model or :data:`DEFAULT`. A name counts before a
            pattern, and a longer pattern before a shorter one.
    """
    if not aliases:
        return None
    if model in aliases:
        return aliases[model]
    matching = [pattern for pattern in aliases if fnmatchcase(model, pattern)]
    return aliases[max(matching, key=len)] if matching else None
