"""``floway profiles``: the shipped profiles, one of them, and two compared."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from fingerprints import library
from fingerprints.errors import ProfileError
from fingerprints.json_values import as_text
from fingerprints.matchers import JsonText, Nested, describe
from fingerprints.profile import Entry, Presence, Profile
from fingerprints.profile_diff import Kind, ProfileChange, compare
from replay.cli.failure import USAGE, CommandFailed

_COLOURS = {Kind.ADDED: "green", Kind.REMOVED: "red", Kind.MOVED: "cyan"}
_MARKS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.MOVED: "~"}


def load(name: str) -> Profile:
    """
    Raises:
        CommandFailed: there is none of that name.
    """
    try:
        return library.load(name)
    except ProfileError as error:
        raise CommandFailed(str(error), USAGE) from None


def list_all(*, as_json: bool) -> None:
    """``floway profiles list``."""
    found = [library.load(item.file) for item in library.available()]
    if as_json:
        data = [
            {
                "name": each.name,
                "originators": list(each.originators),
                "kinds": list(each.requests),
                "shapes": list(each.shapes),
                "recorded": {"with": each.recorded.with_, "on": each.recorded.on},
                "recordings": len(each.recorded.evidence),
            }
            for each in found
        ]
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("profile", "originators", "kinds of request", "shapes", "recorded"):
        table.add_column(column, overflow="fold")
    for each in found:
        table.add_row(
            each.name,
            ", ".join(each.originators),
            ", ".join(each.requests),
            ", ".join(each.shapes),
            f"{each.recorded.on}, {len(each.recorded.evidence)} recordings, {each.recorded.with_}",
        )
    _console().print(table)


def show(name: str, only: str) -> None:
    """``floway profiles show``.

    Raises:
        CommandFailed: there is no such profile or kind.
    """
    profile = load(name)
    _known(only, [profile])
    console = _console()
    tree = Tree(f"[bold]{profile.name}[/]  {escape(profile.recorded.with_)}")
    if not only:
        _once(tree, profile)
    for kind, forms in profile.requests.items():
        if only and kind != only:
            continue
        for transport, form in forms.items():
            paths = list(dict.fromkeys(path for paths in form.path.values() for path in paths))
            line = f"{form.method} {escape(', '.join(paths))}" if form.method else "message"
            over = ", ".join(form.http) or transport
            branch = tree.add(f"[bold cyan]{kind}[/] {line}  [dim]{over}[/]")
            if form.reason:
                branch.add(f"[dim]{escape(form.reason)}[/]")
            for group in form.unordered:
                branch.add(f"random order among {', '.join(group)}")
            for encoding in form.encodings:
                branch.add(f"{encoding.name} level {encoding.level}, window {encoding.window}")
            if form.headers:
                headers = branch.add("headers")
                _entries(headers, profile, profile.headers[form.headers], kind, transport)
            if form.body:
                _document(branch, profile, "body", form.body, kind, transport)
    console.print(tree)


def _once(tree: Tree, profile: Profile) -> None:
    for title, lines in (
        ("originators", [f"{name}: {text}" for name, text in profile.originators.items()]),
        (
            "shapes",
            [
                f"{name}: instructions as {shape.instructions}, tools as {shape.tools}"
                for name, shape in profile.shapes.items()
            ],
        ),
        (
            "models",
            [
                f"{', '.join(rule.match)}: {rule.shape} "
                + ", ".join(f"{role} {as_text(value)}" for role, value in rule.defaults.items())
                for rule in profile.models
            ],
        ),
        (
            "never sent",
            [
                f"headers: {', '.join(profile.never.headers)}",
                f"members: {', '.join(profile.never.members)}",
            ],
        ),
    ):
        branch = tree.add(f"[bold]{title}[/]")
        for line in lines:
            branch.add(escape(line))


def _document(
    tree: Tree, profile: Profile, title: str, name: str, kind: str, transport: str
) -> None:
    document = profile.documents[name]
    order = "  [dim]in random order[/]" if document.order == "free" else ""
    branch = tree.add(f"{title}{order}")
    _entries(branch, profile, document.members, kind, transport)


def _entries(
    tree: Tree, profile: Profile, entries: Sequence[Entry], kind: str, transport: str
) -> None:
    for entry in entries:
        when = entry.when
        if (when.kind and kind not in when.kind) or (
            when.transport and transport not in when.transport
        ):
            continue
        line = f"[bold]{escape(entry.name)}[/]"
        if entry.role:
            line += f" [green]{entry.role}[/]"
        nested = entry.value.document if isinstance(entry.value, JsonText | Nested) else ""
        line += " JSON text" if isinstance(entry.value, JsonText) else ""
        line += "" if nested else f" {escape(describe(entry.value))}"
        notes = [] if entry.presence is Presence.ALWAYS else [str(entry.presence)]
        rest = when.model_dump(exclude_defaults=True, exclude={"kind", "transport"})
        notes += [f"{key} {' or '.join(names)}" for key, names in rest.items()]
        if notes:
            line += f" [yellow]{escape(', '.join(notes))}[/]"
        if entry.reason:
            line += f"  [dim]{escape(entry.reason)}[/]"
        if nested:
            _document(tree, profile, line, nested, kind, transport)
        else:
            tree.add(line)


def diff(before: str, after: str, only: str, *, as_json: bool) -> None:
    """``floway profiles diff``.

    Raises:
        CommandFailed: there is no such profile or kind.
    """
    one, other = load(before), load(after)
    _known(only, [one, other])
    changes = compare(one, other, only)
    if as_json:
        data = {
            "before": one.name,
            "after": other.name,
            "changes": [
                {
                    "kinds": list(each.kinds),
                    "path": each.path,
                    "change": str(each.kind),
                    "before": each.before,
                    "after": each.after,
                }
                for each in changes
            ],
        }
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return
    console = _console()
    console.print(f"[bold]{one.name} -> {other.name}[/]: {len(changes)} changes")
    groups: dict[tuple[str, ...], list[ProfileChange]] = {}
    for change in changes:
        groups.setdefault(change.kinds, []).append(change)
    for kinds, found in groups.items():
        console.print(f"\n[bold cyan]{escape(', '.join(kinds))}[/]")
        for change in found:
            colour = _COLOURS.get(change.kind, "yellow")
            mark = _MARKS.get(change.kind, "*")
            console.print(f"  [{colour}]{mark}[/] {escape(str(change))}")


def _known(only: str, profiles: Sequence[Profile]) -> None:
    kinds = sorted({kind for profile in profiles for kind in profile.requests})
    if only and only not in kinds:
        raise CommandFailed(f"no kind is called {only!r}; there are {', '.join(kinds)}", USAGE)


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    return console if console.is_terminal else Console(width=1000, highlight=False, emoji=False)
