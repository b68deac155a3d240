"""Every setting of floway, in one model.

Precedence, lowest first: the default, ``floway.toml`` in the state directory, a ``FLOWAY_*``
environment variable, a mitmproxy option (``--set floway_*``). :func:`addons.settings_layers.load`
reads the layers and turns mistakes into messages that name the layer and the line.
"""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

ENV_PREFIX = "FLOWAY_"
OPTION_PREFIX = "floway_"
FILE_NAME = "floway.toml"
DATABASE_NAME = "floway.db"

_KIB = 1024
_MIB = 1024 * _KIB
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


def default_home() -> Path:
    """The platform's state directory, e.g. ``~/.local/state/floway`` on Linux."""
    return platformdirs.user_state_path("floway")


def resolve_home(home: Path | str | None) -> Path:
    """The absolute state directory for a setting's value; None is the default."""
    return Path(home).expanduser().absolute() if home else default_home()


# --- one-line spellings for the environment and for --set ----------------------------------------


def _listed(value: object) -> object:
    """A list from ``a,b`` or from a JSON list; anything else is left to the field's type."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"must be a JSON list or words between commas ({error})") from None
    return [part.strip() for part in text.split(",") if part.strip()]


def _mapped(value: object) -> object:
    """A dict from ``name=value,name=value``, from a list of such words, or from a JSON object."""
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"must be a JSON object or NAME=URL words ({error})") from None
    if isinstance(value, str):
        value = _listed(value)
    if not isinstance(value, list | tuple):
        return value
    result: dict[str, str] = {}
    for word in value:
        name, equals, rest = str(word).partition("=")
        if not equals or not name.strip():
            raise ValueError("must be written NAME=URL")
        result[name.strip()] = rest.strip()
    return result


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            "must be 1 to 64 letters, digits or . _ @ + -, starting with a letter or a digit"
        )
    return value


def _profile(value: str) -> str:
    """A profile's name as it stands; a file's path, absolute."""
    if value.endswith((".yaml", ".yml")):
        file = Path(value).expanduser().absolute()
        if not file.is_file():
            raise ValueError(f"there is no file {file}; must be a profile's name or its file")
        return str(file)
    if value and not re.fullmatch(r"[a-z][a-z0-9-]*@[0-9A-Za-z.+-]+", value):
        raise ValueError(
            "must be empty, a profile's name, such as 'client@1.2.3' or 'client@latest', or the "
            "path of its .yaml file"
        )
    return value


def _word(value: str) -> str:
    if not value.isascii() or (value and not value.isprintable()) or set("();") & set(value):
        raise ValueError("must be printable ASCII characters without ( ) and ;")
    return value.strip()


def _host(value: str) -> str:
    host = value.strip().lower().rstrip(".")
    if not all(_HOST_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("must be a host name, without scheme, port and path")
    return host


def _client_key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(text) < 8 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be at least 8 printable ASCII characters without spaces")
    return value


def _base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"must be a URL ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("must be an http:// or https:// URL")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("must be a URL without user, query and fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https:// (plain http:// only to a loopback address)")
    return url.rstrip("/")


def _folder(value: object) -> object:
    """An absolute path; None for the empty text."""
    if not isinstance(value, str | Path):
        return value
    return Path(value).expanduser().absolute() if str(value) else None


type _Folder = Annotated[Path | None, BeforeValidator(_folder)]
type _Word = Annotated[str, AfterValidator(_word)]
type _Port = Annotated[int, Field(ge=0, le=65535)]
type _Name = Annotated[str, AfterValidator(_name)]
type _Profile = Annotated[str, AfterValidator(_profile)]
type _Host = Annotated[str, AfterValidator(_host)]
type _ClientKey = Annotated[SecretStr, AfterValidator(_client_key)]
type _BaseUrl = Annotated[str, AfterValidator(_base_url)]


class AccountEntry(BaseModel):
    """One of the user's accounts at a provider.

    Besides the table form there is a one-line form for ``FLOWAY_ACCOUNTS`` and ``--set``:
    ``PROVIDER:LABEL:PATH`` (an API key is a secret and has no place on a command line).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: _Name = Field(description="Name of the provider.")
    label: _Name = Field(description="Your own word for the account, shown in logs and headers.")
    auth_file: Path | None = Field(
        default=None, description="File with the account's sign-in, as its official client keeps."
    )
    api_key: SecretStr | None = Field(default=None, description="API key of the account.")

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


class Settings(BaseSettings):
    """The settings that are in force. Immutable: a change makes a new object."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=False,
        hide_input_in_errors=True,
    )

    home: Path = Field(
        default_factory=default_home,
        description="State directory: holds floway.toml and floway.db. Cannot be set in the file.",
    )
    profile: _Profile = Field(
        default="",
        description=(
            "Fingerprint profile to apply: a name (`floway profiles list`) or the path of a .yaml "
            "file; empty takes the provider's own default."
        ),
    )
    client_os: _Word = Field(
        default="",
        description=(
            "Operating system and its version, as official clients name it in their user agent "
            "(Debian 12.0.0); empty: this machine's."
        ),
    )
    client_arch: _Word = Field(
        default="", description="Processor, likewise (x86_64, arm64); empty: this machine's."
    )
    client_terminal: _Word = Field(
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
    sandbox_port: _Port = Field(
        default=0, description="Port of the sandbox's plain HTTP listener; 0 takes a free one."
    )
    sandbox_tls_port: _Port = Field(
        default=0, description="Port of the sandbox's TLS listener; 0 takes a free one."
    )
    client_keys: Annotated[list[_ClientKey], NoDecode, BeforeValidator(_listed)] = Field(
        default_factory=list,
        description=(
            "Keys that clients must show. None are needed on a loopback address; at least one is "
            "required on any other."
        ),
    )
    forward_hosts: Annotated[list[_Host], NoDecode, BeforeValidator(_listed)] = Field(
        default_factory=list,
        description="Further hosts to decrypt in forward-proxy mode, besides the providers' own.",
    )
    upstreams: Annotated[dict[_Name, _BaseUrl], NoDecode, BeforeValidator(_mapped)] = Field(
        default_factory=dict,
        description="Base URL to use for a provider in place of its real one, by provider name.",
    )
    accounts: Annotated[list[AccountEntry], NoDecode, BeforeValidator(_listed)] = Field(
        default_factory=list,
        description="Your accounts: tables with provider, label, and auth_file or api_key.",
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
        default=ByteSize(64 * _KIB),
        ge=_KIB,
        le=16 * _MIB,
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
        default=ByteSize(64 * _MIB),
        ge=0,
        le=1024 * _MIB,
        description=(
            "Largest request body that is kept for another attempt; a larger one has one attempt."
        ),
    )
    max_request_bytes: ByteSize = Field(
        default=ByteSize(256 * _MIB),
        ge=_KIB,
        le=2048 * _MIB,
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
    websocket_keep_bytes: ByteSize = Field(
        default=ByteSize(_MIB),
        ge=0,
        le=1024 * _MIB,
        description=(
            "Bytes of WebSocket messages that an open connection keeps for the debugger; older "
            "ones are dropped once logged. The last message is always kept."
        ),
    )
    capture: _Folder = Field(
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
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="How much floway itself says in the log."
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
    def file(self) -> Path:
        """Where floway.toml is looked for."""
        return self.home / FILE_NAME


def is_loopback(host: str) -> bool:
    """Whether a listen address or a URL's host can only be reached from this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return (address.ipv4_mapped or address).is_loopback
    return address.is_loopback
