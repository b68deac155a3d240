"""Telemetry is left out of traces."""

from __future__ import annotations

from typing import Any

from fingerprints.trace import Coding, Exchange, Origin, Payload, Trace
from replay.record.lean import NOTE, lean


def exchange(number: int, path: str, body: Payload | None, **more: Any) -> Exchange:
    return Exchange(
        number=number,
        method="POST",
        authority="ab.chatgpt.com",
        path=path,
        headers=(("content-length", "9000"),),
        body=body,
        **more,
    )


def test_only_the_bodies_of_telemetry_go() -> None:
    coding = Coding(name="gzip", length=3000)
    metrics = Payload(form="json", length=9000, data={"resource": [1]}, coding=coding)
    other = Payload(form="json", length=17, data={"model": "m"})
    trace = Trace(
        client="codex",
        origin=Origin(tool="test", on="2026-11-21"),
        exchanges=(
            exchange(1, "/otlp/v1/metrics", metrics, notes=("first",)),
            exchange(2, "/backend-api/codex/responses", other),
            exchange(3, "/otlp/v1/metrics", None),
        ),
    )
    short = lean(trace)
    body = short.exchanges[0].body
    assert body is not None
    assert (body.form, body.length, body.coding) == ("text", 9000, coding)
    assert body.data.startswith("⟨text:9000:")
    assert short.exchanges[0].notes == ("first", NOTE)
    assert short.exchanges[0].headers == trace.exchanges[0].headers
    assert short.exchanges[1:] == trace.exchanges[1:]
    assert lean(short) == short
