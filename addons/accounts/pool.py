"""Which of a provider's accounts serves a request. A pure state machine: no clock, no storage.

A conversation stays on its account while that can serve; for new ones a strategy says the order.
What is learned from answers comes in through :meth:`Pool.succeeded`, :meth:`Pool.cool`,
:meth:`Pool.back_off` and :meth:`Pool.observed`.
All times are unix seconds, so that they outlive the process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from addons.accounts.affinity import Affinity
from addons.accounts.cooldowns import Cooldown, Cooldowns, Source
from addons.accounts.model import Account, AccountState
from addons.accounts.quota import Quota
from addons.accounts.strategies import MakeStrategy, RoundRobin, Tiers
from addons.accounts.wording import duration, moment
from addons.errors import ClientError

_TENTATIVE_TTL = 300.0
_TENTATIVE_LIMIT = 10_000
MODEL_REFUSED = "model_not_found"
"""Code of the error that an account gives for a model that it does not serve."""

_NAMED = 5
"""Accounts that a client's error names."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why one account can't serve now.

    Attributes:
        until: unix seconds; None: time alone does not mend it.
        error: what a client was told when it began to cool.
        tried: it does not cool; this request has asked it, and another one may.
    """

    account: Account
    reason: str
    until: float | None
    error: ClientError | None = None
    tried: bool = False


@dataclass(frozen=True, slots=True)
class AllCooling:
    """No account can serve.

    Attributes:
        earliest: unix seconds at which one can again; None when none will by itself.
        reasons: one for each account.
    """

    earliest: float | None
    reasons: tuple[Unavailable, ...]

    def client_error(self, model: str, now: float, last: ClientError | None = None) -> ClientError:
        """One answer for the client: which accounts, why, until when.

        Args:
            last: the error of this request's last attempt. It is the answer where an account does
                not cool and was only tried: waiting is not what would help.
        """
        if last is not None and any(each.tried for each in self.reasons):
            return last
        if not self.reasons:
            return ClientError(
                503, "no_accounts", "No account is configured; add one, or use the sandbox."
            )
        shared = self._shared_error()
        if shared is not None and shared.status not in (429, 503):
            return shared  # not about waiting: every account refuses the request as such
        told = "; ".join(_told(each, now) for each in self.reasons[:_NAMED])
        if len(self.reasons) > _NAMED:
            told += f"; and {len(self.reasons) - _NAMED} more"
        if self.earliest is None:
            return ClientError(
                503, "no_usable_account", f"No account can serve {model or 'this'}: {told}."
            )
        wait = max(0.0, self.earliest - now)
        details = dict(shared.details) if shared is not None else {}
        if "resets_at" in details:
            details |= {"resets_at": int(self.earliest), "resets_in_seconds": int(wait)}
        return ClientError(
            429,
            shared.code if shared is not None else "all_accounts_cooling",
            f"No account can serve {model or 'this'} before {moment(self.earliest)} "
            f"(in {duration(wait)}): {told}.",
            kind=shared.kind if shared is not None else None,
            retry_after=wait,
            details=details,
        )

    def _shared_error(self) -> ClientError | None:
        """The error that every account gave, of the one that is ready first; None if they differ.

        Clients act on its code: they stop at a used-up limit and try again after an overload.
        """
        soonest = min(self.reasons, key=lambda each: each.until or float("inf")).error
        if soonest is None:
            return None
        for each in self.reasons:
            if each.error is None or each.error.code != soonest.code:
                return None
        return soonest


def _told(each: Unavailable, now: float) -> str:
    until = "" if each.until is None else f", for {duration(each.until - now)}"
    return f"{each.account.label}: {each.reason}{until}"


class Pool:
    """The accounts of one provider.

    Args:
        accounts: in the order in which they are first asked.
        strategy: makes one for the accounts of each priority; see :mod:`~.strategies`.

    Attributes:
        pinned: handle of the account that a person wants, before any binding, while it can serve.
        quota_changed: called with an account of whose limits more is known.
    """

    def __init__(
        self,
        accounts: Iterable[Account] = (),
        *,
        strategy: MakeStrategy = RoundRobin,
        cooldowns: Cooldowns | None = None,
        affinity: Affinity | None = None,
    ) -> None:
        self.cooldowns = cooldowns if cooldowns is not None else Cooldowns()
        self.affinity = affinity if affinity is not None else Affinity()
        self._order = Tiers(strategy)
        self._accounts: dict[str, Account] = {}
        self.pinned: str | None = None
        self.quota_changed: Callable[[Account], None] = lambda _account: None
        # The choice for a conversation whose first answer is still under way. A client's main
        # and title request run at the same time; they must not end on two accounts.
        self._tentative: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self.replace(accounts, 0.0)

    @property
    def accounts(self) -> list[Account]:
        return list(self._accounts.values())

    def account(self, handle: str) -> Account | None:
        return self._accounts.get(handle)

    def replace(self, accounts: Iterable[Account], now: float) -> None:
        """The accounts from now on. What is known of one goes by its handle and stays.

        To be called again when a weight or a priority has changed.

        Raises:
            ValueError: two accounts have one handle.
        """
        given: dict[str, Account] = {}
        for account in accounts:
            if account.handle in given:
                raise ValueError(
                    f"accounts {given[account.handle].label!r} and {account.label!r} are the same"
                )
            given[account.handle] = account
        self._accounts = given
        self._order.update(given.values(), now)

    def choose(
        self, conversation: str, model: str, now: float, exclude: Collection[str] = ()
    ) -> Account | AllCooling:
        """The account for one attempt.

        Args:
            conversation: its key; "" for a request that belongs to none.
            exclude: handles that this exchange has tried.
        """
        for handle in self._preferred(conversation, now):
            account = self._accounts.get(handle)
            if account is not None and self._able(account, model, now, exclude):
                return account
        for handle in self._order.order(now):
            account = self._accounts[handle]
            if self._able(account, model, now, exclude):
                self._order.chosen(handle)
                self._remember_choice(conversation, handle, now)
                return account
        return self._refusal(model, now, exclude)

    def why(self, account: Account, conversation: str, model: str, now: float) -> str:
        """Why :meth:`choose` has just given this account, for people."""
        if account.handle == self.pinned:
            return "everything is sent to it"
        binding = self.affinity.get(conversation, now) if conversation else None
        if binding is not None and binding.handle == account.handle:
            return "it serves the conversation"
        before = next(self._preferred(conversation, now), None)
        told = ["it is its turn"]
        for each in self._refusal(model, now, ()).reasons[:_NAMED]:
            wanted = ", which would have come first" if each.account.handle == before else ""
            told.append(f"{each.account.label}{wanted}: {each.reason}")
        return "; ".join(told)

    def refusal(self, model: str, now: float) -> AllCooling | None:
        """Why no account can serve a model; None: one can."""
        if any(self._able(account, model, now, ()) for account in self._accounts.values()):
            return None
        return self._refusal(model, now, ())

    def should_move(self, account: Account, model: str, now: float) -> bool:
        """Whether a request that has an account already had better go to another one.

        It can't serve, or a person wants another; and there is another that can serve.
        """
        if self.pinned is not None and self.pinned != account.handle:
            wanted = self._accounts.get(self.pinned)
            if wanted is not None and self._able(wanted, model, now, ()):
                return True
        known = self._accounts.get(account.handle)
        if known is not None and self._able(known, model, now, ()):
            return False
        return any(
            self._able(each, model, now, ())
            for each in self._accounts.values()
            if each.handle != account.handle
        )

    def succeeded(
        self, conversation: str, account: Account, model: str, now: float, *, started: float
    ) -> None:
        """An attempt that began at ``started`` gave an answer: bind the conversation to it.

        A result that comes late neither undoes a newer binding nor ends an open cooldown.
        """
        self.cooldowns.succeeded(account.handle, model, started, now)
        if not conversation or account.handle not in self._accounts:
            return
        if self.affinity.bind(conversation, account.handle, started, now):
            self._tentative.pop(conversation, None)

    def cool(
        self,
        account: Account,
        model: str | None,
        until: float,
        reason: str,
        *,
        now: float,
        source: Source = Source.UPSTREAM,
        error: ClientError | None = None,
    ) -> Cooldown:
        """Don't ask it before ``until``, for one model or (None) for any; never shortens."""
        return self.cooldowns.set(
            account.handle, model, until, reason, now=now, source=source, error=error
        )

    def back_off(
        self,
        account: Account,
        model: str | None,
        first: float,
        reason: str,
        *,
        now: float,
        error: ClientError | None = None,
    ) -> Cooldown:
        """As :meth:`cool` when nobody said how long: ``first`` seconds, doubling in a row."""
        return self.cooldowns.back_off(account.handle, model, first, reason, now=now, error=error)

    def observed(self, account: Account, quota: Quota) -> None:
        """The upstream said something of the account's limits."""
        account.quota = quota if account.quota is None else account.quota.merged(quota)
        self._order.observed(account, quota.observed_at)
        self.quota_changed(account)

    def absolve(self, model: str, found: AllCooling) -> bool:
        """Forget that accounts cool for a model which each of them refuses alike; whether they did.

        The fault is not theirs then: it is the model's name, or a client that the upstream takes
        for too old. A cooldown of hours would outlive the mending.
        """
        able = [each for each in found.reasons if each.until is not None]
        if not able or any(each.error is None or each.error.code != MODEL_REFUSED for each in able):
            return False
        for each in able:
            self.cooldowns.clear(each.account.handle, model)
        return True

    def _preferred(self, conversation: str, now: float) -> Iterator[str]:
        if self.pinned is not None:
            yield self.pinned
        if not conversation:
            return
        binding = self.affinity.get(conversation, now)
        if binding is not None:
            yield binding.handle
        tentative = self._tentative.get(conversation)
        if tentative is not None and now - tentative[1] <= _TENTATIVE_TTL:
            yield tentative[0]

    def _remember_choice(self, conversation: str, handle: str, now: float) -> None:
        if not conversation:
            return
        self._tentative[conversation] = (handle, now)
        self._tentative.move_to_end(conversation)
        while len(self._tentative) > _TENTATIVE_LIMIT:
            self._tentative.popitem(last=False)

    def _able(self, account: Account, model: str, now: float, exclude: Collection[str]) -> bool:
        """Whether an account can serve; :meth:`_obstacle` says why not."""
        return (
            self.cooldowns.of(account.handle, model, now) is None
            and account.state is AccountState.READY
            and account.handle not in exclude
            and account.serves(model)
        )

    def _refusal(self, model: str, now: float, exclude: Collection[str]) -> AllCooling:
        reasons = tuple(
            each
            for account in self._accounts.values()
            if (each := self._obstacle(account, model, now, exclude)) is not None
        )
        times = [each.until for each in reasons if each.until is not None]
        return AllCooling(min(times, default=None), reasons)

    def _obstacle(
        self, account: Account, model: str, now: float, exclude: Collection[str]
    ) -> Unavailable | None:
        """Why an account can't serve; None when it can, as :meth:`_able` says."""
        if account.state is not AccountState.READY:
            return Unavailable(account, account.reason or account.state.value, None)
        if not account.serves(model):
            return Unavailable(account, f"does not serve {model}", None)
        cooldown = self.cooldowns.of(account.handle, model, now)
        if cooldown is not None:
            return Unavailable(account, cooldown.reason, cooldown.until, cooldown.error)
        if account.handle in exclude:
            return Unavailable(account, "tried for this request", now, tried=True)
        return None
