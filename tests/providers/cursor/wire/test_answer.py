from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.failures.errors import BrokenStream, ConnectError, Cut
from addons.providers.cursor.failures.unfamiliar import described
from addons.providers.cursor.wire.answer import MAX_REFUSAL, AnswerReader
from addons.providers.cursor.wire.connect import END_STREAM, TRAILERS, frame

HEADERS = [(b"Content-Type", b"application/connect+proto; charset=x")]
ENDS = [
    frame(b"{}", END_STREAM),
    frame(b'{"error":{"code":"internal"}}', END_STREAM),
    frame(b"no json", END_STREAM),
    b"",
    b"\x00\x00",
    b"\x00\xff\xff\xff\xff",
]


def begun(status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> AnswerReader:
    reader = AnswerReader(limit=1000)
    reader.head(status, HEADERS if headers is None else headers)
    return reader


def read(parts: list[bytes], status: int = 200) -> tuple[list[bytes], str]:
    reader = begun(status)
    messages = [message for part in parts for message in reader.feed(part)]
    reader.close()
    assert reader.finished
    assert reader.feed(b"more") == []
    return messages, repr(reader.error)


@given(
    st.lists(st.binary(max_size=30), max_size=4),
    st.sampled_from(ENDS),
    st.binary(max_size=5),
    st.lists(st.integers(0, 200), max_size=8),
    st.sampled_from([200, 200, 503]),
)
@settings(max_examples=60)
def test_messages_and_end_do_not_depend_on_the_cuts(
    messages: list[bytes], end: bytes, more: bytes, cuts: list[int], status: int
) -> None:
    data = b"".join(map(frame, messages)) + end + more
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    whole = read([data], status)
    assert read([data[start:stop] for start, stop in pairwise(places)], status) == whole
    if status == 200 and end in ENDS[:3]:
        assert whole[0] == messages


def test_a_good_end() -> None:
    reader = begun()
    assert reader.feed(frame(b"x") + frame(b"{}", END_STREAM)) == [b"x"]
    assert reader.finished
    assert reader.error is None


def test_trailers_of_grpc_web_are_no_message() -> None:
    assert begun().feed(frame(b"grpc-status: 0", TRAILERS) + frame(b"x")) == [b"x"]


def test_ends_that_are_none() -> None:
    reader = AnswerReader()
    reader.close()
    assert "before it began" in str(reader.error)
    reader = begun()
    reader.close()
    assert isinstance(reader.error, Cut)


@pytest.mark.parametrize("kind", [b"application/json", b"application/proto", b""])
def test_another_content_type_ends_it_at_once(kind: bytes) -> None:
    reader = begun(headers=[(b"content-type", kind)])
    assert reader.finished
    assert isinstance(reader.error, BrokenStream)


def test_of_an_error_s_body_only_the_beginning_is_read() -> None:
    reader = begun(500, [])
    for _ in range(100):
        reader.feed(b"x" * 4096)
        if reader.finished:
            break
    assert len(reader._refusal) == MAX_REFUSAL
    assert isinstance(reader.error, ConnectError)
    assert len(str(reader.error)) < 1000


@pytest.mark.parametrize("status", [200, 503])
def test_what_the_headers_say_of_an_error_goes_with_it(status: int) -> None:
    kind = (b"X-Cursor-Inference-Request-Error-Type", b"provider_overloaded")
    reader = begun(status, [*HEADERS, kind])
    reader.feed(frame(b'{"error":{"code":"internal"}}', END_STREAM))
    reader.close()
    assert isinstance(reader.error, ConnectError)
    assert reader.error.inference_error == "provider_overloaded"
    assert "provider_overloaded" in described(reader.error)
