"""The pool over any history: two processes on one store, restarts, and a clock that jumps.

A model of its own says what may be chosen: it keeps every refusal that was ever told and knows no
shortcut. What is held against the pool after each step are the promises to the user: never a
disabled or cooling account, never two accounts for one conversation, no cooldown ended early by a
success that proves nothing, no account cooled by what the client did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from addons.accounts.affinity import Affinity
from addons.accounts.cooldowns import SKEW, Cooldowns
from addons.accounts.ledger import Ledger
from addons.accounts.model import Account, AccountState
from addons.accounts.pool import AllCooling, Pool
from addons.accounts.states import States
from addons.accounts.strategies import STRATEGIES
from addons.store.memory import MemoryStore

NOW = 1_800_000_000.0
NAMES = ["a", "b"]
MODELS = ["m1", "m2"]
TALKS = ["t1", "t2"]
SIDES = st.sampled_from([0, 1])

type Scope = tuple[str, str | None]


@dataclass
class Attempt:
    side: int
    conversation: str
    account: str
    model: str
    started: float


@dataclass
class Refused:
    """An open or past cooldown of the model."""

    until: float
    since: float


@dataclass
class Side:
    """A process: its pool, what it must know, and what is under way in it."""

    pool: Pool
    ledger: Ledger
    bound: dict[str, tuple[float, str]] = field(default_factory=dict)
    cooling: dict[Scope, Refused] = field(default_factory=dict)


class PoolMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.runner = asyncio.Runner()
        self.store = MemoryStore(clock=lambda: NOW)  # keeps all; what is over is the pool's matter
        self.states = States(self.store, clock=lambda: self.now)
        self.person: dict[str, AccountState] = dict.fromkeys(NAMES, AccountState.READY)
        self.pinned: str | None = None
        self.sides = [self.started("round_robin"), self.started("least_used")]
        self.under_way: list[Attempt] = []

    def teardown(self) -> None:
        for side in self.sides:
            self.runner.run(side.ledger.stop())
        self.runner.close()

    def within[T](self, call: Callable[[], T]) -> T:
        """Call it in the event loop, as the provider does."""

        async def run() -> T:
            return call()

        return self.runner.run(run())

    # --- processes -----------------------------------------------------------------------------

    def started(self, strategy: str) -> Side:
        accounts = [Account("p", name, name, object()) for name in NAMES]
        pool = Pool(
            accounts,
            strategy=STRATEGIES[strategy],
            cooldowns=Cooldowns(jitter=lambda: 0.0),
            affinity=Affinity(ttl=float("inf")),
        )
        ledger = Ledger("p", pool, self.store, clock=lambda: self.now, period=1e9, delay=1e9)
        self.runner.run(ledger.start())
        side = Side(pool, ledger)
        self._told(side)
        return side

    def _told(self, side: Side) -> None:
        """What a person says reaches every process (that is the keeper's work)."""
        for account in side.pool.accounts:
            account.state = self.person[account.handle]
        side.pool.pinned = self.pinned

    @rule(which=SIDES)
    def looks(self, which: int) -> None:
        """Both write, and one reads: it knows all from then on."""
        for side in self.sides:
            self.runner.run(side.ledger.flush())
        self.runner.run(self.sides[which].ledger.look())
        for (handle, scope), known in self.sides[1 - which].cooling.items():
            own = self.sides[which].cooling.get((handle, scope))
            if self.after_clock(known).until > self.now and (
                own is None or own.until < self.after_clock(known).until
            ):
                self.sides[which].cooling[handle, scope] = known

    @rule(which=SIDES, strategy=st.sampled_from(list(STRATEGIES)))
    def restarts(self, which: int, strategy: str) -> None:
        """Killed once its last words were written."""
        before = self.sides[which]
        for side in self.sides:
            self.runner.run(side.ledger.flush())
        self.runner.run(before.ledger.stop())
        after = self.started(strategy)
        after.cooling = dict(before.cooling)
        self.sides[which] = after
        self.under_way = [each for each in self.under_way if each.side != which]

    # --- the model ------------------------------------------------------------------------------

    def after_clock(self, known: Refused) -> Refused:
        """A refusal in the future: the clock was put back, and its length counts from now.

        The pool has some patience first; what the model says is the least that must hold.
        """
        if known.since <= self.now:
            return known
        return Refused(self.now + (known.until - known.since), self.now)

    def until(self, side: Side, handle: str, scope: str | None) -> float:
        known = side.cooling.get((handle, scope))
        if known is None:
            return 0.0
        side.cooling[handle, scope] = moved = self.after_clock(known)
        return moved.until

    def must_not_serve(self, side: Side, handle: str, model: str) -> bool:
        return self.person[handle] is not AccountState.READY or any(
            self.until(side, handle, scope) > self.now for scope in (None, model)
        )

    # --- what happens ---------------------------------------------------------------------------

    @rule(
        which=SIDES,
        talk=st.sampled_from(TALKS),
        model=st.sampled_from(MODELS),
        exclude=st.sets(st.sampled_from(NAMES), max_size=1),
    )
    def choose(self, which: int, talk: str, model: str, exclude: set[str]) -> None:
        side = self.sides[which]
        found = self.within(lambda: side.pool.choose(talk, model, self.now, exclude))
        able = [
            name
            for name in NAMES
            if name not in exclude and not self.must_not_serve(side, name, model)
        ]
        if isinstance(found, AllCooling):
            # The pool may know more than the model: what another process has told it.
            told = {each.account.handle: each for each in found.reasons}
            assert set(told) == set(NAMES)
            assert all((told[name].until or 0) > self.now for name in able)
            error = found.client_error(model, self.now)
            assert error.status in (429, 503)
            assert (error.retry_after is None) == (found.earliest is None)
            assert not any(name in error.message for name in ("handle", "token"))
            return
        assert found.handle in able
        wanted = self.pinned if self.pinned in able else side.bound.get(talk, (0, ""))[1]
        if wanted in able and wanted in self._known_able(side, model):
            assert found.handle == wanted
        self.under_way.append(Attempt(which, talk, found.handle, model, self.now))

    @rule(which=SIDES, talk=st.sampled_from(TALKS), model=st.sampled_from(MODELS))
    def choose_at_the_same_time(self, which: int, talk: str, model: str) -> None:
        """Two requests of one conversation, and a third that has tried their account already."""
        for exclude in (set[str](), set[str]()):
            self.choose(which, talk, model, exclude)
        if self.under_way:
            self.now += 0.5
            self.choose(which, talk, model, {self.under_way[-1].account})

    def _known_able(self, side: Side, model: str) -> list[str]:
        """Of whom the pool, too, knows no cooldown."""
        cooldowns = side.pool.cooldowns
        return self.within(
            lambda: [name for name in NAMES if cooldowns.of(name, model, self.now) is None]
        )

    def _ended(self, data: st.DataObject) -> tuple[Side, Attempt, Account]:
        attempt = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(attempt)
        side = self.sides[attempt.side]
        account = side.pool.account(attempt.account)
        assert account is not None
        return side, attempt, account

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        side, attempt, account = self._ended(data)
        before = {scope: self.until(side, attempt.account, scope) for scope in (None, *MODELS)}
        self.within(
            lambda: side.pool.succeeded(
                attempt.conversation, account, attempt.model, self.now, started=attempt.started
            )
        )
        for scope, until in before.items():
            if until > self.now:
                entries = [
                    e for e in side.pool.cooldowns if (e.handle, e.model) == (account.handle, scope)
                ]
                assert entries
                assert entries[0].until >= until
        known = side.bound.get(attempt.conversation)
        if known is None or not attempt.started < known[0] <= self.now:
            side.bound[attempt.conversation] = (attempt.started, attempt.account)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 1.0, 30.0, 3600.0]), whole=st.booleans())
    def refused_with_a_time(self, data: st.DataObject, seconds: float, whole: bool) -> None:
        side, attempt, account = self._ended(data)
        scope = None if whole else attempt.model
        until = min(attempt.started, self.now) + seconds  # it may be that of an older answer
        before = self.until(side, attempt.account, scope)
        entry = self.within(lambda: side.pool.cool(account, scope, until, "limit", now=self.now))
        assert entry.until >= max(before if before > self.now else 0.0, until)
        if until > before:
            side.cooling[attempt.account, scope] = Refused(until, self.now)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), whole=st.booleans())
    def refused_without_a_time(self, data: st.DataObject, whole: bool) -> None:
        side, attempt, account = self._ended(data)
        scope = None if whole else attempt.model
        before = self.until(side, attempt.account, scope)
        entry = self.within(
            lambda: side.pool.back_off(account, scope, 1.0, "HTTP 500", now=self.now)
        )
        if before > self.now:
            assert entry.until >= before, "one step per open window"
            return
        assert self.now < entry.until
        side.cooling[attempt.account, scope] = Refused(entry.until, entry.since)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def sign_in_refused(self, data: st.DataObject) -> None:
        """401 for good: the account needs a login, in every process."""
        _, attempt, _ = self._ended(data)
        self.person_says(attempt.account, AccountState.NEEDS_LOGIN)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def client_left(self, data: st.DataObject) -> None:
        """Nothing is reported, and nothing changes."""
        side, attempt, account = self._ended(data)
        before = list(side.pool.cooldowns), list(side.pool.affinity)
        self.within(lambda: side.pool.should_move(account, attempt.model, self.now))
        self.within(lambda: side.pool.refusal(attempt.model, self.now))
        assert {each.handle for each in side.pool.cooldowns} == {e.handle for e in before[0]}
        assert list(side.pool.affinity) == before[1]

    @rule(name=st.sampled_from(NAMES), state=st.sampled_from(list(AccountState)))
    def person_says(self, name: str, state: AccountState) -> None:
        self.person[name] = state
        for side in self.sides:
            self._told(side)

    @rule(name=st.none() | st.sampled_from(NAMES))
    def person_wants(self, name: str | None) -> None:
        self.pinned = name
        for side in self.sides:
            self._told(side)

    @rule(seconds=st.sampled_from([0.5, 2.0, 2.0, 45.0, 4000.0, -2.0, -20.0, -90_000.0]))
    def clock(self, seconds: float) -> None:
        self.now += seconds
        for side in self.sides:  # at once, and the pool when it is asked: it may be later by that
            side.cooling = {key: self.after_clock(each) for key, each in side.cooling.items()}

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def no_cooldown_is_longer_than_when_it_was_set(self) -> None:
        for side in self.sides:
            for entry in side.pool.cooldowns:
                assert entry.at(self.now).until - self.now <= max(3600.0, 1800.0) + SKEW

    @invariant()
    def one_binding_for_each_conversation_that_of_the_newest_success(self) -> None:
        for side in self.sides:
            assert {each.conversation: each.handle for each in side.pool.affinity} == {
                talk: handle for talk, (_, handle) in side.bound.items()
            }


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


@pytest.mark.slow
class TestPoolMachineAtLength(PoolMachine.TestCase):
    settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
