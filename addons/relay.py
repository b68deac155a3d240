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
import time
from functools import lru_cache
from typing import Any

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.assembly import Assembly
from addons.front.bodies import IncrementalDecoder
from addons.front.sse import KEEP_ALIVE, EventStream, ServerEvent, Sieve, encode, event_type
from addons.providers.contract import Outcome
from fingerprints.serial import dumps, loads

logger = logging.getLogger(__name__)

COMPLETED = frozenset({"response.completed", "response.incomplete"})
FAILED = frozenset({"response.failed", "error"})
TERMINAL = COMPLETED | FAILED
"""Events after which a Responses stream is over."""

SIGNS_OF_LIFE = frozenset({"keepalive", "ping"})
"""Events that only say that the upstream is there; in another protocol a comment says it."""

MOST_TIMES = 10_000
"""Chunks of a stream whose time is written down."""

UNFINISHED = "The upstream ended the stream before the response was complete. Try again."


class EventRelay:
    """A committed stream of Responses events, on its way to a client that wants a stream.

    Attributes:
        outcome: COMPLETED or FAILED once the terminal event was seen; TRUNCATED when the stream
            ended without one; None before.
    """

    def __init__(self, exchange: Exchange, encoding: str = "") -> None:
        """
        Raises:
            ClientError: ``encoding`` (a content-encoding) is not known.
        """
        assert exchange.renderer is not None
        self._exchange = exchange
        self._renderer = exchange.renderer
        self._onlooker = Onlooker(exchange)
        self._sieve = None
        if self._renderer.passthrough:
            self._sieve = _sieve(self._onlooker.wanted | self._renderer.watched)
        self._events = EventStream()
        self._decoder = IncrementalDecoder(encoding) if encoding else None
        self._over = False
        self.outcome: Outcome | None = None

    def __call__(self, chunk: bytes) -> list[bytes]:
        """mitmproxy's ``response.stream``: the bytes for the client; an empty chunk is the end.

        A list, since an empty *bytes* object would be sent as a chunk of length 0, which ends a
        chunked body.
        """
        if self._over:
            return []
        out: list[bytes] = []
        try:
            if chunk:
                self._take(chunk, out)
            else:
                self._finish(out)
        except ClientError as error:
            out.append(self.fail(error))
        except Exception:
            logger.exception("an answer could not be relayed")
            out.append(
                self.fail(
                    ClientError(502, "relay_failed", "floway could not read the upstream's stream.")
                )
            )
        if len(out) != 1:
            out = [b"".join(out)]
        if self._exchange.times is not None and out[0]:
            self._clocked(self._exchange.times, len(out[0]))
        return out if out[0] else []

    def _clocked(self, times: list[tuple[int, float]], size: int) -> None:
        """Write down when bytes were given, for the debugger."""
        if len(times) < MOST_TIMES:
            before = times[-1][0] if times else 0
            times.append((before + size, time.monotonic() - self._exchange.started))

    def fail(self, error: ClientError) -> bytes:
        """Last bytes for a client whose stream cannot go on.

        The error is kept from a client that has the end of its response already.
        """
        if self._over:
            return b""
        self._over = True
        try:
            if self.outcome is not None:
                return self._renderer.finish()
            self.outcome = Outcome.TRUNCATED
            return self._renderer.failed(error)
        except Exception:
            logger.exception("a client could not be told of an error")
            return b""

    def _take(self, chunk: bytes, out: list[bytes]) -> None:
        if self._decoder is not None:
            chunk = self._decoder.feed(chunk)
        if self._sieve is None:
            self._forward(self._events.feed(chunk), out)
            return
        for part in self._events.sift(chunk, self._sieve):
            if isinstance(part, bytes):
                out.append(self._renderer.passed_run(part))
            else:
                out.append(self._pass(part))

    def _finish(self, out: list[bytes]) -> None:
        self._forward(self._events.close(), out)
        if self.outcome is None:
            if self._decoder is not None:
                self._decoder.close()  # a cut coding is the better explanation
            raise ClientError(502, "upstream_truncated", UNFINISHED)
        self._over = True
        out.append(self._renderer.finish())

    def _forward(self, events: list[ServerEvent], out: list[bytes]) -> None:
        step = self._pass if self._renderer.passthrough else self._render
        for event in events:
            out.append(step(event))  # noqa: PERF401 - what was rendered before an error counts

    def _pass(self, event: ServerEvent) -> bytes:
        kind = event_type(event)
        if kind in self._onlooker.wanted and (parsed := _object(event.data)) is not None:
            self._note(kind)
            if self._onlooker.looks(parsed):
                data = dumps(parsed)
                event = ServerEvent(encode(event.event, data), event.event, data)
        return self._renderer.passed(event)

    def _render(self, event: ServerEvent) -> bytes:
        if not event.data:
            return KEEP_ALIVE if event.raw.strip() else b""
        parsed = _object(event.data)
        if parsed is None:
            return b""
        kind = parsed.get("type")
        if not isinstance(kind, str):
            return b""
        if kind in SIGNS_OF_LIFE:
            return KEEP_ALIVE
        if kind in self._onlooker.wanted:
            self._note(kind)
            self._onlooker.looks(parsed)
        return self._renderer.event(parsed)

    def _note(self, kind: str) -> None:
        if kind in TERMINAL and self.outcome is None:
            self.outcome = Outcome.FAILED if kind in FAILED else Outcome.COMPLETED


@lru_cache(maxsize=16)
def _sieve(kept: frozenset[str]) -> Sieve:
    """Made once for each provider and protocol, of which there are few."""
    return Sieve(kept)


class Collector:
    """The whole stream of a caller that wants one answer.

    Attributes:
        outcome: set by :meth:`answer`, also when it raises.
    """

    def __init__(self, exchange: Exchange) -> None:
        assert exchange.renderer is not None
        self._renderer = exchange.renderer
        self._onlooker = Onlooker(exchange)
        self.outcome: Outcome | None = None

    def answer(self, body: bytes) -> bytes:
        """The answer's JSON from the stream's bytes (content-encoding undone).

        Raises:
            ClientError: the response failed, or the stream ended before its terminal event.
        """
        self.outcome = Outcome.TRUNCATED
        assembly = Assembly()
        stream = EventStream()
        for event in [*stream.feed(body), *stream.close()]:
            parsed = _object(event.data)
            if parsed is None:
                continue
            kind = parsed.get("type")
            if isinstance(kind, str) and kind in self._onlooker.wanted:
                self._onlooker.looks(parsed)
            assembly.feed(parsed)
        if assembly.finished:
            self.outcome = Outcome.FAILED
        whole = self._renderer.whole(assembly.response())
        self.outcome = Outcome.COMPLETED
        return dumps(whole)


class Onlooker:
    """Lets the provider see the events that it wants to see.

    What goes wrong there is logged once; the answer goes on as it is.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._complained = False
        self.wanted = exchange.provider.observed_events | TERMINAL

    def looks(self, event: dict[str, Any]) -> bool:
        """Show an event; True when the provider changed the response in it."""
        provider = self._exchange.provider
        try:
            provider.observe(self._exchange, event)
            return provider.restore(self._exchange, event)
        except Exception:
            if not self._complained:
                logger.exception("exchange %s: an event could not be looked at", self._exchange.id)
            self._complained = True
            return False


def _object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in an event's data; None for anything else."""
    if not data.lstrip().startswith(b"{"):
        return None
    try:
        parsed = loads(data)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
