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

from addons.sessions.conversations import NAMESPACE as CHANGES
from addons.sessions.journal import conversations, key_of
from addons.sessions.records import Conversation, Entry, Miss, Totals, totals
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
        _write({"conversations": [summary(each) for each in found], "total": _total(found)})
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
    if as_json:
        requests = [entry_json(entry) for entry in conversation.log]
        told = with_dropped(events(conversation), asyncio.run(_changes(conversation)))
        _write({**summary(conversation), "log": requests, "events": told})
        return
    console = _console()
    console.print("\n".join(heading(conversation)), markup=False, highlight=False)
    console.print(requests_table(conversation))
    for each in with_dropped(events(conversation), asyncio.run(_changes(conversation))):
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
        return [each async for each in conversations(store)]


async def _changes(conversation: Conversation) -> list[dict[str, Any]]:
    """Changes of its account, as the provider has kept them; [] where it has none."""
    async with await SqliteStore.open(load().settings.database) as store:
        record = await store.get(CHANGES, key_of(conversation.owner, conversation.id))
    value = record.value if record is not None else None
    kept = value.get("events") if isinstance(value, dict) else None
    return [each for each in kept if isinstance(each, dict)] if isinstance(kept, list) else []


def with_dropped(
    told: list[dict[str, Any]], changes: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Events with what the account after each change could not be sent."""
    left = list(changes)
    made = []
    for event in told:
        accounts = (event["from"], event["to"])
        same = [each for each in left if (each.get("before"), each.get("after")) == accounts]
        if event["event"] == "account changed" and same:
            left.remove(same[0])
            dropped = same[0].get("dropped")
            event = {**event, "dropped": dropped if isinstance(dropped, list) else []}
        made.append(event)
    return made


def chosen(known: Sequence[Conversation], name: str) -> Conversation:
    """The conversation of that id or beginning of an id.

    Raises:
        CommandFailed: there is none, or more than one.
    """
    found = [each for each in known if each.id == name]
    found = found or [each for each in known if name and each.id.startswith(name)]
    if not found:
        raise CommandFailed(f"there is no conversation {name!r}; see floway sessions", USAGE)
    if len(found) > 1:
        # Of one id there can be several: each owner's conversations are its own.
        ids = ", ".join(sorted({each.id for each in found}))
        raise CommandFailed(f"{name!r} names {len(found)} conversations: {ids}", USAGE)
    return found[0]


# --- as JSON -------------------------------------------------------------------------------------


def summary(conversation: Conversation) -> dict[str, Any]:
    """One conversation in the list."""
    last = conversation.last_miss
    return {
        "id": conversation.id,
        "owner": conversation.owner,
        "client": conversation.client,
        "source": conversation.source,
        "began": conversation.began,
        "used": conversation.used,
        "accounts": conversation.accounts,
        "models": conversation.models,
        "requests": conversation.requests,
        "input_tokens": conversation.input,
        "eligible_tokens": conversation.eligible,
        "cached_tokens": conversation.cached,
        "output_tokens": conversation.output,
        "ratio": _rounded(conversation.ratio),
        "missed_tokens": conversation.missed,
        "last_miss": None if last is None else {"at": last[0].at, **miss_json(last[1])},
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "thread": entry.thread,
        "window": entry.window,
        "account": entry.account,
        "model": entry.model,
        "transport": entry.transport,
        "attempts": entry.attempts,
        "input_tokens": entry.input,
        "eligible_tokens": entry.eligible,
        "cached_tokens": entry.cached,
        "output_tokens": entry.output,
        "misses": [miss_json(miss) for miss in entry.misses],
    }


def miss_json(miss: Miss) -> dict[str, Any]:
    return {
        "reason": miss.reason.value,
        "tokens": miss.tokens,
        "by": miss.by,
        "detail": miss.detail,
    }


def events(conversation: Conversation) -> list[dict[str, Any]]:
    """What happened to the conversation besides being continued, oldest first.

    Changes of account, model and window of a thread, with the tokens that were not read because
    of them.
    """
    found: list[dict[str, Any]] = []
    before: dict[str, Entry] = {}
    for entry in conversation.log:
        last = before.get(entry.thread)
        before[entry.thread] = entry
        if last is None:
            continue
        for name in ("account", "model", "window"):
            one, other = getattr(last, name), getattr(entry, name)
            if one != other:
                cost = sum(miss.tokens for miss in entry.misses if miss.reason.startswith(name))
                change = {"event": f"{name} changed", "from": one, "to": other}
                found.append({"at": entry.at, "thread": entry.thread, **change, "tokens": cost})
    return found


def _total(found: Sequence[Conversation]) -> dict[str, Any]:
    total: Totals = totals(found)
    return {
        "conversations": total.conversations,
        "requests": total.requests,
        "input_tokens": total.input,
        "eligible_tokens": total.eligible,
        "cached_tokens": total.cached,
        "output_tokens": total.output,
        "ratio": _rounded(total.ratio),
    }


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


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
