"""The bytes of ``chat.completion.chunk`` events.

All chunks of an answer share their head and their tail, which are made once; a delta costs one
string escape and one concatenation.
"""

from __future__ import annotations

from typing import Final

from addons.front.chat_answer import completion_id, created_at
from addons.front.contract import Json
from addons.front.json_text import compact
from addons.front.reading import model_name

DONE: Final = b"data: [DONE]\n\n"


class ChunkWriter:
    """Writes the chunks of one answer; id, time and model are the same in all of them.

    Args:
        model: the name that was asked for, in case that the upstream names none.
        include_usage: each chunk but the last says ``"usage": null``, as OpenAI does.
    """

    __slots__ = ("_choice", "_end", "_include_usage", "_model", "_shared", "_tail")

    def __init__(self, model: str, *, include_usage: bool) -> None:
        self._model = model
        self._include_usage = include_usage
        self._shared = b""
        self._choice = b""
        self._end = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._end

    def open(self, response: Json) -> bytes:
        """The first chunk, with the role; ``b""`` when it was written before."""
        if self._choice:
            return b""
        shared: Json = {
            "id": completion_id(response),
            "object": "chat.completion.chunk",
            "created": created_at(response),
            "model": model_name(response, self._model),
        }
        if isinstance(response.get("service_tier"), str):
            shared["service_tier"] = response["service_tier"]
        self._shared = b"data: " + compact(shared)[:-1] + b',"choices":['
        self._choice = self._shared + b'{"index":0,"delta":'
        return self._choice + b'{"role":"assistant","content":""}' + self._tail

    def delta(self, delta: bytes) -> bytes:
        """A chunk with this delta, after the first one if that is still missing.

        Args:
            delta: JSON text of an object.
        """
        if self._choice:
            return self._choice + delta + self._tail
        return self.open({}) + self._choice + delta + self._tail

    def finish(self, reason: str) -> bytes:
        """The chunk with the finish reason."""
        head = self.open({}) + self._choice
        return head + b'{},"logprobs":null,"finish_reason":"%s"}]' % reason.encode() + self._end

    def usage(self, counts: Json) -> bytes:
        """The last chunk of a client that asked for the usage: no choices."""
        return self.open({}) + self._shared + b'],"usage":' + compact(counts) + b"}\n\n"
