from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.providers.cursor.failures.diagnosis import OVERFULL, Kind, diagnose
from addons.providers.cursor.failures.error_details import TYPE, ErrorDetail
from addons.providers.cursor.failures.errors import (
    HTTP_OF_CODE,
    ConnectError,
    ConnectionLost,
    Goaway,
    Silence,
    StreamReset,
    StuckExec,
)
from addons.providers.cursor.proto import aiserver_pb2 as aiserver
from addons.providers.cursor.wire.connect import EndStream
from replay.sandbox.cursor.failures import FAILURES

NAMES = [name.removeprefix("ERROR_") for name in aiserver.ErrorCode.keys()]  # noqa: SIM118


def refused(
    code: str = "resource_exhausted", name: str = "", text: str = "", **more: Any
) -> ConnectError:
    details = [ErrorDetail(TYPE, name, detail=text, **more)] if name or text or more else []
    return ConnectError(code, "Error", details)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        # cursor-protocol.md §2.4: the same code, five meanings
        (refused(name="GPT_4_VISION_PREVIEW_RATE_LIMIT", text="Update Required"), Kind.OUTDATED),
        (refused(name="RESOURCE_EXHAUSTED"), Kind.LOAD),
        (refused(name="FREE_USER_USAGE_LIMIT"), Kind.QUOTA),
        (refused(name="USAGE_PRICING_REQUIRED"), Kind.QUOTA),
        (refused(name="RATE_LIMITED_CHANGEABLE"), Kind.QUOTA),
        (refused(name="RATE_LIMITED", retryable=True), Kind.RATE),
        (refused(name="CONVERSATION_TOO_LONG"), Kind.OVERSIZE),
        (refused(), Kind.EXHAUSTED),
        # the name decides whatever the code is
        (refused("internal", name="AUTH_TOKEN_EXPIRED"), Kind.CREDENTIALS),
        (refused("unavailable", name="BAD_MODEL_NAME"), Kind.MODEL),
        (refused("permission_denied", name="SUSPICIOUS_USAGE_BLOCKED"), Kind.BLOCKED),
        (refused("permission_denied", name="PRO_USER_ONLY"), Kind.PLAN),
        (refused("unknown", name="OUTDATED_CLIENT"), Kind.OUTDATED),
        (refused("unknown", name="USER_ABORTED_REQUEST"), Kind.CANCELED),
        # names that say nothing: their text
        (refused(name="CUSTOM_MESSAGE", text="You have hit your usage limit"), Kind.QUOTA),
        (refused(name="CUSTOM", text="High demand for this model"), Kind.LOAD),
        (refused(name="CUSTOM", text="The prompt is too long"), Kind.OVERSIZE),
        (refused(name="#77", retryable=True), Kind.LOAD),
        (refused(name="#77"), Kind.EXHAUSTED),
        # codes alone
        (ConnectError("unauthenticated"), Kind.CREDENTIALS),
        (ConnectError("permission_denied"), Kind.FORBIDDEN),
        (ConnectError("unavailable"), Kind.LOAD),
        (ConnectError("internal", "Error"), Kind.SERVER),
        (ConnectError("not_found", "Error"), Kind.MODEL),
        (ConnectError("unimplemented", http_status=404), Kind.UNSERVED),
        (ConnectError("invalid_argument", "unknown option '--system-prompt'"), Kind.REQUEST),
        (ConnectError("a_new_code"), Kind.SERVER),
        (ConnectError("internal", "No exec result"), Kind.SERVER),
        # the message's text
        (ConnectError("unknown", "Too many requests"), Kind.RATE),
        (ConnectError("internal", "unauthorized"), Kind.CREDENTIALS),
        # HTTP statuses that the protocol maps to "unavailable" or less
        (ConnectError("unavailable", http_status=429), Kind.RATE),
        (ConnectError("unknown", http_status=402), Kind.QUOTA),
        (ConnectError("internal", http_status=400), Kind.REQUEST),
        (ConnectError("unavailable", http_status=503), Kind.LOAD),
        # below Connect
        (StreamReset(2), Kind.TRANSPORT),
        (StreamReset(11), Kind.RATE),
        (Goaway(0), Kind.TRANSPORT),
        (Goaway(11, "too_many_pings"), Kind.RATE),
        (Goaway(2, "rate limit exceeded"), Kind.RATE),
        (Silence(30), Kind.TRANSPORT),
        (StuckExec("shell_args", 45), Kind.STUCK),
        (ConnectionLost("reset"), Kind.TRANSPORT),
        (ConnectionResetError(104, "reset"), Kind.TRANSPORT),
    ],
)
def test_kinds(error: ConnectError, kind: Kind) -> None:
    assert diagnose(error).kind is kind


