from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli
import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.errors import BadRequest, ClientError
from addons.front.bodies import MAX_DEPTH, IncrementalDecoder, decode, parse_object


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(data)


def zstd_unsized(data: bytes) -> bytes:
    """Without the content size, as a streaming encoder writes it."""
    stream = zstandard.ZstdCompressor(level=3).compressobj()
    return stream.compress(data) + stream.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstd,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("data", [b"", b"a", b'{"x":1}', bytes(range(256)) * 5000])
def test_each_coding(name: str, data: bytes) -> None:
    assert decode(ENCODERS[name](data), name.upper()) == data


@given(st.lists(st.sampled_from(sorted(ENCODERS)), max_size=4), st.binary(max_size=300))
def test_several_codings_are_undone_in_reverse_order(names: list[str], data: bytes) -> None:
    body = data
    for name in names:
        body = ENCODERS[name](body)
    assert decode(body, ", ".join(["identity", *names])) == data


@pytest.mark.parametrize("header", [None, "", "identity", " Identity , "])
def test_plain(header: str | None) -> None:
    assert decode(b"abc", header) == b"abc"


def test_variants() -> None:
    assert decode(raw_deflate(b"abc" * 99), "deflate") == b"abc" * 99
    assert decode(zstd_unsized(b"abc" * 99), "zstd") == b"abc" * 99
    assert decode(zstd(b"one ") + zstd(b"two"), "zstd") == b"one two"
    assert decode(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 9, "gzip") == b"one two"
    assert decode(gzip.compress(b"one") + b"\0", "gzip") == b"one"
    assert decode(b"", "zstd") == b""


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "x-gzip"])
def test_corrupt_cut_and_trailing_bytes(name: str) -> None:
    body = ENCODERS[name](b"hello, world " * 50)
    for bad in (b"nonsense, not compressed", body[:-3], body + b"trailing"):
        with pytest.raises(ClientError) as caught:
            decode(bad, name)
        assert (caught.value.status, caught.value.code) == (400, "invalid_content_encoding")
        assert f"content-encoding: {name}" in caught.value.message


@pytest.mark.parametrize("header", ["lz4", "gzip, compress", "gzip,gzip,gzip,gzip,gzip"])
def test_unknown_coding(header: str) -> None:
    with pytest.raises(ClientError, match="zstd, gzip, deflate, br") as caught:
        decode(b"x", header)
    assert caught.value.status == 415


@pytest.mark.parametrize("name", ENCODERS)
def test_bombs_are_stopped_at_the_limit(name: str) -> None:
    bomb = ENCODERS[name](bytes(12 << 20))
    with pytest.raises(ClientError, match="larger than 1000000 bytes") as caught:
        decode(bomb, name, limit=1_000_000)
    assert (caught.value.status, caught.value.code) == (413, "body_too_large")


def test_a_bomb_in_an_inner_layer_is_stopped() -> None:
    # The outer result would be small again: the limit holds for every layer.
    inner = gzip.compress(bytes(20 << 20))
    with pytest.raises(ClientError) as caught:
        decode(gzip.compress(inner), "gzip, gzip", limit=100_000)
    assert caught.value.status == 413


def test_a_plain_body_has_the_limit_as_well() -> None:
    assert decode(b"x" * 10, None, limit=10) == b"x" * 10
    with pytest.raises(ClientError) as caught:
        decode(b"x" * 11, None, limit=10)
    assert caught.value.status == 413


def test_zstd_windows_beyond_the_standard_are_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    body = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = body.compress(b"x" * 1000) + body.flush()
    with pytest.raises(ClientError, match="zstd") as caught:
        decode(data, "zstd")
    assert caught.value.status == 400


# --- upstream answers ----------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.sampled_from([*sorted(ENCODERS), ""]),
    st.binary(max_size=2000),
    st.lists(st.integers(0, 2000), max_size=6),
)
def test_incremental_decoding_at_any_split(name: str, data: bytes, places: list[int]) -> None:
    body = ENCODERS[name](data) if name else data
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    decoder = IncrementalDecoder(name)
    out = b"".join(decoder.feed(body[start:end]) for start, end in pairwise(edges))
    assert out + decoder.close() == data


