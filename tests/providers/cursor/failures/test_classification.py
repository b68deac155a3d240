from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.contract import Fail, NextAccount, RefreshCredentials, SameAccount, Verdict
from addons.providers.cursor.failures.classification import (
    ACCOUNT_COOLDOWN,
    MODEL_COOLDOWN,
    QUOTA_COOLDOWN,
    TRANSIENT_COOLDOWN,
    after_refresh,
    classify,
    retry_after,
)
from addons.providers.cursor.failures.error_details import TYPE, ErrorDetail
from addons.providers.cursor.failures.errors import (
    HTTP_OF_CODE,
    ConnectError,
    ConnectFailed,
    CursorError,
    Goaway,
    Silence,
    StreamReset,
    StuckExec,
)
from addons.providers.cursor.proto import aiserver_pb2 as aiserver

NOW = 1_800_000_000.0
NAMES = [name.removeprefix("ERROR_") for name in aiserver.ErrorCode.keys()]  # noqa: SIM118


def refused(name: str = "", code: str = "resource_exhausted", text: str = "") -> ConnectError:
    return ConnectError(code, "Error", [ErrorDetail(TYPE, name, detail=text)] if name else [])


def judged(error: CursorError | OSError, **more: Any) -> Verdict:
    given: dict[str, Any] = {"prompt_share": 0.1, "produced_tokens": 0, "now": NOW} | more
    return classify(error, **given)


@pytest.mark.parametrize(
    ("name", "cooldown", "scope", "backoff"),
    [
        ("PRO_USER_USAGE_LIMIT", QUOTA_COOLDOWN, "model", True),
        ("USAGE_PRICING_REQUIRED", QUOTA_COOLDOWN, "model", True),
        ("GENERIC_RATE_LIMIT_EXCEEDED", TRANSIENT_COOLDOWN, "account", True),
        ("SUSPICIOUS_USAGE_BLOCKED", ACCOUNT_COOLDOWN, "account", False),
        ("NOT_HIGH_ENOUGH_PERMISSIONS", ACCOUNT_COOLDOWN, "account", False),
        ("PRO_USER_ONLY", MODEL_COOLDOWN, "model", False),
        ("BAD_MODEL_NAME", MODEL_COOLDOWN, "model", False),
        ("", TRANSIENT_COOLDOWN, "model", True),
    ],
)
def test_what_cools_and_for_how_long(name: str, cooldown: float, scope: str, backoff: bool) -> None:
    verdict = judged(refused(name))
    assert isinstance(verdict, NextAccount)
    assert (verdict.cooldown, verdict.scope, verdict.backoff) == (cooldown, scope, backoff)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (refused("OUTDATED_CLIENT"), 502, "client_version_refused"),
        (
            refused("GPT_4_VISION_PREVIEW_RATE_LIMIT", text="Update Required"),
            502,
            "client_version_refused",
        ),
        (refused("CONVERSATION_TOO_LONG"), 400, "context_length_exceeded"),
        (refused("BAD_REQUEST", "invalid_argument"), 400, "invalid_request_error"),
        (refused("USER_ABORTED_REQUEST", "canceled"), 499, "canceled"),
        (ConnectError("unimplemented", http_status=404), 502, "upstream_not_served"),
        (ConnectError("unknown", http_status=413), 413, "invalid_request_error"),
        (StuckExec("shell_args", 45), 504, "upstream_stuck"),
    ],
)
def test_what_is_no_account_s_fault_cools_nothing(
    error: CursorError, status: int, code: str
) -> None:
    verdict = judged(error)
    assert isinstance(verdict, Fail)
    assert verdict.error is not None
    assert (verdict.error.status, verdict.error.code) == (status, code)


def test_an_oversize_prompt_without_a_name_cools_nothing() -> None:
    verdict = judged(refused(), prompt_share=0.8)
    assert isinstance(verdict, Fail)
    assert verdict.error is not None
    assert verdict.error.code == "context_length_exceeded"


def test_the_remedy_of_an_outdated_version_is_named() -> None:
    verdict = judged(refused("OUTDATED_CLIENT", text="Update Required"))
    assert isinstance(verdict, Fail)
    assert "client_versions" in str(verdict.error)
    assert "Update Required" in str(verdict.error)