OF_PRESET = {
    "update_required": Kind.OUTDATED,
    "high_load": Kind.LOAD,
    "usage_limit": Kind.QUOTA,
    "free_usage_limit": Kind.QUOTA,
    "usage_pricing_required": Kind.QUOTA,
    "rate_limited": Kind.RATE,
    "bare_exhausted": Kind.EXHAUSTED,
    "bad_model_name": Kind.MODEL,
    "bare_not_found": Kind.MODEL,
    "state_required": Kind.REQUEST,
    "custom_system_prompt": Kind.REQUEST,
    "blob_not_found": Kind.SERVER,
    "bare_internal": Kind.SERVER,
    "no_exec_result": Kind.SERVER,
    "parse_error": Kind.SERVER,
    "unauthenticated": Kind.CREDENTIALS,
    "permission_denied": Kind.FORBIDDEN,
    "suspicious_usage": Kind.BLOCKED,
    "unavailable": Kind.LOAD,
    "deadline_exceeded": Kind.SERVER,
    "canceled": Kind.CANCELED,
}


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_the_sandbox_s_failures_as_they_come_over_the_wire(name: str) -> None:
    failure = FAILURES[name]
    at_the_end = EndStream.parse(failure.end()).error
    assert at_the_end is not None
    assert diagnose(at_the_end).kind is OF_PRESET[name]
    unary = ConnectError.parse(failure.json(), http_status=failure.status)
    assert diagnose(unary).kind is OF_PRESET[name]


@pytest.mark.parametrize(
    ("share", "tokens", "can_rotate", "kind"),
    [
        (0.9, 0, True, Kind.OVERSIZE),
        (OVERFULL, 0, False, Kind.OVERSIZE),
        (0.1, 0, True, Kind.STATE),
        (None, 0, True, Kind.STATE),
        (0.1, 0, False, Kind.EXHAUSTED),
        (0.9, 5, True, Kind.EXHAUSTED),
    ],
)
def test_a_bare_resource_exhausted(
    share: float | None, tokens: int, can_rotate: bool, kind: Kind
) -> None:
    found = diagnose(
        refused(),
        prompt_share=share,
        produced_tokens=tokens,
        can_rotate=can_rotate,
        with_state=True,
    )
    assert found.kind is kind
    assert not found.familiar


@pytest.mark.parametrize(
    ("error", "without"),
    [
        (ConnectError("internal", "Blob not found: 12 34"), Kind.SERVER),
        (ConnectError("internal", "Error"), Kind.SERVER),
        (ConnectError("invalid_argument", "Conversation state is required"), Kind.REQUEST),
        (ConnectError("not_found", "Error"), Kind.MODEL),
    ],
)
def test_state_is_to_blame_only_where_there_is_one_to_drop(
    error: ConnectError, without: Kind
) -> None:
    assert diagnose(error, with_state=True).kind is Kind.STATE
    assert diagnose(error).kind is without
    assert diagnose(error, with_state=True, produced_tokens=3).kind is without


def test_a_named_model_error_is_not_blamed_on_the_state() -> None:
    assert diagnose(refused("not_found", "BAD_MODEL_NAME"), with_state=True).kind is Kind.MODEL


def test_what_is_worth_a_line_in_the_log() -> None:
    assert diagnose(refused(name="RATE_LIMITED")).familiar
    assert diagnose(StreamReset(2)).familiar
    assert not diagnose(refused(name="#77")).familiar
    assert not diagnose(ConnectError("internal", "Error")).familiar


@given(
    st.sampled_from([*HTTP_OF_CODE, "odd"]),
    st.sampled_from([*NAMES, "#99", ""]),
    st.text(max_size=20),
    st.none() | st.floats(0, 3),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
)
def test_state_is_never_blamed_once_there_is_output_or_nothing_to_drop(
    code: str,
    name: str,
    text: str,
    share: float | None,
    tokens: int,
    with_state: bool,
    can_rotate: bool,
) -> None:
    found = diagnose(
        refused(code, name, text),
        prompt_share=share,
        produced_tokens=tokens,
        with_state=with_state,
        can_rotate=can_rotate,
    )
    assert found.kind is not Kind.STATE or (tokens == 0 and (with_state or can_rotate))
    assert found.kind is not Kind.TRANSPORT
