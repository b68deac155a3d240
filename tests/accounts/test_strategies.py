"""The order in which accounts are asked for new conversations."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.accounts.quota import Quota, Window
from addons.accounts.strategies import (
    STRATEGIES,
    FillFirst,
    LeastUsed,
    MakeStrategy,
    RoundRobin,
    Weighted,
)

NOW = 1_800_000_000.0


def account(name: str, *, weight: float = 1.0, priority: int = 0) -> Account:
    return Account("made-up", name, name, object(), weight=weight, priority=priority)


def limits(used: float, *, at: float = NOW, resets: float | None = None) -> Quota:
    return Quota(at, (Window("main", "primary", used, 300, resets),))


def served(pool: Pool, count: int, now: float = NOW) -> list[str]:
    """Who serves so many new conversations."""
    found = []
    for number in range(count):
        chosen = pool.choose(f"{now} {number}", "m", now)
        assert isinstance(chosen, Account)
        found.append(chosen.label)
    return found


def test_fill_first_goes_on_only_when_the_first_cannot_serve() -> None:
    pool = Pool([account("a"), account("b")], strategy=FillFirst)
    assert served(pool, 3) == ["a", "a", "a"]
    pool.cool(pool.accounts[0], None, NOW + 60, "limit", now=NOW)
    assert served(pool, 2) == ["b", "b"]
    assert served(pool, 2, NOW + 60) == ["a", "a"]


def test_weights_are_shares() -> None:
    pool = Pool([account("a", weight=3), account("b", weight=1), account("c", weight=2)])
    assert Counter(served(pool, 600)) == {"a": 200, "b": 200, "c": 200}, "round robin by default"
    pool = Pool(pool.accounts, strategy=Weighted)
    assert Counter(served(pool, 600)) == {"a": 300, "b": 100, "c": 200}


def test_who_comes_back_is_next_but_makes_up_for_nothing() -> None:
    pool = Pool([account("a", weight=2), account("b", weight=1)], strategy=Weighted)
    a, _b = pool.accounts
    pool.cool(a, None, NOW + 60, "limit", now=NOW)
    assert served(pool, 50) == ["b"] * 50
    back = served(pool, 30, NOW + 60)
    assert back[0] == "a"
    assert Counter(back) == {"a": 20, "b": 10}


def test_a_changed_weight_counts_at_once() -> None:
    pool = Pool([account("a"), account("b")], strategy=Weighted)
    served(pool, 10)
    pool.accounts[0].weight = 4.0
    pool.replace(pool.accounts, NOW)
    assert Counter(served(pool, 50, NOW + 1)) == {"a": 40, "b": 10}


def test_the_least_used_comes_first() -> None:
    pool = Pool([account("a"), account("b"), account("c")], strategy=LeastUsed)
    a, b, c = pool.accounts
    pool.observed(a, limits(50.0))
    pool.observed(b, limits(10.0))
    pool.observed(c, limits(12.5))
    assert served(pool, 6) == ["b", "b", "b", "c", "b", "c"], "each counts as a percent"
    pool.observed(b, limits(80.0, at=NOW + 1))
    assert served(pool, 3, NOW + 1) == ["c", "c", "c"]


def test_a_limit_of_some_models_does_not_count() -> None:
    pool = Pool([account("a"), account("b")], strategy=LeastUsed)
    a, b = pool.accounts
    own = Window("big", "primary", 100.0, general=False)
    pool.observed(a, Quota(NOW, (own, Window("main", "primary", 5.0))))
    pool.observed(b, limits(20.0))
    assert served(pool, 3) == ["a", "a", "a"]


def test_a_window_that_has_opened_again_counts_as_unused() -> None:
    pool = Pool([account("a"), account("b")], strategy=LeastUsed)
    a, b = pool.accounts
    pool.observed(a, limits(90.0, resets=NOW + 60))
    pool.observed(b, limits(40.0))
    assert served(pool, 2) == ["b", "b"]
    assert served(pool, 2, NOW + 60) == ["a", "a"]


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=list(STRATEGIES))
def test_a_higher_priority_comes_first_under_every_strategy(make: MakeStrategy) -> None:
    accounts = [account("low"), account("high", priority=5), account("also", priority=5)]
    pool = Pool(accounts, strategy=make)
    low, high, also = pool.accounts
    assert "low" not in served(pool, 20)
    for each in (high, also):
        pool.cool(each, None, NOW + 60, "limit", now=NOW)
    assert set(served(pool, 5)) == {"low"}
    assert "low" not in served(pool, 5, NOW + 60)
    low.priority = 9
    pool.replace(pool.accounts, NOW)
    assert set(served(pool, 5, NOW + 61)) == {"low"}


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=list(STRATEGIES))
@settings(max_examples=25)
@given(
    accounts=st.lists(st.tuples(st.integers(0, 2), st.floats(0.1, 10)), min_size=1, max_size=6),
    steps=st.lists(
        st.tuples(st.sampled_from("acrq"), st.integers(0, 5), st.floats(0, 150)), max_size=40
    ),
)
def test_every_account_that_can_serve_is_in_the_order_once(
    make: MakeStrategy, accounts: list[tuple[int, float]], steps: list[tuple[str, int, float]]
) -> None:
    own = [account(str(n), priority=p, weight=w) for n, (p, w) in enumerate(accounts)]
    pool = Pool(own, strategy=make)
    now = NOW
    for what, number, amount in steps:
        each = own[number % len(own)]
        if what == "a":
            now += amount
            pool.choose("", "m", now)
        elif what == "q":
            pool.observed(each, limits(amount, at=now, resets=now + amount))
        elif what == "c":
            each.priority, each.weight = number % 3, amount + 0.1
            pool.replace(own, now)
        else:
            pool.replace([other for other in own if other is not each], now)
            pool.replace(own, now)
        order = list(pool._order.order(now))
        assert sorted(order) == sorted(each.handle for each in own)
        tiers = [next(e.priority for e in own if e.handle == handle) for handle in order]
        assert tiers == sorted(tiers, reverse=True)


@pytest.mark.parametrize("make", [RoundRobin, Weighted])
@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([0.0, 2.0, 50.0])), min_size=30, max_size=80
    )
)
def test_nobody_starves(make: MakeStrategy, steps: list[tuple[int, float]]) -> None:
    """Who could serve all the time is chosen at least once in as many choices as there are."""
    own = [account(str(n)) for n in range(5)]
    pool = Pool(own, strategy=make)
    passed_over = dict.fromkeys([each.handle for each in own], 0)
    for number, (which, seconds) in enumerate(steps):
        now = NOW + number
        pool.cool(own[which], None, now + seconds, "limit", now=now)
        chosen = pool.choose("", "m", now)
        for each in own:
            if chosen is each or pool.cooldowns.of(each.handle, "m", now) is not None:
                passed_over[each.handle] = 0
            else:
                passed_over[each.handle] += 1
        assert max(passed_over.values()) <= len(own)
