"""Which account a conversation is bound to. Pure: clocks come in as arguments."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Binding:
    """A conversation's account.

    Attributes:
        started: unix seconds at which the attempt began that wrote it; the version for
            compare-and-set.
        used: unix seconds of its last use.
    """

    conversation: str
    handle: str
    started: float
    used: float


class Affinity:
    """Bindings that slide: each use prolongs them.

    Args:
        ttl: seconds without use after which a binding is forgotten.
        limit: bindings kept; the one used longest ago goes first.
    """

    def __init__(self, ttl: float = 24 * 3600.0, limit: int = 50_000) -> None:
        self._ttl = ttl
        self._limit = limit
        self._bindings: OrderedDict[str, Binding] = OrderedDict()

    def __len__(self) -> int:
        return len(self._bindings)

    def __iter__(self) -> Iterator[Binding]:
        return iter(list(self._bindings.values()))

    def get(self, conversation: str, now: float) -> Binding | None:
        """The binding, used now; None when there is none."""
        known = self._bindings.get(conversation)
        if known is None:
            return None
        if known.used + self._ttl <= now:
            del self._bindings[conversation]
            return None
        used = Binding(conversation, known.handle, known.started, max(now, known.used))
        self._bindings[conversation] = used
        self._bindings.move_to_end(conversation)
        return used

    def bind(self, conversation: str, handle: str, started: float, now: float) -> bool:
        """Write a binding unless a newer attempt has written one; whether it was written.

        One that was written in the future is of a clock that was put back; it is no newer one.
        """
        known = self._bindings.get(conversation)
        if known is not None and started < known.started <= now:
            return False
        self.restore(Binding(conversation, handle, started, now))
        return True

    def restore(self, binding: Binding) -> None:
        """Put a stored one back."""
        self._bindings[binding.conversation] = binding
        self._bindings.move_to_end(binding.conversation)
        while len(self._bindings) > self._limit:
            self._bindings.popitem(last=False)

    def drop(self, conversation: str) -> None:
        self._bindings.pop(conversation, None)
