"""Settings of what is served, to whom, from where, and with how many attempts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BeforeValidator, ByteSize, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from addons.accounts.rules import CooldownRule, Seconds
from addons.settings_account import AccountEntry
from addons.settings_words import (
    KIB,
    MIB,
    BaseUrl,
    ClientKey,
    Host,
    ModelAliases,
    Name,
    Port,
    ProfileName,
    StrategyName,
    Word,
    listed,
    mapped,
    mapped_or_word,
    with_usual_aliases,
)


def default_home() -> Path:
    """The platform's state directory, e.g. ``~/.local/state/floway`` on Linux."""
    return platformdirs.user_state_path("floway")


def resolve_home(home: Path | str | None) -> Path:
    """The absolute state directory for a setting's value; None is the default."""
    return Path(home).expanduser().absolute() if home else default_home()


class ServingSettings(BaseSettings):
    """The first part of :class:`addons.settings.Settings`, the only one that is validated."""

    model_config = SettingsConfigDict(defer_build=True)

    home: Path = Field(
        default_factory=default_home,
        description="State directory: holds floway.toml and floway.db. Cannot be set in the file.",
    )
    profile: ProfileName = Field(
        default="",
        description=(
            "Fingerprint profile to apply: a name (`floway profiles list`) or the path of a .yaml "
            "file; empty takes the provider's own default."
        ),
    )
    client_os: Word = Field(
        default="",
        description=(
            "Operating system and its version, as official clients name it in their user agent "
            "(Debian 12.0.0); empty: this machine's."
        ),
    )
    client_arch: Word = Field(
        default="", description="Processor, likewise (x86_64, arm64); empty: this machine's."
    )
    client_terminal: Word = Field(
        default="",
        description="Terminal, likewise (xterm-256color); empty: that of floway's own process.",
    )
    sandbox: bool = Field(
        default=False,
        description=(
            "Serve the built-in sandbox instead of real upstreams. Without any account the "
            "sandbox is served anyway."
        ),
    )
    sandbox_port: Port = Field(
        default=0, description="Port of the sandbox's plain HTTP listener; 0 takes a free one."
    )
    sandbox_tls_port: Port = Field(
        default=0, description="Port of the sandbox's TLS listener; 0 takes a free one."
    )
    client_keys: Annotated[list[ClientKey], NoDecode, BeforeValidator(listed)] = Field(
        default_factory=list,
        description=(
            "Keys that clients must show. None are needed on a loopback address; at least one is "
            "required on any other."
        ),
    )
    control_hosts: Annotated[list[Host], NoDecode, BeforeValidator(listed)] = Field(
        default_factory=list,
        description=(
            "Host names by which the control API and /metrics may be reached, besides localhost "
            "and IP addresses."
        ),
    )
    forward_hosts: Annotated[list[Host], NoDecode, BeforeValidator(listed)] = Field(
        default_factory=list,
        description="Further hosts to decrypt in forward-proxy mode, besides the providers' own.",
    )
    upstreams: Annotated[dict[Name, BaseUrl], NoDecode, BeforeValidator(mapped)] = Field(
        default_factory=dict,
        description="Base URL to use for a provider in place of its real one, by provider name.",
    )
    model_aliases: Annotated[ModelAliases, NoDecode] = Field(
        default_factory=lambda: with_usual_aliases({}),
        description=(
            "Model to serve in place of another name, by that name or a pattern with `*`; "
            "`default` is the first in the provider's list. `claude-*` is `default` unless you say "
            "something else, so that Claude Code works with its own names."
        ),
    )
    accounts: Annotated[list[AccountEntry], NoDecode, BeforeValidator(listed)] = Field(
        default_factory=list,
        description="Your accounts: tables with provider, label, and auth_file or api_key.",
    )
    issuers: Annotated[dict[Name, BaseUrl], NoDecode, BeforeValidator(mapped)] = Field(
        default_factory=dict,
        description="Base URL to sign in at in place of a provider's real one, by provider name.",
    )
    agent_upstreams: Annotated[dict[Name, BaseUrl], NoDecode, BeforeValidator(mapped)] = Field(
        default_factory=dict,
        description=(
            "Base URL of the host for model requests, by provider name, where a provider has one "
            "beside that of `upstreams`."
        ),
    )
    client_versions: Annotated[dict[Name, Word], NoDecode, BeforeValidator(mapped)] = Field(
        default_factory=dict,
        description=(
            "Version of its official client that a provider is shown, by provider name, where the "
            "built-in one is too old for it."
        ),
    )
    swap_accounts: Annotated[list[Name], NoDecode, BeforeValidator(listed)] = Field(
        default_factory=list,
        description=(
            "Providers whose official clients, where they bring a sign-in of their own, are served "
            "by your accounts all the same."
        ),
    )
    credential_store: Literal["auto", "keyring", "file"] = Field(
        default="auto",
        description=(
            "Where added accounts' sign-ins are kept: the platform's keyring, files in "
            "FLOWAY_HOME/credentials, or (auto) the keyring where there is one."
        ),
    )
    strategy: Annotated[
        dict[Name | Literal["*"], StrategyName], NoDecode, BeforeValidator(mapped_or_word)
    ] = Field(
        default_factory=dict,
        description=(
            "Which account begins a conversation: round_robin (the default), fill_first, "
            "least_used (by quota windows) or weighted; one word for all providers, or one each "
            "by provider name (`*`: the others). A conversation stays with its account."
        ),
    )
    cooldown_rules: Annotated[list[CooldownRule], NoDecode, BeforeValidator(listed)] = Field(
        default_factory=list,
        description=(
            "Your own rules on refusals: tables with status, text (part of what was said), and "
            "either cooldown with scope (account or model), or ignore. The first that matches "
            "counts."
        ),
    )
    wait_seconds: Seconds = Field(
        default=0.0,
        le=600,
        description=(
            "When all accounts cool, longest wait for the first that is ready again, in seconds; 0 "
            "tells the client at once."
        ),
    )
    hold_seconds: float = Field(
        default=10.0,
        ge=0,
        le=300,
        allow_inf_nan=False,
        description=(
            "Longest wait for the first event with output before an answer is given to the "
            "client, in seconds. Until then another account can still take over."
        ),
    )
    hold_bytes: ByteSize = Field(
        default=ByteSize(64 * KIB),
        ge=KIB,
        le=16 * MIB,
        description="Most bytes of an answer that are held back for the same reason.",
    )
    header_seconds: float = Field(
        default=120.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Longest wait for an upstream's response headers, in seconds.",
    )
    keep_request_bytes: ByteSize = Field(
        default=ByteSize(64 * MIB),
        ge=0,
        le=1024 * MIB,
        description=(
            "Largest request body that is kept for another attempt; a larger one has one attempt."
        ),
    )
    max_request_bytes: ByteSize = Field(
        default=ByteSize(256 * MIB),
        ge=KIB,
        le=2048 * MIB,
        description="Largest request body that a client may send; a larger one is answered 413.",
    )
    max_attempts: int = Field(
        default=4, ge=1, le=32, description="Most attempts for one client request."
    )
    attempt_budget_seconds: float = Field(
        default=120.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Time after which no further attempt is begun for a client request, seconds.",
    )
