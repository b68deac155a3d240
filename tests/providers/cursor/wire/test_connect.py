from __future__ import annotations

import base64
import gzip
import itertools
import json

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.failures.errors import BrokenStream, ConnectError, FrameTooLarge
from addons.providers.cursor.proto import aiserver_pb2 as aiserver
from addons.providers.cursor.wire.connect import (
    COMPRESSED,
    END_STREAM,
    EndStream,
    Frame,
    FrameReader,
    frame,
)

MESSAGES = st.lists(st.tuples(st.sampled_from([0, END_STREAM]), st.binary(max_size=40)), max_size=6)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def read(parts: list[bytes], limit: int = 1000) -> tuple[list[Frame], BrokenStream | None]:
    """All frames, and what the reader failed with in the end."""
    reader = FrameReader(limit)
    frames: list[Frame] = []
    try:
        for part in parts:
            frames += reader.feed(part)
        reader.close()
    except BrokenStream as error:
        return frames, error
    return frames, None


def test_a_heartbeat_is_framed_as_recorded() -> None:
    assert frame(b"\x3a\x00").hex() == "00000000023a00"


@given(MESSAGES, st.lists(st.integers(0, 400), max_size=12), st.booleans())
@settings(max_examples=60)
def test_frames_do_not_depend_on_the_cuts(
    messages: list[tuple[int, bytes]], cuts: list[int], zipped: bool
) -> None:
    data = b"".join(
        frame(gzip.compress(payload, mtime=0), flags | COMPRESSED)
        if zipped
        else frame(payload, flags)
        for flags, payload in messages
    )
    frames, error = read(pieces(data, cuts))
    assert error is None
    assert frames == messages


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=100)
def test_any_bytes_give_frames_or_one_typed_error_and_the_cuts_do_not_matter(
    data: bytes, cuts: list[int]
) -> None:
    whole, failed = read([data], limit=64)
    cut, failed_cut = read(pieces(data, cuts), limit=64)
    assert cut == whole
    assert str(failed_cut) == str(failed)


def test_messages_before_a_broken_one_are_given_first() -> None:
    reader = FrameReader(limit=10)
    assert reader.feed(frame(b"ok") + frame(b"x" * 11)) == [(0, b"ok")]
    assert isinstance(reader.failure, FrameTooLarge)
    with pytest.raises(FrameTooLarge, match="11 bytes"):
        reader.feed(frame(b"more"))


def test_a_length_over_the_limit_is_refused_before_its_bytes_come() -> None:
    with pytest.raises(FrameTooLarge):
        FrameReader(limit=1000).feed(b"\x00\x7f\xff\xff\xff")


def test_what_expands_beyond_the_limit_is_refused() -> None:
    bomb = gzip.compress(b"\0" * 1_000_000, mtime=0)
    with pytest.raises(FrameTooLarge):
        FrameReader(limit=10_000).feed(frame(bomb, COMPRESSED))


@pytest.mark.parametrize(
    "payload", [b"no gzip at all", gzip.compress(b"x" * 100, mtime=0)[:-9], b"\x1f\x8b"]
)
def test_broken_compression_is_a_typed_error(payload: bytes) -> None:
    with pytest.raises(BrokenStream, match="compress"):
        FrameReader().feed(frame(payload, COMPRESSED))


def test_the_encoding_is_that_of_the_headers() -> None:
    reader = FrameReader()
    reader.encoding = "br"
    assert reader.feed(frame(brotli.compress(b"hello"), COMPRESSED)) == [(0, b"hello")]
    reader = FrameReader(encoding="identity")
    with pytest.raises(BrokenStream, match="no encoding"):
        reader.feed(frame(b"x", COMPRESSED))


def test_a_compressed_end_of_stream_keeps_its_other_flag() -> None:
    last = frame(gzip.compress(b"{}", mtime=0), COMPRESSED | END_STREAM)
    assert FrameReader().feed(last)[0].end


def test_an_end_inside_a_message_is_an_error() -> None:
    reader = FrameReader()
    reader.feed(frame(b"whole") + b"\x00\x00")
    assert reader.pending == 2
    with pytest.raises(BrokenStream, match="middle"):
        reader.close()


# --- the last message ----------------------------------------------------------------------------


def end(error: object = None, **more: object) -> bytes:
    return json.dumps(({"error": error} if error is not None else {}) | more).encode()


@pytest.mark.parametrize("payload", [b"{}", b"", b'{"metadata": {}}', b'{"error": null}'])
def test_nothing_said_is_success(payload: bytes) -> None:
    assert EndStream.parse(payload).error is None


def test_code_message_and_details_are_read() -> None:
    details = aiserver.ErrorDetails(
        error=aiserver.ERROR_PRO_USER_USAGE_LIMIT,
        details=aiserver.CustomErrorDetails(
            title="Usage limit", detail="ask jo@example.com", is_retryable=False
        ),
        is_expected=True,
    )
    value = base64.b64encode(details.SerializeToString()).decode().rstrip("=")
    parsed = EndStream.parse(
        end(
            {
                "code": "resource_exhausted",
                "message": "Error",
                "details": [{"type": "aiserver.v1.ErrorDetails", "value": value, "debug": {}}],
            },
            metadata={"Retry-After": ["3"], "odd": "x"},
        )
    )
    error = parsed.error
    assert error is not None
    assert (error.code, error.message, error.status) == ("resource_exhausted", "Error", 429)
    detail = error.detail
    assert detail is not None
    assert (detail.name, detail.title, detail.detail) == (
        "PRO_USER_USAGE_LIMIT",
        "Usage limit",
        "ask …",
    )
    assert (detail.expected, detail.retryable) == (True, False)
    assert error.text == "Usage limit: ask …"
    assert parsed.metadata == {"retry-after": ("3",)}
    assert error.metadata == parsed.metadata


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({}, "unknown"),
        ("text", "unknown"),
        (7, "unknown"),
        ({"code": 3}, "unknown"),
        ({"code": "odd_new"}, "odd_new"),
        ({"code": "internal", "details": {}}, "internal"),
    ],
)
def test_an_odd_error_is_still_an_error(error: object, code: str) -> None:
    parsed = EndStream.parse(end(error)).error
    assert isinstance(parsed, ConnectError)
    assert parsed.code == code
    assert parsed.details == ()


@pytest.mark.parametrize("payload", [b"[]", b"nonsense", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_a_typed_error(payload: bytes) -> None:
    with pytest.raises(BrokenStream, match="JSON"):
        EndStream.parse(payload)


@given(st.recursive(st.booleans() | st.integers() | st.text(), st.lists))
@settings(max_examples=50)
def test_whatever_stands_in_the_members_is_read(value: object) -> None:
    for error in (value, {"code": "x", "details": value}, {"code": value, "message": value}):
        assert EndStream.parse(end(error, metadata=value)).error is not None
