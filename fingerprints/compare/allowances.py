"""Rules that a person gives for what may differ, in the words in which differences suggest them.

``PATH=RULE``: the path may have ``*`` (any text); the rule is a matcher of a profile
(:mod:`fingerprints.matchers`, YAML as it stands there: ``text``, ``{uuid: 7}``, ``{enum: [a, b]}``)
or one of ``presence: sometimes``, ``order: free``, ``equal: false`` and ``any``.

Pure: no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fingerprints.errors import FingerprintError
from fingerprints.matchers import Matcher, accepts
from fingerprints.roles import Json

SOMETIMES, FREE, UNEQUAL, ANY = "presence: sometimes", "order: free", "equal: false", "any"
_WORDS = (SOMETIMES, FREE, UNEQUAL, ANY)
_MATCHER: TypeAdapter[Any] = TypeAdapter(Matcher)


class AllowanceError(FingerprintError):
    """A rule that cannot be read; the message names it and says how rules look."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One rule. ``matcher`` is None where ``word`` is one of the fixed words."""

    path: str
    word: str
    matcher: Any = None

    def covers(self, path: str) -> bool:
        return _pattern(self.path).fullmatch(path) is not None

    def accepts(self, value: Json) -> bool:
        """Whether it lets a value pass."""
        if self.word == ANY:
            return True
        return self.matcher is not None and accepts(self.matcher, value, release="")


def parse(text: str) -> Allowance:
    """A rule from its text.

    Raises:
        AllowanceError: no path, or neither a matcher nor one of the words.
    """
    path, mark, rule = text.partition("=")
    path, rule = path.strip(), rule.strip()
    if not mark or not path or not rule:
        raise AllowanceError(f"{text!r} is no rule: write PATH=RULE, as in header:user-agent=text")
    if rule in _WORDS:
        return Allowance(path, rule)
    try:
        form = YAML(typ="safe", pure=True).load(rule)
        return Allowance(path, rule, _MATCHER.validate_python(form))
    except (YAMLError, ValidationError) as error:
        raise AllowanceError(
            f"{rule!r} is no rule: it must be a matcher (fingerprints/matchers.py), as in "
            f"{{uuid: 7}}, or one of {', '.join(_WORDS)}"
        ) from error


def excuse(allowances: Sequence[Allowance], path: str, word: str) -> Allowance | None:
    """The rule that lets a departure pass which has no value: ``word`` is :data:`SOMETIMES`,
    :data:`FREE` or :data:`UNEQUAL`."""
    return next((one for one in allowances if one.word in (word, ANY) and one.covers(path)), None)


def excuse_value(allowances: Sequence[Allowance], path: str, value: Json) -> Allowance | None:
    """The rule that lets a value pass."""
    return next((one for one in allowances if one.covers(path) and one.accepts(value)), None)


@lru_cache(maxsize=512)
def _pattern(glob: str) -> re.Pattern[str]:
    """``*`` is any text; brackets are themselves, as paths of list items have them."""
    return re.compile(".*".join(re.escape(part) for part in glob.split("*")), re.DOTALL)
