"""The load generator: a process that takes one JSON order per line and answers each with one line.

Closed loop over raw sockets: every connection sends its next request as soon as the last answer
has been read and checked. Connections stay open between orders, so that a measurement is of
requests and not of connecting. Started as ``python -m replay.bench.load``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from dataclasses import asdict, dataclass, field
from functools import cache
from time import perf_counter
from typing import Any

from replay.bench.answers import Check, expected_words
from replay.bench.bodies import Body, chat_bodies, responses_bodies
from replay.bench.reader import AnswerError, AnswerReader

ANSWER_LIMIT = 30.0
"""Seconds for one answer."""
MOST_FAILURES = 50
"""Failures after which an order is given up: a broken target answers far too quickly."""
_WATCH_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """One measurement.

    Attributes:
        protocol: ``responses`` or ``chat``: shape of the body and of the checked answer.
        size: bytes of a request body; where it grows, of the last one.
        deltas: text deltas of the answer that the upstream gives now.
        seconds: time after which no further request is sent.
        requests: number after which no further request is sent; 0: no limit.
        conversation: how many requests one conversation has before a connection begins another;
            it may go on in the next order.
        growing: so many requests of a conversation grow, each by a tool call; those after it are
            as the last of them.
    """

    port: int
    path: str
    protocol: str
    model: str
    size: int
    deltas: int
    concurrency: int
    seconds: float
    requests: int = 0
    conversation: int = 1_000_000
    growing: int = 1


@dataclass(slots=True)
class Outcome:
    """What came of an order.

    Attributes:
        latencies: milliseconds from the request's first byte to the answer's last, per answer.
        first: milliseconds to the answer's first byte.
        elapsed: seconds from the first request to the last answer.
        failed: answers that were wrong or did not come; not in ``latencies``.
        reasons: distinct reasons of failures, at most ten.
        reconnects: connections opened anew because an answer, or a fault, had closed one.
    """

    latencies: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    failed: int = 0
    reasons: list[str] = field(default_factory=list)
    reconnects: int = 0


@cache
def _bodies(protocol: str, size: int, model: str, growing: int) -> list[Body]:
    return (chat_bodies if protocol == "chat" else responses_bodies)(size, model, growing)


class _Keys:
    """Conversation keys, never the same twice in a process, in the shape of a UUID."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> bytes:
        self._last += 1
        return b"0199be9c-0000-7000-8000-%012x" % self._last


