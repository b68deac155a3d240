"""What a provider contributes to accounts: how its sign-ins are read, renewed and made anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from addons.accounts.quota import Quota

type Secret = dict[str, Any]
"""A sign-in as the provider keeps it; JSON."""

type Reason = Literal["expiry", "refused", "asked"]
"""Why a sign-in is renewed: it ends soon, the upstream refused it, a person wants it."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a secret says of itself.

    Attributes:
        handle: of :func:`addons.accounts.model.account_handle`.
        kind: the provider's word for the way of signing in.
        who: for the account's owner only; an address, say.
        expires_at: unix seconds; None when not known.
        renewable: it can be refreshed without a person.
        token: what requests show; tells whether a refused one is still the one that is kept.
    """

    handle: str
    kind: str
    token: str = field(repr=False)
    who: str = field(default="", repr=False)
    plan: str | None = None
    expires_at: float | None = None
    renewable: bool = True


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person has to do for a login.

    Attributes:
        url: page to open.
        code: to be typed there; "" when none is needed.
        expires_in: seconds until it is too late; None: nobody said.
    """

    url: str
    code: str = ""
    expires_in: float | None = None


type Show = Callable[[Prompt], None]


class Authority(Protocol):
    """A provider's sign-ins. No method but those that are async does I/O, ``read_file`` excepted.

    Errors are those of :mod:`addons.accounts.errors`.
    """

    provider: str

    def credential(self, secret: Secret) -> object:
        """The provider's own object for :attr:`addons.accounts.model.Account.credential`."""

    def describe(self, secret: Secret) -> Description:
        """
        Raises:
            AccountError: it can't be used.
        """

    def stale(self, secret: Secret, now: float) -> bool:
        """Whether it is to be renewed before it is used."""

    async def refresh(self, secret: Secret, reason: Reason) -> Secret:
        """A new secret; the old one may be used up from then on.

        Raises:
            SignInEnded: for good.
            SignInUnavailable: for now.
        """

    async def quota(self, secret: Secret) -> Quota | None:
        """What the upstream says of the account's limits; None when it says nothing."""

    async def browser_login(self, show: Show) -> Secret:
        """Sign in on a page that comes back to this machine."""

    async def device_login(self, show: Show) -> Secret:
        """Sign in on a page of any machine, by a code."""

    def with_key(self, key: str) -> Secret:
        """The secret of an API key."""

    def read_file(self, path: Path) -> Secret:
        """The secret in the official client's own file, which stays as it is. Blocking."""

    def import_warning(self, secret: Secret) -> str:
        """What a person should know of an imported secret; "" for nothing."""

    async def close(self) -> None:
        """Let go of connections."""
