"""Chunks taken at once are those that h11 reads one after the other."""

from __future__ import annotations

import itertools

import pytest
from h11 import Data, EndOfMessage, RemoteProtocolError
from h11._readers import ChunkedReader, ContentLengthReader
from h11._receivebuffer import ReceiveBuffer
from hypothesis import example, given
from hypothesis import strategies as st

from addons.quick.chunks import whole_chunks

DATA = st.binary(min_size=1, max_size=40)
PLAIN = DATA.map(lambda data: b"%x\r\n%b\r\n" % (len(data), data))
CHUNKS = st.one_of(
    PLAIN,
    PLAIN,
    DATA.map(lambda data: b"%X\r\n%b\r\n" % (len(data), data)),
    DATA.map(lambda data: b"%09x\r\n%b\r\n" % (len(data), data)),
    DATA.map(lambda data: b"%x;a=b\r\n%b\r\n" % (len(data), data)),
    DATA.map(lambda data: b"%x \r\n%b\r\n" % (len(data), data)),
    DATA.map(lambda data: b"%x\n%b\r\n" % (len(data), data)),
    DATA.map(lambda data: b"%x\r\n%bxx" % (len(data), data)),
    st.sampled_from([b"0\r\n\r\n", b"00\r\n\r\n", b"0\r\na: b\r\n\r\n", b"-1\r\n", b"\r\n", b"g"]),
)


def read(parts: list[bytes], *, at_once: bool) -> tuple[bytes, str]:
    """The body's data, and how it ended."""
    reader, buffer = ChunkedReader(), ReceiveBuffer()
    body = b""
    try:
        for part in parts:
            buffer += part
            if at_once:
                body += b"".join(whole_chunks(reader, buffer))
            while (event := reader(buffer)) is not None:
                if isinstance(event, EndOfMessage):
                    return body, f"ended, {list(event.headers)}, {bytes(buffer)!r} left"
                assert isinstance(event, Data)
                body += event.data
    except RemoteProtocolError as error:
        return body, str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return body, repr(error)
    return body, f"open, {bytes(buffer)!r} left"


@given(chunks=st.lists(CHUNKS, max_size=8), cuts=st.lists(st.integers(0, 300), max_size=6))
@example(chunks=[b"3\r\nabc\r\n", b"4\r\nabcd\r\n", b"0\r\n\r\n"], cuts=[])
def test_any_stream_reads_as_with_h11_alone(chunks: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(chunks)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    parts = [whole[a:b] for a, b in itertools.pairwise(places)]
    assert read(parts, at_once=True) == read(parts, at_once=False)


def test_every_cut_of_a_stream() -> None:
    whole = b"3\r\nabc\r\nA\r\n0123456789\r\n1;x\r\n!\r\n2\r\n\r\n\r\n0\r\n\r\nnext"
    assert read([whole], at_once=False)[0] == b"abc0123456789!\r\n"
    for first in range(len(whole)):
        for second in range(first, len(whole)):
            parts = [whole[:first], whole[first:second], whole[second:]]
            assert read(parts, at_once=True) == read(parts, at_once=False)
    single = [bytes([byte]) for byte in whole]
    assert read(single, at_once=True) == read(single, at_once=False)


def test_plain_chunks_are_taken_and_no_more() -> None:
    reader, buffer = ChunkedReader(), ReceiveBuffer()
    buffer += b"3\r\nabc\r\n2\r\nde\r\n5\r\nfg"
    assert whole_chunks(reader, buffer) == [b"abc", b"de"]
    assert bytes(buffer) == b"5\r\nfg"
    assert reader(buffer) is not None  # it is in a chunk now
    buffer += b"hij\r\n1\r\nk\r\n"
    assert whole_chunks(reader, buffer) == []
    other = ReceiveBuffer()
    other += b"3\r\nabc\r\n"
    assert whole_chunks(ContentLengthReader(8), other) == []


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b"0\r\na: b\r\n\r\n", b"000\r\n"])
def test_the_end_is_left_to_h11(end: bytes) -> None:
    buffer = ReceiveBuffer()
    buffer += b"1\r\na\r\n" + end
    assert whole_chunks(ChunkedReader(), buffer) == [b"a"]
    assert bytes(buffer) == end
