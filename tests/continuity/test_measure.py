"""What counts of a conversation, and how much of it was read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replay.continuity.measure import Asked, Measured, WatchedCache, measured, readable
from replay.sandbox.cache_model import CacheKey

TOOLS = b'{"parameters":{}}'


def asked(tokens: int, cached: int, account: str = "ada", *, side: bool = False) -> Asked:
    return Asked(account, tokens, cached, readable(tokens * 4), side)


def test_all_of_the_request_before_could_be_read() -> None:
    found = measured([asked(2000, 0), asked(2500, 1920), asked(2600, 1024)])
    assert found == Measured(3, 1920 + 2432, 1920 + 1024, accounts=("ada",))
    assert found.ratio == 2944 / 4352


def test_a_shorter_request_between_counts_by_its_own_length() -> None:
    found = measured([asked(4000, 0), asked(1500, 1408), asked(4200, 3968)])
    assert (found.eligible_tokens, found.ratio) == (1408 + 3968, 1.0)


def test_requests_on_the_side_do_not_count() -> None:
    found = measured([asked(2000, 0), asked(9000, 0, side=True), asked(2100, 1920)])
    assert found == Measured(2, 1920, 1920, accounts=("ada",))


def test_one_rebuild_is_forgiven_and_no_more() -> None:
    given_ = [
        asked(2000, 0),
        asked(2500, 0, "ben"),
        asked(2600, 2432, "ben"),
        asked(2700, 0, "cleo"),
        asked(2800, 2688, "ada"),
    ]
    found = measured(given_, forgiven=1)
    assert (found.rebuilds, found.accounts) == (1, ("ada", "ben", "cleo"))
    assert found.eligible_tokens == 2432 + 2560 + 2688
    assert found.cached_tokens == 2432 + 0 + 2688
    assert measured(given_).rebuilds == 0


def test_nothing_to_read() -> None:
    assert measured([]).ratio == 0
    assert measured([asked(500, 0), asked(900, 0)]).eligible_tokens == 0


@given(st.integers(0, 10_000_000))
def test_whole_blocks_are_read(size: int) -> None:
    tokens = readable(size)
    assert tokens % 128 == 0
    assert 0 <= tokens * 4 <= size
    assert tokens == 0 or tokens >= 1024


def test_the_cache_is_watched() -> None:
    cache = WatchedCache()
    key = CacheKey("ada", "session", "key")
    prompt = TOOLS + b"x" * 8000
    first = cache.lookup(key, prompt, 1.0)
    second = cache.lookup(key, prompt + b"y" * 600, 2.0)
    cache.lookup(key, b"a title, please" * 500, 3.0)
    assert [each.cached_tokens for each in cache.asked[:2]] == [0, second.cached_tokens]
    assert cache.asked[0].input_tokens == first.input_tokens
    assert [each.side for each in cache.asked] == [False, False, True]
    assert measured(cache.asked).ratio == 1.0
