"""Responses that callers continue by ``previous_response_id``: their history is kept here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from addons.exchange import Exchange
from addons.front.contract import Json
from addons.sessions.responses import Limits, Pending, ResponseLog
from addons.settings import Settings
from addons.store.contract import Store
from addons.store.write_behind import WriteBehind

PREVIOUS: Final = "previous_response_id"

_PROTOCOL: Final = "responses"
"""The one client protocol in which a response can be named."""


class Continued:
    """One per provider; on the same records as all providers', so that a conversation may change
    from one to another.

    Args:
        clock: unix seconds.
    """

    def __init__(self, store: Store | None, settings: Settings, clock: Callable[[], float]) -> None:
        self._behind = WriteBehind(store)
        limits = Limits(
            seconds=settings.response_days * 86_400.0,
            item_bytes=int(settings.response_bytes),
            continue_bytes=int(settings.continue_bytes),
        )
        self._responses = ResponseLog(store, self._behind, limits, clock)

    async def load(self) -> None:
        """Fetch what the store has kept."""
        await self._responses.load()

    async def close(self) -> None:
        """Write what waits."""
        await self._behind.close()

    async def whole(self, exchange: Exchange) -> Json:
        """The request's body with the history in place of the id of the response that ends it.

        Raises:
            BadRequest: there is no such history.
        """
        assert exchange.turn is not None
        body = exchange.turn.body
        previous = body.get(PREVIOUS)
        if not previous:
            return body
        history = await self._responses.history(exchange.principal, str(previous))
        given = body.get("input")
        whole = {name: value for name, value in body.items() if name != PREVIOUS}
        whole["input"] = [*history, *(given if isinstance(given, list) else ())]
        return whole

    def completed(self, exchange: Exchange, account: str, response: Json) -> None:
        """Keep a response that is complete, unless the caller does not want that.

        Args:
            account: handle of the account that gave it.
        """
        assert exchange.turn is not None
        body = exchange.turn.body
        given = body.get("input")
        keep = (
            exchange.protocol.name == _PROTOCOL
            and body.get("store") is not False
            and isinstance(given, list | None)
        )
        parent = body.get(PREVIOUS)
        parent = parent if isinstance(parent, str) else ""
        pending = Pending(
            exchange.principal,
            exchange.conversation,
            account,
            items=(given or []) if keep else None,
            parent=parent,
            base=not parent,
        )
        self._responses.commit(pending, response.get("id"), response.get("output") or ())
