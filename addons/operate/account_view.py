"""What is shown of an account. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from addons.accounts.authority import Description
from addons.accounts.cooldowns import Cooldown
from addons.accounts.credentials.document import Document
from addons.accounts.keeper import login_command
from addons.accounts.model import Account, AccountState
from addons.accounts.quota import Quota
from addons.accounts.states import State
from addons.operate.models import AccountView, CooldownView, WindowView

type Origin = Literal["added", "floway.toml", "sandbox"]
type Kept = Literal["keyring", "file"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One account.

    Attributes:
        handle: "" when it can't be read.
        document: of an added one, without the secret.
        description: what its secret says of itself; None when it can't be read.
        problem: why it can't.
        kept: where the secret of an added one is.
        weight, priority: of the settings.
    """

    provider: str
    label: str
    handle: str
    origin: Origin
    document: Document | None = field(default=None, repr=False)
    description: Description | None = None
    problem: str = ""
    kept: Kept | None = None
    weight: float = 1.0
    priority: int = 0

    @classmethod
    def added(
        cls,
        document: Document,
        description: Description | None,
        problem: str = "",
        *,
        in_keyring: bool = False,
    ) -> Self:
        return cls(
            document.provider,
            document.shown,
            document.handle,
            "added",
            document,
            description,
            problem,
            "keyring" if in_keyring else "file",
        )

    @classmethod
    def made_up(cls, account: Account) -> Self:
        """One of the sandbox, which only the process that serves it knows."""
        return cls(
            account.provider,
            account.label,
            account.handle,
            "sandbox",
            weight=account.weight,
            priority=account.priority,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """How an account is at a moment.

    Attributes:
        cooldowns: that are open, the longest first.
        live: the account in the pool of this process; None where floway does not run in it.
    """

    now: float
    state: State
    pinned: bool = False
    cooldowns: Sequence[Cooldown] = ()
    quota: Quota | None = None
    live: Account | None = None


def view_of(entry: Entry, look: Look) -> AccountView:
    word, reason = _state(entry, look)
    described, quota, state = entry.description, look.quota, look.state
    weight = entry.weight if state.weight is None else state.weight
    priority = entry.priority if state.priority is None else state.priority
    return AccountView(
        provider=entry.provider,
        label=entry.label,
        state=word,
        reason=reason,
        pinned=look.pinned,
        weight=weight,
        priority=priority,
        origin=entry.origin,
        kept=entry.kept,
        kind=described.kind if described is not None else "",
        who=described.who if described is not None else "",
        plan=(quota.plan if quota is not None else None)
        or (described.plan if described is not None else None),
        expires_at=described.expires_at if described is not None else None,
        renewable=entry.document is not None and described is not None and described.renewable,
        cooldowns=[cooldown_view(each) for each in look.cooldowns],
        observed_at=quota.observed_at if quota is not None else None,
        windows=window_views(quota, look.now),
    )


def cooldown_view(cooldown: Cooldown) -> CooldownView:
    return CooldownView(
        model=cooldown.model, until=cooldown.until, since=cooldown.since, reason=cooldown.reason
    )


def window_views(quota: Quota | None, now: float) -> list[WindowView]:
    """The windows of an account's limits; one whose reset has passed counts as unused."""
    return [
        WindowView(
            limit=window.limit,
            name=window.name,
            span=window.span,
            used_percent=window.used_percent,
            resets_at=window.resets_at,
        )
        for window in (quota.at(now).windows if quota is not None else ())
    ]


type Word = Literal["ready", "cooling", "disabled", "needs_login", "unreadable"]


def _state(entry: Entry, look: Look) -> tuple[Word, str]:
    """The state, and why it is not ready: what a person can mend comes first."""
    state, document, live = look.state, entry.document, look.live
    revision = document.revision if document is not None else None
    if entry.problem:
        return "unreadable", entry.problem
    if not state.enabled:
        return "disabled", f"floway accounts enable {entry.label}"
    if state.problem is not None and state.problem.revision == revision:
        label = document.label if document is not None else ""
        return "needs_login", f"{state.problem.text} {login_command(entry.provider, label)}"
    # What only the process that serves it knows.
    if live is not None and live.state is AccountState.DISABLED:
        return "disabled", live.reason
    if live is not None and live.state is AccountState.NEEDS_LOGIN:
        return "needs_login", live.reason
    for cooldown in look.cooldowns:
        if cooldown.model is None:
            return "cooling", cooldown.reason
    return "ready", ""
