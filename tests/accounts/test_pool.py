"""The pool: choice, stickiness, cooling, and one answer when nobody can serve."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from addons.accounts.affinity import Affinity
from addons.accounts.cooldowns import Cooldowns
from addons.accounts.model import Account, AccountState
from addons.accounts.pool import AllCooling, Pool
from addons.errors import ClientError

NOW = 1_800_000_000.0


def account(name: str, **options: object) -> Account:
    return Account("made-up", name, f"handle-{name}", object(), **options)  # type: ignore[arg-type]


def pool(*names: str) -> Pool:
    return Pool([account(name) for name in names], cooldowns=Cooldowns(jitter=lambda: 0.0))


def chosen(pool: Pool, conversation: str, now: float = NOW, **options: object) -> str:
    found = pool.choose(conversation, "m", now, **options)  # type: ignore[arg-type]
    assert isinstance(found, Account), found
    return found.label


def refused(pool: Pool, conversation: str = "", now: float = NOW, model: str = "m") -> AllCooling:
    found = pool.choose(conversation, model, now)
    assert isinstance(found, AllCooling)
    return found


def test_new_conversations_go_round() -> None:
    accounts = pool("a", "b", "c")
    assert [chosen(accounts, f"c{n}") for n in range(7)] == list("abcabca")


def test_round_robin_starves_nobody_while_accounts_cool() -> None:
    accounts = pool("a", "b", "c", "d")
    b = accounts.accounts[1]
    accounts.cool(b, None, NOW + 5, "limit", now=NOW)
    served = [chosen(accounts, f"c{n}", NOW + n) for n in range(17)]
    assert served[:6] == ["a", "c", "d", "a", "c", "b"], "it is next once it is back"
    assert Counter(served[5:]) == {"a": 3, "b": 3, "c": 3, "d": 3}


def test_membership_changes_keep_the_order_and_what_is_known() -> None:
    accounts = pool("a", "b")
    assert chosen(accounts, "1") == "a"
    a, b = accounts.accounts
    accounts.cool(b, None, NOW + 60, "limit", now=NOW)
    accounts.replace([account("c"), a, b])
    assert chosen(accounts, "2") == "a"
    assert chosen(accounts, "3") == "c"
    accounts.replace([b])
    assert refused(accounts).earliest == NOW + 60


def test_the_same_account_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'x' and 'x' are the same"):
        pool("x", "x")


def test_a_conversation_stays_after_success() -> None:
    accounts = pool("a", "b")
    first = accounts.choose("talk", "m", NOW)
    assert isinstance(first, Account)
    accounts.succeeded("talk", first, "m", NOW + 1, started=NOW)
    assert [chosen(accounts, f"new{n}", NOW + 2) for n in range(3)] == ["b", "a", "b"]
    assert [chosen(accounts, "talk", NOW + 3) for _ in range(3)] == ["a", "a", "a"]


def test_simultaneous_first_requests_share_an_account() -> None:
    # OpenCode's main and title request; two accounts would mean two cold caches.
    accounts = pool("a", "b")
    assert [chosen(accounts, "talk"), chosen(accounts, "talk")] == ["a", "a"]
    assert accounts.affinity.get("talk", NOW) is None, "bound before any success"


def test_a_choice_without_answer_is_forgotten() -> None:
    accounts = pool("a", "b")
    assert chosen(accounts, "talk") == "a"
    assert chosen(accounts, "talk", NOW + 301) == "b"


def test_requests_without_conversation_are_not_bound() -> None:
    accounts = pool("a", "b")
    first = accounts.accounts[0]
    accounts.succeeded("", first, "m", NOW, started=NOW)
    assert len(accounts.affinity) == 0
    assert [chosen(accounts, ""), chosen(accounts, "")] == ["a", "b"]


def test_failover_rebinds_after_success_only() -> None:
    accounts = pool("a", "b")
    a, b = accounts.accounts
    accounts.succeeded("talk", a, "m", NOW, started=NOW)
    accounts.cool(a, None, NOW + 100, "limit", now=NOW)
    assert chosen(accounts, "talk") == "b"
    binding = accounts.affinity.get("talk", NOW)
    assert binding is not None
    assert binding.handle == a.handle
    accounts.succeeded("talk", b, "m", NOW + 1, started=NOW)
    assert chosen(accounts, "talk", NOW + 200) == "b", "no return: the cache is at b now"


def test_a_late_result_does_not_undo_a_newer_binding() -> None:
    accounts = pool("a", "b")
    a, b = accounts.accounts
    accounts.succeeded("talk", b, "m", NOW + 5, started=NOW + 4)
    accounts.succeeded("talk", a, "m", NOW + 9, started=NOW)
    assert chosen(accounts, "talk", NOW + 10) == "b"


def test_a_late_success_does_not_end_a_cooldown() -> None:
    accounts = pool("a")
    a = accounts.accounts[0]
    accounts.cool(a, None, NOW + 60, "limit", now=NOW)
    accounts.succeeded("talk", a, "m", NOW + 1, started=NOW - 5)
    assert refused(accounts, now=NOW + 2).earliest == NOW + 60


def test_cooling_for_one_model_leaves_the_others() -> None:
    accounts = pool("a")
    accounts.cool(accounts.accounts[0], "big", NOW + 60, "limit", now=NOW)
    assert chosen(accounts, "") == "a"
    assert refused(accounts, model="big").earliest == NOW + 60


def test_excluded_accounts_are_not_asked_again() -> None:
    accounts = pool("a", "b")
    assert chosen(accounts, "talk", exclude={"handle-a"}) == "b"
    found = accounts.choose("talk", "m", NOW, {"handle-a", "handle-b"})
    assert isinstance(found, AllCooling)
    assert {each.reason for each in found.reasons} == {"tried for this request"}


def test_an_account_that_does_not_serve_the_model_is_not_asked() -> None:
    accounts = Pool([account("a", models=frozenset({"x"})), account("b")])
    assert chosen(accounts, "1") == "b"
    assert chosen(accounts, "2") == "b"


def test_disabled_beats_stickiness() -> None:
    accounts = pool("a", "b")
    a = accounts.accounts[0]
    accounts.succeeded("talk", a, "m", NOW, started=NOW)
    a.state = AccountState.DISABLED
    assert chosen(accounts, "talk") == "b"


# --- the answer when nobody can serve ------------------------------------------------------------


def test_all_cooling_names_accounts_times_and_the_earliest() -> None:
    accounts = pool("work", "home")
    work, home = accounts.accounts
    accounts.cool(work, None, NOW + 7200, "weekly limit", now=NOW)
    accounts.cool(home, None, NOW + 90, "HTTP 429", now=NOW)
    error = refused(accounts).client_error("big", NOW)
    assert (error.status, error.code, error.retry_after) == (429, "all_accounts_cooling", 90)
    assert "work: weekly limit, for 2 h" in error.message
    assert "home: HTTP 429, for 90 s" in error.message
    assert "handle-" not in error.message


def test_one_kind_of_refusal_is_told_by_its_own_code_with_the_earliest_time() -> None:
    accounts = pool("a", "b")
    for each, after in zip(accounts.accounts, (500, 300), strict=True):
        error = ClientError(
            429, "limit_reached", "…", kind="limit_reached", details={"resets_at": 1, "plan": "x"}
        )
        accounts.cool(each, None, NOW + after, "limit", now=NOW, error=error)
    told = refused(accounts).client_error("m", NOW)
    assert (told.code, told.kind, told.retry_after) == ("limit_reached", "limit_reached", 300)
    assert told.details == {"resets_at": int(NOW + 300), "resets_in_seconds": 300, "plan": "x"}


def test_a_refusal_that_waiting_does_not_mend_is_told_as_it_was() -> None:
    accounts = pool("a", "b")
    for each in accounts.accounts:
        error = ClientError(404, "model_not_found", "no model 'typo'")
        accounts.cool(each, "typo", NOW + 9999, "model", now=NOW, error=error)
    told = refused(accounts, model="typo").client_error("typo", NOW)
    assert (told.status, told.message) == (404, "no model 'typo'")


def test_accounts_that_were_only_tried_leave_the_last_error_as_the_answer() -> None:
    accounts = pool("a", "b")
    accounts.cool(accounts.accounts[0], None, NOW + 60, "limit", now=NOW)
    found = accounts.choose("talk", "m", NOW, {"handle-b"})
    assert isinstance(found, AllCooling)
    last = ClientError(502, "unreachable", "reset")
    assert found.client_error("m", NOW, last) is last
    assert found.client_error("m", NOW).retry_after == 0
    accounts.cool(accounts.accounts[1], None, NOW + 30, "limit", now=NOW)
    assert refused(accounts).client_error("m", NOW, last).code == "all_accounts_cooling"


def test_nothing_that_time_mends_is_a_503() -> None:
    accounts = pool("a")
    accounts.accounts[0].state = AccountState.NEEDS_LOGIN
    accounts.accounts[0].reason = "run `floway accounts add`"
    found = refused(accounts)
    assert found.earliest is None
    error = found.client_error("m", NOW)
    assert (error.status, error.retry_after) == (503, None)
    assert "a: run `floway accounts add`" in error.message


def test_no_accounts_at_all() -> None:
    assert refused(Pool()).client_error("m", NOW).code == "no_accounts"


def test_many_accounts_are_not_all_named() -> None:
    accounts = pool(*(f"n{n}" for n in range(20)))
    for each in accounts.accounts:
        accounts.cool(each, None, NOW + 60, "limit", now=NOW)
    assert "and 15 more" in refused(accounts).client_error("m", NOW).message


def test_credentials_are_not_shown() -> None:
    shown = Account("p", "label", "h", "secret-token")
    assert "secret-token" not in repr(shown)


# --- invariants over any history -----------------------------------------------------------------

HANDLES = ["a", "b", "c"]
MODELS = ["m1", "m2"]
TALKS = ["t1", "t2", "t3"]


@dataclass
class Attempt:
    conversation: str
    account: Account
    model: str
    started: float


class PoolMachine(RuleBasedStateMachine):
    """An independent model of what may be chosen, held against the pool after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.pool = Pool(
            [account(name) for name in HANDLES],
            cooldowns=Cooldowns(jitter=lambda: 0.0),
            affinity=Affinity(ttl=float("inf")),
        )
        self.under_way: list[Attempt] = []
        # (account, model) -> until, since. What is over may open again when the clock goes back.
        self.open: dict[tuple[str, str | None], tuple[float, float]] = {}
        self.bound: dict[str, tuple[float, str]] = {}

    def until(self, handle: str, scope: str | None) -> float:
        return self.open.get((handle, scope), (0.0, 0.0))[0]

    def can_serve(self, each: Account, model: str) -> bool:
        return each.state is AccountState.READY and all(
            self.until(each.handle, scope) <= self.now for scope in (None, model)
        )

    @rule(
        talk=st.sampled_from(TALKS),
        model=st.sampled_from(MODELS),
        exclude=st.sets(st.sampled_from([f"handle-{name}" for name in HANDLES]), max_size=2),
    )
    def choose(self, talk: str, model: str, exclude: set[str]) -> None:
        able = [
            each
            for each in self.pool.accounts
            if self.can_serve(each, model) and each.handle not in exclude
        ]
        found = self.pool.choose(talk, model, self.now, exclude)
        if isinstance(found, AllCooling):
            assert not able
            assert len(found.reasons) == len(HANDLES)
            error = found.client_error(model, self.now)
            assert error.status in (429, 503)
            assert (error.retry_after is None) == (found.earliest is None)
            return
        assert found in able
        if talk in self.bound:
            handle = self.bound[talk][1]
            assert found.handle == handle or handle not in [each.handle for each in able]
        self.under_way.append(Attempt(talk, found, model, self.now))

    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        if not self.under_way:
            return
        attempt = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(attempt)
        self.pool.succeeded(
            attempt.conversation, attempt.account, attempt.model, self.now, started=attempt.started
        )
        for scope in (None, attempt.model):
            until, since = self.open.get((attempt.account.handle, scope), (0.0, self.now))
            if until <= self.now and since < attempt.started:
                self.open.pop((attempt.account.handle, scope), None)
        known = self.bound.get(attempt.conversation)
        if known is None or known[0] <= attempt.started:
            self.bound[attempt.conversation] = (attempt.started, attempt.account.handle)

    @rule(data=st.data(), seconds=st.sampled_from([0.0, 1.0, 30.0, 3600.0]), whole=st.booleans())
    def cool(self, data: st.DataObject, seconds: float, whole: bool) -> None:
        if not self.under_way:
            return
        attempt = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(attempt)
        scope = None if whole else attempt.model
        # The time may be that of an older answer.
        self.pool.cool(attempt.account, scope, attempt.started + seconds, "limit", now=self.now)
        until = attempt.started + seconds
        if until > self.until(attempt.account.handle, scope):
            self.open[attempt.account.handle, scope] = (until, self.now)

    @rule(data=st.data(), whole=st.booleans())
    def back_off(self, data: st.DataObject, whole: bool) -> None:
        if not self.under_way:
            return
        attempt = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(attempt)
        scope = None if whole else attempt.model
        before = self.until(attempt.account.handle, scope)
        entry = self.pool.back_off(attempt.account, scope, 1.0, "HTTP 500", now=self.now)
        if before > self.now:
            assert entry.until == before, "one step per open window"
            return
        assert self.now + 1.0 <= entry.until <= self.now + 1800.0
        self.open[attempt.account.handle, scope] = (entry.until, self.now)

    @rule(name=st.sampled_from(HANDLES), state=st.sampled_from(list(AccountState)))
    def person_decides(self, name: str, state: AccountState) -> None:
        found = self.pool.account(f"handle-{name}")
        assert found is not None
        found.state = state

    @rule(seconds=st.sampled_from([0.5, 2.0, 45.0, 4000.0, -20.0]))
    def clock(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def cooldowns_are_never_shortened(self) -> None:
        for (handle, scope), (until, _) in self.open.items():
            if until > self.now:
                entries = [
                    entry
                    for entry in self.pool.cooldowns
                    if (entry.handle, entry.model) == (handle, scope)
                ]
                assert [entry.until for entry in entries] == [until]

    @invariant()
    def bindings_are_those_of_the_newest_success(self) -> None:
        assert {each.conversation: each.handle for each in self.pool.affinity} == {
            talk: handle for talk, (_, handle) in self.bound.items()
        }


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPoolMachine = PoolMachine.TestCase
