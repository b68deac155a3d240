"""The prompt-cache model against a naive reference, and its documented numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replay.sandbox.cache_model import (
    BLOCK_TOKENS,
    MINIMUM_TOKENS,
    TOKEN_BYTES,
    CacheKey,
    PromptCache,
    prompt_bytes,
    token_count,
)

KEY = CacheKey("ada", "session", "key", "gpt-5.5")
BLOCK = TOKEN_BYTES * BLOCK_TOKENS

# Prompts that share prefixes: a few pieces, put together, so that 1,024 tokens are easily passed.
pieces = st.lists(st.sampled_from(["a", "b", "c"]), min_size=0, max_size=6).map(
    lambda names: "".join(name * 1700 for name in names).encode()
)
tails = st.binary(max_size=700)
prompts = st.builds(lambda piece, tail: piece + tail, pieces, tails)
keys = st.builds(
    CacheKey,
    st.sampled_from(["ada", "ben"]),
    st.sampled_from(["s", "t"]),
    st.just("k"),
    st.just(""),
)


def common_prefix(one: bytes, other: bytes) -> int:
    size = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        size += 1
    return size


@given(st.lists(st.tuples(keys, prompts), min_size=1, max_size=8))
def test_agrees_with_a_naive_longest_common_prefix(history: list[tuple[CacheKey, bytes]]) -> None:
    cache = PromptCache()
    seen: list[tuple[CacheKey, bytes]] = []
    for now, (key, prompt) in enumerate(history):
        found = cache.lookup(key, prompt, float(now))
        tokens = -(-len(prompt) // TOKEN_BYTES)
        best = max(
            (
                common_prefix(prompt, old) // BLOCK
                for owner, old in seen
                if owner == key and len(old) >= MINIMUM_TOKENS * TOKEN_BYTES - 3
            ),
            default=0,
        )
        expected = best * BLOCK_TOKENS
        if tokens < MINIMUM_TOKENS or expected < MINIMUM_TOKENS:
            expected = 0
        assert found.input_tokens == tokens
        assert found.cached_tokens == expected
        seen.append((key, prompt))


@given(prompts, tails)
def test_a_continued_prompt_finds_all_whole_blocks_of_its_start(start: bytes, tail: bytes) -> None:
    cache = PromptCache()
    cache.lookup(KEY, start, 0.0)
    found = cache.lookup(KEY, start + tail, 1.0)
    whole = len(start) // BLOCK * BLOCK_TOKENS
    known = token_count(len(start)) >= MINIMUM_TOKENS and whole >= MINIMUM_TOKENS
    if known:
        assert found.cached_tokens >= whole
    assert found.cached_tokens % BLOCK_TOKENS == 0
    assert found.cached_tokens + found.written_tokens <= found.input_tokens


@given(prompts, st.integers(min_value=0, max_value=6000))
def test_nothing_after_a_changed_byte_is_cached(prompt: bytes, place: int) -> None:
    if not prompt:
        return
    place %= len(prompt)
    changed = prompt[:place] + bytes([prompt[place] ^ 1]) + prompt[place + 1 :]
    cache = PromptCache()
    cache.lookup(KEY, prompt, 0.0)
    assert cache.lookup(KEY, changed, 0.0).cached_tokens * TOKEN_BYTES <= place


@given(st.lists(prompts, min_size=1, max_size=6), st.integers(min_value=1, max_value=30))
def test_memory_is_bounded_and_heads_outlive_tails(history: list[bytes], limit: int) -> None:
    cache = PromptCache(max_blocks=limit)
    for now, prompt in enumerate(history):
        cache.lookup(KEY, prompt, float(now))
        assert cache.statistics()["blocks"] <= limit
    found = cache.lookup(KEY, history[-1], 99.0).cached_tokens
    whole = len(history[-1]) // BLOCK
    if token_count(len(history[-1])) >= MINIMUM_TOKENS:
        kept = min(whole, limit) * BLOCK_TOKENS
        assert found == (kept if kept >= MINIMUM_TOKENS else 0)


def test_unused_blocks_are_forgotten_and_used_ones_stay() -> None:
    cache = PromptCache(ttl=100)
    prompt = b"x" * 8192
    cache.lookup(KEY, prompt, 0.0)
    assert cache.lookup(KEY, prompt, 99.0).cached_tokens == 2048
    assert cache.lookup(KEY, prompt, 198.0).cached_tokens == 2048
    assert cache.lookup(KEY, prompt, 298.0).cached_tokens == 0


def test_under_1024_tokens_nothing_is_cached_and_from_there_everything_is() -> None:
    cache = PromptCache()
    short, enough = b"x" * (1024 * 4 - 4), b"x" * (1024 * 4)
    cache.lookup(KEY, short, 0.0)
    assert cache.lookup(KEY, short, 0.0).cached_tokens == 0
    cache.lookup(KEY, enough, 0.0)
    assert cache.lookup(KEY, enough, 0.0).cached_tokens == 1024


def test_statistics_count_by_key_and_over_all() -> None:
    cache = PromptCache()
    other = CacheKey("ben", "session", "key", "gpt-5.5")
    cache.lookup(KEY, b"x" * 8000, 0.0)
    cache.lookup(KEY, b"x" * 8000, 0.0)
    cache.lookup(other, b"x" * 8000, 0.0)
    counts = cache.statistics()
    assert (counts["requests"], counts["input_tokens"], counts["cached_tokens"]) == (3, 6000, 1920)
    assert [key["cached_tokens"] for key in counts["keys"]] == [1920, 0]
    cache.clear()
    assert cache.statistics()["requests"] == 0
    assert cache.lookup(KEY, b"x" * 8000, 0.0).cached_tokens == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
items = st.lists(json_values, max_size=4)


@given(items, items)
def test_bytes_of_a_continued_input_start_with_the_bytes_of_the_input(
    start: list[object], more: list[object]
) -> None:
    body = {"instructions": "i", "tools": [{"name": "t"}], "input": start}
    assert prompt_bytes({**body, "input": start + more}).startswith(prompt_bytes(body))


def test_member_order_is_significant_and_other_members_are_not() -> None:
    one = {"model": "m", "input": [{"type": "message", "role": "user"}]}
    turned = {"model": "m", "input": [{"role": "user", "type": "message"}]}
    assert prompt_bytes(one) != prompt_bytes(turned)
    assert prompt_bytes(one) == prompt_bytes({**one, "client_metadata": {"turn_id": "x"}})
