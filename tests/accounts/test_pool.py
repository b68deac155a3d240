"""The pool: choice, stickiness, cooling, and one answer when nobody can serve."""

from __future__ import annotations

from collections import Counter

import pytest

from addons.accounts.cooldowns import Cooldowns
from addons.accounts.model import Account, AccountState
from addons.accounts.pool import MODEL_REFUSED, AllCooling, Pool
from addons.accounts.quota import Quota, Window
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
    accounts.replace([account("c"), a, b], NOW)
    assert chosen(accounts, "2") == "a"
    assert chosen(accounts, "3") == "c"
    accounts.replace([b], NOW)
    assert refused(accounts).earliest == NOW + 60


def test_it_says_why_an_account_was_chosen() -> None:
    accounts = pool("a", "b", "c")
    a, b, _ = accounts.accounts

    def why(conversation: str) -> str:
        found = accounts.choose(conversation, "m", NOW)
        assert isinstance(found, Account)
        return f"{found.label}: {accounts.why(found, conversation, 'm', NOW)}"

    assert why("one") == "a: it is its turn"
    accounts.succeeded("one", a, "m", NOW, started=NOW)
    assert why("one") == "a: it serves the conversation"
    accounts.cool(a, None, NOW + 60, "limit reached", now=NOW)
    assert why("one") == "b: it is its turn; a, which would have come first: limit reached"
    assert why("two") == "c: it is its turn; a: limit reached"
    accounts.pinned = b.handle
    assert why("one") == "b: everything is sent to it"


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


# --- requests that have an account already ---------------------------------------------------


def test_a_request_moves_only_where_another_account_can_serve() -> None:
    accounts = pool("a", "b")
    a, b = accounts.accounts
    assert not accounts.should_move(a, "m", NOW)
    accounts.cool(a, "m", NOW + 60, "limit", now=NOW)
    assert accounts.should_move(a, "m", NOW)
    assert not accounts.should_move(a, "other", NOW)
    accounts.cool(b, None, NOW + 60, "limit", now=NOW)
    assert not accounts.should_move(a, "m", NOW), "nobody could do better"
    assert accounts.refusal("m", NOW) is not None
    assert accounts.refusal("m", NOW + 60) is None


def test_a_request_moves_to_the_account_that_a_person_wants() -> None:
    accounts = pool("a", "b")
    a, b = accounts.accounts
    accounts.pinned = b.handle
    assert accounts.should_move(a, "m", NOW)
    assert not accounts.should_move(b, "m", NOW)
    accounts.cool(b, None, NOW + 60, "limit", now=NOW)
    assert not accounts.should_move(a, "m", NOW)


def test_a_request_leaves_an_account_that_is_gone() -> None:
    accounts = pool("a", "b")
    a, b = accounts.accounts
    accounts.replace([b], NOW)
    assert accounts.should_move(a, "m", NOW)


# --- a fault that is no account's ------------------------------------------------------------


def test_a_model_that_every_account_refuses_is_no_account_s_fault() -> None:
    accounts = pool("a", "b", "c")
    for each in accounts.accounts[:2]:
        error = ClientError(400, MODEL_REFUSED, "no model 'typo'")
        accounts.cool(each, "typo", NOW + 9999, "model", now=NOW, error=error)
    accounts.accounts[2].state = AccountState.DISABLED
    found = refused(accounts, model="typo")
    assert accounts.absolve("typo", found)
    assert accounts.refusal("typo", NOW) is None


def test_a_model_that_one_account_refuses_while_the_other_cools_is() -> None:
    accounts = pool("a", "b")
    a, b = accounts.accounts
    error = ClientError(400, MODEL_REFUSED, "no model 'm'")
    accounts.cool(a, "m", NOW + 9999, "model", now=NOW, error=error)
    accounts.cool(b, None, NOW + 60, "limit", now=NOW)
    assert not accounts.absolve("m", refused(accounts))
    assert refused(accounts).earliest == NOW + 60
    assert not accounts.absolve("m", AllCooling(None, ()))


# --- limits ----------------------------------------------------------------------------------


def test_what_is_said_of_limits_is_put_together_and_told() -> None:
    accounts = pool("a")
    (a,) = accounts.accounts
    told: list[Account] = []
    accounts.quota_changed = told.append
    accounts.observed(a, Quota(NOW, (Window("x", "primary", 10.0),), "pro"))
    accounts.observed(a, Quota(NOW + 5, (Window("x", "weekly", 3.0),)))
    accounts.observed(a, Quota(NOW - 5, (Window("x", "weekly", 99.0),)))
    assert a.quota is not None
    assert a.quota.plan == "pro"
    assert {(each.name, each.used_percent) for each in a.quota.windows} == {
        ("primary", 10.0),
        ("weekly", 3.0),
    }
    assert told == [a, a, a]


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
