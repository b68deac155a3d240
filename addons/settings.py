"""Every setting of floway, in one model.

Precedence, lowest first: the default, ``floway.toml`` in the state directory, a ``FLOWAY_*``
environment variable, a mitmproxy option (``--set floway_*``). :func:`addons.settings_layers.load`
reads the layers and turns mistakes into messages that name the layer and the line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from addons.settings_account import AccountEntry
from addons.settings_serving import ServingSettings, default_home, resolve_home
from addons.settings_words import (
    KIB,
    MIB,
    Folder,
    Name,
    StrategyName,
    is_loopback,
    mapped,
)

__all__ = ["AccountEntry", "Settings", "default_home", "is_loopback", "resolve_home"]

ENV_PREFIX = "FLOWAY_"
OPTION_PREFIX = "floway_"
FILE_NAME = "floway.toml"
DATABASE_NAME = "floway.db"


class Settings(ServingSettings):
    """The settings that are in force. Immutable: a change makes a new object."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=False,
        hide_input_in_errors=True,
    )

    client_keep_bytes: ByteSize = Field(
        default=ByteSize(MIB),
        ge=0,
        le=1024 * MIB,
        description=(
            "Largest body of a client's own request that its flow keeps, beside the one that was "
            "sent, for the parity view; 0 keeps none of the request."
        ),
    )
    list_keep_bytes: ByteSize = Field(
        default=ByteSize(512 * MIB),
        ge=0,
        le=1024 * 1024 * MIB,
        description=(
            "Bytes of flows in the list of mitmweb and of the console; the oldest go first, those "
            "that you have marked stay. 0 keeps all."
        ),
    )
    websocket_keep_bytes: ByteSize = Field(
        default=ByteSize(MIB),
        ge=0,
        le=1024 * MIB,
        description=(
            "Bytes of WebSocket messages that an open connection keeps for the debugger; older "
            "ones are dropped once logged. The last message is always kept."
        ),
    )
    response_days: float = Field(
        default=7.0,
        gt=0,
        le=365,
        allow_inf_nan=False,
        description="Days after its last use for which a response can be continued.",
    )
    response_bytes: ByteSize = Field(
        default=ByteSize(64 * MIB),
        ge=0,
        le=16384 * MIB,
        description=(
            "Bytes of input and output that are kept so that `previous_response_id` works where "
            "the upstream stores nothing; the oldest go first, and `store: false` keeps none. 0 "
            "keeps nothing at all."
        ),
    )
    continue_bytes: ByteSize = Field(
        default=ByteSize(16 * MIB),
        ge=0,
        le=1024 * MIB,
        description="Most bytes of such a history that one request may continue.",
    )
    reuse_bytes: ByteSize = Field(
        default=ByteSize(12 * MIB),
        ge=0,
        le=1024 * MIB,
        description=(
            "Bytes of large requests that are kept, so that of the next one of a conversation only "
            "what is new has to be read and written; takes five times as much memory. 0 keeps none."
        ),
    )
    checkpoint_minutes: float = Field(
        default=30.0,
        gt=0,
        le=1440,
        allow_inf_nan=False,
        description=(
            "Minutes after a turn for which an upstream's own state of a conversation is kept, "
            "where it has one; later the conversation is told anew."
        ),
    )
    history_forms: Annotated[
        dict[Name, Literal["messages", "text"]], NoDecode, BeforeValidator(mapped)
    ] = Field(
        default_factory=dict,
        description=(
            "How an upstream is told a conversation that it has no state of, by provider name: as "
            "chat `messages` (the default), or as one `text` in the user's message."
        ),
    )
    system_prompt_places: Annotated[
        dict[Name, Literal["both", "message", "rule"]], NoDecode, BeforeValidator(mapped)
    ] = Field(
        default_factory=dict,
        description=(
            "Where a client's system prompt goes, by provider name, where the upstream may replace "
            "a system message by its own: into a `message`, a `rule`, or `both` (the default)."
        ),
    )
    capture: Folder = Field(
        default=None,
        description="Folder for traces of requests, as they came and as they left; empty: none.",
    )
    capture_match: str = Field(
        default="",
        description="mitmproxy filter, such as '~u /responses': traces are kept of what matches.",
    )
    capture_limit_mb: int = Field(
        default=256, ge=1, description="Most MiB of such traces; the oldest are removed."
    )
    capture_trace: str = Field(
        default="",
        description="JSON (or its file) that describes a run, for one trace of all of it.",
    )
    timeline: Folder = Field(
        default=None,
        description=(
            "Folder for a file of each WebSocket: handshakes, frames, closes; `floway timeline` "
            "reads them. Empty: none."
        ),
    )
    timeline_limit_mb: int = Field(
        default=256, ge=1, description="Most MiB of such files; the oldest are removed."
    )
    timeline_body_bytes: ByteSize = Field(
        default=ByteSize(16 * KIB),
        ge=0,
        le=16 * MIB,
        description="Largest body of a frame that is kept there; of a larger one only its size.",
    )
    timeline_raw: bool = Field(
        default=False,
        description=(
            "Keep frames and headers there as they are, secrets and all, and not masked. Share no "
            "such file."
        ),
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="How much floway itself says in the log; `debug` explains each decision.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Form of the log on the terminal. In its file it is JSON."
    )
    log_file: str = Field(
        default="logs/floway.log",
        description=(
            "File of the log, below FLOWAY_HOME unless absolute; `floway logs` reads it. Empty: "
            "none."
        ),
    )
    log_file_mb: int = Field(
        default=50, ge=1, description="Most MiB of that file and of the older ones beside it."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, then the environment, then floway.toml of the home that those two name."""
        chosen = {**env_settings(), **init_settings()}
        file = resolve_home(chosen.get("home")) / FILE_NAME
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @field_validator("home", mode="before")
    @classmethod
    def _some_home(cls, value: object) -> object:
        if value == "":
            raise ValueError("must be a directory")
        return value

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        value = resolve_home(value)
        if value.exists() and not value.is_dir():
            raise ValueError("must be a directory, and a file is there")
        return value

    def strategy_of(self, provider: str) -> StrategyName:
        """The word for how a provider's accounts are chosen."""
        return self.strategy.get(provider) or self.strategy.get("*") or "round_robin"

    @field_validator("accounts")
    @classmethod
    def _distinct_labels(cls, value: list[AccountEntry]) -> list[AccountEntry]:
        seen: set[tuple[str, str]] = set()
        for account in value:
            if (account.provider, account.label) in seen:
                raise ValueError(
                    f"give the label {account.label!r} twice for {account.provider!r}; "
                    "each account of a provider needs a label of its own"
                )
            seen.add((account.provider, account.label))
        return value

    @property
    def database(self) -> Path:
        """Where the store keeps its records."""
        return self.home / DATABASE_NAME

    @property
    def log_path(self) -> Path | None:
        """Where the log is kept; None for nowhere."""
        return self.home / Path(self.log_file).expanduser() if self.log_file else None

    @property
    def credentials(self) -> Path:
        """Where the sign-ins of added accounts are."""
        return self.home / "credentials"

    @property
    def file(self) -> Path:
        """Where floway.toml is looked for."""
        return self.home / FILE_NAME
