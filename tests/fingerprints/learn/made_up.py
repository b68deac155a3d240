"""A made-up client whose rules are known, and recordings of it.

Over HTTP it sends ``POST /v1/answer`` (kind ``turn``) and ``GET /v1/list``; over WebSocket an
upgrade and messages. What it does is said in :func:`request` and below, and nowhere else.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.serial import ascii_text, dumps
from fingerprints.trace import Coding, Conditions, Exchange, Message, Origin, Payload, Trace

RELEASE = "1.2.3"
HOST = "api.example.com"

VOCABULARY = Vocabulary.model_validate(
    {
        "client": "acme",
        "hosts": [HOST],
        "kinds": [
            {"kind": "upgrade", "upgrade": True, "path": "*/answer"},
            {"kind": "turn", "message": True},
            {"kind": "turn", "method": "POST", "path": "*/answer"},
            {"kind": "models", "method": "GET", "path": "*/list"},
        ],
        "kind_said_at": ["body:meta.kind"],
        "built": ["turn", "upgrade", "summary"],
        "model_said_at": ["body:model"],
        "shapes": [
            {"name": "small", "marks": [{"at": "header:x-small", "is": "1"}]},
            {"name": "full"},
        ],
        "documents": {"turn": "ask"},
        "fields": {
            "x-session": ["session_id", "thread_id"],
            "x-thread": ["thread_id"],
            "cache_key": ["thread_id", "session_id"],
            "session": ["session_id"],
            "turn_id": ["turn_id"],
            "x-agent": ["subagent"],
            "parent": ["parent_thread_id"],
            "mode": ["sandbox_mode"],
            "model": ["model"],
            "content-length": ["content_length"],
            "host": ["authority"],
            "state": ["turn_state"],
            "x-socket-key": ["websocket_key"],
        },
        "templates": {
            "authorization": ["Bearer {access_token}"],
            "window": ["{thread_id}:{window_number}"],
        },
        "environment": ["sandbox_mode"],
        "opaque": ["turn_state"],
        "given": ["turn_state"],
        "conditions": ["subagent"],
        "shared_by_subagents": ["session_id"],
        "content": {"ask.model": {}, "ask.input": {}},
        "never": {"headers": ["x-never", "x-thread"], "members": ["user"]},
    }
)


@dataclass
class Run:
    """One run of the client.

    Attributes:
        dice: everything random of it.
        own_thread: it is a sub-agent, whose thread is not its session.
    """

    dice: random.Random
    sign_in: str = "chatgpt"
    transport: str = "http"
    http: str = "HTTP/2.0"
    small: bool = False
    own_thread: bool = False

    def __post_init__(self) -> None:
        self.session = self.id()
        self.thread = self.id() if self.own_thread else self.session
        self.parent = self.session
        self.count = 0

    def id(self, version: int = 7) -> str:
        """A UUID."""
        number = self.dice.getrandbits(128)
        number = number & ~(0xF << 76) & ~(0x3 << 62) | version << 76 | 2 << 62
        return str(uuid.UUID(int=number))


def meta(run: Run, turn: str, kind: str) -> dict[str, Any]:
    """The JSON text of the client, in this order."""
    return {
        "session": run.session,
        "turn_id": turn,
        "kind": kind,
        **({"parent": run.parent} if run.own_thread else {}),
        "mode": "careful",
        "started": 1_790_000_000_000 + run.dice.randrange(10**9),
        "trace": run.id(4),
    }


def body(run: Run, turn: str, kind: str = "turn") -> dict[str, Any]:
    """The body, in this order; ``labels`` is a hash map."""
    text = ascii_text(meta(run, turn, kind))
    labels = {
        "meta": text,
        "window": f"{run.thread}:{run.count}",
        "build": "stable",
        "again": run.thread,
        "small": "true" if run.small else "false",
    }
    names = list(labels)
    run.dice.shuffle(names)
    return {
        "model": "tiny" if run.small else "large",
        "input": [{"type": "message", "role": "user"}],
        "store": False,
        **({"state": f"s{run.dice.random()}"} if run.count else {}),
        "cache_key": run.thread,
        "limits": {"rounds": 3, "deep": not run.small},
        "meta": text,
        "labels": {name: labels[name] for name in names},
    }


def headers(run: Run, turn: str, data: dict[str, Any], length: int) -> list[tuple[str, str]]:
    """The headers in order; the place of the account depends on the sign-in, and three headers
    stand in any order."""
    token = "⟨jwt:1⟩" if run.sign_in == "chatgpt" else "sk-⟨secret:1⟩"
    some = [("x-a", "1"), ("x-b", "2"), ("x-c", "3")]
    run.dice.shuffle(some)
    out = [("x-version", RELEASE), ("x-product", f"acme/{RELEASE} (cli)")]
    if run.sign_in == "api_key":
        out.append(("x-meta", data["meta"]))
    out += [("x-session", run.session), ("x-thread", run.thread)]
    out += some
    if run.small:
        out.append(("x-small", "1"))
    if run.own_thread:
        out.append(("x-agent", "reviewer"))
    out.append(("authorization", f"Bearer {token}"))
    if run.sign_in == "chatgpt":
        out += [("x-meta", data["meta"]), ("content-encoding", "zstd")]
    if run.http == "HTTP/1.1":
        out.append(("host", HOST))
    out.append(("content-length", str(length)))
    return out


def exchange(run: Run, number: int, turn: str, kind: str = "turn") -> Exchange:
    """A request over HTTP."""
    data = body(run, turn, kind)
    length = len(dumps(data))
    coding = None
    wire = length
    if run.sign_in == "chatgpt":
        wire = length // 2
        coding = Coding(
            name="zstd", length=wire, level=3, content_size=False, checksum=False, window=2**21
        )
    run.count += 1
    return Exchange(
        number=number,
        http_version=run.http,  # type: ignore[arg-type]
        method="POST",
        authority=HOST,
        path="/v1/answer" if run.sign_in == "api_key" else "/api/answer",
        headers=tuple(headers(run, turn, data, wire)),
        body=Payload(form="json", length=length, data=data, coding=coding),
    )


def listing(run: Run, number: int) -> Exchange:
    """A call beside the turns."""
    return Exchange(
        number=number,
        http_version=run.http,  # type: ignore[arg-type]
        method="GET",
        authority=HOST,
        path=f"/api/list?v={RELEASE}",
        headers=(
            ("accept", "*/*"),
            ("x-request", run.id()),
            *((("host", HOST),) if run.http == "HTTP/1.1" else ()),
        ),
    )


def socket(run: Run, number: int, turns: int) -> Exchange:
    """An upgrade and its messages."""
    messages = []
    for _ in range(turns):
        data = {"type": "ask", **body(run, run.id())}
        del data["labels"]
        run.count += 1
        payload = Payload(form="json", length=len(dumps(data)), data=data)
        messages.append(Message(sender="client", at=1.0, payload=payload))
        messages.append(Message(sender="server", at=1.1, payload=payload))
    return Exchange(
        number=number,
        http_version="HTTP/1.1",
        method="GET",
        authority=HOST,
        path="/v1/answer" if run.sign_in == "api_key" else "/api/answer",
        headers=(
            ("Host", HOST),
            ("Upgrade", "websocket"),
            ("X-Socket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("x-session", run.session),
            ("x-thread", run.thread),
            *((("x-agent", "reviewer"),) if run.own_thread else ()),
        ),
        messages=tuple(messages),
    )


def trace(run: Run, number: int, scenario: str = "turn") -> Trace:
    """A recording: a listing, two turns of two requests, or a connection with two messages."""
    first = 2
    exchanges = [listing(run, 1)]
    if run.transport == "websocket":
        exchanges.append(socket(run, 2, 2))
    else:
        for _ in range(2):
            turn = run.id()
            exchanges += [exchange(run, first, turn), exchange(run, first + 1, turn)]
            first += 2
        exchanges.append(exchange(run, first, run.id(), "summary"))
    exchanges.append(
        Exchange(
            number=99,
            method="POST",
            authority="elsewhere.example",
            path="/x",
            headers=(("a", "b"),),
        )
    )
    return Trace(
        client="acme",
        release=RELEASE,
        scenario=scenario,
        conditions=Conditions(
            transport=run.transport,  # type: ignore[arg-type]
            sign_in=run.sign_in,  # type: ignore[arg-type]
            model="tiny" if run.small else "",
            http=run.http,  # type: ignore[arg-type]
        ),
        origin=Origin(tool="made up", on="2026-01-01", run=number),
        exchanges=tuple(exchanges),
    )


def recordings(seed: int = 1, runs: int = 2) -> list[Trace]:
    """Two runs of everything that the client can do."""
    return list(_recordings(seed, runs))


def _recordings(seed: int, runs: int) -> Iterator[Trace]:
    for number in range(1, runs + 1):
        dice = random.Random(f"{seed} {number}")
        for sign_in in ("chatgpt", "api_key"):
            for small in (False, True):
                yield trace(Run(dice, sign_in, small=small), number)
        yield trace(Run(dice, own_thread=True), number, "review")
        yield trace(Run(dice, http="HTTP/1.1"), number)
        yield trace(Run(dice, transport="websocket"), number)
        yield trace(Run(dice, transport="websocket", own_thread=True), number, "review")
