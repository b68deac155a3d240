"""``floway sessions``: conversations, what their prompt caches gave, and why not more."""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from addons.operate import conversations
from addons.operate.errors import ControlError
from addons.sessions.records import Conversation, Miss, totals
from addons.store.contract import StoreError
from addons.store.sqlite import SqliteStore
from replay.cli.failure import USAGE, CommandFailed
from replay.cli.tables import load

SHOWN_ID: Final = 13
"""Characters of an id in the list: its first two groups; enough for ``show``."""


def show_list(*, as_json: bool) -> None:
    """``floway sessions``: the last used one first."""
    found = sorted(kept(), key=lambda each: each.used, reverse=True)
    if as_json:
        listed = [conversations.summary(each) for each in found]
        _write({"conversations": listed, "total": conversations.total(found)})
        return
    if not found:
        sys.stdout.write("no conversations yet\n")
        return
    _console().print(list_table(found))


def show_one(name: str, *, as_json: bool) -> None:
    """``floway sessions show``: request by request.

    Raises:
        CommandFailed: the name names none, or several.
    """
    conversation = chosen(kept(), name)
    told = conversations.detail(conversation, _changes(conversation))
    if as_json:
        _write(told)
        return
    console = _console()
    console.print("\n".join(heading(conversation)), markup=False, highlight=False)
    console.print(requests_table(conversation))
    for each in told["events"]:
        if each.get("dropped"):
            line = f"{_time(each['at'])} {each['from']} -> {each['to']}: not sent, since the new "
            line += f"account could not read it: {', '.join(each['dropped'])}"
            console.print(line, markup=False, highlight=False)


def kept() -> list[Conversation]:
    """What the store has; also while floway runs.

    Raises:
        CommandFailed: a setting is wrong, or the store can't be read.
    """
    database = load().settings.database
    if not database.exists():
        return []
    try:
        return asyncio.run(_read(database))
    except StoreError as error:
        raise CommandFailed(str(error)) from None


async def _read(database: Path) -> list[Conversation]:
    async with await SqliteStore.open(database) as store:
        return await conversations.kept(store)


def _changes(conversation: Conversation) -> list[dict[str, Any]]:
    """Changes of its account, as the provider has kept them; [] where it has none."""

    async def read() -> list[dict[str, Any]]:
        async with await SqliteStore.open(load().settings.database) as store:
            return await conversations.changes(store, conversation)

    return asyncio.run(read())


def chosen(known: Sequence[Conversation], name: str) -> Conversation:
    """The conversation of that id or beginning of an id.

    Raises:
        CommandFailed: there is none, or more than one.
    """
    try:
        return conversations.chosen(known, name)
    except ControlError as error:
        raise CommandFailed(str(error), USAGE) from None


# --- for people ----------------------------------------------------------------------------------


def list_table(found: Sequence[Conversation]) -> Table:
    """One row per conversation, and one for all."""
    columns = ("session", "last used", "client", "key", "accounts")
    table = _table(*columns, numbers=("requests", "eligible", "cached", "ratio"))
    table.add_column("last miss", overflow="fold")
    for each in found:
        last = each.last_miss
        table.add_row(
            each.id[:SHOWN_ID],
            _time(each.used),
            escape(each.client),
            escape(each.source),
            escape(", ".join(each.accounts)),
            *_numbers(each.requests, each.eligible, each.cached),
            percent(each.ratio),
            "" if last is None else f"{_time(last[0].at)} {escape(miss_text(last[1]))}",
        )
    total = totals(found)
    table.add_section()
    numbers = _numbers(total.requests, total.eligible, total.cached)
    table.add_row("total", "", "", "", "", *numbers, percent(total.ratio), "", style="bold")
    return table


def heading(conversation: Conversation) -> list[str]:
    """Lines above a conversation's requests."""
    each = conversation
    lines = [
        f"session   {each.id}",
        f"client    {each.client or 'unnamed'}",
        f"key       {each.source}",
        f"accounts  {', '.join(each.accounts)}",
        f"began     {_time(each.began)}, last used {_time(each.used)}",
        f"cache     {each.cached:,} of {each.eligible:,} eligible tokens ({percent(each.ratio)}); "
        f"{each.input:,} input tokens in {each.requests} requests",
    ]
    for reason, tokens in sorted(each.missed.items(), key=lambda item: -item[1]):
        if tokens:
            lines.append(f"missed    {tokens:,} tokens: {reason}")
    if each.requests > len(each.log):
        lines.append(f"the last {len(each.log)} requests:")
    return lines


def requests_table(conversation: Conversation) -> Table:
    """One row per request."""
    columns = ("time", "thread", "account", "model")
    table = _table(*columns, numbers=("input", "eligible", "cached"))
    table.add_column("", overflow="fold")
    for entry in conversation.log:
        main = entry.thread == conversation.id
        thread = "main" if main else entry.thread[:SHOWN_ID]
        if entry.window:
            thread += f":{entry.window}"
        notes = [miss_text(miss) for miss in entry.misses]
        if entry.attempts > 1:
            notes.append(f"{entry.attempts} attempts")
        table.add_row(
            _time(entry.at),
            thread,
            escape(entry.account),
            escape(entry.model),
            *_numbers(entry.input, entry.eligible, entry.cached),
            escape("; ".join(notes)),
        )
    return table


def miss_text(miss: Miss) -> str:
    """A miss in one line."""
    text = f"{miss.reason.value} ({miss.detail})" if miss.detail else miss.reason.value
    if miss.by == "client":
        text += ", the client's doing"
    return f"{text}: {miss.tokens:,} tokens" if miss.tokens else text


def percent(ratio: float | None) -> str:
    """A ratio; never rounded up to 100 %."""
    return "" if ratio is None else f"{int(ratio * 1000) / 10:.1f} %"


def _numbers(*values: int) -> list[str]:
    return [f"{value:,}" for value in values]


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _table(*texts: str, numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in texts:
        table.add_column(column, overflow="fold")
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def _console() -> Console:
    """To a pipe nothing is cut or wrapped: other programs read it."""
    console = Console()
    return console if console.is_terminal else Console(width=1000)


def _write(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
