"""Reads the layers of :class:`~addons.settings.Settings`; mistakes name the layer and the line."""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from addons.errors import FlowayError
from addons.settings import (
    ENV_PREFIX,
    FILE_NAME,
    OPTION_PREFIX,
    Settings,
    is_loopback,
    resolve_home,
)

SECRET_KEYS = frozenset({"client_keys", "api_key"})
"""Settings, and members of settings, whose values are never shown."""

MASK = "***"

OTHER_VARIABLES = frozenset({"FLOWAY_CLIENTS"})
"""Environment variables with our prefix that are no settings (``.ci/run`` reads this one)."""


class SettingsError(FlowayError):
    """One or more settings are wrong; ``problems`` has one full sentence for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with their origin.

    Attributes:
        sources: for each setting, ``default``, ``floway.toml, line 3``, ``FLOWAY_SANDBOX`` or
            ``--set floway_sandbox``.
        warnings: sentences about things that look wrong and are not fatal.
    """

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """floway.toml as it was found; all empty when there is none."""

    path: Path
    text: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    mode: int = 0

    def place(self, path: tuple[str | int, ...]) -> str:
        line = toml_line(self.text, path)
        return f"{self.path}, line {line}" if line else str(self.path)


def load(options: Mapping[str, object] | None = None) -> Loaded:
    """Read all layers.

    Args:
        options: the highest layer, by setting name; values as mitmproxy options or the command
            line hold them (text, lists of text, or already typed).

    Raises:
        SettingsError: names each wrong setting, its value, what is allowed, and where it was set.
    """
    options = dict(options or {})
    problems = [
        _unknown(name, f"--set {OPTION_PREFIX}{name}", prefix=OPTION_PREFIX)
        for name in options
        if name not in Settings.model_fields
    ]
    environment = _environment()
    file = _read_file(resolve_home(_text(options.get("home") or environment.get("home"))))
    if "home" in file.content:
        problems.append(
            f"{file.place(('home',))}: home cannot be set in this file, which is looked for in it; "
            f"use {ENV_PREFIX}HOME or --set {OPTION_PREFIX}home"
        )
    problems += [
        f"{file.place((name,))}: {_unknown(name, name)}"
        for name in file.content
        if name not in Settings.model_fields
    ]
    if problems:
        raise SettingsError(problems)

    layers = {
        **{name: file.place((name,)) for name in file.content},
        **{name: f"{ENV_PREFIX}{name.upper()}" for name in environment},
        **{name: f"--set {OPTION_PREFIX}{name}" for name in options},
    }
    try:
        settings = Settings.model_validate(options)
    except ValidationError as error:
        raise SettingsError(_problem(detail, layers, file) for detail in error.errors()) from None
    sources = {name: layers.get(name, "default") for name in Settings.model_fields}
    return Loaded(settings, sources, tuple(_warnings(settings, file, layers)))


def check_listener(settings: Settings, host: str) -> None:
    """Refuse to listen for other machines without client keys; ``host`` "" is every interface.

    Raises:
        SettingsError: names the address and the remedy.
    """
    if settings.client_keys or is_loopback(host):
        return
    raise SettingsError(
        [
            f"listening on {host or 'every interface'} lets other machines in, and client_keys is "
            "empty; set FLOWAY_CLIENT_KEYS (or client_keys in floway.toml), or listen on 127.0.0.1"
        ]
    )


def _environment() -> dict[str, str]:
    """Environment variables that set something, by setting name."""
    names = {f"{ENV_PREFIX}{name}".lower(): name for name in Settings.model_fields}
    return {
        names[variable.lower()]: value
        for variable, value in os.environ.items()
        if value and variable.lower() in names
    }


def _read_file(home: Path) -> _File:
    path = home / FILE_NAME
    try:
        raw = path.read_bytes()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _File(path)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8 (byte {error.start})"]) from None
    try:
        return _File(path, text, tomllib.loads(text), mode)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: is not valid TOML: {error}"]) from None


