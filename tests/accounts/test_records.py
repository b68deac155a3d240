"""Cooldowns as records that several processes write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.accounts.cooldowns import FORGET_AFTER, Cooldown, Source
from addons.accounts.records import (
    Entry,
    cooldown_key,
    dump,
    load,
    merge_of,
    open_cooldowns,
)
from addons.errors import ClientError
from addons.store.contract import MAX_NAME, Record, decoded, encoded

NOW = 1_800_000_000.0

TIMES = st.integers(0, 20).map(lambda step: NOW + step)
COOLDOWNS = st.builds(
    Cooldown,
    st.just("h"),
    st.just(None),
    TIMES,
    TIMES,
    st.sampled_from(["limit", "busy"]),
    st.integers(0, 3),
    st.sampled_from(Source),
)
ENTRIES = st.builds(Entry, st.just(0.0) | TIMES, st.none() | COOLDOWNS).map(
    lambda entry: entry.merged(Entry())  # what was ended is not in it
)


def written(record: object, own: Entry, now: float = NOW) -> tuple[Any, float] | None:
    """Value and seconds to live of a record that a change of ours is put into."""
    made = merge_of(own, "h", None, lambda: now)(record)  # type: ignore[arg-type]
    return None if made is None else (decoded(encoded(made[0])), made[1])


@settings(max_examples=50)
@given(ENTRIES, ENTRIES, ENTRIES)
def test_the_order_of_writers_does_not_matter(a: Entry, b: Entry, c: Entry) -> None:
    def known(entry: Entry) -> tuple[object, ...]:
        each = entry.cooldown
        return entry.ended, each and (each.until, each.since, each.level)

    assert known(a.merged(b)) == known(b.merged(a))
    assert known(a.merged(a)) == known(a)
    a, b, c = (Entry(0.0, each.cooldown) for each in (a, b, c))
    assert known(a.merged(b).merged(c)) == known(a.merged(b.merged(c)))


def test_the_longer_one_counts_unless_it_was_ended_since() -> None:
    long = Cooldown("h", None, NOW + 600, NOW, "limit")
    short = Cooldown("h", None, NOW + 60, NOW + 5, "busy")
    assert Entry(0.0, short).merged(Entry(0.0, long)).cooldown == long
    assert Entry(NOW + 2, None).merged(Entry(0.0, long)).cooldown is None
    ended = Entry(NOW + 2, None).merged(Entry(0.0, short))
    assert ended.merged(Entry(0.0, long)).cooldown == short, "long was ended before short was set"


def test_a_record_comes_back_with_the_error_that_clients_were_told() -> None:
    error = ClientError(
        429, "limit", "Used up.", kind="limit", retry_after=5.0, details={"resets_at": 7}
    )
    cooldown = Cooldown("h", "m", NOW + 5, NOW, "limit", 3, Source.RULE, error)
    loaded = load(decoded(encoded(dump("h", "m", Entry(NOW - 1, cooldown)))))
    assert loaded is not None
    handle, model, entry = loaded
    assert (handle, model, entry) == ("h", "m", Entry(NOW - 1, cooldown))
    assert entry.cooldown is not None
    told = entry.cooldown.error
    assert told is not None
    assert vars(told) == vars(error)


def test_a_record_lives_as_long_as_its_level_counts() -> None:
    made = written(None, Entry(0.0, Cooldown("h", None, NOW + 50, NOW, "limit")))
    assert made is not None
    assert made[1] == 50 + FORGET_AFTER
    short = Entry(0.0, Cooldown("h", None, NOW + 5, NOW, "busy"))
    assert written(made[0], short) is None, "it says nothing new"
    ended = written(made[0], Entry(NOW + 1, None), NOW + 2)
    assert ended is not None
    assert ended[1] == FORGET_AFTER


def test_a_clock_that_was_put_back_prolongs_nothing() -> None:
    ahead = NOW + 400 * 86_400.0
    made = written(None, Entry(0.0, Cooldown("h", None, ahead + 60, ahead, "limit")), ahead)
    assert made is not None
    (found,) = open_cooldowns([Record("n", "k", made[0], 1, None)], NOW)
    assert (found.since, found.until) == (NOW, NOW + 60)
    again = written(made[0], Entry(0.0, Cooldown("h", None, NOW + 90, NOW, "busy")))
    assert again is not None
    assert again[0]["cooldown"]["until"] == NOW + 90
    ended = written(None, Entry(ahead, None), ahead)
    assert ended is not None
    later = written(ended[0], Entry(0.0, Cooldown("h", None, NOW + 9, NOW, "busy")))
    assert later is not None
    assert later[0]["cooldown"]["until"] == NOW + 9, "what was ended in the future ends nothing"


GOOD = {"handle": "h", "model": None, "ended": 0, "cooldown": None}


@pytest.mark.parametrize(
    "value",
    [
        *(None, 3, [], {}),
        {name: value for name, value in GOOD.items() if name != "cooldown"},
        {**GOOD, "cooldown": {"until": 3}},
        {**GOOD, "ended": "x"},
    ],
)
def test_what_another_version_wrote_counts_as_nothing(value: Any) -> None:
    assert load(value) is None
    made = written(value, Entry(0.0, Cooldown("h", None, NOW + 5, NOW, "x")))
    assert made is not None


@given(st.text())
def test_any_model_has_a_key(model: str) -> None:
    keys = {cooldown_key("p", "h", each) for each in (None, model, model + "x")}
    assert len(keys) == 3
    assert all(key.isascii() and len(key) <= MAX_NAME for key in keys)
