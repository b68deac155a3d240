"""Server-sent events: the parser against a direct reading of the standard, for every split."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from addons.front.sse import (
    DONE,
    KEEP_ALIVE,
    EventStream,
    EventTooLarge,
    ServerEvent,
    Sieve,
    encode,
    event_type,
)


def parse(*chunks: bytes, max_event: int | None = None) -> list[ServerEvent]:
    stream = EventStream() if max_event is None else EventStream(max_event)
    events = [event for chunk in chunks for event in stream.feed(chunk)]
    return events + stream.close()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def oracle(data: bytes) -> list[tuple[str, bytes]]:
    """Events by the letter of the WHATWG algorithm, line by line; the last one needs no blank."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    events: list[tuple[str, bytes]] = []
    name, values = "", []
    for line in [*lines, b""]:
        if not line:
            if values:
                events.append((name, b"\n".join(values)))
            name, values = "", []
        elif line.startswith(b":"):
            continue
        else:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                values.append(value)
            elif field == b"event":
                name = value.decode("utf-8", "replace")
    return events


FRAGMENTS = st.sampled_from(
    [
        *(
            b"\n",
            b"\r",
            b"\r\n",
            b"data",
            b"data: ",
            b":",
            b" ",
            b"event: a",
            b"id: 1",
            b"x",
            b"{}",
        ),
        *(b"event: response.x\ndata: {}\n\n", b"\xc3\xa9", b"\xef\xbb\xbf", b"data: [DONE]\n\n"),
    ]
)
STREAMS = st.lists(FRAGMENTS, max_size=24).map(b"".join)


@settings(max_examples=250)
@given(STREAMS, st.lists(st.integers(0, 400), max_size=8))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [10])
@example(b"data: a\n\r\ndata: b", [8, 9])
@example(b"data: a\r\r\ndata: b\r\r", [9])
def test_any_split_gives_the_same_events_and_loses_no_byte(data: bytes, places: list[int]) -> None:
    whole = parse(data)
    split = parse(*cut(data, places))
    assert split == whole
    assert b"".join(event.raw for event in whole) == data


@settings(max_examples=250)
@given(STREAMS)
def test_events_are_those_of_the_standard(data: bytes) -> None:
    seen = [(event.event, event.data) for event in parse(data) if event.data]
    assert seen == [(name, value) for name, value in oracle(data) if value]


def test_byte_by_byte() -> None:
    data = b'\xef\xbb\xbf: hi\r\n\r\nevent: a\r\ndata: {"x":1}\r\ndata:  two\r\n\r\ndata: end'
    events = parse(*(data[i : i + 1] for i in range(len(data))))
    assert [(event.event, event.data) for event in events] == [
        ("", b""),
        ("a", b'{"x":1}\n two'),
        ("", b"end"),
    ]
    assert [event.terminated for event in events] == [True, True, False]


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    for ending in (b"\n\n", b"\r\n\r\n", b"\r\r"):
        assert [event.data for event in EventStream().feed(b"data: a" + ending)] == [b"a"]


def test_a_late_line_feed_of_a_blank_line_belongs_to_its_event() -> None:
    stream = EventStream()
    assert stream.feed(b"data: a\r\n\r") == []
    (event,) = stream.feed(b"\n")
    assert event.raw == b"data: a\r\n\r\n"


def test_a_carriage_return_at_the_end_ends_the_last_event() -> None:
    (event,) = parse(b"data: a\n\r")
    assert event == ServerEvent(b"data: a\n\r", "", b"a", terminated=True)


def test_a_large_event_in_small_chunks_is_scanned_once() -> None:
    """Counted, not timed: what is searched again per chunk is two bytes."""
    stream = EventStream()
    chunk = b"x" * 1024
    stream.feed(b"data: ")
    for _ in range(5 * 1024):
        assert stream.feed(chunk) == []
        assert len(stream._tail) == 2
    (event,) = stream.feed(b"\n\n")
    assert len(event.data) == 5 * 1024 * 1024
    assert stream.pending == 0


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
def test_limit_on_one_event(step: int) -> None:
    data = b"data: ok\n\n" + b"data: " + b"x" * 100 + b"\n\n"
    stream = EventStream(max_event=64)
    seen: list[bytes] = []
    chunks = [data[i : i + step] for i in range(0, len(data), step)]
    with pytest.raises(EventTooLarge, match="more than 64 bytes") as caught:  # noqa: PT012
        for chunk in [*chunks, b"more"]:
            seen += [event.data for event in stream.feed(chunk)]
    assert seen == [b"ok"]
    assert caught.value.status == 502
    with pytest.raises(EventTooLarge):
        stream.feed(b"data: b\n\n")
    with pytest.raises(EventTooLarge):
        stream.close()