def _warnings(settings: Settings, file: _File, layers: Mapping[str, str]) -> Iterable[str]:
    for variable in os.environ:
        name = variable.lower().removeprefix(ENV_PREFIX.lower())
        known = name in Settings.model_fields or variable.upper() in OTHER_VARIABLES
        if variable.upper().startswith(ENV_PREFIX) and not known:
            yield f"ignored: {_unknown(name, variable, prefix=ENV_PREFIX)}"
    secret = settings.client_keys or any(account.api_key for account in settings.accounts)
    readable = file.mode & (stat.S_IRGRP | stat.S_IROTH)
    if os.name == "posix" and file.content and secret and readable:
        yield f"{file.path} holds secrets and others may read it; run: chmod 600 {file.path}"
    for name in settings.upstreams:
        providers = {account.provider for account in settings.accounts}
        if providers and name not in providers:
            yield f"{layers['upstreams']}: upstreams names {name!r}, and no account is of it"


# --- messages ------------------------------------------------------------------------------------

_ALLOWED = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "byte_size": 'must be a size in bytes, such as 65536 or "64 KiB"',
    "byte_size_unit": 'must be a size in bytes, such as 65536 or "64 KiB"',
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "path_type": "must be a path",
    "missing": "is required",
}


def _problem(detail: ErrorDetails, layers: Mapping[str, str], file: _File) -> str:
    path = tuple(detail["loc"])
    if not path:  # from a validator over all settings, which names the setting itself
        return _message(detail)
    name = str(path[0])
    source = layers.get(name, "default")
    if source.startswith(str(file.path)):
        source = file.place(path)
    shown = _shown_path(path)
    if detail["type"] == "extra_forbidden":
        return f"{source}: {shown} is not a known member"
    if detail["type"] == "missing" or isinstance(detail["input"], dict | list):
        return f"{source}: {shown} {_message(detail)}"
    secret = any(str(part) in SECRET_KEYS for part in path)
    value = MASK if secret else repr(detail["input"])
    return f"{source}: {shown} = {value} is not allowed: it {_message(detail)}"


def _message(detail: ErrorDetails) -> str:
    known = _ALLOWED.get(detail["type"])
    if known:
        return known
    text = detail["msg"].removeprefix("Value error, ")
    text = re.sub(r"^Input should be ", "must be ", text)
    return text.replace("greater than or equal to", "at least").replace(
        "less than or equal to", "at most"
    )


def _shown_path(path: tuple[str | int, ...]) -> str:
    text = str(path[0])
    for part in path[1:]:
        if part == "[key]":  # pydantic's mark for a mistake in the key itself
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def _unknown(name: str, shown: str, *, prefix: str = "") -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    if not near:
        return f"{shown} is not a setting (floway config lists them)"
    guess = f"{prefix}{near[0]}" if prefix.islower() or not prefix else f"{prefix}{near[0].upper()}"
    return f"{shown} is not a setting; did you mean {guess}?"


def _text(value: object) -> str | Path | None:
    return value if isinstance(value, str | Path) else None


def toml_line(text: str, path: tuple[str | int, ...]) -> int | None:
    """The line (from 1) on which the statement that sets ``path`` begins.

    Found with the parser itself: the first prefix of whole lines that parses and holds the path
    ends with that statement. Costs a parse for each line, so it is for error messages only.
    """
    lines = text.splitlines(keepends=True)
    begin = 1
    for count in range(1, len(lines) + 1):
        try:
            content = tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if _holds(content, path):
            return begin
        begin = count + 1
    # A path that is not there (a required member, say): the nearest thing around it that is.
    return toml_line(text, path[:-1]) if len(path) > 1 else None


def _holds(content: object, path: tuple[str | int, ...]) -> bool:
    for part in path:
        inside = (
            part in content
            if isinstance(content, dict)
            else isinstance(content, list) and isinstance(part, int) and part < len(content)
        )
        if not inside:
            return False
        content = content[part]  # type: ignore[index] # a dict or a list, by the line above
    return True
