"""The way of a committed answer to the client, chunk by chunk. Pure: bytes in, bytes out.

Three kinds, by what client and upstream speak:

- :class:`EventRelay`, passthrough: the upstream's events go on byte for byte, except those in
  which the provider puts back what it had moved in the request;
- :class:`EventRelay`, translating: each event is rendered in the client's protocol;
- :class:`Collector`: the caller wants one answer, so the stream is put together.

Both look at the same few events on the way (usage, ids) and know whether the stream came to its
end. Nothing in here raises on what an upstream sends: a callable that raises inside mitmproxy's
streaming leaves the client hanging (facts: trap 1).
"""

from __future__ import annotations

import logging
from typing import Any

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.assembly import Assembly
from addons.front.bodies import IncrementalDecoder
from addons.front.sse import EventStream, ServerEvent, encode, event_type
from addons.providers.contract import Outcome
from fingerprints.serial import dumps, loads

logger = logging.getLogger(__name__)

TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
"""Events after which a Responses stream is over."""

UNFINISHED = "The upstream ended the stream before the response was complete. Try again."


class EventRelay:
    """A committed stream of Responses events, on its way to a client that wants a stream.

    Attributes:
        outcome: COMPLETED or FAILED once the terminal event was seen; None before.
    """

    def __init__(self, exchange: Exchange, encoding: str = "") -> None:
        assert exchange.renderer is not None
        self._exchange = exchange
        self._renderer = exchange.renderer
        self._observed = exchange.provider.observed_events | TERMINAL
        self._events = EventStream()
        self._decoder = IncrementalDecoder(encoding) if encoding else None
        self._broken = False
        self.outcome: Outcome | None = None

    def __call__(self, chunk: bytes) -> list[bytes]:
        """mitmproxy's ``response.stream``: the bytes for the client; an empty chunk is the end.

        A list, since an empty *bytes* object would be sent as a chunk of length 0, which ends a
        chunked body.
        """
        if self._broken:
            return []
        try:
            if chunk and self._decoder is not None:
                chunk = self._decoder.feed(chunk)
                out = self._feed(chunk) if chunk else b""
            else:
                out = self._feed(chunk) if chunk else self._finish()
        except ClientError as error:
            out = self.fail(error)
        except Exception:
            logger.exception("an answer could not be relayed")
            out = self.fail(
                ClientError(502, "relay_failed", "floway could not read the upstream's stream.")
            )
        return [out] if out else []

    def fail(self, error: ClientError) -> bytes:
        """Last bytes for a client whose stream cannot go on."""
        if self._broken or self.outcome is not None:
            return b""
        self._broken = True
        self.outcome = Outcome.TRUNCATED
        return self._renderer.failed(error)

    def _feed(self, chunk: bytes) -> bytes:
        events = self._events.feed(chunk)
        if self._renderer.passthrough:
            return b"".join([self._pass(event) for event in events])
        return b"".join([self._render(event) for event in events])

    def _finish(self) -> bytes:
        if self._decoder is not None:
            self._decoder.close()
        last = self._events.close()
        out = self._pass_all(last) if self._renderer.passthrough else self._render_all(last)
        if self.outcome is None:
            return out + self.fail(ClientError(502, "upstream_truncated", UNFINISHED))
        return out + self._renderer.finish()

    def _pass_all(self, events: list[ServerEvent]) -> bytes:
        return b"".join([self._pass(event) for event in events])

    def _render_all(self, events: list[ServerEvent]) -> bytes:
        return b"".join([self._render(event) for event in events])

    def _pass(self, event: ServerEvent) -> bytes:
        kind = event_type(event)
        if kind in self._observed and (parsed := _object(event.data)) is not None:
            self._note(kind, parsed)
            if self._exchange.provider.restore(self._exchange, parsed):
                data = dumps(parsed)
                event = ServerEvent(encode(event.event, data), event.event, data)
        return self._renderer.passed(event)

    def _render(self, event: ServerEvent) -> bytes:
        if not event.data:
            return b""
        parsed = _object(event.data)
        if parsed is None:
            return b""
        kind = parsed.get("type")
        if kind in self._observed:
            self._note(kind, parsed)
        return self._renderer.event(parsed)

    def _note(self, kind: str, event: dict[str, Any]) -> None:
        self._exchange.provider.observe(self._exchange, event)
        if kind in TERMINAL:
            failed = kind == "response.failed"
            self.outcome = Outcome.FAILED if failed else Outcome.COMPLETED


class Collector:
    """The whole stream of a caller that wants one answer."""

    def __init__(self, exchange: Exchange) -> None:
        assert exchange.renderer is not None
        self._exchange = exchange
        self._renderer = exchange.renderer
        self.outcome: Outcome | None = None

    def answer(self, body: bytes) -> bytes:
        """The answer's JSON from the stream's bytes (content-encoding undone).

        Raises:
            ClientError: the response failed, or the stream ended before its terminal event.
        """
        exchange, assembly = self._exchange, Assembly()
        stream = EventStream()
        for event in [*stream.feed(body), *stream.close()]:
            parsed = _object(event.data)
            if parsed is None:
                continue
            if parsed.get("type") in exchange.provider.observed_events | TERMINAL:
                exchange.provider.observe(exchange, parsed)
            assembly.feed(parsed)
        self.outcome = Outcome.FAILED
        final = {"response": assembly.response()}
        exchange.provider.restore(exchange, final)
        whole = self._renderer.whole(final["response"])
        self.outcome = Outcome.COMPLETED
        return dumps(whole)


def _object(data: bytes) -> dict[str, Any] | None:
    if not data.startswith(b"{"):
        return None
    try:
        parsed = loads(data)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
