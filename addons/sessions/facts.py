"""What the meter has to be told of a request that was answered. Neutral; made by providers.

Making one costs nothing: it refers to the caller's body, and nothing of it is read before the
meter's own time (:mod:`.journal`). That lets go of the body soon: what waits for the store are
names of prefixes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from addons.front.earlier import Items, same_objects

DIGEST_BYTES = 8
"""Of a prefix's name. Equal names by chance would cost a wrong number in a report, no more."""

MAX_TEXT = 256
"""Characters of a fact that is a text."""


@dataclass(frozen=True, slots=True)
class CacheTerms:
    """How an upstream's prompt cache works, as far as it is documented.

    Attributes:
        minimum: tokens; a shorter prefix is never read.
        block: tokens; a prefix is read in whole multiples of it.
        life: seconds after its last use for which a prefix is surely kept.
    """

    minimum: int = 1024
    block: int = 128
    life: float = 600.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the caller asked, in the order in which a prefix cache reads it.

    Attributes:
        continued: the items follow an earlier response that the upstream remembers, and do not
            repeat what was said before.
        made: of the conversation's items, see :class:`addons.front.earlier.Items`; None where
            nothing is kept of them.
        names: in the place of all that was said, see :meth:`digested`.
    """

    instructions: Any = None
    tools: Any = None
    items: Sequence[Any] = ()
    continued: bool = False
    made: dict[str, Any] | None = field(default=None, compare=False)
    names: Chain | None = None

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Prompt:
        """Of a request body in the neutral form (Responses)."""
        given = body.get("input")
        items = given if isinstance(given, list) else [] if given is None else [given]
        continued = bool(body.get("previous_response_id"))
        made = items.made if isinstance(items, Items) else None
        return cls(body.get("instructions"), body.get("tools"), items, continued, made)

    def digested(self, model: str) -> Prompt:
        """The same in a few hundred bytes, without what was said.

        One that continues a response stays as it is: the names of its few items begin with the one
        that they follow, which is not known here.
        """
        return self if self.continued else Prompt(names=chain(self, model))

    def head(self) -> Sequence[Any]:
        """Instructions and tools, None where there are none."""
        return () if self.continued else (self.instructions, self.tools)

    def parts(self) -> Iterator[Any]:
        """Head, then the items."""
        yield from self.head()
        yield from self.items

    def place(self, index: int) -> str:
        """Name of a part, in the words of the request body."""
        if self.continued:
            return f"input[{index}]"
        return ("instructions", "tools")[index] if index < 2 else f"input[{index - 2}]"


@dataclass(frozen=True, slots=True)
class Tokens:
    """As the upstream counted them."""

    input: int
    cached: int
    output: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """One answered request.

    Attributes:
        owner: principal of the caller; conversations of two owners never meet.
        conversation: the session id that the upstream sees.
        source: where that came from.
        thread: of the conversation; side requests and sub-agents have their own.
        window: context window; one more per compaction.
        account: label.
        cache_key: what the upstream files the prompt under.
        client: what the caller calls itself.
        at: unix seconds at which the request was sent.
        attempts: how often it was sent.
    """

    owner: str
    conversation: str
    source: str
    thread: str
    window: int
    account: str
    model: str
    cache_key: str
    client: str
    transport: str
    at: float
    tokens: Tokens
    prompt: Prompt
    attempts: int = 1
    terms: CacheTerms = field(default_factory=CacheTerms)


@dataclass(frozen=True, slots=True)
class Chain:
    """Names of all prefixes of a prompt, the shortest first.

    Attributes:
        names: hexadecimal; the last one stands for the whole prompt.
        sizes: bytes of JSON of each prefix.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]


def chain(prompt: Prompt, model: str, before: str = "") -> Chain:
    """The prefixes of a prompt. A cache keeps them by model, so a model has prefixes of its own.

    Args:
        before: name of the prefix that a continued prompt follows.
    """
    if prompt.names is not None:
        return prompt.names
    name = before or hashlib.blake2b(_bytes(model), digest_size=DIGEST_BYTES).hexdigest()
    names: list[str] = []
    sizes: list[int] = []
    _extend(names, sizes, name, prompt.head())
    head, made = len(names), prompt.made
    kept: _Named | None = made.get(_NAMED) if made is not None else None
    known = 0
    if kept is not None and (kept.model, kept.before) == (model, before):
        if kept.names[: kept.head] == names:
            known = same_objects(kept.items, prompt.items)
        names += kept.names[head : head + known]
        sizes += kept.sizes[head : head + known]
    _extend(names, sizes, names[-1] if names else name, prompt.items[known:])
    if made is not None:
        made[_NAMED] = _Named(model, before, list(prompt.items), head, names, sizes)
    return Chain(tuple(names), tuple(sizes))


_NAMED: Final = "sessions.facts"
"""Where :class:`_Named` is kept with a conversation's items."""


@dataclass(frozen=True, slots=True)
class _Named:
    """Names of the prefixes of an earlier prompt.

    Attributes:
        head: how many of them are its head's.
    """

    model: str
    before: str
    items: list[Any]
    head: int
    names: list[str]
    sizes: list[int]


def _extend(names: list[str], sizes: list[int], name: str, parts: Iterable[Any]) -> None:
    """Add the prefixes that end with each of ``parts``; ``name`` is that of all before them."""
    size = sizes[-1] if sizes else 0
    for part in parts:
        text = _bytes(part)
        size += len(text)
        name = hashlib.blake2b(name.encode() + text, digest_size=DIGEST_BYTES).hexdigest()
        names.append(name)
        sizes.append(size)


def shortened(text: str) -> str:
    """A text from outside, printable and bounded."""
    if len(text) <= MAX_TEXT and text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else "?" for sign in text[:MAX_TEXT])


def _bytes(part: Any) -> bytes:
    try:
        return orjson.dumps(part)
    except TypeError:  # lone surrogates, very large integers
        return json.dumps(part).encode()