NAMES = ["a", "kept", "keptt", "kep", "message", "", "\xff", "response.a.b"]
USUAL = st.builds(
    lambda name, data: b"event: " + name.encode("latin-1") + b"\ndata: " + data + b"\n\n",
    st.sampled_from(NAMES),
    st.sampled_from([b"", b"x", b"[DONE]", b'{"type":"kept"}', b'{"type":"a"}']),
)
SIEVE = Sieve({"kept", "re.ept"})


@settings(max_examples=250)
@given(st.lists(USUAL | FRAGMENTS, max_size=24).map(b"".join), st.lists(st.integers(0, 400)))
@example(b"\n\nevent: a\ndata: \n\nevent: kept\ndata: \n\nevent: a\ndata: x", [2])
def test_what_falls_through_a_sieve_are_the_bytes_of_events_in_the_usual_form(
    data: bytes, places: list[int]
) -> None:
    stream = EventStream()
    events: list[ServerEvent] = []
    for chunk in cut(data, places):
        for part in stream.sift(chunk, SIEVE):
            if isinstance(part, ServerEvent):
                events.append(part)
                continue
            run = [event for event in parse(b": first\n\n", part)[1:] if event.terminated]
            assert b"".join(event.raw for event in run) == part
            assert not {event_type(event) for event in run} & {"kept", "", "message"}
            assert all(event.raw.count(b"\n") == 3 for event in run)
            events += run
    assert events + stream.close() == parse(data)


def test_runs_are_as_long_as_they_can_be() -> None:
    def event(name: bytes) -> bytes:
        return b"event: %b\ndata: {}\n\n" % name

    stream = EventStream()
    assert stream.sift(event(b"a"), SIEVE) == parse(event(b"a"))  # it might begin with a mark
    run = event(b"a") * 3
    (first,) = stream.sift(run, SIEVE)
    assert first is run
    parts = stream.sift(run + event(b"kept") + run[:-5], SIEVE)
    assert parts == [run, *parse(event(b"kept")), run[: len(run) // 3 * 2]]
    rest = stream.sift(run[-5:] + run, SIEVE)
    assert rest == [*parse(event(b"a")), run]


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
def test_limit_on_one_event_behind_a_sieve(step: int) -> None:
    data = b"event: a\ndata: ok\n\n" * 2 + b"event: a\ndata: " + b"x" * 100 + b"\n\n"
    stream = EventStream(max_event=64)
    seen = b""
    chunks = [data[i : i + step] for i in range(0, len(data), step)]
    with pytest.raises(EventTooLarge, match="more than 64 bytes"):  # noqa: PT012
        for chunk in [*chunks, b"more"]:
            for part in stream.sift(chunk, SIEVE):
                seen += part if isinstance(part, bytes) else part.raw
    assert seen == data[:38]
    with pytest.raises(EventTooLarge):
        stream.sift(data[:19], SIEVE)


def test_an_event_of_exactly_the_limit_is_given() -> None:
    assert [event.data for event in parse(b"data: 4567\n\n", max_event=12)] == [b"4567"]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'event: response.created\ndata: {"type":"other"}\n\n', "response.created"),
        (b'data: {"type":"response.created"}\n\n', "response.created"),
        (b'event: message\ndata: { "type" : "a.b" }\n\n', "a.b"),
        (b'data: {"sequence_number":-3.5e2,"x":null,"s":"a\\"}","type":"late"}\n\n', "late"),
        (b'data: {"item":{"type":"inner"},"type":"outer"}\n\n', "outer"),
        (b'data: {"a":["type"],"type":"outer"}\n\n', "outer"),
        (b'data: {"x":"\\"type\\":\\"no\\"","type":"yes"}\n\n', "yes"),
        (b'data: {"type":"esc\\u0041"}\n\n', "escA"),
        (b'data: {"delta":"' + b"y" * 2000 + b'","type":"far"}\n\n', "far"),
        (b"data: [DONE]\n\n", ""),
        (b'data: {"type":5}\n\n', ""),
        (b'data: {"type":\n\n', ""),
        (b"data: [1]\n\n", ""),
        (KEEP_ALIVE, ""),
    ],
)
def test_event_type(raw: bytes, kind: str) -> None:
    (event,) = parse(raw)
    assert event_type(event) == kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text() | st.just("type"), JSON, max_size=5))
def test_event_type_agrees_with_json(members: dict[str, object]) -> None:
    kind = members.get("type")
    data = json.dumps(members, ensure_ascii=False).encode("utf-8", "replace")
    wanted = kind if isinstance(kind, str) else ""
    assert event_type(ServerEvent(b"", "", data)) == wanted.encode("utf-8", "replace").decode()


@given(st.text(alphabet="abc. é\r\n", max_size=8), st.binary(max_size=40))
def test_encode_is_read_back(name: str, data: bytes) -> None:
    (event,) = parse(encode(name, data))
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    one_line = name.replace("\r\n", " ").replace("\r", " ").replace("\n", " ")
    assert (event.event, event.data, event.terminated) == (one_line, lines, True)


def test_done_marker() -> None:
    (event,) = parse(b"data: [DONE]\n\n")
    assert event.data == DONE
