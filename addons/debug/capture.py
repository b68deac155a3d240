"""Traces of what goes through mitmproxy.

**As a plain recorder**, without floway, one trace for the whole run::

    mitmdump -s addons/debug/capture_script.py \\
        --set connection_strategy=lazy \\
        --set floway_capture=FOLDER --set floway_capture_trace=META

``META`` is JSON, or the path of a file that holds it::

    {"client": "opencode", "release": "1.18.33", "scenario": "turn",
     "conditions": {"transport": "http", "sign_in": "api_key", "surface": "exec", "git": true},
     "origin": {"tool": "floway record 0.1.0", "run": 1}}

Members are those of :class:`fingerprints.trace.Trace`; ``origin.on`` and ``origin.system`` are
filled in, ``conditions`` and ``origin`` may be left out. The trace is in
``FOLDER/CLIENT/RELEASE/`` (:func:`fingerprints.trace_file.write`), is written again after every
exchange, and is complete once mitmdump has ended (SIGINT or SIGTERM; what is still open then is
in it as ``cut``). All exchanges have ``side=""``. A stream of events is passed on as it comes.
``mitmdump -n -r FILE`` with the same options makes a trace of a flow file.

**Without** ``floway_capture_trace``, live: a trace for each client connection, scenario
``live-DAY-TIME-ID``, client and release from the user agent, bounded by
``floway_capture_limit_mb``: the oldest are removed.

``floway_capture_match`` is a mitmproxy filter (``~d example.com & ~m POST``); what does not match
is not kept.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitmproxy import connection, ctx, exceptions, flowfilter, http
from mitmproxy.addonmanager import Loader
from pydantic import ValidationError

from addons.debug import flow_recording
from addons.debug.trace_writer import LIVE, Sink, TraceWriter
from fingerprints.capture import Capture, Recording, named_by
from fingerprints.trace import Conditions, Origin, Trace

logger = logging.getLogger(__name__)

TOOL = "floway capture"
EVENT_STREAM = "text/event-stream"

LIVE_EXCHANGES = 64
"""Exchanges of one live trace; a longer connection goes on in another one."""

LIVE_BYTES = 8 * 1024 * 1024
"""Bytes of bodies of one live trace, likewise."""


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """What is captured, and where to.

    Attributes:
        folder: None for no capture.
        match: mitmproxy filter; "" for everything.
        limit_mb: MiB of live traces.
        trace: description of the one trace; "" for live traces.
    """

    folder: Path | None
    match: str = ""
    limit_mb: int = 256
    trace: str = ""


@dataclass(slots=True)
class _Open:
    """A request that is not over."""

    flow: http.HTTPFlow
    recording: Recording
    sent: flow_recording.Tap | None = None
    received: flow_recording.Tap | None = None


class TraceCapture:
    """Writes traces; leaves the traffic as it is."""

    name = "floway-capture"

    def __init__(self) -> None:
        self._settings = CaptureSettings(None)
        self._writer: TraceWriter | None = None
        self._filter: flowfilter.TFilter | None = None
        self._run: Sink | None = None
        self._live: dict[str, Sink] = {}
        self._open: dict[str, _Open] = {}
        self._complained = False

    # --- mitmproxy events ---

    def load(self, loader: Loader) -> None:
        for name, kind, default, text in OPTIONS:
            if name not in ctx.options:
                loader.add_option(name, kind, default, text)

    def configure(self, updated: set[str]) -> None:
        if any(name in updated for name, *_ in OPTIONS):
            self.use(self.settings())

    def settings(self) -> CaptureSettings:
        """What the options say."""
        options = ctx.options
        folder = Path(options.floway_capture).expanduser() if options.floway_capture else None
        return CaptureSettings(
            folder,
            options.floway_capture_match,
            options.floway_capture_limit_mb,
            options.floway_capture_trace,
        )

    def use(self, settings: CaptureSettings) -> None:
        """Begin, end or change what is captured.

        Raises:
            OptionsError: a setting is wrong; nothing has changed then.
        """
        if settings == self._settings:
            return
        try:
            match = flowfilter.parse(settings.match) if settings.match else None
        except ValueError as error:
            raise exceptions.OptionsError(f"floway_capture_match: {error}") from error
        run = Sink(_described(settings.trace), live=False) if settings.trace else None
        before, self._settings, self._filter = self._settings, settings, match
        limit = settings.limit_mb * 1024 * 1024
        if self._writer and (before.folder, before.trace) == (settings.folder, settings.trace):
            self._writer.limit = limit
            return
        self._close(0.0)  # what is left is written while traffic goes on
        self._run = run
        if settings.folder is not None:
            self._writer = TraceWriter(settings.folder, limit)

    def done(self) -> None:
        self._close()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if self._writer is not None:
            self._guard(self._begin, flow)

    def request(self, flow: http.HTTPFlow) -> None:
        self._guard(self._body, flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._guard(self._tap, flow)

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.websocket is None:
            self._guard(self._end, flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._guard(self._end, flow)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        self._guard(self._message, flow)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self._guard(self._end, flow)

    def client_disconnected(self, client: connection.Client) -> None:
        sink = self._live.pop(client.id, None)
        if sink is not None and self._writer is not None:
            self._writer.add(sink, last=True)

    # --- what they do ---

    def _begin(self, flow: http.HTTPFlow) -> None:
        found = _Open(flow, flow_recording.of_request(flow))
        if flow.live and flow.request.stream:  # by another addon: the body goes by
            found.sent = flow.request.stream = flow_recording.Tap(flow.request.stream)
        self._open[flow.id] = found

    def _body(self, flow: http.HTTPFlow) -> None:
        found = self._open.get(flow.id)
        if found is None:
            return
        found.recording.body = flow.request.raw_content
        if found.sent is not None:
            found.recording.body = b"".join(data for _, data in found.sent.taken)

    def _tap(self, flow: http.HTTPFlow) -> None:
        found, response = self._open.get(flow.id), flow.response
        if found is None or response is None or not flow.live:
            return
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == EVENT_STREAM or response.stream:
            found.received = response.stream = flow_recording.Tap(response.stream)

    def _message(self, flow: http.HTTPFlow) -> None:
        found = self._open.get(flow.id)
        if found is not None and flow.websocket is not None and flow.websocket.messages:
            message = flow.websocket.messages[-1]
            found.recording.say(flow_recording.of_message(message))

    def _end(self, flow: http.HTTPFlow) -> None:
        found = self._open.pop(flow.id, None)
        if found is not None and self.matches(flow):
            self.keep(flow, _finished(found))

    def matches(self, flow: http.HTTPFlow) -> bool:
        """Whether the flow, as it is now, is one of those that are kept."""
        return self._filter is None or bool(self._filter(flow))

    def keep(self, flow: http.HTTPFlow, *recordings: Recording) -> None:
        """What a flow came to; the client's own recording first."""
        if self._writer is not None:
            self._writer.add(self._sink(flow.client_conn.id, recordings[0]), *recordings)

    def _sink(self, connection: str, recording: Recording) -> Sink:
        if self._run is not None:
            return self._run
        sink = self._live.get(connection)
        if sink is None or len(sink.capture) >= LIVE_EXCHANGES or sink.size >= LIVE_BYTES:
            sink = self._live[connection] = Sink(_live_capture(recording), live=True)
        return sink

    def _close(self, seconds: float = 20.0) -> None:
        """End the capture; wait so long for what is still to be written."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        for flow, recordings in self._unfinished():
            writer.add(self._sink(flow.client_conn.id, recordings[0]), *recordings)
        self._open.clear()
        self._live.clear()
        if self._run is not None:
            writer.add(self._run, last=True)
        if not writer.close(seconds) and seconds:
            logger.warning("traces: not all could be written in time")

    def _unfinished(self) -> Iterator[tuple[http.HTTPFlow, list[Recording]]]:
        """What is still open when the capture ends."""
        for found in self._open.values():
            if self.matches(found.flow):
                yield found.flow, [_finished(found, cut=True)]

    def _guard(self, work: Callable[[http.HTTPFlow], None], flow: http.HTTPFlow) -> None:
        """No mistake in here may reach the traffic."""
        try:
            work(flow)
        except Exception:
            if not self._complained:
                logger.warning("a request could not be recorded", exc_info=True)
            self._complained = True


OPTIONS: tuple[tuple[str, type, Any, str], ...] = (
    ("floway_capture", str, "", "Folder for traces of what goes through; empty for none."),
    ("floway_capture_match", str, "", "mitmproxy filter: traces are kept of what matches."),
    ("floway_capture_limit_mb", int, 256, "MiB that live traces may take up; the oldest go."),
    ("floway_capture_trace", str, "", "JSON, or a file of it, that describes the one trace."),
)


def _finished(found: _Open, *, cut: bool = False) -> Recording:
    """The recording of a flow that is over, or ``cut`` while it was not."""
    flow, recording = found.flow, found.recording
    response = flow.response
    if response is None:
        if flow.error is not None:
            recording.notes.append(f"no answer: {flow.error.msg}")
        return recording
    chunks = None if found.received is None else found.received.given
    answer = recording.answer = flow_recording.of_response(response, chunks)
    if any(tap is not None and tap.full for tap in (found.sent, found.received)):
        recording.notes.append("a body was too large to be kept whole")
    if flow.websocket is not None and not cut:
        flow_recording.closed(answer, flow.websocket)
    elif flow.error is not None or cut:
        answer.ended = "cut"
        if flow.error is not None:
            recording.notes.append(f"broke off: {flow.error.msg}")
    return recording


def _described(meta: str) -> Capture:
    """An empty capture from what the option says.

    Raises:
        OptionsError: not readable, not JSON, or a member that is wrong.
    """
    try:
        text = meta if meta.lstrip().startswith("{") else Path(meta).read_text(encoding="utf-8")
        data = json.loads(text)
        origin = {"tool": TOOL, **_here(), **data.get("origin", {})}
        trace = Trace.model_validate({**data, "origin": origin})
    except (OSError, ValueError, AttributeError, TypeError) as error:
        problem = str(error)
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False)[0]
            problem = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise exceptions.OptionsError(
            f"floway_capture_trace: {problem}. It is a JSON object with client, release, scenario, "
            "conditions and origin, as in fingerprints/trace.py, or the path of such a file"
        ) from error
    return Capture(
        client=trace.client,
        release=trace.release,
        scenario=trace.scenario,
        conditions=trace.conditions,
        origin=trace.origin,
    )


def _live_capture(first: Recording) -> Capture:
    """An empty capture for the connection on which this request came."""
    client, release = named_by(first.header("user-agent"))
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(first.at))
    return Capture(
        client=client,
        release=release,
        scenario=f"{LIVE}{stamp}-{first.id[:8]}",
        conditions=Conditions(transport="websocket" if first.header("upgrade") else "http"),
        origin=Origin.model_validate({"tool": TOOL, **_here()}),
    )


def _here() -> dict[str, str]:
    return {
        "on": time.strftime("%Y-%m-%d", time.gmtime()),
        "system": f"{platform.system()} {platform.machine()}".lower(),
    }
