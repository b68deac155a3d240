"""Bodies decompressed, and how they were compressed."""

from __future__ import annotations

import gzip
import itertools
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.compression import LEVEL_LIMITS, Decoder, decode
from fingerprints.encoding import _COMPRESSORS, DEEPEST_KEPT, compress
from fingerprints.profile import Encoding

TEXT = b'{"input":[' + b",".join(b'{"n":%d}' % (i * i) for i in range(2000)) + b"]}"


def test_no_large_compressor_stays() -> None:
    """One of level 22 has 740 MB."""
    for level in (3, 22):
        zstd(level)
    kept = {level for level, _, _ in _COMPRESSORS.by_settings}
    assert 3 in kept
    assert max(kept) <= DEEPEST_KEPT


def zstd(level: int = 3, *, size: bool = False, checksum: bool = False) -> bytes:
    encoding = Encoding(
        name="zstd", level=level, content_size=size, checksum=checksum, window=1 << 21
    )
    made: bytes = compress(encoding, TEXT)
    return made


CODED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstd(),
    "gzip, br": brotli.compress(gzip.compress(TEXT)),
}


@pytest.mark.parametrize("name", CODED)
def test_decodes(name: str) -> None:
    content, coding, problem = decode(CODED[name], name)
    assert content == TEXT
    assert coding is not None
    assert (coding.name, coding.length, problem) == (name, len(CODED[name]), "")


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_plain_bodies_have_no_coding(encoding: str) -> None:
    assert decode(TEXT, encoding) == (TEXT, None, "")


@pytest.mark.parametrize("level", [1, 3, 7, 19, 22])
@pytest.mark.parametrize("size", [False, True])
@pytest.mark.parametrize("checksum", [False, True])
def test_finds_how_zstd_was_made(level: int, size: bool, checksum: bool) -> None:
    raw = zstd(level, size=size, checksum=checksum)
    _, coding, _ = decode(raw, "zstd")
    assert coding is not None
    assert coding.level is not None
    assert zstd(coding.level, size=size, checksum=checksum) == raw
    assert (coding.content_size, coding.checksum, coding.rest) == (size, checksum, 0)


def test_a_frame_that_no_level_makes() -> None:
    maker = zstandard.ZstdCompressor(level=3, write_content_size=False).compressobj()
    raw = maker.compress(TEXT[:100]) + maker.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    raw += maker.compress(TEXT[100:]) + maker.flush()
    content, coding, problem = decode(raw, "zstd")
    assert content == TEXT
    assert coding is not None
    assert (coding.level, problem) == (None, "")


def test_what_follows_the_first_frame_is_counted() -> None:
    _, coding, _ = decode(zstd() + b"12345", "zstd")
    assert coding is not None
    assert (coding.rest, coding.level) == (5, 3)


def test_large_contents_are_not_compressed_at_high_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def note(encoding: Encoding, raw: bytes) -> bytes:
        tried.append(encoding.level)
        return b""

    monkeypatch.setattr("fingerprints.compression.compress", note)
    large = b"\0" * (LEVEL_LIMITS[1][1] + 1)
    raw = zstandard.ZstdCompressor(level=3).compress(large)
    _, coding, _ = decode(raw, "zstd")
    assert coding is not None
    assert coding.level is None
    assert sorted(tried) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", [name for name in CODED if name != "zstd"])
def test_a_cut_body_says_so(name: str) -> None:
    content, coding, problem = decode(CODED[name][:-6], name)
    assert TEXT.startswith(content)
    assert coding is not None
    assert problem


def test_a_cut_zstd_body_says_so() -> None:
    _, coding, problem = decode(CODED["zstd"][:-3], "zstd")
    assert coding is not None
    assert problem


@pytest.mark.parametrize("name", CODED)
def test_other_bytes_say_so(name: str) -> None:
    assert decode(b"these are no such bytes", name)[2]


def test_an_unknown_coding_says_so() -> None:
    content, coding, problem = decode(TEXT, "compress-o-matic")
    assert (content, bool(coding)) == (b"", True)
    assert "compress-o-matic" in problem


@pytest.mark.parametrize("name", ["gzip", "br", "zstd", "deflate"])
def test_a_bomb_stops_at_the_limit(name: str) -> None:
    assert decode(CODED[name], name, limit=1000)[2]


@given(cuts=st.lists(st.integers(0, 5000), max_size=8), name=st.sampled_from(sorted(CODED)))
def test_pieces_give_the_same(cuts: list[int], name: str) -> None:
    raw = CODED[name]
    places = sorted({min(cut, len(raw)) for cut in cuts} | {0, len(raw)})
    decoder = Decoder(name)
    pieces = [raw[start:end] for start, end in itertools.pairwise(places)]
    content = b"".join(decoder.feed(piece) for piece in pieces)
    decoder.close()
    assert (content, decoder.problem) == (TEXT, "")
