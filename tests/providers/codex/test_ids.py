"""Ids of the official form: minted, derived, recognised."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.providers.codex import ids


def test_minted_ids_are_uuid7_of_the_clock() -> None:
    mint = ids.Mint(clock=lambda: 1_763_698_500.123, entropy=lambda n: b"\xff" * n)
    value = mint()
    assert value == "019aa49f-621b-7fff-bfff-ffffffffffff"
    assert uuid.UUID(value).version == 7
    assert uuid.UUID(value).variant == uuid.RFC_4122
    assert ids.minted_at(value) == 1_763_698_500.123


def test_minted_ids_differ() -> None:
    mint = ids.Mint()
    assert len({mint() for _ in range(100)}) == 100


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_derived_ids_have_the_form_and_a_time_in_the_past(parts: list[str]) -> None:
    value = ids.derived(*parts)
    assert ids.official(value) == value
    assert uuid.UUID(value).version == 7
    assert 1_765_000_000 < ids.minted_at(value) < 1_770_000_000
    assert value == ids.derived(*parts)


@given(st.binary(min_size=14, max_size=32))
def test_ids_of_digests_are_laid_out_as_uuid7(digest: bytes) -> None:
    octets = bytearray(b"\x01\x9b" + digest[:14])
    octets[6] = octets[6] & 0x0F | 0x70
    octets[8] = octets[8] & 0x3F | 0x80
    assert ids.of_digest(digest) == str(uuid.UUID(bytes=bytes(octets)))
    assert ids.of_hex_digest(digest.hex()) == ids.of_digest(digest)


def test_parts_do_not_run_together() -> None:
    assert len({ids.derived("ab", "c"), ids.derived("a", "bc"), ids.derived("abc")}) == 3


def test_derived_installation_is_uuid4() -> None:
    value = ids.derived_installation("account")
    assert uuid.UUID(value).version == 4
    assert ids.official_installation(value) == value
    assert ids.official(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ses_7b1",
        str(uuid.UUID(int=0)),
        "0197c0de-0000-4000-8000-000000000000",  # version 4
        "0197c0de-0000-7000-c000-000000000000",  # another variant
        "0197c0de-0000-7000-8000-00000000000",
        "0197c0de-0000-7000-8000-000000000000\n",
        "{0197c0de-0000-7000-8000-000000000000}",
    ],
)
def test_other_forms_are_not_official(value: str) -> None:
    assert ids.official(value) is None


def test_upper_case_is_made_lower() -> None:
    assert (
        ids.official("0197C0DE-0000-7000-8000-00000000ABCD")
        == "0197c0de-0000-7000-8000-00000000abcd"
    )


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        ("x", True),
        ("x" * 256, True),
        ("x" * 257, False),
        ("", False),
        (" ", False),
        ("a\nb", False),
    ],
)
def test_callers_ids_are_bounded_and_printable(value: str, usable: bool) -> None:
    assert ids.usable(value) is usable


def test_the_time_of_something_else_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a UUIDv7"):
        ids.minted_at("ses_1")
