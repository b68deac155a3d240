"""``floway doctor``: prints the findings as they come."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from addons import settings_layers
from addons.settings import Settings, resolve_home
from replay.cli.failure import FAILED
from replay.doctor.examination import Wish, examine
from replay.doctor.finding import Finding, Grade, fault, ok

_MARKS = {
    Grade.OK: ("ok", "green"),
    Grade.NOTE: ("note", "cyan"),
    Grade.WARNING: ("warning", "yellow"),
    Grade.FAULT: ("FAULT", "bold red"),
}


def doctor(wish: Wish, *, as_json: bool) -> int:
    """The exit code: 1 where something is at fault."""
    found = asyncio.run(_found(wish, Console(highlight=False), quiet=as_json))
    if as_json:
        findings = [asdict(each) for each in found]
        sys.stdout.write(json.dumps({"findings": findings}, indent=2) + "\n")
    else:
        counts = Counter(each.grade for each in found)
        told = [f"{counts[grade]} {grade}{'s' * (counts[grade] != 1)}" for grade in _COUNTED]
        sys.stdout.write(f"\n{', '.join(told)}\n")
    return FAILED if any(each.grade is Grade.FAULT for each in found) else 0


_COUNTED = (Grade.FAULT, Grade.WARNING, Grade.NOTE)


async def _found(wish: Wish, console: Console, *, quiet: bool) -> list[Finding]:
    found = []
    first, settings = _settings()
    if not quiet:
        _show(console, first)
    found.append(first)
    async for finding in examine(settings, wish):
        if not quiet:
            _show(console, finding)
        found.append(finding)
    return found


def _settings() -> tuple[Finding, Settings]:
    """The settings in force; the defaults where they are wrong, so that the rest is looked at."""
    try:
        loaded = settings_layers.load()
    except settings_layers.SettingsError as error:
        problem = fault(
            "settings", str(error), "correct that line; `floway config --init` explains all"
        )
        return problem, Settings.model_construct(home=resolve_home(os.environ.get("FLOWAY_HOME")))
    file = loaded.settings.file
    return ok("settings", str(file) if file.exists() else f"defaults ({file} is not there)"), (
        loaded.settings
    )


def _show(console: Console, finding: Finding) -> None:
    mark, style = _MARKS[finding.grade]
    line = Text.assemble((f"{mark:<8}", style), (f"{finding.check}: ", "bold"), finding.told)
    console.print(line, soft_wrap=True)
    if finding.remedy:
        console.print(Text(f"        -> {finding.remedy}"), soft_wrap=True)
