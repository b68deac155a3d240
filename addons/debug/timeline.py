"""A file for each WebSocket: what was asked, how both handshakes went, each frame, and the end.

One addon in two places, since hooks are called in the order of the addons: ``before`` the gateway
a flow holds what has come in (the client's request, the upstream's answer, a frame as its sender
sent it), after it what goes out. Attempts that the client does not see come as marked copies from
:mod:`addons.debug.witness`, through the same hooks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mitmproxy import http
from mitmproxy.websocket import WebSocketMessage

from addons.attempts import ExchangeDriver
from addons.debug import flow_recording
from addons.debug.description import METADATA
from addons.debug.timeline_lines import Lines, Seen
from addons.debug.timeline_writer import SUFFIX, TimelineWriter
from addons.driver import driver_of
from addons.exchange import Exchange
from addons.settings import Settings
from fingerprints.redaction import Redactor

logger = logging.getLogger(__name__)

MAX_OPEN: Final = 4096
"""Connections that are followed at one time; more would be a leak."""

RAW_WARNING: Final = (
    "floway_timeline_raw: timelines in %s hold tokens, cookies and whole messages as they are. "
    "Share none of them, and remove them when you are done"
)


@dataclass(slots=True)
class _Open:
    """A connection that is being followed.

    Attributes:
        name: of its file.
        began: unix seconds.
        told: what was last written of the exchange.
        came: the content of the frame that is on its way through the gateway.
    """

    name: str
    began: float
    told: tuple[str, str] = ("", "")
    came: bytes = b""


class Timeline:
    """Stands behind the gateway; :attr:`before` in front of it.

    Args:
        settings: those in force.
        redactor: makes one for the thread that writes.
    """

    name = "floway-timeline"

    def __init__(self, settings: Callable[[], Settings], redactor: Callable[[], Redactor]) -> None:
        self.before = Before(self)
        self._settings = settings
        self._redactor = redactor
        self._used: tuple[object, ...] = ()
        self._raw = False
        self._writer: TimelineWriter | None = None
        self._open: dict[str, _Open] = {}
        self._complained = False

    def configure(self, _updated: set[str]) -> None:
        settings = self._settings()
        folder, most = settings.timeline, int(settings.timeline_body_bytes)
        used = (folder, settings.timeline_limit_mb, most, settings.timeline_raw)
        if used == self._used:
            return
        self._used = used
        self._close(0.0)  # what is left is written while traffic goes on
        if folder is None:
            return
        self._raw = settings.timeline_raw
        if self._raw:
            logger.warning(RAW_WARNING, folder)
        self._writer = self._made(folder, settings.timeline_limit_mb, most)

    def _made(self, folder: Path, megabytes: int, most: int) -> TimelineWriter:
        raw = self._raw
        return TimelineWriter(
            folder,
            megabytes * 1024 * 1024,
            lambda: Lines(None if raw else self._redactor(), most),
        )

    def done(self) -> None:
        self._close(10.0)

    def _close(self, seconds: float) -> None:
        writer, self._writer = self._writer, None
        self._open.clear()
        if writer is not None and not writer.close(seconds) and seconds:
            logger.warning("timelines: not all could be written in time")

    # --- in front of the gateway ---

    def came(self, flow: http.HTTPFlow) -> None:
        """A client's request, as it came."""
        if self._writer is None or not flow.live or flow.is_replay:
            return
        request = flow.request
        if request.headers.get("upgrade", "").lower() != "websocket":
            return
        if len(self._open) >= MAX_OPEN:
            self._open.pop(next(iter(self._open)))
        began = request.timestamp_start
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(began))
        raw = "raw-" if self._raw else ""
        self._open[flow.id] = _Open(f"{raw}{stamp}-{flow.id[:13]}{SUFFIX}", began)
        facts = {"event": "request", "at": began, "method": request.method}
        if self._raw:
            facts["raw"] = True
        headers = flow_recording.pairs(request.headers)
        self._say(flow, Seen(facts, headers, path=_text(request.data.path)), at=began)

    def answered(self, flow: http.HTTPFlow) -> None:
        """The head of an upstream's answer that goes to the client."""
        exchange, response = _exchange(flow), flow.response
        if flow.id not in self._open or exchange is None or response is None:
            return
        if exchange.committed:
            self._attempt(flow, flow, exchange, len(exchange.attempts))
            self._handshake(flow, response, "upstream")

    def message_came(self, flow: http.HTTPFlow) -> None:
        """A frame, as its sender sent it."""
        found, message = self._open.get(flow.id), _last_message(flow)
        if found is not None and message is not None:
            found.came = message.content

    # --- behind it ---

    def request(self, flow: http.HTTPFlow) -> None:
        self._guard(self._planned, flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._guard(self._given, flow)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        self._guard(self._message, flow)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self._guard(self._closed, flow)

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.websocket is None:
            self._guard(self._refused, flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._guard(self._broken, flow)

    def _planned(self, flow: http.HTTPFlow) -> None:
        found, exchange = self._open.get(flow.id), _exchange(flow)
        if found is None or exchange is None:
            return
        told = (exchange.conversation, exchange.provider.name)
        if told == found.told:
            return
        found.told = told
        facts = {
            "event": "plan",
            "exchange": exchange.id,
            "conversation": exchange.conversation,
            "protocol": exchange.protocol.name,
            "provider": exchange.provider.name,
        }
        self._say(flow, Seen(facts))

    def _attempt(
        self, flow: http.HTTPFlow, sent: http.HTTPFlow, exchange: Exchange, number: int
    ) -> None:
        request, attempt = sent.request, exchange.attempts[number - 1]
        facts = {
            "event": "attempt",
            "attempt": number,
            "account": attempt.account,
            "method": request.method,
            "url": request.url,
        }
        _, headers = flow_recording.as_sent(sent)
        after = max(attempt.started - exchange.started, 0.0)
        self._say(flow, Seen(facts, headers), at=self._open[flow.id].began + after)

    def _handshake(
        self,
        flow: http.HTTPFlow,
        response: http.Response,
        side: str,
        *,
        body: bytes | None = None,
        **more: Any,
    ) -> None:
        facts = {"event": "handshake", "side": side, "status": response.status_code, **more}
        self._say(flow, Seen(facts, flow_recording.pairs(response.headers), body=body))

    def _given(self, flow: http.HTTPFlow) -> None:
        response = flow.response
        if flow.id in self._open and response is not None and response.status_code == 101:
            self._handshake(flow, response, "client")

    def _message(self, flow: http.HTTPFlow) -> None:
        found, message = self._open.get(flow.id), _last_message(flow)
        if found is None or message is None:
            return
        self._planned(flow)  # a first message may say to which conversation it belongs
        sender = "client" if message.from_client else "server"
        facts: dict[str, Any] = {"event": "frame", "from": "floway" if message.injected else sender}
        if message.dropped:
            facts["dropped"] = True
        if not message.is_text:
            facts["binary"] = True
        changed = message.content != found.came and not message.dropped
        passed = message.content if changed else None
        self._say(flow, Seen(facts, body=found.came, passed=passed), at=message.timestamp)
        found.came = b""

    def _closed(self, flow: http.HTTPFlow) -> None:
        if flow.id in self._open and flow.websocket is not None:
            socket = flow.websocket
            facts = {
                "event": "close",
                "code": socket.close_code,
                "reason": socket.close_reason or "",
                "by": "client" if socket.closed_by_client else "server",
            }
            self._say(flow, Seen(facts))
            del self._open[flow.id]

    def _refused(self, flow: http.HTTPFlow) -> None:
        """An answer that is no upgrade: to an attempt, or to the client."""
        original, response = _continued(flow), flow.response
        if original is not None:
            self._not_given(flow, original)
        elif flow.id in self._open and response is not None:
            exchange = _exchange(flow)
            reason = "" if exchange is None else str(exchange.summary.get("error", ""))
            body = response.raw_content or b""
            self._handshake(flow, response, "client", reason=reason, body=body)
            del self._open[flow.id]

    def _broken(self, flow: http.HTTPFlow) -> None:
        original = _continued(flow)
        if original is not None:
            self._not_given(flow, original)
        elif flow.id in self._open:
            said = flow.error.msg if flow.error is not None else ""
            self._say(flow, Seen({"event": "broken", "text": said}))
            del self._open[flow.id]

    def _not_given(self, copy: http.HTTPFlow, described: dict[str, Any]) -> None:
        """An attempt whose answer the client does not see."""
        found = self._open.get(described["continued_in"])
        if found is None:
            return
        number, account = described["attempt"], described["account"]
        attempt = {"attempt": number, "account": account}
        sent = {"event": "attempt", **attempt, "method": copy.request.method}
        _, headers = flow_recording.as_sent(copy)
        self._put(found, Seen({**sent, "url": copy.request.url}, headers), time.time())
        response = copy.response
        facts = {"event": "handshake", "side": "upstream", **attempt}
        facts |= {"reason": described["reason"], "status": described["status"]}
        if response is None:
            said = copy.error.msg if copy.error is not None else ""
            self._put(found, Seen({**facts, "text": said}), time.time())
        else:
            headers, body = flow_recording.pairs(response.headers), response.raw_content or b""
            self._put(found, Seen(facts, headers, body=body), time.time())

    # --- both ---

    def _say(self, flow: http.HTTPFlow, seen: Seen, *, at: float | None = None) -> None:
        found = self._open.get(flow.id)
        if found is not None:
            self._put(found, seen, time.time() if at is None else at)

    def _put(self, found: _Open, seen: Seen, at: float) -> None:
        if self._writer is not None:
            seen.facts = {"t": round(max(at - found.began, 0.0), 4), **seen.facts}
            self._writer.add(found.name, seen)

    def _guard(self, work: Callable[[http.HTTPFlow], None], flow: http.HTTPFlow) -> None:
        """No mistake in here may reach the traffic."""
        if self._writer is None:
            return
        try:
            work(flow)
        except Exception:
            if not self._complained:
                logger.warning("a connection could not be written down", exc_info=True)
            self._complained = True


class Before:
    """Shows a :class:`Timeline` what the gateway has not touched."""

    name = "floway-timeline-before"

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self._timeline._guard(self._timeline.came, flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._timeline._guard(self._timeline.answered, flow)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        self._timeline._guard(self._timeline.message_came, flow)


def _exchange(flow: http.HTTPFlow) -> Exchange | None:
    driver = driver_of(flow)
    return driver.exchange if isinstance(driver, ExchangeDriver) else None


def _continued(flow: http.HTTPFlow) -> dict[str, Any] | None:
    """What was written down of a copy that shows a failed attempt; None for any other flow."""
    described: Any = flow.metadata.get(METADATA)
    return described if isinstance(described, dict) and "continued_in" in described else None


def _last_message(flow: http.HTTPFlow) -> WebSocketMessage | None:
    messages = flow.websocket.messages if flow.websocket is not None else []
    return messages[-1] if messages else None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
