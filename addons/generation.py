"""An answer that a provider makes: Responses events from an async iterator, to the client's bytes.

For providers whose upstream can't be sent to natively. In ``plan``, :class:`Feed` reads the first
events, so that what fails before any output is another account's turn; :func:`answer` then makes
the plan. From there on the events are rendered as they come, and the provider sees those that it
wants to observe. When the client leaves, the iterator is closed at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from addons.choice import once
from addons.errors import ClientError
from addons.exchange import Exchange, Usage
from addons.front.assembly import Assembly
from addons.front.contract import Json
from addons.front.sse import KEEP_ALIVE
from addons.providers.contract import Generated, HeaderList, Outcome
from addons.relay import FAILED, TERMINAL, UNFINISHED, Onlooker
from fingerprints.serial import dumps

logger = logging.getLogger(__name__)

PREAMBLE: Final = frozenset({"response.created", "response.queued", "response.in_progress"})
"""Events that show nothing to a person: the answer may still become another account's."""

KEEP_ALIVE_SECONDS: Final = 15.0
"""Longest silence in a stream; then a comment tells the client that the answer still comes."""

AHEAD: Final = 256
"""Events that may be ready before the client takes them."""


class Feed:
    """Reads an iterator of events in a task of its own, a bounded number ahead.

    The iterator is closed when it ends, when it fails and by :meth:`aclose`.
    """

    def __init__(self, source: AsyncIterator[Json]) -> None:
        self._source = source
        self._queue: asyncio.Queue[Json | None] = asyncio.Queue(AHEAD)
        self._begun: deque[Json] = deque()
        self._error: Exception | None = None
        self._over = False
        self._task = asyncio.create_task(self._read(), name="floway: events of an answer")

    async def opened(self, seconds: float) -> None:
        """Wait for the first event with output, the end, or until time is up.

        Raises:
            Exception: what the iterator raised before any output. It is closed then.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._over:
                    event = await self._queue.get()
                    if event is None:
                        self._over = True
                        if self._error is not None:
                            raise self._error
                        return
                    self._begun.append(event)
                    if event.get("type") not in PREAMBLE:
                        return

    async def next(self, seconds: float) -> Json | None:
        """The next event; None when none has come for so long.

        Raises:
            StopAsyncIteration: it was the last.
            Exception: what the iterator raised.
        """
        if self._begun:
            return self._begun.popleft()
        if self._over:
            event = None
        elif not self._queue.empty():
            event = self._queue.get_nowait()
        else:
            try:
                async with asyncio.timeout(seconds):
                    event = await self._queue.get()
            except TimeoutError:
                return None
        if event is not None:
            return event
        self._over = True
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the iterator. It has ended when this returns."""
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._close()  # the task may have been cancelled before its first step

    async def _read(self) -> None:
        try:
            async for event in self._source:
                await self._queue.put(event)
        except Exception as error:  # noqa: BLE001 - raised to whoever reads
            self._error = error
        finally:
            await self._close()
        await self._queue.put(None)

    async def _close(self) -> None:
        close = getattr(self._source, "aclose", None)
        if close is None:
            return
        try:
            await close()
        except Exception:
            logger.exception("the source of an answer could not be closed")


async def answer(
    exchange: Exchange, feed: Feed, account: str, headers: HeaderList | None = None
) -> Generated:
    """The plan that gives the feed's events to the client, in its protocol.

    A caller that wants a stream is given one; for any other the answer is put together before this
    returns.

    Raises:
        ClientError: the whole answer has failed, or broke off.
    """
    assert exchange.turn is not None
    assert exchange.renderer is not None
    exchange.given = None
    if exchange.turn.stream:
        kind = exchange.renderer.content_type
        body: AsyncIterator[bytes] = _Stream(exchange, feed)
    else:
        kind = "application/json"
        body = once(await _whole(exchange, feed))
    sent = [(b"content-type", kind.encode()), (b"cache-control", b"no-cache"), *(headers or ())]
    return Generated(200, sent, body, account)


class _Stream:
    """The chunks of a streamed answer. Closing it closes the feed, also before the first chunk."""

    def __init__(self, exchange: Exchange, feed: Feed) -> None:
        self._feed = feed
        self._chunks = _chunks(exchange, feed)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        await self._chunks.aclose()
        await self._feed.aclose()


async def _chunks(exchange: Exchange, feed: Feed) -> AsyncGenerator[bytes]:
    renderer, onlooker = exchange.renderer, Onlooker(exchange)
    assert renderer is not None
    try:
        while exchange.given is None:
            event = await feed.next(KEEP_ALIVE_SECONDS)
            if event is None:
                yield KEEP_ALIVE
                continue
            _note(exchange, onlooker, event)
            if data := renderer.event(event):
                yield data
        yield renderer.finish()
    except StopAsyncIteration:
        exchange.given = Outcome.TRUNCATED
        yield renderer.failed(_unfinished())
    except ClientError as error:
        exchange.given = Outcome.TRUNCATED
        yield renderer.failed(error)
    except Exception:
        logger.exception("exchange %s: an answer broke off", exchange.id)
        exchange.given = Outcome.TRUNCATED
        yield renderer.failed(_broken(exchange))
    finally:
        await feed.aclose()


async def _whole(exchange: Exchange, feed: Feed) -> bytes:
    """
    Raises:
        ClientError: there is no whole answer.
    """
    renderer, onlooker, assembly = exchange.renderer, Onlooker(exchange), Assembly()
    assert renderer is not None
    try:
        while exchange.given is None:
            event = await feed.next(KEEP_ALIVE_SECONDS)
            if event is not None:
                _note(exchange, onlooker, event)
                assembly.feed(event)
        return dumps(renderer.whole(assembly.response()))
    except StopAsyncIteration:
        exchange.given = Outcome.TRUNCATED
        raise _unfinished() from None
    except ClientError:
        exchange.given = exchange.given if exchange.given is Outcome.FAILED else Outcome.TRUNCATED
        raise
    except Exception as error:
        logger.exception("exchange %s: an answer broke off", exchange.id)
        exchange.given = Outcome.TRUNCATED
        raise _broken(exchange) from error
    finally:
        await feed.aclose()


def _note(exchange: Exchange, onlooker: Onlooker, event: Json) -> None:
    """Let the provider look, and see whether the answer is over."""
    kind = event.get("type")
    if kind in onlooker.wanted:
        onlooker.looks(event)
    if kind not in TERMINAL:
        return
    exchange.given = Outcome.FAILED if kind in FAILED else Outcome.COMPLETED
    response = event.get("response")
    usage = Usage.of_response(response) if isinstance(response, dict) else None
    if usage is not None:
        exchange.usage = usage
        exchange.summary["usage"] = usage.summary()


def _unfinished() -> ClientError:
    return ClientError(502, "upstream_truncated", UNFINISHED)


def _broken(exchange: Exchange) -> ClientError:
    return ClientError(
        502,
        "generation_failed",
        f"floway could not make this answer. The proxy's log says why (exchange {exchange.id}).",
    )
