"""A look at official clients' runs while they pass; their bytes are not touched.

For the pool, where an account was lent to the client, and for whoever watches the flows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from addons.providers.cursor.failures.errors import CursorError
from addons.providers.cursor.official.observe import RunObserver, Seen
from addons.providers.cursor.wire.endpoint import RUN, RUN_SSE

KINDS: Final = 32
"""Kinds of messages that are counted by name; the rest is counted together."""


class RunWatch:
    """Implements :class:`addons.exchange.Watch` for one run.

    Of a run that is made of many requests (``RunSSE``), this is the answer's half.
    """

    def __init__(self, client_encoding: str = "gzip") -> None:
        self._observer = RunObserver(client_encoding=client_encoding)
        self._kinds: Counter[str] = Counter()

    @classmethod
    def of_path(cls, path: str, client_encoding: str | None) -> RunWatch | None:
        """For a request that begins a run; None for any other one."""
        return cls(client_encoding or "gzip") if path in (RUN, RUN_SSE) else None

    def head(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """The answer begins."""
        self._observer.head(status, headers)

    def client(self, data: bytes) -> None:
        self._count(self._observer.client_bytes(data))

    def server(self, data: bytes) -> None:
        if data:
            self._count(self._observer.server_bytes(data))
        else:
            self._observer.close()

    @property
    def error(self) -> CursorError | None:
        """What the run ended with, if it did not end well."""
        return self._observer.error

    @property
    def produced(self) -> int:
        """Tokens of output; at least 1 where there was some."""
        return max(self._observer.tokens, int(self._observer.produced))

    @property
    def model(self) -> str:
        return self._observer.model

    def summary(self) -> dict[str, Any]:
        """For the flow's metadata: no text of the conversation."""
        seen = self._observer
        told: dict[str, Any] = {
            "conversation_id": seen.conversation_id,
            "model": seen.model,
            "continued": seen.continued,
            "checkpoints": seen.checkpoints,
            "tokens": seen.tokens,
            "messages": dict(self._kinds),
        }
        if seen.error is not None:
            told["error"] = str(seen.error)
        if seen.blind is not None:
            told["unreadable"] = str(seen.blind)
        return {name: value for name, value in told.items() if value not in ("", 0, {})}

    def _count(self, seen: Sequence[Seen]) -> None:
        for each in seen:
            name = f"{'>' if each.from_client else '<'} {each.kind}"
            if name not in self._kinds and len(self._kinds) >= KINDS:
                name = "others"
            self._kinds[name] += 1
