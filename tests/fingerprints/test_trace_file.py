"""A trace reads back as it was written, and says what is wrong when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.errors import TraceError
from fingerprints.trace import Answer, Coding, Exchange, Message, Origin, Payload, Trace
from fingerprints.trace_file import find, parse, read, render, write

texts = st.text(st.characters(exclude_categories=[]), max_size=20)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e9, 1e9) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
payloads = st.builds(
    Payload,
    form=st.sampled_from(["json", "text", "binary"]),
    length=st.integers(0, 10**9),
    data=values,
    spelling=st.lists(words, max_size=2).map(tuple),
    coding=st.none()
    | st.builds(Coding, name=st.just("zstd"), length=st.integers(0, 99), level=st.just(3)),
)
headers = st.lists(st.tuples(words, words), max_size=4).map(tuple)
messages = st.lists(
    st.builds(
        Message,
        sender=st.sampled_from(["client", "server"]),
        at=st.floats(0, 1e6),
        payload=payloads,
    ),
    max_size=3,
).map(tuple)
exchanges = st.builds(
    Exchange,
    number=st.integers(1, 99),
    method=st.sampled_from(["GET", "POST"]),
    authority=st.just("example.test"),
    path=words,
    headers=headers,
    body=st.none() | payloads,
    messages=messages,
    answer=st.none()
    | st.builds(Answer, status=st.integers(100, 599), headers=headers, events=messages),
)
traces = st.builds(
    Trace,
    client=st.just("codex"),
    release=st.just("1.2.3"),
    scenario=st.sampled_from(["turn", ""]),
    origin=st.just(Origin(tool="test", on="2026-11-21")),
    exchanges=st.lists(exchanges, max_size=3).map(tuple),
)


@given(traces)
def test_what_was_written_is_read(trace: Trace) -> None:
    text = render(trace)
    again = parse(text.encode())
    assert again == trace
    # Equality of dicts says nothing of their order.
    assert render(again) == text


def test_headers_and_messages_take_a_line_each() -> None:
    payload = Payload(form="json", length=9, data={"type": "a", "list": [{"b": 1}]})
    message = Message(sender="client", at=0.5, payload=payload)
    exchange = Exchange(
        number=1,
        method="GET",
        authority="a.test",
        path="/",
        headers=(("Host", "a.test"), ("accept", "*/*")),
        messages=(message, message),
    )
    lines = render(
        Trace(client="c", origin=Origin(tool="t", on="2026-11-21"), exchanges=(exchange,))
    ).splitlines()
    assert '    ["Host", "a.test"],' in lines
    assert '    ["accept", "*/*"]' in lines
    assert sum('"sender": "client"' in line for line in lines) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a trace of format 1"),
        (b'{"format": 2}', "it says 2"),
        (
            b'{"format":1,"client":"codex","origin":{"tool":"t","on":"d"},"exchanges":[{}]}',
            "number",
        ),
        (b'{"format":1,"client":"codex","origin":{"tool":"t","on":"d"},"more":1}', "more"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_place(text: bytes, said: str) -> None:
    with pytest.raises(TraceError, match=said) as caught:
        parse(text, Path("x.trace.json"))
    assert "x.trace.json" in str(caught.value)


def test_a_trace_is_written_where_it_belongs_and_found(tmp_path: Path) -> None:
    trace = Trace(
        client="codex",
        release="1.2.3",
        scenario="turn",
        origin=Origin(tool="t", on="2026-11-21", run=2),
    )
    file = write(trace, tmp_path)
    assert file == tmp_path / "codex" / "1.2.3" / "turn-http-2.trace.json"
    assert find([tmp_path]) == [file]
    assert read(file) == trace
    with pytest.raises(TraceError, match="does not exist"):
        find([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(TraceError, match="no file"):
        find([tmp_path / "empty"])
