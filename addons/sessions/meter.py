"""The meter: what a prompt cache could have read, what it did read, and why not all. Pure.

*Eligible* are the input tokens of the longest prefix that a request has in common with an earlier
one of its conversation, in the upstream's own counting: where all of the last request is repeated,
that request's input tokens; where the prefix breaks off, the share of them up to the break, by
bytes. A cache that forgets nothing and belongs to nobody would read these.

Prefixes are those of the *caller's* request. So a request that does not begin as the one before it
is the caller's own doing, and is named as such; what an unbroken prefix costs is not.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable

from addons.sessions.facts import Chain, Facts, chain, shortened
from addons.sessions.records import (
    MAX_MARKS,
    MAX_NAMES,
    MAX_THREADS,
    Conversation,
    Entry,
    Miss,
    Reason,
    Thread,
)


class Meter:
    """Conversations in memory.

    Args:
        limit: conversations kept; the one used longest ago goes first (and is put back with
            :meth:`put` when it is used again).
        tails: prompts by which a conversation is recognised that comes back under another id.
    """

    def __init__(self, limit: int = 256, tails: int = 10_000) -> None:
        self._limit = limit
        self._max_tails = tails
        self._known: OrderedDict[tuple[str, str], Conversation] = OrderedDict()
        self._tails: OrderedDict[tuple[str, str], tuple[str, int]] = OrderedDict()

    def get(self, owner: str, conversation: str) -> Conversation | None:
        return self._known.get((owner, conversation))

    def put(self, conversation: Conversation) -> None:
        """Go on with what was kept."""
        self._keep(conversation)
        for thread in conversation.threads.values():
            self._remember_tail(conversation, thread)

    def record(self, facts: Facts) -> Conversation:
        """Count an answered request; its entry is the last of the result's log."""
        conversation = self.get(facts.owner, facts.conversation)
        if conversation is None:
            conversation = Conversation(facts.owner, facts.conversation, began=facts.at)
        self._keep(conversation)
        thread = conversation.threads.pop(facts.thread, None)
        before = thread.tail if thread is not None and facts.prompt.continued else ""
        names = chain(facts.prompt, facts.model, before)
        if thread is None:
            eligible, misses = self._first(facts, names)
            thread = Thread()
        else:
            eligible, misses = _compared(thread, facts, names)
        eligible = _readable(max(eligible, facts.tokens.cached), facts)
        _advance(thread, facts, names)
        conversation.threads[facts.thread] = thread
        while len(conversation.threads) > MAX_THREADS:
            del conversation.threads[next(iter(conversation.threads))]
        self._remember_tail(conversation, thread)
        _count(conversation, facts, eligible, misses)
        return conversation

    def _first(self, facts: Facts, names: Chain) -> tuple[int, list[Miss]]:
        """A thread that is not known: a new one, or one that is known under another id."""
        for name in reversed(names.names[:-1]):
            found = self._tails.get((facts.owner, name))
            if found is not None and found[0] != facts.conversation:
                other, tokens = found
                missing = _readable(tokens, facts) - facts.tokens.cached
                if missing <= facts.terms.block:
                    return tokens, []
                return tokens, [Miss(Reason.ID, missing, "client", f"was {other}")]
        return 0, [Miss(Reason.FIRST)]

    def _remember_tail(self, conversation: Conversation, thread: Thread) -> None:
        if not thread.tail or thread.partial:
            return
        key = (conversation.owner, thread.tail)
        self._tails[key] = (conversation.id, thread.tokens)
        self._tails.move_to_end(key)
        while len(self._tails) > self._max_tails:
            self._tails.popitem(last=False)

    def _keep(self, conversation: Conversation) -> None:
        key = (conversation.owner, conversation.id)
        self._known[key] = conversation
        self._known.move_to_end(key)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)


