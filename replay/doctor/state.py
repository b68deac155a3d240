"""What floway keeps: settings, store, sign-ins, accounts."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from addons.accounts.credentials.files import check_modes
from addons.accounts.credentials.keyring_items import Keyring
from addons.accounts.errors import AccountError
from addons.accounts.wording import duration, moment
from addons.operate.models import AccountView
from addons.settings import Settings
from replay.doctor.finding import Finding, fault, note, ok, warning

SOON = 24 * 3600.0
"""Seconds before its end at which a sign-in that nobody renews is worth a word."""


def home(folder: Path) -> Finding:
    """Whether the state directory can be written."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not existing.is_dir():
        return fault("home", f"{existing} is no folder", "name another one: FLOWAY_HOME=/elsewhere")
    if not os.access(existing, os.W_OK | os.X_OK):
        return fault(
            "home",
            f"{existing} can't be written",
            f"chmod u+rwx '{existing}', or name another one: FLOWAY_HOME=/elsewhere",
        )
    return ok("home", str(folder) if folder.exists() else f"{folder} (made at the first start)")


def database(file: Path) -> Finding:
    """Whether the store is whole. Its schema is looked at when it is opened."""
    if not file.exists():
        return ok("store", "none yet; made at the first start")
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as connection:
            (told,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        told = str(error)
    if told != "ok":
        return fault(
            "store",
            f"{file}: {told}",
            f"move it away (mv '{file}' '{file}.broken'): floway makes a new one; what "
            "conversations had is lost, accounts are not",
        )
    if not os.access(file, os.W_OK):
        return fault("store", f"{file} can't be written", f"chmod u+rw '{file}'")
    return ok("store", f"whole, {file.stat().st_size / 1024:.0f} KiB")


def modes(folder: Path) -> Finding:
    """Whether others can read sign-ins."""
    try:
        check_modes(folder)
    except AccountError as error:
        told, _, remedy = str(error).partition("; mend it with: ")
        return fault("sign-ins", told, remedy or "look at that file")
    return ok("sign-ins", "readable for you alone")


def keyring(settings: Settings, found: Keyring | None) -> Finding:
    """Where sign-ins are kept."""
    name = f"{type(found).__module__.rpartition('.')[2]}" if found is not None else ""
    if settings.credential_store == "keyring" and found is None:
        return fault(
            "keyring",
            "credential_store is keyring, and this platform has none that protects anything",
            "unlock or install one, or set credential_store to auto or file",
        )
    if settings.credential_store == "file" or found is None:
        return note("keyring", f"not used; sign-ins are files in {settings.credentials}")
    return ok("keyring", name)


def accounts(views: Sequence[AccountView], now: float, *, sandbox: bool) -> list[Finding]:
    """Each account; that there is none at all is no fault."""
    if not views:
        served = "" if sandbox else ": the sandbox is served"
        return [note("accounts", f"none{served}", "floway accounts add codex")]
    return [_account(view, now) for view in views]


def _account(view: AccountView, now: float) -> Finding:
    check = f"account {view.label}"
    add = f"floway accounts add {view.provider} --label {view.label}"
    reason = f": {view.reason}" if view.reason else ""
    match view.state:
        case "needs_login":
            return fault(check, f"needs a new sign-in{reason}", add)
        case "unreadable":
            return fault(check, f"can't be read{reason}", add)
        case "disabled":
            return note(check, "disabled", f"floway accounts enable {view.label}")
        case "cooling":
            until = max((each.until for each in view.cooldowns), default=now)
            return note(
                check,
                f"cools until {moment(until)} (for {duration(until - now)}){reason}",
                f"floway cooldowns clear {view.label}",
            )
    if view.expires_at is not None and not view.renewable:
        left = view.expires_at - now
        if left <= 0:
            return fault(check, f"its sign-in ended {duration(-left)} ago", add)
        if left < SOON:
            return warning(
                check, f"its sign-in ends in {duration(left)}, and can't be renewed", add
            )
    return ok(check, f"ready ({view.provider}{f', {view.plan}' if view.plan else ''})")
