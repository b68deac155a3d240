"""``POST …/responses/compact``: a history in, a shorter history out.

The upstream compacts by an ordinary model request whose last input item is a
``compaction_trigger`` (the older endpoint is gone from the official client, recorded from 0.169.0).
So this is the Responses protocol with that item added and the answer reduced to its items.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.errors import BadRequest, ClientError
from addons.front.contract import Json, Renderer, Turn
from addons.front.responses import ResponsesProtocol
from addons.front.sse import ServerEvent

TRIGGER = {"type": "compaction_trigger"}


class CompactionProtocol:
    """Unary; requests, errors and items are those of Responses."""

    name = "compaction"

    def __init__(self) -> None:
        self._responses = ResponsesProtocol()

    def parse(self, body: Json) -> Turn:
        """
        Raises:
            ClientError: as for Responses; ``stream`` is not for this endpoint.
        """
        if body.get("stream"):
            raise BadRequest(
                "unsupported_parameter",
                "`stream` cannot be true here: a compaction is answered as a whole.",
                param="stream",
            )
        turn = self._responses.parse({**body, "stream": False})
        items = list(turn.body.get("input") or ())
        if not items or items[-1].get("type") != TRIGGER["type"]:
            items.append(dict(TRIGGER))
        turn.body["input"] = items
        return turn

    def renderer(self, turn: Turn, request: Json) -> Renderer:
        return _CompactionRenderer(self._responses.renderer(turn, request))

    def error(self, error: ClientError) -> tuple[Mapping[str, str], bytes]:
        return self._responses.error(error)


class _CompactionRenderer:
    """The items of the finished response; nothing here is ever streamed."""

    content_type = "application/json"
    passthrough = True
    watched: frozenset[str] = frozenset()

    def __init__(self, responses: Renderer) -> None:
        self._responses = responses

    def event(self, event: Json) -> bytes:
        return self._responses.event(event)

    def passed(self, event: ServerEvent) -> bytes:
        return self._responses.passed(event)

    def passed_run(self, run: bytes) -> bytes:
        return self._responses.passed_run(run)

    def finish(self) -> bytes:
        return self._responses.finish()

    def failed(self, error: ClientError) -> bytes:
        return self._responses.failed(error)

    def whole(self, response: Json) -> Json:
        """
        Raises:
            ClientError: the response failed, or it holds no compaction.
        """
        whole = self._responses.whole(response)
        items = [
            item
            for item in whole.get("output") or ()
            if isinstance(item, dict) and item.get("type") == "compaction"
        ]
        if not items:
            raise ClientError(
                502, "no_compaction", "The upstream answered without a compaction item."
            )
        answer: Json = {name: whole[name] for name in ("id", "created_at") if name in whole}
        answer |= {"object": "response.compaction", "output": items, "usage": whole.get("usage")}
        return answer
