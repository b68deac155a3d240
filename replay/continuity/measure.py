"""What was asked of a prompt cache and what it gave, seen from the sandbox.

*Eligible* is what a cache that forgets nothing would have read, whoever asks and under whichever
key. The scripts only add to what was said, so that is all of the longest request before, in whole
blocks. Nothing here compares bytes or ids: a proxy that changes either has less cached, and not
less that counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from replay.sandbox.cache_model import (
    BLOCK_TOKENS,
    MINIMUM_TOKENS,
    TOKEN_BYTES,
    CacheKey,
    Lookup,
    PromptCache,
)

_TOOLS = b'"parameters":'
"""In every prompt that offers tools; requests on the side, such as for a title, offer none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt that the cache was asked for.

    Attributes:
        readable_tokens: what a cache can read of it the next time: whole blocks, and nothing of a
            short one.
        side: not of the conversation itself.
    """

    account: str
    input_tokens: int
    cached_tokens: int
    readable_tokens: int
    side: bool = False


@dataclass(slots=True)
class WatchedCache(PromptCache):
    """The sandbox's cache, which also writes down what it was asked."""

    asked: list[Asked] = field(default_factory=list)

    def lookup(self, key: CacheKey, prompt: bytes, now: float) -> Lookup:
        found = PromptCache.lookup(self, key, prompt, now)
        self.asked.append(
            Asked(
                key.account,
                found.input_tokens,
                found.cached_tokens,
                readable(len(prompt)),
                side=_TOOLS not in prompt,
            )
        )
        return found


@dataclass(frozen=True, slots=True)
class Measured:
    """A conversation's numbers.

    Attributes:
        requests: of the conversation itself.
        rebuilds: first requests of another account that were forgiven.
        accounts: that answered, in order of their first answer.
    """

    requests: int
    eligible_tokens: int
    cached_tokens: int
    rebuilds: int = 0
    accounts: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Cached of eligible; 0 when nothing was eligible."""
        return self.cached_tokens / self.eligible_tokens if self.eligible_tokens else 0.0


def measured(asked: Sequence[Asked], *, forgiven: int = 0) -> Measured:
    """The numbers of one conversation.

    Args:
        asked: in order; of one conversation, and requests on its side.
        forgiven: how many changes of the account may cost a rebuild.
    """
    eligible = cached = rebuilds = longest = 0
    accounts: list[str] = []
    own = [each for each in asked if not each.side]
    for each in own:
        if accounts and each.account not in accounts and rebuilds < forgiven:
            rebuilds += 1
        else:
            eligible += min(longest, each.readable_tokens)
            cached += each.cached_tokens
        if each.account not in accounts:
            accounts.append(each.account)
        longest = max(longest, each.readable_tokens)
    return Measured(len(own), eligible, cached, rebuilds, tuple(accounts))


def readable(size: int) -> int:
    """Tokens that a cache can read of a prompt of so many bytes."""
    tokens = size // (BLOCK_TOKENS * TOKEN_BYTES) * BLOCK_TOKENS
    return tokens if tokens >= MINIMUM_TOKENS else 0