def test_flushed_events_come_out_at_once() -> None:
    zipped = zlib.compressobj(wbits=31)
    pressed = brotli.Compressor()
    packed = zstandard.ZstdCompressor().compressobj()
    flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    decoders = {name: IncrementalDecoder(name) for name in ("gzip", "br", "zstd")}
    for number in range(5):
        event = b"data: %d\n\n" % number
        pieces = {
            "gzip": zipped.compress(event) + zipped.flush(zlib.Z_SYNC_FLUSH),
            "br": pressed.process(event) + pressed.flush(),
            "zstd": packed.compress(event) + packed.flush(flush),
        }
        for name, piece in pieces.items():
            assert decoders[name].feed(piece) == event
    for decoder in decoders.values():
        with pytest.raises(ClientError, match="in the middle") as caught:
            decoder.close()
        assert caught.value.status == 502


def test_incremental_errors_are_the_upstreams() -> None:
    with pytest.raises(ClientError, match="unknown content-encoding 'lz4'") as caught:
        IncrementalDecoder("lz4")
    assert caught.value.status == 502
    with pytest.raises(ClientError, match="not valid gzip") as caught:
        IncrementalDecoder("gzip").feed(b"no gzip at all")
    assert caught.value.status == 502
    with pytest.raises(ClientError, match="more than 10 bytes"):
        IncrementalDecoder("gzip", limit=10).feed(gzip.compress(b"x" * 11))


# --- JSON ----------------------------------------------------------------------------------------


def refused(body: bytes) -> str:
    with pytest.raises(ClientError) as caught:
        parse_object(body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")
    return caught.value.message


def test_members_keep_their_order() -> None:
    assert list(parse_object(b'{"z":1,"a":{"y":[],"b":2}}')) == ["z", "a"]
    assert parse_object(b'\xef\xbb\xbf {"a":1,"a":2}') == {"a": 2}


def test_position_of_a_mistake() -> None:
    assert "line 2, column 7" in refused(b'{"a": 1,\n "b": x}')


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[1]", "an array"),
        (b"null", "null"),
        (b'"x"', "a string"),
        (b"5", "a number"),
        (b"true", "a boolean"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e999}', "out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a":"\xff"}', "byte 6 is not UTF-8"),
        (b'{"a":1}x', "Extra data"),
        (b'{"a":"\n"}', "line 1, column 7"),
    ],
)
def test_refused_json(body: bytes, complaint: str) -> None:
    assert complaint in refused(body)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000, 200_000])
def test_depth_bombs(depth: int) -> None:
    assert "levels deep" in refused(b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1))
    assert "levels deep" in refused(b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}")


def test_depth_at_the_limit_and_width_are_fine() -> None:
    body = b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1)
    assert parse_object(body)
    assert len(parse_object(b'{"a":[' + b"{}," * 1000 + b"[]]}")["a"]) == 1001


def test_half_of_a_surrogate_pair_becomes_sendable() -> None:
    body = rb'{"a":"cut \ud83d","b\udc00":["\ud83d\ude00 \uD83D!"],"n":1}'
    parsed = parse_object(body)
    assert parsed == {"a": "cut \ufffd", "b\ufffd": ["\U0001f600 \ufffd!"], "n": 1}
    json.dumps(parsed, ensure_ascii=False).encode()


@pytest.mark.parametrize("other", ["", "\\ud83d"])
def test_integers_that_no_encoder_takes_become_floats(other: str) -> None:
    body = f'{{"a":{2**64},"b":{-(2**63) - 1},"c":{2**64 - 1},"d":{-(2**63)},"e":"{other}"}}'
    parsed = parse_object(body.encode())
    assert [type(parsed[name]) for name in "abcd"] == [float, float, int, int]
    assert (parsed["a"], parsed["c"], parsed["d"]) == (2.0**64, 2**64 - 1, -(2**63))
    orjson.dumps(parsed)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5), st.booleans())
def test_json_comes_through_unchanged(members: dict[str, object], ascii_only: bool) -> None:
    body = json.dumps(members, ensure_ascii=ascii_only).encode()
    parsed = parse_object(body)
    assert parsed == members
    assert list(parsed) == list(members)


@given(st.binary(max_size=60))
def test_any_bytes_give_an_object_or_a_clear_error(body: bytes) -> None:
    try:
        parsed = parse_object(body)
    except BadRequest as error:
        assert error.message.startswith("The request body")  # noqa: PT017 (either way is fine)
    else:
        assert isinstance(parsed, dict)