def _head(order: Order, length: int) -> bytes:
    return (
        f"POST {order.path} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{order.port}\r\n"
        "Authorization: Bearer floway-bench\r\n"
        "Content-Type: application/json\r\n"
        "Accept: text/event-stream\r\n"
        "User-Agent: floway-bench/1\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


class _Run:
    """One order while it is carried out."""

    def __init__(self, order: Order, keys: _Keys) -> None:
        self.order = order
        self.keys = keys
        self.check = Check(tuple(expected_words(order.deltas)), order.protocol)
        self.bodies = [
            Body((_head(order, len(body)) + body.pieces[0], *body.pieces[1:]))
            for body in _bodies(order.protocol, order.size, order.model, order.growing)
        ]
        self.outcome = Outcome()
        self.sent = 0
        self.begun = self.ended = perf_counter()
        self.running = order.concurrency
        self.finished = asyncio.Event()

    def another(self) -> bool:
        """Whether a connection may send one more request; counts it."""
        order = self.order
        if perf_counter() - self.begun >= order.seconds or self.outcome.failed >= MOST_FAILURES:
            return False
        if order.requests and self.sent >= order.requests:
            return False
        self.sent += 1
        return True

    def fail(self, reason: str) -> None:
        self.outcome.failed += 1
        if reason not in self.outcome.reasons and len(self.outcome.reasons) < 10:
            self.outcome.reasons.append(reason)

    def leave(self) -> None:
        """A connection has sent its last request and has read the answer."""
        self.running -= 1
        self.ended = perf_counter()
        if self.running == 0:
            self.finished.set()


class _Connection(asyncio.Protocol):
    """One keep-alive connection; idle between orders, opened anew when an answer closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader = AnswerReader()
        self._transport: asyncio.Transport | None = None
        self._run: _Run | None = None
        self._key = b""
        self._key_uses = 0
        self._first = 0.0
        self._opening: asyncio.Task[None] | None = None
        self.waiting_since: float | None = None

    async def open(self) -> None:
        """Connect, unless connected.

        Raises:
            OSError: the target takes no connections.
        """
        if self._transport is None:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, "127.0.0.1", self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._reader = AnswerReader()

    def start(self, run: _Run) -> None:
        """Send requests until the order is done."""
        self._run = run
        self._next(run)

    def abort(self, reason: str) -> None:
        """Give up the answer under way."""
        self.close()
        self._lost(reason)

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _next(self, run: _Run) -> None:
        self.waiting_since = None
        if not run.another():
            self._run = None
            run.leave()
        elif self._transport is None:
            self._opening = asyncio.create_task(self._reopen(run))
        else:
            self._send(run, self._transport)

    async def _reopen(self, run: _Run) -> None:
        run.outcome.reconnects += 1
        try:
            await self.open()
        except OSError as error:
            self._lost(f"cannot connect: {error}")
            return
        assert self._transport is not None
        self._send(run, self._transport)

    def _send(self, run: _Run, transport: asyncio.Transport) -> None:
        if not self._key or self._key_uses >= run.order.conversation:
            self._key, self._key_uses = run.keys.next(), 0
        body = run.bodies[min(self._key_uses, len(run.bodies) - 1)]
        self._key_uses += 1
        self._first = 0.0
        self.waiting_since = perf_counter()
        transport.write(body.filled(self._key))

    def data_received(self, data: bytes) -> None:
        run, began = self._run, self.waiting_since
        if run is None or began is None:
            self.abort("bytes that nobody had asked for")
            return
        if not self._first:
            self._first = perf_counter()
        try:
            complete = self._reader.feed(data)
        except AnswerError as error:
            self.abort(f"malformed answer: {error}")
            return
        if complete:
            self._answered(run, began)

    def _answered(self, run: _Run, began: float) -> None:
        now = perf_counter()
        reader = self._reader
        status, body, closes = reader.status, reader.body, reader.closes
        try:
            reader.reset()
        except AnswerError as error:
            self.abort(f"malformed answer: {error}")
            return
        fault = run.check.fault(status, body)
        if fault is None:
            run.outcome.latencies.append((now - began) * 1e3)
            run.outcome.first.append((self._first - began) * 1e3)
        else:
            run.fail(fault)
        if closes:
            self.close()
        self._next(run)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return  # given up by this side before
        self._transport = None
        run, began = self._run, self.waiting_since
        if run is not None and began is not None and self._reader.eof():
            self._answered(run, began)
        else:
            self._lost(f"connection closed before the answer's end ({exc or 'clean close'})")

    def _lost(self, reason: str) -> None:
        run = self._run
        if run is not None:
            run.fail(reason)
            self._next(run)


class Generator:
    """Carries orders out, one at a time, over kept connections per port."""

    def __init__(self) -> None:
        self._connections: dict[int, list[_Connection]] = {}
        self._keys = _Keys()

    async def carry_out(self, order: Order) -> Outcome:
        """A connection that breaks fails its request and is opened anew for the next one.

        Raises:
            OSError: the target takes no connections.
        """
        kept = self._connections.setdefault(order.port, [])
        while len(kept) < order.concurrency:
            kept.append(_Connection(order.port))
        used = kept[: order.concurrency]
        for connection in used:
            await connection.open()
        gc.collect()
        gc.disable()
        try:
            run = _Run(order, self._keys)
            for connection in used:
                connection.start(run)
            while not run.finished.is_set():
                try:
                    await asyncio.wait_for(run.finished.wait(), _WATCH_EVERY)
                except TimeoutError:
                    self._watch(used)
        finally:
            gc.enable()
        run.outcome.elapsed = run.ended - run.begun
        return run.outcome

    def close(self) -> None:
        """Close the kept connections."""
        for connections in self._connections.values():
            for connection in connections:
                connection.close()
        self._connections.clear()

    @staticmethod
    def _watch(connections: list[_Connection]) -> None:
        now = perf_counter()
        for connection in connections:
            since = connection.waiting_since
            if since is not None and now - since > ANSWER_LIMIT:
                connection.abort(f"no complete answer within {ANSWER_LIMIT:.0f} s")


async def _serve() -> None:
    generator = Generator()
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = Order(**json.loads(line))
        answer: dict[str, Any]
        try:
            answer = asdict(await generator.carry_out(order))
        except OSError as error:
            answer = asdict(Outcome(failed=1, reasons=[f"cannot connect: {error}"]))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())
