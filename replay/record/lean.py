"""Traces without what says nothing about a client's requests and would take up most of a file."""

from __future__ import annotations

import hashlib

from fingerprints import serial
from fingerprints.trace import Exchange, Payload, Trace

TELEMETRY = ("/otlp/",)
"""Beginnings of the paths of measurements: hundreds of kilobytes, different in each run."""
NOTE = "the recorder left the body out: telemetry"


def lean(trace: Trace) -> Trace:
    """The trace with the bodies of telemetry replaced by their length; heads and order stay."""
    exchanges = tuple(_lean(exchange) for exchange in trace.exchanges)
    return trace.model_copy(update={"exchanges": exchanges})


def _lean(exchange: Exchange) -> Exchange:
    body = exchange.body
    if body is None or body.form != "json" or not exchange.path.startswith(TELEMETRY):
        return exchange
    digest = hashlib.sha256(serial.dumps(body.data)).hexdigest()[:8]
    text = f"⟨text:{body.length}:{digest}⟩"
    short = Payload(form="text", length=body.length, data=text, coding=body.coding)
    return exchange.model_copy(update={"body": short, "notes": (*exchange.notes, NOTE)})
