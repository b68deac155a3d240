"""The load generator's HTTP/1.1 parser, held against h11."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.bench.reader import MAX_HEAD, AnswerError, AnswerReader

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

headers = st.lists(
    st.tuples(
        st.from_regex(rb"x-[a-z]{1,8}", fullmatch=True),
        st.from_regex(rb"[ -~]{0,12}", fullmatch=True).map(bytes.strip),
    ),
    max_size=4,
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, bytes]:
    """Bytes as a server sends them, the status and the body."""
    status = draw(st.sampled_from([200, 204, 400, 429, 502]))
    body = b"" if status == 204 else draw(st.binary(max_size=300))
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"]))
    lines = b"".join(b"%b: %b\r\n" % pair for pair in draw(headers))
    if status == 204:
        framing, sent = b"", b""
    elif draw(st.booleans()):
        framing, sent = b"Content-Length: %d\r\n" % len(body), body
    else:
        framing = b"transfer-encoding: chunked\r\n"
        cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        extension = draw(st.sampled_from([b"", b";a=b"]))
        sent = b"".join(b"%X%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces if p)
        sent += draw(st.sampled_from([b"0\r\n\r\n", b"000\r\n\r\n", b"0\r\nx-end: 1\r\n\r\n"]))
    return interim + b"HTTP/1.1 %d X\r\n" % status + lines + framing + b"\r\n" + sent, status, body


def by_h11(sent: bytes) -> tuple[int, bytes]:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(sent)
    status, body = 0, b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return status, body
        else:
            assert isinstance(event, h11.InformationalResponse)


@given(answers(), st.data())
def test_any_split_gives_what_h11_gives(answer: tuple[bytes, int, bytes], data: st.DataObject):
    sent, status, body = answer
    assert by_h11(sent) == (status, body)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    reader = AnswerReader()
    done = [reader.feed(piece) for piece in pieces if piece]
    assert done.count(True) == 1
    assert done[-1]
    assert (reader.status, bytes(reader.body)) == (status, body)


@given(answers())
def test_byte_by_byte(answer: tuple[bytes, int, bytes]):
    sent, status, body = answer
    reader = AnswerReader()
    done = [reader.feed(sent[at : at + 1]) for at in range(len(sent))]
    assert done.index(True) == len(sent) - 1
    assert (reader.status, bytes(reader.body)) == (status, body)


@given(st.lists(answers(), min_size=2, max_size=4))
def test_one_answer_after_another(several: list[tuple[bytes, int, bytes]]):
    reader = AnswerReader()
    for sent, status, body in several:
        assert reader.feed(sent)
        assert (reader.status, bytes(reader.body)) == (status, body)
        reader.reset()


def test_body_to_the_close():
    reader = AnswerReader()
    assert not reader.feed(HEAD + b"\r\nabc")
    assert not reader.feed(b"def")
    assert reader.eof()
    assert bytes(reader.body) == b"abcdef"
    assert reader.closes


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP/1.1 200",
        HEAD + b"content-length: 5\r\n\r\nabc",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ],
)
def test_a_close_in_the_middle_is_no_end(cut: bytes):
    reader = AnswerReader()
    assert not reader.feed(cut)
    assert not reader.eof()


@pytest.mark.parametrize(
    ("lines", "closes"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", True),
    ],
)
def test_whether_the_connection_can_be_used_again(lines: bytes, closes: bool):
    reader = AnswerReader()
    assert reader.feed(lines)
    assert reader.closes is closes


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: \r\n\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * MAX_HEAD,
    ],
)
def test_malformed_answers(sent: bytes):
    with pytest.raises(AnswerError):
        AnswerReader().feed(sent)


def test_bytes_after_the_answer():
    reader = AnswerReader()
    assert reader.feed(HEAD + b"content-length: 1\r\n\r\nab")
    with pytest.raises(AnswerError, match="after the end"):
        reader.reset()
