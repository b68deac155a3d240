"""What is shown of an account's state, and why."""

from __future__ import annotations

from typing import Any

import pytest

from addons.accounts.authority import Description
from addons.accounts.cooldowns import Cooldown
from addons.accounts.credentials.document import Document
from addons.accounts.model import Account, AccountState
from addons.accounts.quota import Quota, Window
from addons.accounts.states import Problem, State
from addons.operate.account_view import Entry, Look, view_of

NOW = 1000.0
HANDLE = "0123456789abcdef"
DOCUMENT = Document("one", "work", HANDLE, {"access": "topsecret"}, revision="r1")
DESCRIPTION = Description(HANDLE, "plain", "topsecret", who="a@example.com", plan="free")
ENTRY = Entry.added(DOCUMENT, DESCRIPTION)
OVER = Problem("r1", "revoked", "The sign-in is over.", 900.0)
BROKEN = Entry("one", "work", "", "floway.toml", problem="auth.json does not exist")


def cooldown(model: str | None = None) -> Cooldown:
    return Cooldown(HANDLE, model, NOW + 60, NOW, "busy")


def live(state: AccountState) -> Account:
    return Account("one", "work", HANDLE, object(), state=state, reason="as the process knows")


@pytest.mark.parametrize(
    ("entry", "look", "state", "reason"),
    [
        (ENTRY, {}, "ready", ""),
        (ENTRY, {"live": live(AccountState.READY)}, "ready", ""),
        (ENTRY, {"cooldowns": [cooldown()]}, "cooling", "busy"),
        (ENTRY, {"cooldowns": [cooldown("m")]}, "ready", ""),
        (ENTRY, {"state": State(enabled=False)}, "disabled", "floway accounts enable work"),
        (ENTRY, {"live": live(AccountState.DISABLED)}, "disabled", "as the process knows"),
        (ENTRY, {"live": live(AccountState.NEEDS_LOGIN)}, "needs_login", "as the process knows"),
        (
            ENTRY,
            {"state": State(problem=OVER), "cooldowns": [cooldown()]},
            "needs_login",
            "The sign-in is over. floway accounts add one --label work",
        ),
        (ENTRY, {"state": State(problem=Problem("r0", "x", "Old.", 1.0))}, "ready", ""),
        (BROKEN, {"state": State(enabled=False)}, "unreadable", "auth.json does not exist"),
    ],
)
def test_what_a_person_can_mend_comes_first(
    entry: Entry, look: dict[str, Any], state: str, reason: str
) -> None:
    view = view_of(entry, Look(**{"now": NOW, "state": State(), **look}))
    assert (view.state, view.reason) == (state, reason)


def test_limits_are_as_of_now() -> None:
    windows = (
        Window("one", "primary", 80.0, 300, NOW - 1),
        Window("one", "secondary", 20.0, 10080, NOW + 1),
    )
    view = view_of(ENTRY, Look(NOW, State(), quota=Quota(NOW - 50, windows, "pro")))
    assert [(each.span, each.used_percent) for each in view.windows] == [
        ("5-hour", 0.0),  # it has begun anew
        ("weekly", 20.0),
    ]
    assert (view.plan, view.observed_at) == ("pro", NOW - 50)
    assert view_of(ENTRY, Look(NOW, State())).plan == "free"


def test_the_store_s_word_on_preference_beats_the_settings() -> None:
    entry = Entry("one", "work", HANDLE, "floway.toml", weight=2.0, priority=1)
    view = view_of(entry, Look(NOW, State(weight=5.0)))
    assert (view.weight, view.priority) == (5.0, 1)


def test_no_secret_is_in_it() -> None:
    view = view_of(ENTRY, Look(NOW, State()))
    assert "topsecret" not in view.model_dump_json() + repr(ENTRY)
    assert view.who == "a@example.com"
