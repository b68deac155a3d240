"""The user's own rules on refusals: which cool an account, for how long, and which never do. Pure.

Written in ``floway.toml``::

    [[cooldown_rules]]
    status = 429
    text = "too many concurrent"
    cooldown = "30s"
    scope = "model"

    [[cooldown_rules]]
    text = "flagged"
    ignore = true

The first rule that matches counts, in place of floway's own view. A refused sign-in (401) is not a
matter for rules: it is renewed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_WHOLE = re.compile(r"\s*(?:\d+(?:\.\d+)?\s*[smhd]\s*)+")

LONGEST: Final = 35 * 86_400.0
"""Seconds; no plan's window is longer than a month."""


def seconds(value: object) -> object:
    """Seconds of ``90``, ``"90s"``, ``"10m"``, ``"1h30m"``, ``"2d"``; anything else as it is.

    Raises:
        ValueError: a text of another form.
    """
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    if not _WHOLE.fullmatch(text):
        raise ValueError('must be a time such as "90s", "10m", "1h30m" or "2d"')
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


type Seconds = Annotated[
    float, BeforeValidator(seconds), Field(ge=0, le=LONGEST, allow_inf_nan=False)
]


class CooldownRule(BaseModel):
    """What a refusal of a kind means to the account that gave it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(default="", description="Name of the provider; empty: any.")
    status: int | None = Field(
        default=None, ge=400, le=599, description="HTTP status of the refusal; absent: any."
    )
    text: str = Field(
        default="",
        max_length=1000,
        description="Words that its code or message holds, in any letter case; empty: any.",
    )
    cooldown: Seconds | None = Field(
        default=None,
        description='How long the account cools, e.g. "10m"; "0s": not at all. Another is asked.',
    )
    scope: Literal["account", "model"] = Field(
        default="account", description="What cools: the account, or only the model asked for."
    )
    ignore: bool = Field(
        default=False, description="Nothing cools, and the client is given the refusal."
    )

    @field_validator("status")
    @classmethod
    def _no_sign_in(cls, value: int | None) -> int | None:
        if value == 401:
            raise ValueError("can't be 401: a refused sign-in is renewed, and no rule applies")
        return value

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        if self.status is None and not self.text.strip():
            raise ValueError("must name a status or a text, or both")
        if (self.cooldown is None) != self.ignore:
            raise ValueError('must have either cooldown (e.g. "10m") or ignore = true, not both')
        if self.ignore and self.scope != "account":
            raise ValueError("has a scope and ignore; only a cooldown has a scope")
        return self

    def matches(self, status: int | None, said: str) -> bool:
        """Whether it is about this refusal.

        Args:
            status: None: none was said, as inside a stream.
            said: code and message.
        """
        if self.status is not None and self.status != status:
            return False
        return self.text.strip().casefold() in said.casefold()


def rules_for(rules: Iterable[CooldownRule], provider: str) -> tuple[CooldownRule, ...]:
    """Those that hold for a provider, in order."""
    return tuple(rule for rule in rules if rule.provider in ("", provider))


def matching(rules: Sequence[CooldownRule], status: int | None, said: str) -> CooldownRule | None:
    """The first rule about a refusal; None: floway's own view counts."""
    return next((rule for rule in rules if rule.matches(status, said)), None)
