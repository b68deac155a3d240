"""``floway learn``: recordings of a release become its profile."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fingerprints import trace_file
from fingerprints.errors import ProfileError, TraceError
from fingerprints.learn import LearnedRelease, learn_release, shelf
from fingerprints.learn import vocabulary as words
from fingerprints.learn.verify import Remaining, verify
from fingerprints.library import SHELF
from fingerprints.matchers import describe
from fingerprints.trace import Trace
from replay.cli.failure import FAILED, CommandFailed

SHOWN = 20
"""Differences that are shown."""


@dataclass(frozen=True, slots=True)
class Learn:
    """What ``floway learn`` was asked for."""

    traces: Sequence[Path]
    out: Path | None = None
    check: Sequence[Path] = ()
    explain: str = ""
    vocabulary: Path | None = None


def learn(chosen: Learn) -> None:
    """Learn, write, and say what was found.

    Raises:
        CommandFailed: nothing can be learned, or a file cannot be read or written.
        SystemExit: a recording differs from what was learned.
    """
    console = _console()
    try:
        files = trace_file.find(chosen.traces)
        traces = [trace_file.read(file) for file in files]
        held_back = [trace_file.read(file) for file in trace_file.find(chosen.check)]
        client = traces[0].client
        vocabulary = words.load(client, chosen.vocabulary)
        beside = chosen.out or SHELF / client / "none.yaml"
        release, shared = shelf.overlays_beside(beside, SHELF / client)
        learned = learn_release(
            traces,
            vocabulary,
            release_overlay=release,
            client_overlay=shared,
            catalogue=shelf.catalogue_of(files),
        )
    except (TraceError, ProfileError) as error:
        raise CommandFailed(str(error)) from None
    if chosen.explain:
        _explain(learned, chosen.explain, console)
        return
    wrong = [*learned.remaining, *verify(learned.profile, held_back, vocabulary)]
    if chosen.out is not None:
        _write(chosen.out, learned.text())
    _summary(learned, held_back, chosen.out, console)
    if wrong:
        _differences(wrong, console)
        sys.exit(FAILED)


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    return (
        console
        if console.is_terminal
        else Console(width=160, highlight=False, soft_wrap=True, emoji=False)
    )


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{file}: cannot be written: {error.strerror}") from None


def _summary(
    learned: LearnedRelease, held_back: Sequence[Trace], out: Path | None, console: Console
) -> None:
    profile, draft = learned.profile, learned.draft
    found = [
        f"{key[1]}.{key[2]}: {field.reason}"
        for key, field in draft.naming.fields.items()
        if field.reason.startswith(("found", "equal"))
    ]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("profile", profile.name + (f" -> {out}" if out else " (not written: no --out)"))
    table.add_row(
        "learned from",
        f"{len(draft.recordings.traces)} recordings, {len(draft.recordings.samples)} requests "
        "and messages",
    )
    table.add_row("kinds", ", ".join(profile.requests))
    entries = sum(map(len, profile.headers.values()))
    members = sum(len(document.members) for document in profile.documents.values())
    table.add_row("entries", f"{entries} headers, {members} members of documents")
    table.add_row("equalities", "\n".join(sorted(found)) or "none")
    if draft.recordings.foreign:
        hosts = ", ".join(f"{host} ({n})" for host, n in draft.recordings.foreign.items())
        table.add_row("not learned", f"requests to other hosts: {hosts}")
    for each, reason in learned.accepted:
        table.add_row("accepted", f"{each.path}: {reason}")
    for each in learned.unexplained:
        where = f"in {len(each.recordings)} recordings, first {each.recordings[0]}"
        table.add_row(
            "[yellow]unexplained[/]",
            f"{each.path}: {each.what}; seen {', '.join(each.examples)}; {where}",
        )
    if learned.inapplicable:
        table.add_row("[yellow]cannot be applied[/]", learned.inapplicable)
    held = f", and {len(held_back)} held back" if held_back else ""
    table.add_row("checked", f"all of them{held}")
    console.print(table)


def _differences(wrong: Sequence[Remaining], console: Console) -> None:
    console.print(f"[red]{len(wrong)} differences between recordings and what was learned:[/]")
    for each in wrong[:SHOWN]:
        console.print(f"  {each}", markup=False)
    if len(wrong) > SHOWN:
        console.print(f"  and {len(wrong) - SHOWN} more")


def _explain(learned: LearnedRelease, path: str, console: Console) -> None:
    """
    Raises:
        CommandFailed: there is no such field.
    """
    found = learned.draft.evidence if path == "*" else learned.evidence(path)
    if not found:
        raise CommandFailed(
            f"no field is called {path!r}; fields are headers.LIST.NAME and documents.DOCUMENT.NAME"
        )
    for each in found:
        entry = each.entry
        console.print(f"[bold]{each.path}[/]  {describe(entry.value)}", markup=True)
        when = entry.when.model_dump(exclude_defaults=True)
        facts = [
            ("role", entry.role or ""),
            ("when", ", ".join(f"{key} {' or '.join(names)}" for key, names in when.items())),
            ("presence", f"{entry.presence}: {each.seen} of {each.of}"),
            ("default", "" if entry.default is None else str(entry.default)),
            ("reason", entry.reason),
            ("recordings", f"{len(each.recordings)}: " + ", ".join(each.recordings)),
        ]
        for name, text in facts:
            if text:
                console.print(f"  {name}: {text}", markup=False)
