"""What a client protocol must be able to do.

The neutral form between a client protocol and a provider is the public OpenAI *Responses* form:
a request body as a dict, and its stream of events as dicts. A front module turns its own
protocol's request into that form (:meth:`ClientProtocol.parse`) and renders events back
(:class:`Renderer`). No mitmproxy and no I/O in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from addons.errors import ClientError
from addons.front.sse import ServerEvent

type Json = dict[str, Any]


@dataclass(slots=True)
class Turn:
    """A parsed model request.

    Attributes:
        model: the model name as the client wrote it.
        body: Responses request body; members in the order in which the client gave them.
        stream: whether the client asked for a stream.
        notes: what the parser dropped or changed and why, one sentence each, for the log.
    """

    model: str
    body: Json
    stream: bool
    notes: list[str] = field(default_factory=list)

    def name_model(self, model: str) -> None:
        """Ask another model than the client wrote."""
        self.notes.append(f"model: {self.model} is another name for {model} here.")
        self.model = model
        self.body = {**self.body, "model": model}


class Renderer(Protocol):
    """Turns the Responses events of one answer into the client's protocol. One per attempt."""

    content_type: str
    """Of the streamed form, e.g. ``text/event-stream; charset=utf-8``."""

    passthrough: bool
    """True: the upstream's SSE bytes are already the client's protocol; see :meth:`passed`."""

    watched: frozenset[str]
    """Names of the events that :meth:`passed` has to see; others may come in runs."""

    def event(self, event: Json) -> bytes:
        """Client bytes for one Responses event; ``b""`` where the protocol has nothing to say."""

    def passed(self, event: ServerEvent) -> bytes:
        """Client bytes for one upstream event whose bytes are passed on: nearly always its own.

        To be called for each event of a ``passthrough`` answer, changed ones in their changed
        form, so that :meth:`failed` can continue the stream which the client has seen.
        """

    def passed_run(self, run: bytes) -> bytes:
        """As :meth:`passed`, for several events at once: a run of :meth:`EventStream.sift`.

        Only for events whose name is none of :attr:`watched`.
        """

    def finish(self) -> bytes:
        """Client bytes after the last event of a stream that ended well (e.g. ``[DONE]``)."""

    def failed(self, error: ClientError) -> bytes:
        """Client bytes of an error inside an already started stream (a cut upstream, say)."""

    def whole(self, response: Json) -> Json:
        """The answer object of a caller that asked for no stream, from the finished response.

        Raises:
            ClientError: when the response itself is a failure (``status: failed``).
        """


class ClientProtocol(Protocol):
    """One protocol that clients speak, e.g. Responses or chat completions."""

    name: str

    def parse(self, body: Json) -> Turn:
        """Validate and bring to the neutral form.

        Raises:
            ClientError: names the member and the remedy.
        """

    def renderer(self, turn: Turn, request: Json) -> Renderer:
        """A fresh renderer for an answer to ``request`` (the client's own body)."""

    def error(self, error: ClientError) -> tuple[Mapping[str, str], bytes]:
        """Headers (content-type, retry-after) and body of an error answer."""
