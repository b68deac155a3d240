"""Blobs of a conversation: what is kept, and what is not taken."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.telling.blobs import BlobLimits, BlobMap, BlobsFull

ID = b"i" * 32


def test_our_own_are_found_by_their_hash() -> None:
    blobs = BlobMap()
    blob_id = blobs.put(b"hello")
    assert blob_id == hashlib.sha256(b"hello").digest()
    assert blobs.get(blob_id) == b"hello"
    assert blobs.put(b"hello") == blob_id
    assert len(blobs) == 1


def test_the_servers_are_found_by_the_id_it_gave() -> None:
    blobs = BlobMap()
    blobs.set(ID, b"one")
    blobs.set(ID, b"another")
    assert blobs.get(ID) == b"another"
    assert (len(blobs), blobs.size) == (1, len(b"another"))


def test_one_that_is_not_there_is_none_and_an_empty_one_is_not() -> None:
    blobs = BlobMap()
    blobs.set(ID, b"")
    assert blobs.get(ID) == b""
    assert blobs.get(b"j" * 32) is None


def test_a_copy_goes_its_own_way() -> None:
    blobs = BlobMap({ID: b"one"})
    copy = blobs.copy()
    copy.set(ID, b"two!")
    assert (blobs.get(ID), blobs.size) == (b"one", 3)
    assert (copy.get(ID), copy.size) == (b"two!", 4)


@pytest.mark.parametrize(
    ("blob_id", "data", "named"),
    [
        (b"", b"x", "id of a blob"),
        (b"i" * 65, b"x", "id of a blob"),
        (ID, b"x" * 11, "more than 10"),
        (ID, b"x" * 9, "in all"),
    ],
)
def test_what_is_over_a_limit_is_not_taken(blob_id: bytes, data: bytes, named: str) -> None:
    blobs = BlobMap({b"a": b"1234"}, BlobLimits(count=2, each=10, total=12))
    with pytest.raises(BlobsFull, match=named):
        blobs.set(blob_id, data)
    assert (len(blobs), blobs.size) == (1, 4)


def test_a_full_map_still_replaces() -> None:
    blobs = BlobMap({b"a": b"1", b"b": b"2"}, BlobLimits(count=2, each=10, total=12))
    with pytest.raises(BlobsFull, match="no more"):
        blobs.set(b"c", b"3")
    blobs.set(b"a", b"4")
    assert blobs.get(b"a") == b"4"


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.binary(max_size=8))),
    st.integers(1, 4),
    st.integers(1, 20),
)
def test_it_is_a_dict_that_never_goes_over_its_limits(
    writes: list[tuple[bytes, bytes]], count: int, total: int
) -> None:
    blobs, plain = BlobMap(limits=BlobLimits(count=count, each=6, total=total)), {}
    for blob_id, data in writes:
        try:
            blobs.set(blob_id, data)
        except BlobsFull:
            continue
        plain[blob_id] = data
    assert dict(blobs.items()) == plain
    assert blobs.size == sum(map(len, plain.values())) <= total
    assert len(blobs) <= count


def test_what_nothing_refers_to_is_not_reachable() -> None:
    blobs = BlobMap({b"s" * 20: b"under an id of the server's"})
    step = blobs.put(b"a step with spaces in it " * 3)
    turn = blobs.put(b"\x12\x20" + step)
    blobs.put(b"\x12\x20" + turn)
    state = b"\x42\x20" + turn + b"\x1a\x14" + b"s" * 20
    found = blobs.reachable(state)
    assert set(found) == {turn, step, b"s" * 20}
    assert found.get(step) == blobs.get(step)
    assert len(blobs.reachable(b"")) == 0


def test_references_in_a_circle_end() -> None:
    blobs = BlobMap({b"a" * 32: b"\x0a\x20" + b"b" * 32, b"b" * 32: b"\x0a\x20" + b"a" * 32})
    assert len(blobs.reachable(b"\x0a\x20" + b"a" * 32)) == 2
