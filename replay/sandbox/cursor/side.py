"""What the handlers of the Cursor side share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from replay.sandbox.cursor.accounts import CursorAccount, CursorAccounts
from replay.sandbox.cursor.failures import FAILURES, RunFailed
from replay.sandbox.cursor.logins import CursorLogins

RUNS_KEPT = 1000
"""Runs over HTTP/1.1 whose messages are collected, those that nobody ever opens among them."""
CONVERSATIONS_KEPT = 1000
AHEAD = 64
"""Messages that may come before the one that they follow."""


@dataclass(slots=True)
class Appended:
    """The client's messages of one run over HTTP/1.1, put into their order."""

    account: CursorAccount
    ready: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    _next: int = 0
    _early: dict[int, bytes] = field(default_factory=dict)

    def append(self, number: int, message: bytes) -> None:
        """
        Raises:
            RunFailed: the number was used already, or is too far ahead.
        """
        if number < self._next or number in self._early or len(self._early) >= AHEAD:
            raise RunFailed(FAILURES["state_required"])
        self._early[number] = message
        while (due := self._early.pop(self._next, None)) is not None:
            self.ready.put_nowait(due)
            self._next += 1


@dataclass(slots=True)
class Conversation:
    """What is known about a conversation.

    Attributes:
        accounts: labels, in the order in which they have had it.
        runs: all of them; ``continued``: those that began with a checkpoint of ours; ``cold``:
            those that began with a history that the client told; the rest were new.
        poisoned: every run under this id fails, as if the account had run out (§2.4).
    """

    accounts: list[str] = field(default_factory=list)
    runs: int = 0
    continued: int = 0
    cold: int = 0
    poisoned: bool = False


@dataclass(slots=True)
class CursorSide:
    """Attributes:
    conversations: by id, the newest last.
    """

    accounts: CursorAccounts
    logins: CursorLogins = field(default_factory=CursorLogins)
    conversations: OrderedDict[str, Conversation] = field(default_factory=OrderedDict)
    _appended: OrderedDict[str, Appended] = field(default_factory=OrderedDict)

    def appended(self, request_id: str, account: CursorAccount) -> Appended:
        """The messages of a run; its first one may come before it is opened.

        Raises:
            RunFailed: it is another account's.
        """
        found = self._appended.get(request_id)
        if found is None:
            found = self._appended[request_id] = Appended(account)
            while len(self._appended) > RUNS_KEPT:
                self._appended.popitem(last=False)
        if found.account is not account:
            raise RunFailed(FAILURES["permission_denied"])
        return found

    def forget(self, request_id: str) -> None:
        """The run is over."""
        self._appended.pop(request_id, None)

    def conversation(self, name: str) -> Conversation:
        found = self.conversations.setdefault(name, Conversation())
        self.conversations.move_to_end(name)
        while len(self.conversations) > CONVERSATIONS_KEPT:
            self.conversations.popitem(last=False)
        return found
