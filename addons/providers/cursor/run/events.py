"""A run's outputs as the events of one response in the neutral form (Responses).

The sequence of types and members is that of OpenAI's Responses API, which :mod:`addons.front`
renders for every client. Ids are made from the exchange's id, so that the same exchange gives the
same events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import Any, Final, Protocol

from addons.errors import ClientError
from addons.front.contract import Json
from addons.providers.cursor.run.event_items import (
    CallItem,
    FreeformCallItem,
    MessageItem,
    OutputItem,
    ReasoningItem,
    TextItem,
    digest,
)
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    ResponseOutput,
    Text,
    Thinking,
    ThinkingDone,
    ToolCall,
    TurnEnded,
    Usage,
)

_ECHO: Final[tuple[tuple[str, Any], ...]] = (
    ("instructions", None),
    ("max_output_tokens", None),
    ("max_tool_calls", None),
    ("parallel_tool_calls", True),
    ("previous_response_id", None),
    ("prompt_cache_key", None),
    ("reasoning", {"effort": None, "summary": None}),
    ("safety_identifier", None),
    ("service_tier", None),
    ("store", False),
    ("temperature", None),
    ("text", {"format": {"type": "text"}}),
    ("tool_choice", "auto"),
    ("tools", []),
    ("top_logprobs", 0),
    ("top_p", None),
    ("truncation", "disabled"),
    ("user", None),
    ("metadata", {}),
)
"""Request members that a response repeats, with the value for those that were not sent."""

type Ending = AwaitTools | TurnEnded | Failed


# --- the response --------------------------------------------------------------------------------


class ResponseWriter:
    """Writes the events of one response. Pure.

    Args:
        seed: the exchange's id.
        model: the name that the client used.
        body: the request; what a response repeats is taken from it.
        created: unix seconds.
        custom: names of the tools that take a text instead of JSON.
    """

    def __init__(
        self,
        seed: str,
        model: str,
        body: Json,
        created: float,
        custom: Collection[str] = (),
    ) -> None:
        self._seed = seed
        self._number = 0
        self._open: TextItem | None = None
        self._output: list[Json] = []
        self._custom = custom
        self._head: Json = {
            "id": f"resp_{digest(seed)}",
            "object": "response",
            "created_at": int(created),
            "model": model,
            "background": False,
            "error": None,
            "incomplete_details": None,
            **{name: default if body.get(name) is None else body[name] for name, default in _ECHO},
        }

    def begin(self) -> list[Json]:
        """The response is being made."""
        return self._numbered(
            {"type": f"response.{verb}", "response": self._response("in_progress")}
            for verb in ("created", "in_progress")
        )

    def write(self, output: Text | Thinking | ThinkingDone | ToolCall) -> list[Json]:
        """The events of one output."""
        match output:
            case Text():
                return self._text(MessageItem, output.text)
            case Thinking():
                return self._text(ReasoningItem, output.text)
            case ThinkingDone():
                return self._close() if isinstance(self._open, ReasoningItem) else []
            case ToolCall():
                form = FreeformCallItem if output.name in self._custom else CallItem
                call = form(self._seed, self._next_index(), output)
                return [*self._close(), *self._added(call), *self._done(call)]

    def complete(self, usage: Usage) -> list[Json]:
        """The response is whole."""
        out = self._close()
        response = self._response("completed", usage)
        return out + self._numbered([{"type": "response.completed", "response": response}])

    def _text(self, kind: type[TextItem], piece: str) -> list[Json]:
        out: list[Json] = []
        if not isinstance(self._open, kind):
            out += self._close()
            self._open = kind(self._seed, self._next_index())
            out += self._added(self._open)
        return out + self._numbered([self._open.delta(piece)])

    def _next_index(self) -> int:
        return len(self._output) + (self._open is not None)

    def _added(self, item: OutputItem) -> list[Json]:
        added: Json = {
            "type": "response.output_item.added",
            "output_index": item.index,
            "item": item.json(done=False),
        }
        return self._numbered([added, *item.opening()])

    def _close(self) -> list[Json]:
        item, self._open = self._open, None
        return [] if item is None else self._done(item)

    def _done(self, item: OutputItem) -> list[Json]:
        whole = item.json(done=True)
        self._output.append(whole)
        done: Json = {
            "type": "response.output_item.done",
            "output_index": item.index,
            "item": whole,
        }
        return self._numbered([*item.closing(), done])

    def _numbered(self, events: Iterable[Json]) -> list[Json]:
        numbered = []
        for event in events:
            event["sequence_number"] = self._number
            self._number += 1
            numbered.append(event)
        return numbered

    def _response(self, status: str, usage: Usage | None = None) -> Json:
        return {
            **self._head,
            "status": status,
            "output": list(self._output),
            "usage": None if usage is None else usage_json(usage),
        }


def usage_json(usage: Usage) -> Json:
    """The ``usage`` member; ``estimated`` is there only where it is true, and is ours."""
    counts: Json = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if usage.estimated:
        counts["estimated"] = True
    return counts


# --- a response while it is made -----------------------------------------------------------------


class Outputs(Protocol):
    """One response of a run (:class:`.session.RunResponse`)."""

    def __aiter__(self) -> AsyncIterator[ResponseOutput]: ...

    async def __anext__(self) -> ResponseOutput: ...

    async def aclose(self) -> None: ...


class ResponseEvents:
    """The events of a response, one by one, as its outputs come. Closing it closes the response.

    Args:
        ended: told of the end before the last events are given; of a failure it makes what the
            client is told, which is then raised.
    """

    def __init__(
        self,
        outputs: Outputs,
        writer: ResponseWriter,
        ended: Callable[[Ending], ClientError | None],
    ) -> None:
        self._outputs = outputs
        self._writer = writer
        self._ended = ended
        self._ready = deque(writer.begin())
        self._over = False

    def __aiter__(self) -> ResponseEvents:
        return self

    async def __anext__(self) -> Json:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            output = await anext(self._outputs)
            match output:
                case AwaitTools() | TurnEnded():
                    self._over = True
                    self._ended(output)
                    self._ready.extend(self._writer.complete(output.usage))
                case Failed():
                    self._over = True
                    raise self._ended(output) or output.error.client_error()
                case _:
                    self._ready.extend(self._writer.write(output))
        return self._ready.popleft()

    async def aclose(self) -> None:
        """The client reads no more."""
        await self._outputs.aclose()
