"""Types of the settings' values: what may be written, and its one-line spellings."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from addons.front.aliases import DEFAULT

KIB = 1024
MIB = 1024 * KIB

_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


# --- one-line spellings for the environment and for --set ----------------------------------------


def listed(value: object) -> object:
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


def mapped(value: object) -> object:
    """A dict from ``name=value,name=value``, from a list of such words, or from a JSON object."""
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"must be a JSON object or NAME=VALUE words ({error})") from None
    if isinstance(value, str):
        value = listed(value)
    if not isinstance(value, list | tuple):
        return value
    result: dict[str, str] = {}
    for word in value:
        name, equals, rest = str(word).partition("=")
        if not equals or not name.strip():
            raise ValueError("must be written NAME=VALUE")
        result[name.strip()] = rest.strip()
    return result


def mapped_or_word(value: object) -> object:
    """As :func:`mapped`; a single word is the value of the name `*`, and no word is no name."""
    if isinstance(value, str) and not {"=", "{", ","} & set(value):
        return {"*": value.strip()} if value.strip() else {}
    return mapped(value)


def with_usual_aliases(value: dict[str, str]) -> dict[str, str]:
    """Aliases of models, with the one that is there unless it is given."""
    return {"claude-*": DEFAULT, **value}


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


def _model(value: str) -> str:
    value = value.strip()
    if not value or not value.isprintable():
        raise ValueError("must be a model's name")
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


type Folder = Annotated[Path | None, BeforeValidator(_folder)]
type ModelName = Annotated[str, AfterValidator(_model)]
type ModelAliases = Annotated[
    dict[ModelName, ModelName], BeforeValidator(mapped), AfterValidator(with_usual_aliases)
]
type Word = Annotated[str, AfterValidator(_word)]
type Port = Annotated[int, Field(ge=0, le=65535)]
type Name = Annotated[str, AfterValidator(_name)]
type ProfileName = Annotated[str, AfterValidator(_profile)]
type StrategyName = Literal["round_robin", "fill_first", "least_used", "weighted"]
type Host = Annotated[str, AfterValidator(_host)]
type ClientKey = Annotated[SecretStr, AfterValidator(_client_key)]
type BaseUrl = Annotated[str, AfterValidator(_base_url)]


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