def _compared(thread: Thread, facts: Facts, names: Chain) -> tuple[int, list[Miss]]:
    """Eligible tokens of a known thread's next request, and what was missed."""
    if facts.prompt.continued:  # all that was said before stands, and is not sent again
        return thread.tokens, _unread(thread.tokens, thread, facts)
    place = next(
        (i for i in range(len(names.names) - 1, -1, -1) if names.names[i] in thread.marks), -1
    )
    shared = thread.marks[names.names[place]] if place >= 0 else 0
    if thread.partial and names.names[: len(thread.head)] == tuple(thread.head):
        # Messages that continued a response are now said in one piece. They cannot be compared,
        # but it is the same conversation.
        shared = max(shared, min(thread.tokens, facts.tokens.input))
        return shared, _unread(shared, thread, facts)
    misses = []
    repeated = place >= 0 and (names.names[place] == thread.tail or place == len(names.names) - 1)
    if not repeated and (lost := _lost(thread.tokens - shared, facts)):
        changed = facts.prompt.place(place + 1)
        if facts.model != thread.model:
            detail = f"{thread.model} -> {facts.model}"
            misses.append(Miss(Reason.MODEL, lost, "client", detail))
        elif facts.window > thread.window:
            detail = f"{thread.window} -> {facts.window}, from {changed} on"
            misses.append(Miss(Reason.WINDOW, lost, "client", detail))
        else:
            misses.append(Miss(Reason.PREFIX, lost, "client", f"from {changed} on"))
    return shared, [*misses, *_unread(shared, thread, facts)]


def _unread(eligible: int, thread: Thread, facts: Facts) -> list[Miss]:
    """Why less was read than could have been."""
    readable = _readable(eligible, facts)
    missing = readable - facts.tokens.cached
    if missing <= facts.terms.block:
        return []
    idle = facts.at - thread.at
    if facts.account != thread.account:
        detail = f"{thread.account} -> {facts.account}"
        return [Miss(Reason.ACCOUNT, missing, "floway", detail)]
    if facts.cache_key != thread.cache_key:
        return [Miss(Reason.ID, missing, "", "cache key")]
    if idle > facts.terms.life:
        return [Miss(Reason.EXPIRED, missing, "upstream", f"after {idle:.0f} s")]
    return [Miss(Reason.UNKNOWN, missing)]


def _readable(tokens: int, facts: Facts) -> int:
    """What a cache of these terms can read of so many tokens."""
    tokens = min(tokens, facts.tokens.input)
    if tokens < facts.terms.minimum:
        return min(tokens, facts.tokens.cached)
    return max(tokens // facts.terms.block * facts.terms.block, facts.tokens.cached)


def _lost(tokens: int, facts: Facts) -> int:
    """Tokens that a broken prefix costs, in what a cache counts."""
    return tokens if tokens >= facts.terms.block else 0


def _advance(thread: Thread, facts: Facts, names: Chain) -> None:
    """The request is the thread's last one now."""
    continued = facts.prompt.continued
    tokens, size = facts.tokens.input, names.sizes[-1] if names.sizes else 0
    known = 0
    base_tokens, base_size = (thread.tokens, 0) if continued else (0, 0)
    for place, name in enumerate(names.names):
        if name in thread.marks:
            known = place + 1
            base_tokens, base_size = thread.marks[name], names.sizes[place]
    span = max(1, size - base_size)
    for name, here in zip(names.names[known:], names.sizes[known:], strict=True):
        share = (here - base_size) / span
        thread.marks[name] = base_tokens + round((tokens - base_tokens) * share)
    if names.names:
        thread.tail = names.names[-1]
        thread.marks[thread.tail] = tokens
    while len(thread.marks) > MAX_MARKS:
        del thread.marks[next(iter(thread.marks))]
    if not continued:
        thread.head = list(names.names[:3])
    thread.partial = continued
    thread.tokens = tokens
    thread.at, thread.window, thread.account = facts.at, facts.window, facts.account
    thread.model, thread.cache_key = facts.model, facts.cache_key


def _count(conversation: Conversation, facts: Facts, eligible: int, misses: Iterable[Miss]) -> None:
    tokens = facts.tokens
    conversation.client = shortened(facts.client) or conversation.client
    conversation.source = conversation.source or shortened(facts.source)
    conversation.used = max(conversation.used, facts.at)
    conversation.requests += 1
    conversation.input += tokens.input
    conversation.eligible += eligible
    conversation.cached += tokens.cached
    conversation.output += tokens.output
    for names, name in ((conversation.accounts, facts.account), (conversation.models, facts.model)):
        name = shortened(name)
        if name and name not in names:
            names.append(name)
            del names[:-MAX_NAMES]
    entry = Entry(
        at=facts.at,
        thread=facts.thread,
        window=facts.window,
        account=shortened(facts.account),
        model=shortened(facts.model),
        transport=facts.transport,
        input=tokens.input,
        cached=tokens.cached,
        eligible=eligible,
        output=tokens.output,
        attempts=facts.attempts,
        misses=tuple(misses),
    )
    missed = Counter(conversation.missed)
    for miss in entry.misses:
        missed[miss.reason.value] += miss.tokens
    conversation.missed = dict(missed)
    conversation.log.append(entry)
