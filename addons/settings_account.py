"""The setting ``accounts``: one entry."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from addons.settings_words import Name


class AccountEntry(BaseModel):
    """One of the user's accounts at a provider.

    Besides the table form there is a one-line form for ``FLOWAY_ACCOUNTS`` and ``--set``:
    ``PROVIDER:LABEL:PATH`` (an API key is a secret and has no place on a command line).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Name = Field(description="Name of the provider.")
    label: Name = Field(description="Your own word for the account, shown in logs and headers.")
    auth_file: Path | None = Field(
        default=None, description="File with the account's sign-in, as its official client keeps."
    )
    api_key: SecretStr | None = Field(default=None, description="API key of the account.")
    weight: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="Share of new conversations under the strategy `weighted`.",
    )
    priority: int = Field(
        default=0,
        ge=-1000,
        le=1000,
        description="Accounts of a higher priority are asked first, under every strategy.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_line(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = value.split(":", 2)
        if len(parts) != 3 or not all(parts):
            raise ValueError("must be written PROVIDER:LABEL:PATH")
        return {"provider": parts[0], "label": parts[1], "auth_file": parts[2]}

    @field_validator("auth_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.auth_file is None) == (self.api_key is None):
            raise ValueError("must have either auth_file or api_key, and not both")
        return self
