"""Cooldowns: what is said, what backs off, and what is forgotten."""

from __future__ import annotations

from itertools import pairwise

from addons.accounts.cooldowns import LONGEST_BACKOFF, Cooldown, Cooldowns

NOW = 1_800_000_000.0


def test_an_open_longer_cooldown_stays() -> None:
    cooldowns = Cooldowns()
    cooldowns.set("h", None, NOW + 100, "weekly", now=NOW)
    kept = cooldowns.set("h", None, NOW + 10, "429", now=NOW + 1)
    assert (kept.until, kept.reason) == (NOW + 100, "weekly")


def test_the_later_of_account_and_model_is_told() -> None:
    cooldowns = Cooldowns()
    cooldowns.set("h", None, NOW + 10, "whole", now=NOW)
    cooldowns.set("h", "m", NOW + 100, "own", now=NOW)
    assert [
        found and found.reason
        for found in (
            cooldowns.of("h", "m", NOW),
            cooldowns.of("h", "other", NOW),
            cooldowns.of("h", "m", NOW + 50),
            cooldowns.of("h", "m", NOW + 100),
            cooldowns.of("other", "m", NOW),
        )
    ] == ["own", "whole", "own", None, None]


def test_backoff_doubles_in_a_row_up_to_half_an_hour() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.0)
    now, waits = NOW, []
    for _ in range(14):
        entry = cooldowns.back_off("h", "m", 1.0, "HTTP 500", now=now)
        waits.append(entry.until - now)
        now = entry.until
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == LONGEST_BACKOFF
    assert all(a <= b for a, b in pairwise(waits))


def test_failures_that_were_under_way_together_are_one_step() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.0)
    levels = [
        cooldowns.back_off("h", None, 10.0, "x", now=NOW + delay).level for delay in (0, 1, 9)
    ]
    assert levels == [1, 1, 1]
    assert cooldowns.back_off("h", None, 10.0, "x", now=NOW + 10).level == 2


def test_a_success_begins_the_backoff_anew() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.0)
    cooldowns.back_off("h", None, 10.0, "x", now=NOW)
    cooldowns.succeeded("h", "m", NOW + 20, NOW + 25)
    assert cooldowns.back_off("h", None, 10.0, "x", now=NOW + 30).level == 1


def test_a_success_of_an_older_attempt_does_not() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.0)
    cooldowns.back_off("h", None, 10.0, "x", now=NOW)
    cooldowns.succeeded("h", "m", NOW - 1, NOW + 25)
    assert cooldowns.back_off("h", None, 10.0, "x", now=NOW + 30).level == 2


def test_a_success_does_not_end_an_open_cooldown() -> None:
    # Of another model, say: it was asked after the whole account began to cool.
    cooldowns = Cooldowns()
    cooldowns.set("h", None, NOW + 100, "limit", now=NOW)
    cooldowns.succeeded("h", "m", NOW + 1, NOW + 2)
    assert cooldowns.of("h", "m", NOW + 3) is not None


def test_jitter_adds_up_to_a_tenth() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.999)
    entry = cooldowns.back_off("h", None, 100.0, "x", now=NOW)
    assert 109 < entry.until - NOW < 110


def test_the_number_of_entries_is_bounded_and_accounts_go_last() -> None:
    cooldowns = Cooldowns(limit=10)
    cooldowns.set("h", None, NOW + 1, "whole", now=NOW)
    for n in range(50):
        cooldowns.set("h", f"model-{n}", NOW + 100 + n, "x", now=NOW)
    entries = list(cooldowns)
    assert len(entries) == 10
    assert {entry.model for entry in entries} == {None, *(f"model-{n}" for n in range(41, 50))}


def test_what_is_long_over_goes_first() -> None:
    cooldowns = Cooldowns(limit=2)
    cooldowns.set("old", None, NOW, "x", now=NOW)
    later = NOW + 7200
    for model in ("a", "b"):
        cooldowns.set("h", model, later + 50, "x", now=later)
    assert {entry.handle for entry in cooldowns} == {"h"}


def test_people_can_end_them() -> None:
    cooldowns = Cooldowns()
    for model in (None, "m", "n"):
        cooldowns.set("h", model, NOW + 10, "x", now=NOW)
    cooldowns.clear("h", "m")
    assert {entry.model for entry in cooldowns} == {None, "n"}
    cooldowns.clear("h", all_models=True)
    assert not list(cooldowns)


def test_stored_ones_come_back() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.0)
    cooldowns.restore(Cooldown("h", None, NOW + 10, NOW, "x", level=3))
    assert cooldowns.back_off("h", None, 1.0, "x", now=NOW + 11).level == 4


def test_what_comes_from_elsewhere_never_shortens() -> None:
    cooldowns = Cooldowns()
    cooldowns.set("h", None, NOW + 100, "weekly", now=NOW)
    cooldowns.restore(Cooldown("h", None, NOW + 50, NOW + 1, "busy"))
    assert [each.until for each in cooldowns] == [NOW + 100]
    cooldowns.restore(Cooldown("h", None, NOW + 200, NOW + 1, "busy"))
    assert [each.until for each in cooldowns] == [NOW + 200]


def test_only_what_was_set_before_is_forgotten() -> None:
    cooldowns = Cooldowns()
    cooldowns.set("h", None, NOW + 100, "weekly", now=NOW)
    cooldowns.forget("h", None, NOW)
    cooldowns.forget("h", "m", NOW + 1)
    assert len(list(cooldowns)) == 1
    cooldowns.forget("h", None, NOW + 1)
    assert list(cooldowns) == []


def test_every_change_is_told_but_those_from_elsewhere() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.0)
    told: list[tuple[str | None, float | None]] = []
    cooldowns.changed = lambda _, model, found: told.append((model, found and found.until))
    cooldowns.set("h", None, NOW + 5, "limit", now=NOW)
    cooldowns.set("h", None, NOW + 1, "shorter", now=NOW)
    cooldowns.back_off("h", "m", 1.0, "busy", now=NOW)
    cooldowns.restore(Cooldown("h", "n", NOW + 9, NOW, "elsewhere"))
    cooldowns.forget("h", "n", NOW + 1)
    cooldowns.succeeded("h", "m", NOW + 6, NOW + 7)
    assert told == [(None, NOW + 5), ("m", NOW + 1), (None, None), ("m", None)]
    cooldowns.clear("h", "gone")
    assert told[-1] == ("gone", None)


def test_a_clock_that_was_put_back_prolongs_nothing() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.0)
    ahead = NOW + 86_400 * 365
    cooldowns.set("h", None, ahead + 60, "limit", now=ahead)
    cooldowns.back_off("h", "m", 4.0, "busy", now=ahead)
    found = cooldowns.of("h", "m", NOW)
    assert found is not None
    assert (found.since, found.until) == (NOW, NOW + 60)
    assert cooldowns.of("h", "m", NOW + 60) is None
    assert cooldowns.of("h", "m", NOW + 60 - 1e-3) is not None


def test_a_level_is_forgotten_with_time() -> None:
    cooldowns = Cooldowns(jitter=lambda: 0.0)
    cooldowns.back_off("h", None, 10.0, "x", now=NOW)
    assert cooldowns.back_off("h", None, 10.0, "x", now=NOW + 3600).level == 2
    assert cooldowns.back_off("h", None, 10.0, "x", now=NOW + 3 * 3600).level == 1
