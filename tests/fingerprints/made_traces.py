"""Traces of a made-up client whose rules are known, and of recorded cases.

A run of the made-up client: a list of models, a turn over HTTP, a WebSocket with a prewarm and two
turns, and an analytics call. ``run`` numbers the runs: ids, times and random orders depend on it.
"""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

from fingerprints.serial import dumps
from fingerprints.trace import Coding, Exchange, Message, Origin, Payload, Trace


def payload(data: Any, **changes: Any) -> Payload:
    return Payload(**{"form": "json", "length": len(dumps(data)), "data": data, **changes})


class Run:
    """One run of the made-up client."""

    def __init__(self, run: int) -> None:
        self.run = run
        self._random = random.Random(run)
        self.session = self.uuid(7)
        self.installation = "0989b042-c627-4865-9353-ab35179193c6"
        self.started = 1_795_235_000_000 + run * 1000

    def uuid(self, version: int) -> str:
        text = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        return f"{text[:14]}{version}{text[15:]}"

    def metadata(self, kind: str, turn: str) -> str:
        data = {"session_id": self.session, "turn_id": turn, "request_kind": kind}
        return json.dumps({**data, "started_ms": self.started}, separators=(",", ":"))

    def body(self, kind: str, turn: str) -> dict[str, Any]:
        extra = {
            "x-session": self.session,
            "x-installation": self.installation,
            "x-turn-metadata": self.metadata(kind, turn),
            "window": f"{self.session}:0",
        }
        names = list(extra)
        self._random.shuffle(names)
        item = {"type": "message", "role": "user", "content": f"⟨text:900:{self.run:08x}⟩"}
        return {
            "model": "gpt-5.5",
            "input": [item],
            "stream": True,
            "store": False,
            "metadata": {name: extra[name] for name in names},
            "cache_key": self.session,
        }

    def turn(self, number: int) -> Exchange:
        turn = self.uuid(7)
        body = self.body("turn", turn)
        length = 4000 + self.run
        coding = Coding(
            name="zstd",
            length=length,
            level=3,
            content_size=False,
            checksum=False,
            window=2**21,
        )
        headers = (
            ("version", "1.0.0"),
            ("x-turn-metadata", self.metadata("turn", turn)),
            ("session-id", self.session),
            ("accept", "text/event-stream"),
            ("authorization", "Bearer ⟨jwt:1⟩"),
            ("content-encoding", "zstd"),
            ("content-length", str(length)),
        )
        return Exchange(
            number=number,
            method="POST",
            http_version="HTTP/2.0",
            authority="made.example",
            path="/v1/responses",
            headers=headers,
            body=payload(body, coding=coding, length=9000),
        )

    def socket(self, number: int) -> Exchange:
        messages = []
        for kind in ("prewarm", "turn", "turn"):
            turn = "" if kind == "prewarm" else self.uuid(7)
            data = {"type": "response.create", **self.body(kind, turn)}
            messages.append(Message(sender="client", at=0.1, payload=payload(data)))
        headers = (
            ("Host", "made.example"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "kJKYjFSFJAcFy82rHKATUg=="),
            ("session-id", self.session),
        )
        return Exchange(
            number=number,
            method="GET",
            authority="made.example",
            path="/v1/responses",
            headers=headers,
            messages=tuple(messages),
        )

    def simple(self, number: int, path: str) -> Exchange:
        return Exchange(
            number=number,
            method="GET",
            authority="made.example",
            path=path,
            headers=(("version", "1.0.0"), ("session-id", self.session)),
        )

    def trace(self, *more: Exchange) -> Trace:
        exchanges = [
            self.simple(1, "/v1/models?client_version=1.0.0"),
            self.turn(2),
            self.socket(3),
            self.simple(4, "/v1/analytics"),
        ]
        return made([*exchanges, *more], run=self.run)


def made(exchanges: list[Exchange], *, run: int = 1) -> Trace:
    """A trace of these exchanges, numbered anew."""
    numbered = [
        each.model_copy(update={"number": number}) for number, each in enumerate(exchanges, 1)
    ]
    return Trace(
        client="made",
        release="1.0.0",
        scenario="turn",
        origin=Origin(tool="test", on="2026-11-21", run=run),
        exchanges=tuple(numbered),
    )


def changed(trace: Trace, number: int, **changes: Any) -> Trace:
    """The trace with other fields in one exchange."""
    exchanges = tuple(
        each.model_copy(update=changes) if each.number == number else each
        for each in trace.exchanges
    )
    return trace.model_copy(update={"exchanges": exchanges})


def with_body(trace: Trace, number: int, data: Any, **facts: Any) -> Trace:
    """The trace with another body in one exchange."""
    body = trace.exchanges[number - 1].body
    assert body is not None
    return changed(trace, number, body=body.model_copy(update={"data": data, **facts}))


def with_headers(trace: Trace, number: int, headers: list[tuple[str, str]]) -> Trace:
    return changed(trace, number, headers=tuple(headers))


def with_messages(trace: Trace, number: int, data: list[Any]) -> Trace:
    messages = tuple(Message(sender="client", at=0.1, payload=payload(each)) for each in data)
    return changed(trace, number, messages=messages)
