"""What a prefix cache would have answered: a pure model of upstream prompt caching.

A prompt is cut into tokens (4 bytes each, a deterministic stand-in for a tokeniser) and blocks of
128 tokens. Each block is named by a hash that is chained over everything before it, starting with
the cache key; so a block is found again exactly when the whole prefix up to its end was seen
before under the same key. Prompts under 1,024 tokens are never cached. Numbers as documented for
OpenAI's prompt caching; scope of the key after codex-wire.md §2.3.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

TOKEN_BYTES = 4
BLOCK_TOKENS = 128
MINIMUM_TOKENS = 1024
_BLOCK_BYTES = TOKEN_BYTES * BLOCK_TOKENS
_KEYS_COUNTED = 256


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What a cache entry belongs to. Another account, session or key shares nothing."""

    account: str
    session: str
    cache_key: str
    model: str = ""

    @property
    def seed(self) -> bytes:
        parts = (self.account, self.session, self.cache_key, self.model)
        return json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")


@dataclass(slots=True)
class KeyCount:
    """Tokens asked and tokens found under one key."""

    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Lookup:
    """Answer for one prompt, in tokens: its length, what was known of it, what is known now."""

    input_tokens: int
    cached_tokens: int
    written_tokens: int = 0


@dataclass(slots=True)
class PromptCache:
    """The model. Bounded: the least recently used blocks are forgotten first.

    Args:
        max_blocks: blocks remembered over all keys.
        ttl: seconds after its last use at which a block is forgotten.
    """

    max_blocks: int = 200_000
    ttl: float = 600.0
    _blocks: OrderedDict[bytes, float] = field(default_factory=OrderedDict)
    _counts: OrderedDict[CacheKey, KeyCount] = field(default_factory=OrderedDict)

    def lookup(self, key: CacheKey, prompt: bytes, now: float) -> Lookup:
        """How much of the prompt is cached; afterwards all of it is.

        Args:
            prompt: canonical bytes, see :func:`prompt_bytes`.
            now: seconds of any clock that does not go backwards.
        """
        self._expire(now)
        tokens = token_count(len(prompt))
        chain: list[bytes] = []
        found = 0
        if tokens >= MINIMUM_TOKENS:
            chain = list(_chain(key.seed, prompt))
            while found < len(chain) and chain[found] in self._blocks:
                found += 1
            # Last block first, so that the tail of a prompt is forgotten before its head.
            for block in reversed(chain):
                self._blocks[block] = now
                self._blocks.move_to_end(block)
            while len(self._blocks) > self.max_blocks:
                self._blocks.popitem(last=False)
        cached = found * BLOCK_TOKENS if found * BLOCK_TOKENS >= MINIMUM_TOKENS else 0
        answer = Lookup(tokens, cached, len(chain) * BLOCK_TOKENS - cached)
        self._count(key, answer)
        return answer

    def _expire(self, now: float) -> None:
        while self._blocks:
            block, used = next(iter(self._blocks.items()))
            if now - used < self.ttl:
                return
            del self._blocks[block]

    def _count(self, key: CacheKey, answer: Lookup) -> None:
        count = self._counts.setdefault(key, KeyCount())
        self._counts.move_to_end(key)
        count.requests += 1
        count.input_tokens += answer.input_tokens
        count.cached_tokens += answer.cached_tokens
        while len(self._counts) > _KEYS_COUNTED:
            self._counts.popitem(last=False)

    def clear(self) -> None:
        self._blocks.clear()
        self._counts.clear()

    def statistics(self) -> dict[str, Any]:
        """Counts over all and by key (the most recent 256), for ``/_sandbox/cache``."""
        totals = KeyCount()
        keys = []
        for key, count in self._counts.items():
            totals.requests += count.requests
            totals.input_tokens += count.input_tokens
            totals.cached_tokens += count.cached_tokens
            keys.append(
                {
                    "account": key.account,
                    "session": key.session,
                    "prompt_cache_key": key.cache_key,
                    "model": key.model,
                    **_numbers(count),
                }
            )
        return {"blocks": len(self._blocks), **_numbers(totals), "keys": keys}


def _numbers(count: KeyCount) -> dict[str, Any]:
    share = count.cached_tokens / count.input_tokens if count.input_tokens else 0.0
    return {
        "requests": count.requests,
        "input_tokens": count.input_tokens,
        "cached_tokens": count.cached_tokens,
        "cached_share": round(share, 4),
    }


def token_count(size: int) -> int:
    """Tokens of so many bytes."""
    return -(-size // TOKEN_BYTES)


def prompt_bytes(body: Mapping[str, Any]) -> bytes:
    """The part of a request body that a cache sees: instructions, tools, input, in that order.

    Members of objects keep the order in which they were sent, because a different order is a
    different prompt. White space between members is not significant. The bytes of an input that
    is continued by further items start with the bytes of the input.

    What the model itself has said is rendered from what it means: its id, its status and the order
    of its members make no difference. So a conversation that was continued by response ids is found
    again when it is sent whole, in the client's own spelling of those items.

    Raises:
        TypeError: a part is nested deeper than orjson writes (254 levels).
    """
    said = [_rendered(item) for item in _items(body.get("input"))]
    parts = [body.get("instructions") or "", *_items(body.get("tools")), *said]
    return b"".join([_bytes(part) + b"\n" for part in parts])


_MADE = frozenset({"reasoning", "function_call", "custom_tool_call", "local_shell_call"})
"""Types of items that only the model makes; besides its messages."""
_SPELLING = frozenset({"id", "status", "internal_chat_message_metadata_passthrough"})


def _rendered(item: Any) -> Any:
    """What the model has said, without how it is spelled; any other item as it is."""
    if not isinstance(item, dict):
        return item
    kind = item.get("type", "message")
    if kind == "message" and item.get("role") == "assistant":
        content = item.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        return ["assistant", *(p.get("text", p) if isinstance(p, dict) else p for p in parts)]
    if kind not in _MADE:
        return item
    kept = ((name, item[name]) for name in sorted(item) if name not in _SPELLING)
    return {name: value for name, value in kept if value not in (None, [])}


def _items(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _bytes(part: Any) -> bytes:
    return part.encode("utf-8", "surrogatepass") if isinstance(part, str) else orjson.dumps(part)


def _chain(seed: bytes, prompt: bytes) -> Iterable[bytes]:
    """Names of the whole blocks of a prompt."""
    name = hashlib.blake2b(seed, digest_size=16).digest()
    view = memoryview(prompt)
    for start in range(0, len(prompt) - _BLOCK_BYTES + 1, _BLOCK_BYTES):
        digest = hashlib.blake2b(name, digest_size=16)
        digest.update(view[start : start + _BLOCK_BYTES])
        name = digest.digest()
        yield name
