"""The recorder's reader of server-sent events, held against the one that relays them."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from addons.front.sse import EventStream
from fingerprints.event_stream import EventReader, ServerEvent

PIECES = [
    *(
        b"event: a.b\n",
        b"data: {}\n",
        b"data:x",
        b"data",
        b": comment\n",
        b"id: 1\n",
        b"retry: 5\r\n",
    ),
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf", "é".encode(), b" ", b":", b"event\n"),
]
streams = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)


def read(chunks: list[bytes]) -> list[ServerEvent]:
    reader = EventReader()
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.close()


@given(stream=streams)
def test_agrees_with_the_relay(stream: bytes) -> None:
    relay = EventStream()
    told = [*relay.feed(stream), *relay.close()]
    assert read([stream]) == [ServerEvent(each.event, each.data) for each in told if each.data]


@given(stream=streams, cuts=st.lists(st.integers(0, 100), max_size=6))
def test_cuts_do_not_matter(stream: bytes, cuts: list[int]) -> None:
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert read(chunks) == read([stream])


@given(stream=streams)
def test_byte_by_byte(stream: bytes) -> None:
    assert read([bytes([byte]) for byte in stream]) == read([stream])


def test_reads_names_and_several_lines_of_data() -> None:
    stream = b"\xef\xbb\xbfevent: a\ndata: 1\ndata: 2\n\n: nothing\n\ndata: last"
    assert read([stream]) == [ServerEvent("a", b"1\n2"), ServerEvent("", b"last")]
