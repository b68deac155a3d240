"""``floway accounts add``: sign in, or take over a sign-in or a key, and keep it."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from addons.accounts.authority import Authority, Prompt
from addons.accounts.credentials.naming import checked_label
from addons.accounts.wording import duration
from addons.operate.models import AccountView, AddedAccount
from addons.settings import Settings
from replay.cli.account_desk import Accounts, authority_of
from replay.cli.failure import USAGE, CommandFailed


@dataclass(frozen=True, slots=True)
class Add:
    """What ``floway accounts add`` was asked for."""

    provider: str
    label: str = ""
    device: bool = False
    browser: bool = True
    api_key: bool = False
    file: Path | None = None


async def add(accounts: Accounts, settings: Settings, asked: Add) -> AccountView:
    """Sign in and keep it; the account's view.

    Raises:
        CommandFailed: options that exclude each other, or no such provider.
        FlowayError: the sign-in failed, or the label is taken.
    """
    if asked.device + asked.api_key + (asked.file is not None) > 1:
        raise CommandFailed("choose one of --device, --api-key and --import", USAGE)
    authority = authority_of(asked.provider, settings)
    if asked.label:
        checked_label(asked.label)
    try:
        added = await _added(accounts, authority, asked)
    finally:
        await authority.close()
    if asked.file is not None and added.warning:
        say(f"note: {added.warning}")
    view = added.account
    done = "updated" if added.updated else "added"
    say(f"{done}: {view.label} ({view.provider}), kept {added.where}")
    say(
        "A floway that runs with accounts serves it within seconds; one that serves its sandbox "
        "has to be started again."
    )
    return view


async def _added(accounts: Accounts, authority: Authority, asked: Add) -> AddedAccount:
    if asked.file is not None:
        secret = await asyncio.to_thread(authority.read_file, asked.file.expanduser())
        return await accounts.keep(asked.provider, asked.label, secret, imported=True)
    if asked.api_key:
        secret = authority.with_key(await asyncio.to_thread(_typed_key))
        return await accounts.keep(asked.provider, asked.label, secret)

    def shown(prompt: Prompt) -> None:
        show(prompt, browser=asked.browser and not asked.device)

    return await accounts.sign_in(asked.provider, asked.label, shown, device=asked.device)


def show(prompt: Prompt, *, browser: bool = False) -> None:
    """Tell a person what to do. Goes to stderr: stdout is for the result."""
    if prompt.code:
        say(f"Open {prompt.url}\nand enter the code {prompt.code}")
        if prompt.expires_in:
            say(f"It is good for {duration(prompt.expires_in)}; tell it nobody.")
        return
    if browser and _opened(prompt.url):
        say("A browser opens. If it does not, open this address on this machine:")
    else:
        say("Open this address in a browser on this machine:")
    say(prompt.url)
    say("Without a browser here: floway accounts add … --device")


def _opened(url: str) -> bool:
    if not sys.stdin.isatty() and not os.environ.get("BROWSER"):
        return False  # a script, not a person
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def _typed_key() -> str:
    """From a hidden prompt, or the first line of what is piped in."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("API key (not shown): ")
    return sys.stdin.readline()


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
