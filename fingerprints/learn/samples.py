"""Traces taken apart: one sample per request and per WebSocket message, and what it is. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fingerprints.errors import TraceError
from fingerprints.learn.vocabulary import KindRule, Vocabulary
from fingerprints.observed import dig
from fingerprints.profile import SignIn, Transport
from fingerprints.trace import Exchange, Headers, Payload, Trace
from fingerprints.trace_file import render


@dataclass(frozen=True, slots=True)
class Sample:
    """One request, upgrade or message of a client.

    Attributes:
        recording: name of its trace.
        number, message: of its exchange; of the message in it, -1 for the request itself.
        kind, transport, shape, sign_in: as in the profile. ``http`` is "" for a message.
        account: the sign-in that was recorded; ``sign_in`` is what the request shows of it.
        method: None for a message.
        path: with its query.
        headers: empty for a message.
        data: the body as data; None when there is none.
        payload: the body; None when there is none.
        surface, scenario, model, git: of the recording; the model of the request, where it says.
    """

    recording: str
    number: int
    message: int
    kind: str
    transport: Transport
    sign_in: SignIn
    http: str
    method: str | None
    authority: str
    path: str
    headers: Headers
    data: Any = field(repr=False, default=None)
    payload: Payload | None = field(repr=False, default=None)
    shape: str = ""
    model: str = ""
    account: SignIn = "chatgpt"
    surface: str = ""
    scenario: str = ""
    git: bool = False

    @property
    def name(self) -> str:
        """``codex@1.2.3/turn-exec#1 request 4 message 2``"""
        suffix = f" message {self.message + 1}" if self.message >= 0 else ""
        return f"{self.recording} request {self.number}{suffix}"

    @property
    def bare_path(self) -> str:
        """Without the query."""
        return self.path.partition("?")[0]

    def trait(self, name: str) -> str:
        """The value of a condition: kind, transport, shape, sign_in, http."""
        return str(getattr(self, name))


