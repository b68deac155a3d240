"""The forms of what the control API takes and answers. The command line's ``--json`` is the same.

No member of any of them holds a secret; the only exceptions are those of :data:`NewAccount`, which
come in and never go out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

UnixTime = Annotated[float, Field(description="Unix seconds.")]
Label = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"),
    Field(description="1 to 64 letters, digits or . _ @ + -, starting with a letter or digit."),
]


class Answered(BaseModel):
    """Base of all answers: a member more than the document says is a mistake of ours."""

    # Built when it is first used: most runs of floway never see the control API.
    model_config = ConfigDict(
        extra="forbid", json_schema_serialization_defaults_required=True, defer_build=True
    )


class Asked(BaseModel):
    """Base of all request bodies: no unknown member, and no value of another type."""

    model_config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )


# --- errors --------------------------------------------------------------------------------------


class Problem(Answered):
    code: str = Field(description="For programs.")
    message: str = Field(description="For people; names the field.")
    remedy: str = Field(default="", description="What would help.")


class ErrorAnswer(Answered):
    error: Problem


# --- accounts ------------------------------------------------------------------------------------


class WindowView(Answered):
    """One limit over a span of time."""

    limit: str = Field(description="The provider's id of the limit.")
    name: str
    span: str = Field(description="Length in words, e.g. 5-hour; empty when not known.")
    used_percent: float
    resets_at: UnixTime | None


class CooldownView(Answered):
    """A span of time in which an account is not asked."""

    model: str | None = Field(description="null: for all models.")
    until: UnixTime
    since: UnixTime
    reason: str


class AccountView(Answered):
    """An account, its state, and what is known of its limits."""

    provider: str
    label: str
    state: Literal["ready", "cooling", "disabled", "needs_login", "unreadable"]
    reason: str = Field(description="Why it is not ready.")
    pinned: bool = Field(description="Every conversation uses it while it can serve.")
    weight: float = Field(description="Its share of new conversations, by strategy `weighted`.")
    priority: int = Field(description="Accounts of a higher one are asked first.")
    origin: Literal["added", "floway.toml", "sandbox"]
    kept: Literal["keyring", "file"] | None = Field(description="Where its sign-in is.")
    kind: str = Field(description="The provider's word for the way of signing in.")
    who: str = Field(description="Who signed in, an address perhaps.")
    plan: str | None
    expires_at: UnixTime | None
    renewable: bool = Field(description="floway can refresh its sign-in.")
    cooldowns: list[CooldownView]
    observed_at: UnixTime | None = Field(description="When the limits were seen.")
    windows: list[WindowView]


class AccountList(Answered):
    accounts: list[AccountView]


class AddedAccount(Answered):
    """An account that was added, or brought up to date."""

    account: AccountView
    updated: bool = Field(description="It was known before.")
    where: str = Field(description="Where its sign-in is kept, for people.")
    warning: str = Field(
        default="", description="What a person should know of an imported sign-in."
    )


class _NewAccount(Asked):
    provider: str = Field(min_length=1, max_length=64)
    label: Label | Literal[""] = ""


class NewKey(_NewAccount):
    """An API key."""

    api_key: SecretStr = Field(max_length=4096)


class NewSignIn(_NewAccount):
    """A sign-in that exists: the content of the official client's own file."""

    sign_in: dict[str, Any] = Field(
        description="As `floway accounts export` writes it.", repr=False
    )


type NewAccount = NewKey | NewSignIn


def _whole(value: object) -> object:
    """In JSON, 3.0 is an integer too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class AccountChange(Asked):
    """What is to be changed of an account; the rest stays."""

    label: Label | None = None
    enabled: bool | None = None
    weight: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False)
    priority: Annotated[int, Field(ge=-1000, le=1000), BeforeValidator(_whole)] | None = None


class Unpinned(Answered):
    pinned: Literal[False] = False


# --- signing in ----------------------------------------------------------------------------------


class SignInStarted(Answered):
    """What a person has to do."""

    url: str = Field(description="The page to open.")
    code: str = Field(description="To be typed there; empty when none is needed.")
    state: str = Field(description="For auth-status.")
    expires_in: float | None = Field(description="Seconds until it is too late.")


class SignInStatus(Answered):
    """How far a sign-in is."""

    status: Literal["waiting", "done", "failed"]
    added: AddedAccount | None = None
    error: Problem | None = None


# --- limits and cooldowns ------------------------------------------------------------------------


class AccountQuota(Answered):
    provider: str
    label: str
    plan: str | None
    observed_at: UnixTime | None
    windows: list[WindowView]


class QuotaList(Answered):
    accounts: list[AccountQuota]


class AccountCooldown(CooldownView):
    provider: str
    label: str


class CooldownList(Answered):
    cooldowns: list[AccountCooldown]


class ClearedCooldowns(Answered):
    cleared: list[AccountCooldown]


# --- conversations -------------------------------------------------------------------------------


class MissView(Answered):
    """Why input was not read from the cache, and what it cost."""

    reason: str
    tokens: int
    by: str = Field(description="client, floway, upstream, or empty.")
    detail: str


class DatedMiss(MissView):
    at: UnixTime


class SessionView(Answered):
    """A conversation in numbers."""

    id: str
    owner: str = Field(description="Hash of the client's key.")
    client: str
    source: str = Field(description="Where its id comes from.")
    began: UnixTime
    used: UnixTime
    accounts: list[str]
    models: list[str]
    requests: int
    input_tokens: int
    eligible_tokens: int
    cached_tokens: int
    output_tokens: int
    ratio: float | None = Field(description="Cached of eligible tokens.")
    missed_tokens: dict[str, int] = Field(description="By reason.")
    last_miss: DatedMiss | None


class SessionTotal(Answered):
    conversations: int
    requests: int
    input_tokens: int
    eligible_tokens: int
    cached_tokens: int
    output_tokens: int
    ratio: float | None


class SessionList(Answered):
    conversations: list[SessionView] = Field(description="The last used one first.")
    total: SessionTotal = Field(description="Of all, also of those left out here.")


class SessionRequest(Answered):
    at: UnixTime
    thread: str
    window: int
    account: str
    model: str
    transport: str
    attempts: int
    input_tokens: int
    eligible_tokens: int
    cached_tokens: int
    output_tokens: int
    misses: list[MissView]


class SessionEvent(Answered):
    """A change of account, model or window of a thread, with the tokens that it cost."""

    at: UnixTime
    thread: str
    event: str
    before: str | int = Field(alias="from")
    after: str | int = Field(alias="to")
    tokens: int
    dropped: list[str] | None = Field(
        default=None, description="What the account after a change of account could not be sent."
    )


class SessionDetail(SessionView):
    log: list[SessionRequest] = Field(description="The last requests, oldest first.")
    events: list[SessionEvent]


# --- what runs -----------------------------------------------------------------------------------


class Health(Answered):
    """The running floway."""

    status: Literal["ok"]
    version: str
    pid: int
    started_at: UnixTime
    address: str
    serving: Literal["accounts", "sandbox"]
    providers: list[str]
    accounts: dict[str, int] = Field(description="Number of accounts by state.")
    open_requests: int


class RouteView(Answered):
    host: str | None = Field(description="null: the base URL.")
    method: str
    path: str
    kind: str
    protocol: str
    provider: str
    upstream: str
    note: str


class RouteList(Answered):
    routes: list[RouteView]


class ProfileView(Answered):
    name: str
    client: str
    release: str


class ProfileList(Answered):
    profiles: list[ProfileView] = Field(description="The newest release of each client first.")
    in_force: str = Field(description="The setting; empty: the provider's own default.")
