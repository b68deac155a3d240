"""Traces of what goes through mitmproxy.

**As a plain recorder**, without floway, one trace for the whole run::

    mitmdump -s addons/debug/capture_script.py \\
        --set connection_strategy=lazy \\
        --set floway_capture=FOLDER --set floway_capture_trace=META

``META`` is JSON, or the path of a file that holds it::

    {"client": "codex", "release": "0.169.0", "scenario": "turn",
     "conditions": {"transport": "http", "sign_in": "chatgpt", "surface": "exec", "git": true},
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
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitmproxy import connection, ctx, exceptions, flowfilter, http
from mitmproxy.addonmanager import Loader
from pydantic import ValidationError

from addons.debug import flow_recording
from addons.debug.trace_writer import LIVE, Sink, TraceWriter
from fingerprints.capture import Capture, Recording
from fingerprints.trace import Origin, Trace

logger = logging.getLogger(__name__)

TOOL = "floway capture"
EVENT_STREAM = "text/event-stream"

LIVE_EXCHANGES = 64
"""Exchanges of one live trace; a longer connection goes on in another one."""

LIVE_BYTES = 8 * 1024 * 1024
"""Bytes of bodies of one live trace, likewise."""


@dataclass(slots=True)
class _Open:
    """A request that is not over."""

    flow: http.HTTPFlow
    recording: Recording
    chunks: list[tuple[float, bytes]] | None = None


class TraceCapture:
    """Writes traces; leaves the traffic as it is."""

    name = "floway-capture"

    def __init__(self) -> None:
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
        if not any(name in updated for name, *_ in OPTIONS):
            return
        folder = ctx.options.floway_capture
        match = ctx.options.floway_capture_match
        try:
            self._filter = flowfilter.parse(match) if match else None
        except ValueError as error:
            raise exceptions.OptionsError(f"floway_capture_match: {error}") from error
        meta = ctx.options.floway_capture_trace
        run = None if not folder or not meta else Sink(_described(meta), live=False)
        limit = ctx.options.floway_capture_limit_mb * 1024 * 1024
        if self._writer is not None and str(self._writer.folder) == folder and run is None:
            self._writer.limit = limit
            return
        self._close()
        self._run = run
        if folder:
            self._writer = TraceWriter(Path(folder).expanduser(), limit)

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
        self._open[flow.id] = _Open(flow, flow_recording.of_request(flow))

    def _body(self, flow: http.HTTPFlow) -> None:
        found = self._open.get(flow.id)
        if found is not None:
            found.recording.body = flow.request.raw_content
            if flow.request.raw_content is None:
                found.recording.notes.append("the body was streamed and not kept")

    def _tap(self, flow: http.HTTPFlow) -> None:
        found, response = self._open.get(flow.id), flow.response
        if found is None or response is None or not flow.live:
            return
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != EVENT_STREAM and not response.stream:
            return
        chunks = found.chunks = []
        before = response.stream

        def tap(data: bytes) -> Any:
            # Raising in here would leave the client hanging; none of this can.
            if data:
                chunks.append((time.time(), data))
            return before(data) if callable(before) else data

        response.stream = tap

    def _message(self, flow: http.HTTPFlow) -> None:
        found = self._open.get(flow.id)
        if found is not None and flow.websocket is not None and flow.websocket.messages:
            message = flow.websocket.messages[-1]
            found.recording.messages.append(flow_recording.of_message(message))

    def _end(self, flow: http.HTTPFlow) -> None:
        found = self._open.pop(flow.id, None)
        writer = self._writer
        if found is None or writer is None:
            return
        if self._filter is not None and not self._filter(flow):
            return
        writer.add(self._sink(flow), _finished(found))

    def _sink(self, flow: http.HTTPFlow) -> Sink:
        if self._run is not None:
            return self._run
        key = flow.client_conn.id
        sink = self._live.get(key)
        full = sink is not None and (len(sink.capture) >= LIVE_EXCHANGES or sink.size >= LIVE_BYTES)
        if sink is None or full:
            sink = self._live[key] = Sink(_live_capture(flow), live=True)
        return sink

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        for found in self._open.values():
            if self._filter is None or self._filter(found.flow):
                recording = _finished(found, cut=True)
                writer.add(self._run or self._sink(found.flow), recording)
        self._open.clear()
        self._live.clear()
        if self._run is not None:
            writer.add(self._run, last=True)
        if not writer.close():
            logger.warning("traces: not all could be written in time")

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
    answer = recording.answer = flow_recording.of_response(response, found.chunks)
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


def _live_capture(flow: http.HTTPFlow) -> Capture:
    product = re.match(r"([A-Za-z][A-Za-z0-9_.-]*)(?:/v?([0-9][A-Za-z0-9_.+-]*))?", _agent(flow))
    client = re.sub(r"[^a-z0-9]+", "-", product[1].lower()).strip("-") if product else ""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(flow.request.timestamp_start))
    return Capture(
        client=client or "unknown",
        release=(product[2] or "") if product else "",
        scenario=f"{LIVE}{stamp}-{flow.id[:8]}",
        origin=Origin.model_validate({"tool": TOOL, **_here()}),
    )


def _agent(flow: http.HTTPFlow) -> str:
    agent: str = flow.request.headers.get("user-agent", "")
    return agent


def _here() -> dict[str, str]:
    return {
        "on": time.strftime("%Y-%m-%d", time.gmtime()),
        "system": f"{platform.system()} {platform.machine()}".lower(),
    }
