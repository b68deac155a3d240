"""Runs that wait for the results of tool calls, found by the ids of these calls. Pure.

A client does not say which run its results belong to, but the ids of the calls do: they are ours,
and unique. They count for the principal only that was given them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunOwner:
    """Whose run it is.

    Attributes:
        principal: hash of the client's key.
        conversation: the conversation's id.
        account: the account's opaque handle.
        terms: what a request must have in common with the one that began the run (the model and
            its parameters) to be answered by it.
    """

    principal: str
    conversation: str
    account: str
    terms: str = ""


class Parkable(Protocol):
    """A run, as far as it matters here."""

    @property
    def owner(self) -> RunOwner: ...

    @property
    def waiting_for(self) -> frozenset[str]:
        """Ids of the calls whose results would let it go on; none: it can't."""

    def abandon(self, reason: str) -> None:
        """Cancel the run: nobody will come for it. It need not be forgotten first."""


class Parking[R: Parkable]:
    """The runs of one provider that wait.

    Args:
        limit: runs; each holds a stream of the upstream. The oldest makes room for a new one.
        each: runs of one principal, so that one can't take the room of all.
    """

    def __init__(self, limit: int = 512, each: int = 256) -> None:
        self._limit = limit
        self._each = each
        self._runs: dict[int, tuple[R, frozenset[str]]] = {}  # by identity, oldest first
        self._of_call: dict[tuple[str, str], R] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def park(self, run: R) -> None:
        """Take a run that waits. One that does not wait is not taken."""
        self.forget(run)
        ids = run.waiting_for
        if not ids:
            return
        principal = run.owner.principal
        self._make_room([r for r, _ in self._runs.values() if r.owner.principal == principal])
        self._runs[id(run)] = (run, ids)
        for call_id in ids:
            self._of_call[principal, call_id] = run

    def claim(self, principal: str, call_ids: Iterable[str], terms: str = "") -> R | None:
        """Take out the run that waits for one of these calls; None: there is none.

        Args:
            call_ids: in the order of the request; of several runs, the one that is named last is
                the conversation's, and the others stay.
            terms: a run on other terms is cancelled: what it would say is not what is asked now.
        """
        found = None
        for call_id in call_ids:
            found = self._of_call.get((principal, call_id), found)
        if found is None:
            return None
        self.forget(found)
        if found.owner.terms != terms:
            found.abandon("the request asks for another model")
            return None
        return found if found.waiting_for else None

    def forget(self, run: R) -> None:
        """Let a run go, which has ended; nothing happens if it is not here."""
        known = self._runs.pop(id(run), None)
        if known is None:
            return
        for key in ((run.owner.principal, call_id) for call_id in known[1]):
            if self._of_call.get(key) is run:
                del self._of_call[key]

    def abandon(self, principal: str, conversation: str) -> int:
        """Cancel a conversation's runs: it went on without them. The number of them."""
        mine = [
            run
            for run, _ in self._runs.values()
            if (run.owner.principal, run.owner.conversation) == (principal, conversation)
        ]
        return self._cancel(mine, "the conversation went on without it")

    def clear(self) -> int:
        """Cancel all. The number of them."""
        return self._cancel([run for run, _ in self._runs.values()], "the proxy stops")

    def _make_room(self, own: list[R]) -> None:
        oldest = [run for run, _ in self._runs.values()]
        surplus = own[: max(0, len(own) - self._each + 1)]
        surplus += [run for run in oldest if run not in surplus][
            : max(0, len(oldest) - len(surplus) - self._limit + 1)
        ]
        self._cancel(surplus, "too many runs wait for results")

    def _cancel(self, runs: list[R], reason: str) -> int:
        for run in runs:
            self.forget(run)
            run.abandon(reason)
        return len(runs)
