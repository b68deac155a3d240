"""What the commands that only show something write to the terminal."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import version
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from addons import settings_layers
from addons.front.routes import Route, RouteTable
from addons.settings import Settings
from addons.settings_layers import MASK, Loaded
from replay.cli.clients import Facts, setups
from replay.cli.failure import USAGE, CommandFailed


def load() -> Loaded:
    """The settings without any option; warnings go to stderr.

    Raises:
        CommandFailed: a setting is wrong.
    """
    try:
        loaded = settings_layers.load()
    except settings_layers.SettingsError as error:
        raise CommandFailed(str(error), USAGE) from None
    for warning in loaded.warnings:
        sys.stderr.write(f"floway: {warning}\n")
    return loaded


def shown(value: object) -> Any:
    """A setting's value as JSON, with secrets masked."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {name: shown(item) for name, item in value.items()}
    if hasattr(value, "model_fields_set"):
        members = dict(iter(value))  # type: ignore[call-overload] # a pydantic model
        return {name: shown(item) for name, item in members.items() if item is not None}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def show_settings(*, as_json: bool) -> None:
    """``floway config``."""
    loaded = load()
    values = {name: shown(getattr(loaded.settings, name)) for name in Settings.model_fields}
    if as_json:
        _write_json(
            {name: {"value": values[name], "source": loaded.sources[name]} for name in values}
        )
        return
    table = _table("setting", "value", "from")
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        table.add_row(name, text, loaded.sources[name])
    _print(table)
    exists = "" if loaded.settings.file.exists() else " (not there; floway config --init makes one)"
    sys.stdout.write(f"file: {loaded.settings.file}{exists}\n")


def show_routes(*, as_json: bool) -> None:
    """``floway routes``."""
    routes = all_routes(load().settings)
    if as_json:
        names = ("host", "method", "path", "kind", "protocol", "provider", "upstream", "note")
        _write_json([{name: getattr(route, name) for name in names} for route in routes])
        return
    table = _table("host", "method", "path", "kind", "client protocol", "provider", "note")
    for route in routes:
        table.add_row(
            route.host or "(base URL)",
            route.method,
            route.path,
            route.kind,
            route.protocol,
            route.provider or "floway",
            route.note,
        )
    _print(table)


def all_routes(settings: Settings) -> list[Route]:
    """The route table, in the order in which routes are tried."""
    from addons.floway import build_providers
    from addons.launch import SHOWN_ROUTES

    providers = build_providers(settings)
    return RouteTable(
        [*SHOWN_ROUTES, *(route for provider in providers for route in provider.routes())]
    ).routes


def show_clients(address: str, name: str | None) -> None:
    """``floway clients``.

    Raises:
        CommandFailed: no client has that name.
    """
    keys = load().settings.client_keys
    known = setups(Facts(address=address, key_needed=bool(keys)))
    chosen = [setup for setup in known if name in (None, setup.name)]
    if not chosen:
        names = ", ".join(setup.name for setup in known)
        raise CommandFailed(f"no client is called {name!r}; there are: {names}", USAGE)
    blocks = [[setup.title, *(f"  {line}" for line in setup.lines)] for setup in chosen]
    sys.stdout.write("\n\n".join("\n".join(block) for block in blocks) + "\n")


def show_versions() -> None:
    """``floway version``."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    sys.stdout.write(
        f"floway {version('floway')}\nmitmproxy {version('mitmproxy')}\n"
        f"Python {platform.python_version()}\n{system}\n"
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(table: Table) -> None:
    """To a pipe nothing is cut or wrapped: other programs read it."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=1000)
    console.print(table)


def _write_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
