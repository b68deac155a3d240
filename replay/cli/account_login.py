"""``floway accounts add``: sign in, or take over a sign-in or a key, and keep it."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from addons.accounts.authority import Authority, Prompt, Secret
from addons.accounts.credentials.document import Document
from addons.accounts.credentials.naming import checked_label, same_name
from addons.accounts.wording import duration
from replay.cli.account_desk import Desk
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


async def add(desk: Desk, asked: Add) -> dict[str, Any]:
    """Sign in and keep it; the account's view.

    Raises:
        CommandFailed: options that exclude each other, or a label that floway.toml uses.
        AccountError: the sign-in failed, or the label is taken.
    """
    if asked.device + asked.api_key + (asked.file is not None) > 1:
        raise CommandFailed("choose one of --device, --api-key and --import", USAGE)
    if asked.label:
        checked_label(asked.label)
    authority = desk.authority(asked.provider)
    secret = await _secret(authority, asked)
    described = authority.describe(secret)
    _refuse_label_of_settings(desk, asked, described.handle)
    document = Document(asked.provider, asked.label, described.handle, secret, kind=described.kind)
    kept, known = await desk.credentials.put(document)
    if asked.file is not None and (warning := authority.import_warning(secret)):
        say(f"note: {warning}")
    await desk.states.enable(kept.provider, kept.handle, True)
    where = "in the keyring" if _in_keyring(desk, kept) else f"in {desk.settings.credentials}"
    say(f"{'updated' if known else 'added'}: {kept.shown} ({kept.provider}), kept {where}")
    say(
        "A floway that runs with accounts serves it within seconds; one that serves its sandbox "
        "has to be started again."
    )
    return await desk.view(await desk.find(f"{kept.provider}:{kept.shown}"))


async def _secret(authority: Authority, asked: Add) -> Secret:
    if asked.file is not None:
        return await asyncio.to_thread(authority.read_file, asked.file.expanduser())
    if asked.api_key:
        return authority.with_key(await asyncio.to_thread(_typed_key))
    if asked.device:
        return await authority.device_login(show)
    return await authority.browser_login(lambda prompt: show(prompt, browser=asked.browser))


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


def _refuse_label_of_settings(desk: Desk, asked: Add, handle: str) -> None:
    for given in desk.settings.accounts:
        if given.provider == asked.provider and same_name(given.label, asked.label):
            raise CommandFailed(
                f"{desk.settings.file} has an account {given.label!r}; choose another --label"
            )


def _in_keyring(desk: Desk, kept: Document) -> bool:
    return any(sheet.item for sheet in desk.vault.sheets() if sheet.document.name == kept.name)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
