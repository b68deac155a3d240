"""What could have been read from a prompt cache, what was, and why not all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.sessions import records as meters
from addons.sessions.facts import CacheTerms, Facts, Prompt
from addons.sessions.meter import Meter
from addons.sessions.records import Entry, Miss, Reason, load, totals
from tests.sessions.made import facts, prompt, said


def entries(*given: Facts, meter: Meter | None = None) -> list[Entry]:
    meter = meter or Meter()
    return [meter.record(each).log[-1] for each in given]


def test_a_conversation_that_is_read_whole() -> None:
    meter = Meter()
    first, second, third = entries(
        facts(1, input=2000),
        facts(3, input=2300, cached=1920),
        facts(5, input=2600, cached=2176),
        meter=meter,
    )
    assert (first.eligible, first.misses) == (0, (Miss(Reason.FIRST),))
    assert (second.eligible, second.misses) == (1920, ()), "2000 tokens, whole blocks of 128"
    assert (third.eligible, third.misses) == (2176, ())
    kept = meter.get("local", "session-1")
    assert kept is not None
    assert (kept.requests, kept.input, kept.cached, kept.ratio) == (3, 6900, 4096, 1.0)
    assert kept.last_miss is None
    all_ = totals([kept, kept])
    assert (all_.conversations, all_.requests, all_.eligible, all_.ratio) == (2, 6, 8192, 1.0)
    assert totals([]).ratio is None


@pytest.mark.parametrize(
    ("change", "reason", "by", "detail"),
    [
        ({"account": "bob"}, Reason.ACCOUNT, "floway", "ada -> bob"),
        ({"cache_key": "other"}, Reason.ID, "", "cache key"),
        ({"at": 1700.0}, Reason.EXPIRED, "upstream", "after 700 s"),
        ({}, Reason.UNKNOWN, "", ""),
    ],
)
def test_an_unbroken_prefix_that_was_not_read(
    change: dict[str, Any], reason: Reason, by: str, detail: str
) -> None:
    _, entry = entries(facts(1), facts(3, input=2300, cached=0, **change))
    assert entry.eligible == 1920
    assert entry.misses == (Miss(reason, 1920, by, detail),)


def test_a_cache_that_lives_longer_by_its_terms() -> None:
    terms = CacheTerms(life=86_400.0)
    _, entry = entries(facts(1), facts(3, input=2300, at=1700.0, terms=terms))
    assert [miss.reason for miss in entry.misses] == [Reason.UNKNOWN]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        (Prompt("other rules " * 500, None, [said(0), said(1)]), "instructions"),
        (prompt(5, tools=[]), "tools"),
        (prompt(5, items=[said(0), said(9), said(2), said(3), said(4)]), "input[1]"),
    ],
)
def test_a_prefix_that_the_client_breaks(changed: Prompt, place: str) -> None:
    _, _, entry = entries(
        facts(3, input=3000), facts(5, input=5000, cached=2944), facts(input=5000, prompt=changed)
    )
    miss = entry.misses[0]
    assert (miss.reason, miss.by, miss.detail) == (Reason.PREFIX, "client", f"from {place} on")
    assert 0 < miss.tokens <= 5000
    assert entry.eligible < 5000 - miss.tokens + 128


def test_up_to_the_break_the_prefix_counts_by_its_bytes() -> None:
    broken = prompt(5, items=[said(0), said(1), said(2), said(8), said(9)])
    _, _, entry = entries(
        facts(3, input=3000),
        facts(5, input=4000, cached=2944),
        facts(input=4000, cached=2944, prompt=broken),
    )
    assert entry.eligible == 2944, "the first three items are those of the first request"
    assert [miss.tokens for miss in entry.misses] == [1000]


def test_going_back_to_an_earlier_point_of_the_conversation() -> None:
    _, _, entry = entries(
        facts(3, input=3000), facts(5, input=4000, cached=2944), facts(3, input=3000, cached=2944)
    )
    assert entry.misses == (), "all of it was asked before"


def test_a_model_of_its_own() -> None:
    _, changed, back = entries(
        facts(1),
        facts(3, input=2300, model="model-2"),
        facts(5, input=2600, cached=1920),
    )
    assert changed.eligible == 0
    assert changed.misses == (Miss(Reason.MODEL, 2000, "client", "model-1 -> model-2"),)
    assert back.eligible == 1920


def test_a_compaction_advances_the_window() -> None:
    shorter = Prompt(prompt(0).instructions, prompt(0).tools, [said(77)])
    _, _, entry = entries(
        facts(3, input=3000),
        facts(9, input=9000, cached=2944),
        facts(input=2400, cached=1024, prompt=shorter, window=1),
    )
    (miss,) = [each for each in entry.misses if each.reason is Reason.WINDOW]
    assert miss.detail == "0 -> 1, from input[0] on"
    assert miss.by == "client"


def test_the_same_conversation_under_another_id() -> None:
    meter = Meter()
    _, entry, others = entries(
        facts(3, input=3000),
        facts(5, input=4000, conversation="session-2", thread="session-2"),
        facts(5, input=4000, owner="somebody", conversation="session-3", thread="session-3"),
        meter=meter,
    )
    assert entry.eligible == 2944
    assert entry.misses == (Miss(Reason.ID, 2944, "client", "was session-1"),)
    assert others.misses == (Miss(Reason.FIRST),), "two owners never meet"


def test_equal_first_requests_are_two_conversations() -> None:
    _, entry = entries(facts(1), facts(1, conversation="session-2", thread="session-2"))
    assert entry.misses == (Miss(Reason.FIRST),)


def test_threads_are_compared_with_themselves() -> None:
    _, side, main = entries(
        facts(1),
        facts(thread="title", prompt=Prompt("Make a title.", None, [said(0)])),
        facts(3, input=2300, cached=1920),
    )
    assert side.misses == (Miss(Reason.FIRST),)
    assert main.misses == ()


def test_short_prompts_are_never_cached() -> None:
    _, entry = entries(facts(1, input=900), facts(3, input=1000))
    assert (entry.eligible, entry.misses) == (0, ())


def test_an_upstream_that_reads_its_own_answers_too() -> None:
    _, entry = entries(facts(1), facts(3, input=2600, cached=2432))
    assert (entry.eligible, entry.misses) == (2432, ()), "the ratio is never above 1"


# --- messages that continue a response -----------------------------------------------------------


def continued(*numbers: int) -> Prompt:
    return Prompt(items=[said(number) for number in numbers], continued=True)


def test_messages_that_continue_a_response() -> None:
    _, second, third = entries(
        facts(1, input=2000),
        facts(input=2300, cached=1920, prompt=continued(2)),
        facts(input=2600, cached=0, prompt=continued(4), account="bob"),
    )
    assert (second.eligible, second.misses) == (1920, ())
    assert third.eligible == 2176
    assert third.misses == (Miss(Reason.ACCOUNT, 2176, "floway", "ada -> bob"),)


def test_what_was_continued_is_said_in_one_piece() -> None:
    _, _, whole, after = entries(
        facts(1, input=2000),
        facts(input=2300, cached=1920, prompt=continued(2)),
        facts(5, input=2600, cached=2176),
        facts(7, input=2900, cached=2560),
    )
    assert (whole.eligible, whole.misses) == (2176, ())
    assert (after.eligible, after.misses) == (2560, ())


# --- bounds, and what is kept --------------------------------------------------------------------


def test_it_goes_on_with_what_was_kept() -> None:
    before = Meter()
    entries(facts(1), facts(3, input=2300, cached=1920), meter=before)
    kept = before.get("local", "session-1")
    assert kept is not None
    text = json.dumps(kept.dump())
    after = Meter()
    after.put(load(json.loads(text)))
    (entry,) = entries(facts(5, input=2600, cached=0, account="bob"), meter=after)
    assert entry.misses == (Miss(Reason.ACCOUNT, 2176, "floway", "ada -> bob"),)
    again = after.get("local", "session-1")
    assert again is not None
    assert (again.requests, again.accounts) == (3, ["ada", "bob"])
    assert again.missed == {"first request": 0, "account changed": 2176}
    assert again.last_miss == (entry, entry.misses[0])


@pytest.mark.parametrize("data", [None, [], {"owner": 1}, {"owner": "a", "id": "b", "log": [1]}])
def test_what_was_kept_in_another_form(data: object) -> None:
    with pytest.raises(ValueError, match="stored conversation"):
        load(data)


def test_everything_is_bounded() -> None:
    meter = Meter(limit=2, tails=3)
    for number in range(4):
        name = f"session-{number}"
        meter.record(facts(1, conversation=name, thread=name))
    assert meter.get("local", "session-1") is None
    assert meter.get("local", "session-3") is not None
    last = meter.record(facts(1))
    for number in range(meters.MAX_ENTRIES + 50):
        last = meter.record(
            facts(1, thread=f"t{number}", account=f"account-{number}", client="x" * 1000)
        )
    assert len(last.log) == meters.MAX_ENTRIES
    assert len(last.threads) == meters.MAX_THREADS
    assert len(last.accounts) == meters.MAX_NAMES
    assert last.accounts[-1] == last.log[-1].account
    assert len(last.client) == 256
    assert last.requests == meters.MAX_ENTRIES + 51
    long = meter.record(facts(meters.MAX_MARKS + 500, input=50_000, thread="long"))
    assert len(long.threads["long"].marks) == meters.MAX_MARKS
    (entry,) = entries(
        facts(meters.MAX_MARKS + 502, input=51_000, cached=49_920, thread="long"), meter=meter
    )
    assert (entry.eligible, entry.misses) == (49_920, ())


@given(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            st.integers(0, 5000),
            st.integers(0, 5000),
            st.sampled_from(["ada", "bob"]),
            st.booleans(),
            st.integers(0, 2),
        ),
        max_size=12,
    )
)
def test_counts_add_up_whatever_comes(requests: list[Any]) -> None:
    meter = Meter()
    for count, size, cached, account, goes_on, window in requests:
        cached = min(size, cached)
        asked = prompt(count, continued=goes_on)
        given_ = facts(input=size, cached=cached, account=account, prompt=asked, window=window)
        conversation = meter.record(given_)
        entry = conversation.log[-1]
        assert cached <= entry.eligible <= size
        assert all(miss.tokens >= 0 for miss in entry.misses)
        if entry.eligible - cached > 128:
            assert entry.misses, "every miss has a reason"
        assert conversation.eligible == sum(each.eligible for each in conversation.log)
        assert load(json.loads(json.dumps(conversation.dump()))) == conversation
