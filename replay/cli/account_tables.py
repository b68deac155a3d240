"""Accounts on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from addons.accounts.wording import duration, moment

type View = Mapping[str, Any]

STYLES = {
    "ready": "green",
    "cooling": "yellow",
    "disabled": "dim",
    "needs_login": "red",
    "unreadable": "red",
}

BAR = 12


def show_list(views: Sequence[View], now: float | None = None) -> None:
    """``floway accounts list``."""
    if not views:
        sys.stdout.write("No accounts yet: floway accounts add codex\n")
        return
    now = time.time() if now is None else now
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("account", "state", "plan", "used", "why"):
        table.add_column(name, overflow="fold")
    for view in views:
        table.add_row(
            _name(view), _state(view), view["plan"] or "", _windows(view, now), _why(view, now)
        )
    _console().print(table)


def show_one(view: View, now: float | None = None) -> None:
    """``floway accounts show``."""
    now = time.time() if now is None else now
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows: list[tuple[str, Any]] = [
        ("account", f"{view['label']} ({view['provider']})"),
        ("state", _state(view)),
        ("why", _why(view, now)),
        ("signed in as", view["who"]),
        ("plan", view["plan"] or ""),
        ("sign-in", view["kind"]),
        ("kept in", view["kept"] if view["origin"] == "added" else view["origin"]),
        ("good until", _until(view["expires_at"], now)),
        ("used", _windows(view, now)),
        ("limits seen", moment(view["observed_at"]) if view["observed_at"] else ""),
        ("weight", "" if view["weight"] == 1 else f"{view['weight']:g}"),
        ("priority", str(view["priority"] or "")),
        ("pinned", "yes: every conversation uses it while it can serve" if view["pinned"] else ""),
    ]
    for name, value in rows:
        if value:
            table.add_row(name, value)
    _console().print(table)


def _name(view: View) -> Text:
    text = Text(view["label"], style="bold")
    text.append(f" {view['provider']}", style="dim")
    if view["pinned"]:
        text.append(" pinned", style="cyan")
    return text


def _state(view: View) -> Text:
    return Text(view["state"].replace("_", " "), style=STYLES[view["state"]])


def _windows(view: View, now: float) -> Group | str:
    """A bar for each window of the account's limits."""
    rows = [_window(window, view["provider"], now) for window in view["windows"]]
    return Group(*rows) if rows else ""


def _window(window: Mapping[str, Any], provider: str, now: float) -> Table:
    """The limit is named where it is not the account's own."""
    used = window["used_percent"]
    style = "red" if used >= 100 else "yellow" if used >= 80 else "green"
    row = Table.grid(padding=(0, 1))
    row.add_column(width=BAR)
    row.add_column(width=5, justify="right")
    row.add_column(no_wrap=True)
    resets = window["resets_at"]
    limit = "" if window["limit"] == provider else window["limit"]
    words = " ".join(part for part in (limit, window["span"] or window["name"]) if part)
    if resets:
        words += f", resets in {duration(resets - now)}"
    bar = ProgressBar(100, min(used, 100), width=BAR, complete_style=style, finished_style=style)
    row.add_row(bar, f"{used:.0f} %", words)
    return row


def _why(view: View, now: float) -> str:
    """The reason of the state, and the open cooldowns with their ends."""
    lines = [] if view["state"] == "cooling" else [view["reason"]]
    for each in view["cooldowns"]:
        model = f" ({each['model']})" if each["model"] else ""
        left = duration(each["until"] - now)
        lines.append(f"{each['reason']}{model}: until {moment(each['until'])}, {left}")
    return "\n".join(line for line in lines if line)


def _until(unix: float | None, now: float) -> str:
    if unix is None:
        return ""
    left = duration(unix - now) if unix > now else "over"
    return f"{moment(unix)} ({left})"


def _console() -> Console:
    """Without a terminal, wide enough for no line to be broken."""
    console = Console(file=sys.stdout)
    return console if console.is_terminal else Console(file=sys.stdout, width=200)


def show_cooldowns(cooldowns: Sequence[View], now: float | None = None) -> None:
    """``floway cooldowns list``."""
    if not cooldowns:
        sys.stdout.write("no account is cooling\n")
        return
    now = time.time() if now is None else now
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("account", "model", "for", "until", "why"):
        table.add_column(name, overflow="fold")
    for each in cooldowns:
        account = Text(each["label"], style="bold")
        account.append(f" {each['provider']}", style="dim")
        left, end = duration(each["until"] - now), moment(each["until"])
        table.add_row(account, each["model"] or "all", left, end, each["reason"])
    _console().print(table)
