"""``floway config --init``: a floway.toml to start from."""

from __future__ import annotations

import json
import os
import sys
import textwrap

import tomlkit

from addons import settings_layers
from addons.settings import Settings
from replay.cli.failure import USAGE, CommandFailed

EXAMPLES = {
    "client_keys": ['client_keys = ["a-key-of-your-own"]'],
    "forward_hosts": ['forward_hosts = ["api.example.com"]'],
    "profile": ['profile = "codex@latest"'],
    "capture": ['capture = ""'],
    "timeline": ['timeline = ""'],
}
"""For settings whose default says little."""

TABLES = {
    "upstreams": ["[upstreams]", 'PROVIDER = "https://host.example/base"'],
    "issuers": ["[issuers]", 'PROVIDER = "https://sign-in.example"'],
    "accounts": [
        "[[accounts]]",
        'provider = "PROVIDER"',
        'label = "work"',
        'auth_file = "~/path/to/sign-in.json"',
    ],
}
"""Come last: in TOML, what follows a table's head belongs to it."""


def template() -> str:
    """A file in which every setting is explained and commented out."""
    lines = [
        "# floway's settings. Lines that begin with # are explanations and defaults.",
        "# FLOWAY_* environment variables and --set floway_* options win over this file.",
    ]
    plain = [name for name in Settings.model_fields if name not in (*TABLES, "home")]
    for name in (*plain, *TABLES):
        lines += ["", *(f"# {line}" for line in _explanation(name))]
        lines += [f"#{line}" for line in _example(name)]
    return "\n".join(lines) + "\n"


def write_template() -> None:
    """Write it where floway looks for it, readable for its owner only.

    Raises:
        CommandFailed: there is a file already, or it cannot be written.
    """
    try:
        home = settings_layers.load().settings.home
    except settings_layers.SettingsError as error:
        raise CommandFailed(str(error), USAGE) from None
    path = home / "floway.toml"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandFailed(f"{path} is there already; move it away first") from None
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(template())
    sys.stdout.write(f"{path}\n")


def _explanation(name: str) -> list[str]:
    return textwrap.wrap(Settings.model_fields[name].description or "", 96)


def _example(name: str) -> list[str]:
    if name in TABLES:
        return TABLES[name]
    if name in EXAMPLES:
        return EXAMPLES[name]
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if isinstance(default, dict):
        table = tomlkit.inline_table()
        table.update(default)
        return [f"{name} = {table.as_string()}"]
    return [f"{name} = {json.dumps(default)}"]
