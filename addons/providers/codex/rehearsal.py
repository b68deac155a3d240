"""At start, every kind of model request is made once, for nobody: a profile that asks for a value
that floway does not have is refused with the field's name, and not in the middle of a day's work.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from addons.accounts.model import Account
from addons.providers.codex import ids
from addons.providers.codex.endpoints import sign_in_of
from addons.providers.codex.identity import Identity
from addons.providers.codex.parameters import LearnedParameters
from addons.providers.codex.planning import ORIGINATOR, Caller, Planner
from addons.providers.codex.resolution import resolve
from fingerprints.errors import MissingRole, ProfileError
from fingerprints.profile import SignIn, Transport

_NOW = 1_790_000_000.0
_SAID = {"role": "user", "content": "Hello."}
_KINDS: Mapping[str, dict[str, Any]] = {
    "turn": {"input": [_SAID]},
    "compaction": {"input": [_SAID, {"type": "compaction_trigger"}]},
    "prewarm": {"input": [], "generate": False},
}
"""Bodies by kind of request."""

_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


def rehearse(planner: Planner, accounts: Sequence[Account]) -> None:
    """Make every kind of model request in the form of the profile.

    Args:
        accounts: one of each sign-in is tried.

    Raises:
        ProfileError: a field that is always sent has no value in floway, or the release was not
            recorded with an account's sign-in; names the field or the account.
    """
    by_sign_in = {sign_in_of(account): account for account in accounts}
    for sign_in, account in by_sign_in.items():
        _rehearse(planner, account, sign_in)


def _rehearse(planner: Planner, account: Account, sign_in: SignIn) -> None:
    profile = planner.profile
    if sign_in not in profile.requests["turn"]["http"].path:
        raise ProfileError(
            f"{profile.name} was not recorded with sign-in {sign_in!r}, which account "
            f"{account.label!r} has",
            field="requests.turn.http.path",
            remedy="Take another profile (floway profiles list), or record and learn it",
        )
    caller = Caller(account, str(uuid.UUID(int=0, version=4)), ORIGINATOR)
    for model in (rule.match[0] for rule in profile.models):
        for kind in _KINDS:
            for transport in profile.requests.get(kind, {}):
                try:
                    _request(planner, kind, transport, model, caller)
                except MissingRole as error:
                    raise _refusal(planner, kind, transport, error) from error
        if "upgrade" in profile.kinds:
            try:
                identity = _identity({}, websocket=True)
                planner.upgrade(identity, caller, model=model, websocket_key=_KEY)
            except MissingRole as error:
                raise _refusal(planner, "upgrade", "websocket", error) from error


def _request(planner: Planner, kind: str, transport: Transport, model: str, caller: Caller) -> None:
    websocket = transport == "websocket"
    body = {"model": model, "instructions": "Be brief.", "tools": [], **_KINDS[kind]}
    identity = _identity(body, websocket=websocket)
    shaped = planner.shape(
        body, identity, caller.account, LearnedParameters(), (), _NOW, websocket=websocket
    )
    if websocket:
        planner.frame(shaped, identity, caller)
    else:
        planner.turn(shaped, identity, caller)


def _identity(body: dict[str, Any], *, websocket: bool) -> Identity:
    return resolve(
        (),
        body,
        websocket=websocket,
        principal="rehearsal",
        now=_NOW,
        mint=ids.Mint(clock=lambda: _NOW),
    )


def _refusal(planner: Planner, kind: str, transport: str, error: MissingRole) -> ProfileError:
    return ProfileError(
        f"{planner.profile.name}: {error.field} is always sent in {kind!r} over {transport}, and "
        f"floway has no value for {error.role!r}",
        field=error.field,
        remedy="Say in the profile's overlay what it is, or that it is sent sometimes only",
    )
