from __future__ import annotations

import base64

import pytest

from addons.providers.cursor.failures.error_details import (
    MAX_DETAILS,
    MAX_TEXT,
    TYPE,
    ErrorDetail,
    first_named,
    name_of,
    parse,
    private_free,
)
from addons.providers.cursor.proto import aiserver_pb2 as aiserver


def packed(message: aiserver.ErrorDetails, *, padded: bool = False) -> str:
    text = base64.b64encode(message.SerializeToString()).decode()
    return text if padded else text.rstrip("=")


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("length", range(3))
def test_padding_may_be_left_out(padded: bool, length: int) -> None:
    message = aiserver.ErrorDetails(
        error=aiserver.ERROR_RATE_LIMITED,
        details=aiserver.CustomErrorDetails(title="t" * (5 + length)),
    )
    (entry,) = parse([{"type": TYPE, "value": packed(message, padded=padded)}])
    assert (entry.name, entry.title) == ("RATE_LIMITED", "t" * (5 + length))
    assert entry.expected is None


def test_a_type_may_be_written_as_a_url() -> None:
    message = aiserver.ErrorDetails(error=aiserver.ERROR_RATE_LIMITED)
    (entry,) = parse([{"type": f"type.googleapis.com/{TYPE}", "value": packed(message)}])
    assert entry.name == "RATE_LIMITED"


@pytest.mark.parametrize("value", ["", "%%%", "_-", base64.b64encode(b"\xff\xff").decode(), None])
def test_debug_stands_in_for_what_cannot_be_read(value: object) -> None:
    debug = {
        "error": "ERROR_CUSTOM_MESSAGE",
        "details": {"title": "High demand", "detail": "Try later", "isRetryable": True},
        "isExpected": False,
    }
    (entry,) = parse([{"type": TYPE, "value": value, "debug": debug}])
    assert entry == ErrorDetail(TYPE, "CUSTOM_MESSAGE", "High demand", "Try later", False, True)
    (bare,) = parse([{"type": TYPE, "value": value}])
    assert bare == ErrorDetail(TYPE)


def test_numbers_without_a_name_keep_their_number() -> None:
    assert [name_of(0), name_of(50), name_of(99)] == ["", "RATE_LIMITED", "#99"]
    message = aiserver.ErrorDetails.FromString(b"\x08\x63")
    (entry,) = parse([{"type": TYPE, "value": packed(message)}])
    assert entry.name == "#99"


def test_the_entry_that_names_an_error_comes_first() -> None:
    other, texted = ErrorDetail("x.Other"), ErrorDetail(TYPE, detail="text")
    named = ErrorDetail(TYPE, "RATE_LIMITED")
    assert first_named([other, texted, named]) is named
    assert first_named([other, texted]) is texted
    assert first_named([other]) is None


def test_entries_are_bounded_and_odd_ones_left_out() -> None:
    assert parse({"type": TYPE}) == ()
    assert parse([1, None, "x"]) == ()
    assert len(parse([{"type": "a"}] * 100)) == MAX_DETAILS


@pytest.mark.parametrize(
    "private",
    [
        "jo.doe@example.com",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc_def-1",
        "crsr_0123456789abcdef",
        "user_01ABCDEFGH",
        "auth0|user_01ABCDEFGH",
        "0b9c2e0a-1f2d-4c3b-8a7d-0123456789ab",
        "0123456789abcdef0123456789abcdef",
    ],
)
def test_private_parts_are_taken_out(private: str) -> None:
    assert private not in private_free(f"account {private} is over its limit")
    assert "over its limit" in private_free(f"account {private} is over its limit")


def test_texts_are_one_bounded_line() -> None:
    assert private_free("a\n b\t c") == "a b c"
    assert len(private_free("word " * 10_000)) == MAX_TEXT + 1
