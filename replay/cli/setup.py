"""``floway setup``: prints a client's settings, writes them into its file, takes them back."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import httpx
import tomlkit

from addons.operate import running
from addons.settings import Settings
from replay.cli.clients import MODEL
from replay.cli.failure import FAILED, USAGE, CommandFailed
from replay.cli.tables import load
from replay.setup.desk import SetupDesk
from replay.setup.edits import leaves
from replay.setup.errors import SetupError
from replay.setup.targets import OPEN_KEY, TARGETS, Floway, Target

PATIENCE = 3.0
"""Seconds for the model list of a floway that runs."""


def setup(name: str, *, address: str, write: bool, undo: bool, file: Path | None) -> None:
    """
    Raises:
        CommandFailed: no such client, or its file can't be changed.
    """
    if name not in TARGETS:
        raise CommandFailed(f"there is no client {name!r}; there are: {', '.join(TARGETS)}", USAGE)
    if write and undo:
        raise CommandFailed("choose one of --write and --undo", USAGE)
    settings = load().settings
    desk = SetupDesk(settings.home / "setup")
    try:
        if undo:
            _undo(desk, name)
            return
        floway = _floway(settings, address, secret=write)
        target = TARGETS[name](floway, os.environ, Path.home())
        chosen = file or target.file
        if not write:
            _show(target, chosen)
        elif chosen is None:
            raise CommandFailed(f"{target.title} has no settings file; name one: --file", USAGE)
        else:
            _write(desk, target, chosen.expanduser().absolute())
    except SetupError as error:
        raise CommandFailed(str(error), FAILED) from None


def _floway(settings: Settings, address: str, *, secret: bool) -> Floway:
    """What clients are told; of the floway that runs, unless an address is given."""
    found = running.found(settings.home)
    origin = address or (found.url if found is not None else "http://127.0.0.1:8080")
    key = OPEN_KEY
    if settings.client_keys:
        key = settings.client_keys[0].get_secret_value() if secret else "YOUR_CLIENT_KEY"
    return Floway(origin, key, _models(origin, settings) or [MODEL])


def _models(origin: str, settings: Settings) -> list[str]:
    """Those that are served now; none where nobody answers."""
    headers = {}
    if settings.client_keys:
        headers["authorization"] = f"Bearer {settings.client_keys[0].get_secret_value()}"
    try:
        answer = httpx.get(
            f"{origin}/v1/models", headers=headers, timeout=PATIENCE, trust_env=False
        )
        answer.raise_for_status()
        return [str(model["id"]) for model in answer.json()["data"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return []


def _show(target: Target, file: Path | None) -> None:
    where = f"in {file}" if file is not None else "in its environment"
    sys.stdout.write(f"{target.title}, {where}:\n\n{_text(target)}\n")
    written = f"floway setup {target.name} --write"
    sys.stdout.write(f"Then: {target.then}\n")
    sys.stdout.write(f"`{written}{' --file FILE' if file is None else ''}` writes it.\n")


def _text(target: Target) -> str:
    match target.form:
        case "json":
            return json.dumps(target.members, indent=2) + "\n"
        case "toml":
            return tomlkit.dumps(target.members)
        case "env":
            return "".join(f"export {path[-1]}={word}\n" for path, word in leaves(target.members))


def _write(desk: SetupDesk, target: Target, file: Path) -> None:
    record = desk.write(target, file)
    for leaf in record.leaves:
        if leaf.before is not None:
            sys.stderr.write(f"note: {leaf.name} had another value\n")
    kept = f"; as it was: {record.backup.name} beside it" if record.existed else ""
    sys.stderr.write(f"written: {file}{kept}\n")
    sys.stderr.write(f"Then: {target.then}\n")
    sys.stderr.write(f"`floway setup {target.name} --undo` takes it back.\n")


def _undo(desk: SetupDesk, name: str) -> None:
    undone = desk.undo(name)
    if undone is None:
        sys.stderr.write("Nothing was written for it, so there is nothing to undo.\n")
        return
    state = "is as it was" if undone.whole else "has floway's members no more; the rest was changed"
    sys.stderr.write(f"{undone.file} {state}\n")
    for leaf in undone.kept:
        sys.stderr.write(f"note: {leaf.name} was changed since, and stays\n")
