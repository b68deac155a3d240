"""The README's tables of settings, commands and paths, from the code that they describe.

``python -m replay.cli.reference`` rewrites them in place; a test fails while they differ.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.core
import typer.main
from pydantic import ByteSize

from addons.operate import PREFIX
from addons.operate.metrics import Metrics
from addons.settings import ENV_PREFIX, Settings
from replay.cli.account_desk import AUTHORITIES
from replay.cli.app import app
from replay.cli.tables import all_routes

type Parameter = typer.core.TyperOption | typer.core.TyperArgument

README = Path(__file__).parents[2] / "README.md"

_OPEN = "<!-- {name}: written by `python -m replay.cli.reference` -->"
_CLOSE = "<!-- end of {name} -->"


def settings_table() -> str:
    """All settings: name in the file, environment variable, default and meaning."""
    rows = ["| In `floway.toml` | In the environment | Default | Meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        file = "" if name == "home" else f"`{name}`"
        variable = f"`{ENV_PREFIX}{name.upper()}`"
        rows.append(f"| {file} | {variable} | {_default(name)} | {_cell(field.description)} |")
    return "\n".join(rows)


def commands_table() -> str:
    """All commands with their options and arguments."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    head = ["| Command | Option | Default | Meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *_rows("floway", group)])


def _rows(before: str, group: typer.core.TyperGroup) -> Iterator[str]:
    """A group's commands, and those of the groups in it."""
    for name, command in group.commands.items():
        yield f"| `{before} {name}` | | | {_cell(command.help)} |"
        if isinstance(command, typer.core.TyperGroup):
            yield from _rows(f"{before} {name}", command)
            continue
        for parameter in command.params:
            assert isinstance(parameter, typer.core.TyperOption | typer.core.TyperArgument)
            given, meaning = _given(parameter), _cell(parameter.help)
            yield f"| | `{_spelled(parameter)}` | {given} | {meaning} |"


def routes_table() -> str:
    """The routes of a floway with default settings; hosts besides the base URL are proxied."""
    rows = ["| Where | Request | Client protocol | What |", "|---|---|---|---|"]
    for route in all_routes(Settings.model_construct()):
        where = f"`{route.host}`" if route.host else "base URL"
        upgrade = ", WebSocket" if route.kind == "model_socket" else ""
        request = f"`{route.method} {route.path}`{upgrade}"
        rows.append(f"| {where} | {request} | {route.protocol} | {_cell(route.note)} |")
    return "\n".join(rows)


def control_table() -> str:
    """The control API's paths, as its OpenAPI document has them."""
    rows = ["| Request | Parameters and members | What |", "|---|---|---|"]
    described = control_document()
    forms = described["components"]["schemas"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            names = [
                each["name"] for each in operation.get("parameters", ()) if each["in"] != "path"
            ]
            if "requestBody" in operation:
                form = operation["requestBody"]["content"]["application/json"]["schema"]
                for each in form.get("anyOf", [form]):
                    names += forms[each["$ref"].rpartition("/")[2]]["properties"]
            members = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
            what = _cell(operation["description"])
            rows.append(f"| `{method.upper()} {path.removeprefix(PREFIX)}` | {members} | {what} |")
    return "\n".join(rows)


def control_document() -> dict[str, Any]:
    """The OpenAPI document of a floway with all providers and default settings."""
    from addons.operate.api import document
    from addons.operate.observer import Observer
    from addons.operate.plane import Plane, Served
    from addons.store.memory import MemoryStore

    settings = Settings.model_construct()
    served = Served(lambda: settings, MemoryStore(), tuple, (), "", sandbox=False)
    return document(Plane(served, AUTHORITIES, Observer(Metrics())))


def metrics_table() -> str:
    """All metrics with their labels."""
    rows = ["| Metric | Kind | Labels | Meaning |", "|---|---|---|---|"]
    for family in Metrics().families:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        rows.append(f"| `{family.name}` | {family.kind} | {labels} | {_cell(family.told)} |")
    return "\n".join(rows)


def blocks() -> dict[str, str]:
    """The generated texts, by the name that marks their place."""
    return {
        "settings": settings_table(),
        "commands": commands_table(),
        "routes": routes_table(),
        "control": control_table(),
        "metrics": metrics_table(),
    }


def updated(text: str) -> str:
    """The README with every block as it should be.

    Raises:
        ValueError: a block's marks are missing.
    """
    for name, block in blocks().items():
        opened, closed = _OPEN.format(name=name), _CLOSE.format(name=name)
        pattern = re.compile(f"{re.escape(opened)}.*?{re.escape(closed)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the README must have one {opened} … {closed}")
        whole = f"{opened}\n{block}\n{closed}"
        text = pattern.sub(whole.replace("\\", r"\\"), text)
    return text


def _default(name: str) -> str:
    if name == "home":
        return "the platform's state directory"
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if isinstance(value, ByteSize):
        unit, size = ("MiB", 1024 * 1024) if value >= 1024 * 1024 else ("KiB", 1024)
        return f"`{value // size} {unit}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value or value == 0 else "empty"


def _spelled(parameter: Parameter) -> str:
    if isinstance(parameter, typer.core.TyperArgument):
        return parameter.metavar or str(parameter.name).upper()
    return " ".join([", ".join(parameter.opts), parameter.metavar or ""]).strip()


def _given(parameter: Parameter) -> str:
    default = parameter.default
    return "" if default is None or default is False or default == "" else f"`{default}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> None:
    README.write_text(updated(README.read_text()))
    sys.stdout.write(f"{README.name} is up to date\n")


if __name__ == "__main__":
    main()
