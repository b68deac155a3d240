"""Sign-ins by a browser under way: a challenge in the page's address, a poll with its verifier.

Cursor's own form of PKCE (cursor-protocol.md §5.1): the client makes up a UUID and a verifier,
opens a page with the UUID and the verifier's SHA-256, and polls with the UUID and the verifier.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from replay.sandbox.codex.logins import challenge_of
from replay.sandbox.cursor.accounts import CursorAccount

KEPT = 1000


class PollRefused(Exception):
    """The poll is over; ``status`` is that of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Decision:
    challenge: str
    account: CursorAccount | None


@dataclass(slots=True)
class CursorLogins:
    """Decisions of people that no poll has fetched yet."""

    _decided: dict[str, _Decision] = field(default_factory=dict)

    def decide(self, uuid: str, challenge: str, account: CursorAccount | None) -> None:
        """A person chose an account, or None: declined."""
        self._decided[uuid] = _Decision(challenge, account)
        while len(self._decided) > KEPT:
            del self._decided[next(iter(self._decided))]

    def poll(self, uuid: str, verifier: str) -> CursorAccount | None:
        """The account of a sign-in, once; None while nobody has decided.

        Raises:
            PollRefused: declined, or the verifier is not that of the challenge.
        """
        decision = self._decided.get(uuid)
        if decision is None:
            return None
        if not hmac.compare_digest(challenge_of(verifier), decision.challenge):
            raise PollRefused(400, "The verifier does not fit the challenge.")
        del self._decided[uuid]
        if decision.account is None:
            raise PollRefused(403, "The sign-in was declined.")
        return decision.account
