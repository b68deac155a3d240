from __future__ import annotations

import tomllib
from pathlib import Path

from addons.settings import Settings
from addons.settings_layers import load
from replay.cli.template import template


def test_as_written_it_changes_nothing(home: Path) -> None:
    assert tomllib.loads(template()) == {}


def test_every_setting_is_in_it_and_every_example_is_allowed(home: Path) -> None:
    lines = template().splitlines()
    text = "\n".join(
        line[1:] if line.startswith("#") and line[1:2] != " " else line for line in lines
    )
    content = tomllib.loads(text)
    assert set(content) == set(Settings.model_fields) - {"home"}
    home.mkdir()
    (home / "floway.toml").write_text(text)
    (home / "floway.toml").chmod(0o600)
    loaded = load()
    changed = {"profile", "client_keys", "forward_hosts", "upstreams", "accounts", "issuers"}
    for name in set(content) - changed:
        assert getattr(loaded.settings, name) == Settings.model_fields[name].get_default(
            call_default_factory=True
        )