@pytest.mark.parametrize("error", [refused("RESOURCE_EXHAUSTED"), ConnectError("internal")])
def test_load_and_server_trouble_is_asked_again_then_moves_on(error: ConnectError) -> None:
    assert isinstance(judged(error), SameAccount)
    verdict = judged(error, retried=True)
    assert isinstance(verdict, NextAccount)
    assert (verdict.cooldown, verdict.backoff) == (TRANSIENT_COOLDOWN, True)
    assert isinstance(judged(error, produced_tokens=7), NextAccount)


def test_credentials_are_refreshed_once_then_the_account_cools() -> None:
    verdict = judged(ConnectError("unauthenticated"))
    assert isinstance(verdict, RefreshCredentials)
    assert verdict.error.status == 502  # a client must not doubt its own key
    final = after_refresh(verdict)
    assert (final.cooldown, final.scope) == (ACCOUNT_COOLDOWN, "account")


def test_a_refused_state_is_worth_one_more_attempt_on_the_same_account() -> None:
    assert isinstance(judged(refused(), can_rotate=True), SameAccount)
    assert isinstance(judged(refused()), NextAccount)
    assert isinstance(
        judged(ConnectError("internal", "Blob not found"), with_state=True), SameAccount
    )


@pytest.mark.parametrize("error", [StreamReset(2), Goaway(0), Silence(30), ConnectFailed("no")])
def test_the_connection_s_trouble_cools_nothing(error: CursorError) -> None:
    assert isinstance(judged(error), SameAccount)
    moved = judged(error, retried=True)
    assert isinstance(moved, NextAccount)
    assert (moved.scope, moved.cooldown) == ("none", 0.0)
    # Output was made: sending it again would pay for it, and show it, twice.
    assert isinstance(judged(error, produced_tokens=1), Fail)


def test_what_was_surely_not_processed_is_sent_again_at_once() -> None:
    verdict = judged(StreamReset(StreamReset.REFUSED))
    assert isinstance(verdict, SameAccount)
    assert verdict.after == 0.0
    assert judged(StreamReset(2)) != verdict


def test_an_os_error_names_no_address() -> None:
    verdict = judged(ConnectionRefusedError(111, "Connection refused", "/secret/place"))
    assert isinstance(verdict, SameAccount)
    assert "secret" not in verdict.error.message
    assert "Connection refused" in verdict.error.message


def test_a_retry_after_is_obeyed_should_one_come() -> None:
    error = ConnectError(
        "resource_exhausted",
        "",
        [ErrorDetail(TYPE, "RATE_LIMITED")],
        metadata={"retry-after": ("90",)},
    )
    verdict = judged(error)
    assert isinstance(verdict, NextAccount)
    assert (verdict.cooldown, verdict.backoff) == (90.0, False)
    assert verdict.error.retry_after == 90.0


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "", "Thu, 99 Foo"])
def test_a_retry_after_that_says_nothing(value: str) -> None:
    error = ConnectError("unavailable", metadata={"retry-after": (value,)})
    assert retry_after(error, NOW) is None


def test_a_retry_after_may_be_a_date() -> None:
    now = float(int(time.time()))
    error = ConnectError("unavailable", metadata={"retry-after": (formatdate(now + 60),)})
    assert retry_after(error, now) == 60.0


@given(
    st.sampled_from([*HTTP_OF_CODE, "odd"]),
    st.sampled_from([*NAMES, "#99", ""]),
    st.sampled_from(["", "Error", "Update Required", "blob not found", "usage limit"]),
    st.none() | st.floats(0, 3),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=80)
def test_every_refusal_has_a_verdict_that_names_no_one_and_ends(
    code: str,
    name: str,
    text: str,
    share: float | None,
    tokens: int,
    retried: bool,
    with_state: bool,
    can_rotate: bool,
) -> None:
    error = ConnectError(code, "for jo@example.com", [ErrorDetail(TYPE, name, detail=text)])
    verdict = classify(
        error,
        prompt_share=share,
        produced_tokens=tokens,
        now=NOW,
        retried=retried,
        with_state=with_state,
        can_rotate=can_rotate,
    )
    assert isinstance(verdict, NextAccount | SameAccount | RefreshCredentials | Fail)
    assert verdict.error is not None
    assert 400 <= verdict.error.status <= 599
    assert "jo@example.com" not in verdict.error.message + verdict.reason
    if retried and not (with_state or can_rotate):
        assert not isinstance(verdict, SameAccount)  # no way to go round for ever
    if isinstance(verdict, NextAccount):
        assert verdict.scope in ("account", "model", "none")
        assert verdict.cooldown > 0