@dataclass(frozen=True, slots=True)
class Recordings:
    """Everything that was recorded of one release.

    Attributes:
        client, release: of all traces.
        traces: sorted by name.
        samples: in the order of the traces.
        foreign: requests to hosts that are not learned, by host.
    """

    client: str
    release: str
    traces: tuple[Trace, ...]
    samples: tuple[Sample, ...]
    foreign: dict[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the traces."""
        return tuple(trace.name for trace in self.traces)


def read(traces: Iterable[Trace], vocabulary: Vocabulary) -> Recordings:
    """The samples of one release.

    Raises:
        TraceError: fewer than two traces, of several clients or releases, or two of one name.
    """
    found = sorted(traces, key=lambda trace: (trace.name, render(trace)))
    if len(found) < 2:
        raise TraceError(
            f"{len(found)} recording is not enough to learn from"
            if found
            else "there is nothing to learn from",
            remedy="Two of each scenario tell what is noise; `floway record` makes them",
        )
    for what in ("client", "release"):
        values = sorted({str(getattr(trace, what)) for trace in found})
        if len(values) > 1:
            raise TraceError(
                f"traces of several {what}s: {', '.join(values)}",
                field=what,
                remedy="Learn one release at a time",
            )
    if not found[0].release:
        raise TraceError("the release is not known", field="release", remedy="Say it in the trace")
    for name, count in Counter(trace.name for trace in found).items():
        if count > 1:
            raise TraceError(
                f"{count} traces are called {name}", remedy="Give each a run of its own"
            )
    foreign: Counter[str] = Counter()
    samples: list[Sample] = []
    for trace in found:
        for exchange in trace.upstream():
            host = exchange.authority.partition(":")[0]
            if vocabulary.hosts and host not in vocabulary.hosts:
                foreign[exchange.authority] += 1
                continue
            samples += _of_exchange(trace, exchange, vocabulary)
    if not samples:
        raise TraceError("no request in any of the traces", remedy="Record them again")
    done = _with_sign_ins(_with_shapes(samples, vocabulary))
    return Recordings(
        found[0].client, found[0].release, tuple(found), tuple(done), dict(sorted(foreign.items()))
    )


# --- what a sample is ----------------------------------------------------------------------------


def _of_exchange(trace: Trace, exchange: Exchange, vocabulary: Vocabulary) -> list[Sample]:
    body = exchange.body
    data = body.data if body is not None and body.form == "json" else None
    transport: Transport = "websocket" if exchange.is_upgrade else "http"
    first = Sample(
        recording=trace.name,
        number=exchange.number,
        message=-1,
        kind=_kind(vocabulary, exchange, data),
        transport=transport,
        sign_in=_sign_in(trace, exchange),
        account=_sign_in(trace, exchange),
        http=exchange.http_version,
        method=exchange.method,
        authority=exchange.authority,
        path=exchange.path,
        headers=exchange.headers,
        data=data,
        payload=body,
        surface=trace.conditions.surface,
        scenario=trace.scenario,
        git=trace.conditions.git,
    )
    out = [first]
    for index, message in enumerate(exchange.sent()):
        if message.payload.form != "json":
            continue
        data = message.payload.data
        out.append(
            replace(
                first,
                message=index,
                kind=_message_kind(vocabulary, data),
                http="",
                method=None,
                headers=(),
                data=data,
                payload=message.payload,
            )
        )
    return [
        replace(each, model=_first(vocabulary.model_said_at, each.headers, each.data))
        for each in out
    ]


def _kind(vocabulary: Vocabulary, exchange: Exchange, data: Any) -> str:
    path = exchange.path.partition("?")[0]
    for rule in vocabulary.kinds:
        if (
            not rule.message
            and rule.upgrade == exchange.is_upgrade
            and rule.method in ("", exchange.method)
            and fnmatch.fnmatchcase(path, rule.path)
            and _marked(rule, exchange.headers, data)
        ):
            if exchange.is_upgrade:
                return rule.kind
            return _said(vocabulary, rule.kind, exchange.headers, data)
    parts = path.strip("/").split("/")
    while len(parts) > 1 and parts[0] in vocabulary.prefixes:
        parts.pop(0)
    words = re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_") or "root"
    if exchange.is_upgrade:
        return f"{words}_upgrade"
    return words if exchange.method == "GET" else f"{words}_{exchange.method.lower()}"


def _message_kind(vocabulary: Vocabulary, data: Any) -> str:
    for rule in vocabulary.kinds:
        if rule.message and _marked(rule, (), data):
            if rule.marks:
                return rule.kind
            return _said(vocabulary, rule.kind, (), data)
    said = data.get("type") if isinstance(data, dict) else None
    return re.sub(r"[^a-z0-9]+", "_", str(said or "message").lower()).strip("_")


def _marked(rule: KindRule, headers: Headers, data: Any) -> bool:
    return all(dig(path, headers, data) == value for path, value in rule.marks.items())


def _said(vocabulary: Vocabulary, kind: str, headers: Headers, data: Any) -> str:
    """The kind that a request of one of the client's main kinds says itself."""
    if kind not in vocabulary.built:
        return kind
    said = _first(vocabulary.kind_said_at, headers, data)
    return re.sub(r"[^a-z0-9]+", "_", said.lower()) if said else kind


def _first(places: Sequence[str], headers: Headers, data: Any) -> str:
    for place in places:
        value = dig(place, headers, data)
        if isinstance(value, str) and value:
            return value
    return ""


def _sign_in(trace: Trace, exchange: Exchange) -> SignIn:
    if trace.conditions.sign_in:
        return trace.conditions.sign_in
    token = exchange.header("authorization") or ""
    return "api_key" if token.startswith("Bearer sk-") else "chatgpt"


def _with_sign_ins(samples: Sequence[Sample]) -> list[Sample]:
    """As the checker tells them: where both sign-ins have one path, a request without a token
    counts as one with an API key."""
    paths: dict[tuple[str, str | None, str], set[SignIn]] = {}
    for each in samples:
        paths.setdefault((each.kind, each.method, each.bare_path), set()).add(each.sign_in)
    out = []
    for each in samples:
        tokens = [value for name, value in each.headers if name.lower() == "authorization"]
        both = len(paths[each.kind, each.method, each.bare_path]) > 1
        if both and each.method is not None and not tokens:
            each = replace(each, sign_in="api_key")
        out.append(each)
    return out


# --- shapes --------------------------------------------------------------------------------------


def _with_shapes(samples: Sequence[Sample], vocabulary: Vocabulary) -> list[Sample]:
    """The shape of each: by its marks; an upgrade has that of its messages or its model."""
    names = [rule.name for rule in vocabulary.shapes]
    marked = {
        id(each): next(
            (
                rule.name
                for rule in vocabulary.shapes
                if any(dig(mark.at, each.headers, each.data) == mark.is_ for mark in rule.marks)
            ),
            names[-1],
        )
        for each in samples
    }
    by_model: dict[str, str] = {}
    by_exchange: dict[tuple[str, int], str] = {}
    for each in samples:
        if each.data is not None and each.model:
            by_model.setdefault(each.model, marked[id(each)])
        if each.message >= 0:
            by_exchange.setdefault((each.recording, each.number), marked[id(each)])
    out = []
    for each in samples:
        shape = marked[id(each)]
        if each.data is None:
            shape = by_exchange.get((each.recording, each.number), by_model.get(each.model, shape))
        out.append(replace(each, shape=shape))
    return out
