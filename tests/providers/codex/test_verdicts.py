"""Verdicts on whole answers, on streams in any cut, and on WebSocket messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import ClientError
from addons.providers.codex.classification import (
    ACCOUNT_COOLDOWN,
    CHALLENGE_COOLDOWN,
    LONGEST_COOLDOWN,
    MODEL_COOLDOWN,
    RETRY_DELAY,
    after_refresh,
)
from addons.providers.codex.verdicts import PREAMBLE, StreamScan, explain, judge, judge_event
from addons.providers.contract import (
    Answer,
    Commit,
    Ended,
    Fail,
    Hold,
    NextAccount,
    RefreshCredentials,
    SameAccount,
    Verdict,
)

NOW = 1_763_698_500.0  # 2025-11-21 04:15:00 UTC


def verdict(
    status: int | None,
    body: Any = b"",
    headers: dict[str, str] | None = None,
    ended: Ended = Ended.COMPLETE,
    error: str = "",
    **options: Any,
) -> Verdict:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    options = {"model": "gpt-5.5", "retried": False} | options
    return judge(Answer(status, pairs, raw, ended, error), now=NOW, **options)


def next_account(found: Verdict | None) -> NextAccount:
    assert isinstance(found, NextAccount), found
    return found


def sse(*events: dict[str, Any], named: bool = True) -> bytes:
    out = b""
    for event in events:
        head = f"event: {event['type']}\n" if named else ""
        out += f"{head}data: {json.dumps(event)}\n\n".encode()
    return out


CREATED = {"type": "response.created", "response": {"id": "resp_1", "error": None}}
PROGRESS = {"type": "response.in_progress", "response": {"id": "resp_1"}}
LIMITS = {"type": "codex.rate_limits", "rate_limits": {}}
ADDED = {"type": "response.output_item.added", "item": {"type": "reasoning", "id": "rs_1"}}
DELTA = {"type": "response.output_text.delta", "delta": "hi"}


def failed(code: str, message: str = "no") -> dict[str, Any]:
    return {"type": "response.failed", "response": {"error": {"code": code, "message": message}}}


# --- statuses ------------------------------------------------------------------------------------


def test_usage_limit_with_its_reset_time() -> None:
    body = {
        "error": {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
            "resets_at": int(NOW) + 7800,
            "resets_in_seconds": 1,
        }
    }
    headers = {
        "x-codex-active-limit": "codex",
        "x-codex-primary-used-percent": "100.0",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(int(NOW) + 7800),
        "x-codex-secondary-used-percent": "40",
        "x-codex-secondary-window-minutes": "10080",
    }
    found = next_account(verdict(429, body, headers))
    assert (found.cooldown, found.scope, found.backoff) == (7800, "account", False)
    error = found.error
    assert (error.status, error.code, error.kind) == (
        429,
        "usage_limit_reached",
        "usage_limit_reached",
    )
    assert error.retry_after == 7800
    assert error.details == {
        "plan_type": "plus",
        "resets_at": int(NOW) + 7800,
        "resets_in_seconds": 7800,
    }
    assert error.message.startswith(
        "The 5-hour usage limit of the plus plan is reached; it resets at "
        "2025-11-21 06:25:00 UTC, in 2 h 10 min."
    )


@pytest.mark.parametrize(
    ("error", "headers", "cooldown", "backoff"),
    [
        ({"resets_in_seconds": 600}, {}, 600, False),
        ({"resets_at": (NOW + 600) * 1000}, {}, 600, False),  # milliseconds
        ({"resets_at": NOW - 600}, {}, 1, False),  # past: at once, nearly
        ({"resets_at": NOW + 10**9}, {}, LONGEST_COOLDOWN, False),
        ({"resets_at": "soon", "resets_in_seconds": True}, {}, 300, True),
        ({}, {"retry-after": "77"}, 77, False),
        ({}, {"Retry-After": "Fri, 21 Nov 2025 04:16:40 GMT"}, 100, False),
        ({}, {"retry-after": "later"}, 300, True),
        (
            {},
            {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-reset-after-seconds": "50",
                "x-codex-secondary-used-percent": "100",
                "x-codex-secondary-reset-at": str(NOW + 9000),
            },
            9000,  # both must reset
            False,
        ),
        (
            {},
            {"x-codex-primary-used-percent": "99", "x-codex-primary-reset-after-seconds": "50"},
            300,  # this window is not the one
            True,
        ),
    ],
)
def test_usage_limit_takes_the_best_time_there_is(
    error: dict[str, Any], headers: dict[str, str], cooldown: float, backoff: bool
) -> None:
    found = next_account(verdict(429, {"error": {"type": "usage_limit_reached", **error}}, headers))
    assert found.cooldown == pytest.approx(cooldown)
    assert found.backoff is backoff


def test_a_limit_of_its_own_cools_the_model_only() -> None:
    headers = {
        "x-codex-active-limit": "codex_spark",
        "x-codex-spark-primary-used-percent": "100",
        "x-codex-spark-primary-reset-after-seconds": "60",
        "x-codex-spark-limit-name": "Spark",
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-reset-after-seconds": "9000",
    }
    found = next_account(verdict(429, {"error": {"code": "usage_limit_reached"}}, headers))
    assert (found.cooldown, found.scope) == (60, "model")
    assert "(Spark)" in found.error.message


@pytest.mark.parametrize(
    ("status", "body", "cooldown", "scope", "backoff"),
    [
        (429, {"error": {"type": "usage_not_included"}}, ACCOUNT_COOLDOWN, "account", False),
        (429, {"error": {"code": "insufficient_quota"}}, ACCOUNT_COOLDOWN, "account", False),
        (402, {"detail": {"code": "deactivated_workspace"}}, ACCOUNT_COOLDOWN, "account", False),
        (402, b"", ACCOUNT_COOLDOWN, "account", False),
        (401, {"error": {"code": "token_invalidated"}}, ACCOUNT_COOLDOWN, "account", False),
        (403, {"detail": "Forbidden"}, ACCOUNT_COOLDOWN, "account", False),
        (429, b"", 1, "account", True),
        (429, {"error": {"code": "rate_limit_exceeded"}}, 1, "model", True),
        (503, {"error": {"code": "server_is_overloaded"}}, 1, "model", True),
        (503, {"error": {"code": "slow_down"}}, 1, "model", True),
        (400, {"error": {"message": "Selected model is at capacity."}}, 1, "model", True),
        (404, {"error": {"code": "model_not_found"}}, MODEL_COOLDOWN, "model", False),
        (
            400,
            {"detail": "The 'x' model is not supported when using Codex with a ChatGPT account."},
            MODEL_COOLDOWN,
            "model",
            False,
        ),
    ],
)
def test_refusals_that_another_account_may_not_meet(
    status: int, body: Any, cooldown: float, scope: str, backoff: bool
) -> None:
    found = next_account(verdict(status, body))
    assert (found.cooldown, found.scope, found.backoff) == (cooldown, scope, backoff)


@pytest.mark.parametrize(
    ("headers", "body", "cooldown"),
    [
        ({"retry-after": "20"}, b"", 20),
        ({}, {"error": {"code": "rate_limit_exceeded", "message": "try again in 1.5s."}}, 1.5),
        ({}, {"error": {"code": "rate_limit_exceeded", "message": "Try again in 2500ms"}}, 2.5),
        ({}, {"error": {"code": "rate_limit_exceeded", "message": "try again in 3m"}}, 180),
    ],
)
def test_plain_429_waits_as_long_as_it_says(
    headers: dict[str, str], body: Any, cooldown: float
) -> None:
    found = next_account(verdict(429, body, headers))
    assert (found.cooldown, found.backoff) == (cooldown, False)


@pytest.mark.parametrize(
    "body", [{"error": {"code": "token_expired"}}, b"", b"nope", {"detail": "Unauthorized"}]
)
def test_401_refreshes_once_and_then_moves_on(body: Any) -> None:
    found = verdict(401, body)
    assert isinstance(found, RefreshCredentials)
    assert found.error.status == 502, "the client's own key is not in doubt"
    moved = after_refresh(found)
    assert (moved.cooldown, moved.scope) == (ACCOUNT_COOLDOWN, "account")


def test_the_gates_page_is_a_short_block_and_said_to_be_one() -> None:
    page = b"<!DOCTYPE html><html><head><title>Just a &amp; moment...</title></head></html>"
    found = next_account(verdict(403, page, {"cf-ray": "9abc-FRA", "content-type": "text/html"}))
    assert (found.cooldown, found.backoff, found.scope) == (CHALLENGE_COOLDOWN, True, "account")
    assert found.error.code == "upstream_blocked"
    assert "9abc-FRA" in found.error.message
    assert "Just a & moment..." in found.error.message
    assert "<" not in found.error.message


@pytest.mark.parametrize("status", [500, 502, 504, 520, 408, 503])
def test_server_trouble_asks_again_once_and_then_moves_on(status: int) -> None:
    first = verdict(status, b"<html>bad gateway</html>")
    assert isinstance(first, SameAccount)
    assert first.after == RETRY_DELAY
    found = next_account(verdict(status, b"oops", retried=True))
    assert (found.cooldown, found.backoff, found.scope) == (1, True, "model")


def test_server_trouble_with_a_wait() -> None:
    short = verdict(500, b"", {"retry-after": "1"})
    assert isinstance(short, SameAccount)
    assert short.after == 1
    assert next_account(verdict(500, b"", {"retry-after": "30"})).cooldown == 30


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "context_length_exceeded", "message": "too long"}}),
        (400, {"detail": "Bad Request"}),
        (400, {"error": {"code": "previous_response_not_found"}}),
        (413, b"too large"),
        (422, {"detail": [{"loc": ["body", "input"], "msg": "field required", "type": "missing"}]}),
        (404, {"detail": "Not Found"}),
        (405, b""),
        (426, b""),
    ],
)
def test_the_requests_own_fault_cools_nothing_and_is_the_upstreams_to_tell(
    status: int, body: Any
) -> None:
    found = verdict(status, body)
    assert isinstance(found, Fail)
    assert found.error is None


def test_an_error_answer_is_held_until_it_is_whole() -> None:
    assert verdict(429, b'{"err', ended=Ended.OPEN) == Hold()
    for ended in (Ended.WAITED, Ended.BROKEN):
        assert isinstance(verdict(429, b'{"err', ended=ended), NextAccount)


def test_upgrades() -> None:
    assert verdict(101, ended=Ended.OPEN) == Commit()
    assert isinstance(verdict(426), Fail)
    assert isinstance(verdict(401), RefreshCredentials)
    assert isinstance(verdict(429), NextAccount)
    assert isinstance(verdict(503, retried=True), NextAccount)


def test_redirects_are_not_followed() -> None:
    found = verdict(302, b"", {"location": "https://example.com/login"})
    assert isinstance(found, Fail)
    assert found.error is not None
    assert found.error.status == 502


# --- transport -----------------------------------------------------------------------------------


def test_transport_trouble_asks_again_once_and_cools_nothing() -> None:
    first = verdict(None, ended=Ended.BROKEN, error="connection reset")
    assert isinstance(first, SameAccount)
    second = next_account(verdict(None, ended=Ended.BROKEN, error="reset", retried=True))
    assert (second.cooldown, second.scope) == (0, "none")
    assert (second.error.status, second.error.code) == (502, "upstream_unreachable")


@pytest.mark.parametrize("ended", [Ended.BROKEN, Ended.COMPLETE])
@pytest.mark.parametrize("body", [b"", b": hi\n\n", sse(CREATED, PROGRESS), sse(CREATED)[:-9]])
def test_a_stream_that_ends_before_output_is_transport_trouble(ended: Ended, body: bytes) -> None:
    assert isinstance(verdict(200, body, ended=ended), SameAccount)
    assert isinstance(verdict(200, body, ended=ended, retried=True), NextAccount)


# --- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(PREAMBLE))
def test_the_preamble_is_held(kind: str) -> None:
    for named in (True, False):
        body = sse(CREATED, {"type": kind, "x": 1}, named=named)
        assert verdict(200, body, ended=Ended.OPEN) == Hold()


def test_comments_and_nothing_are_held() -> None:
    for body in (b"", b": keep-alive\n\n", b"\n\n", b"event: response.created\n"):
        assert verdict(200, body, ended=Ended.OPEN) == Hold()


@pytest.mark.parametrize(
    "event",
    [
        ADDED,
        DELTA,
        {"type": "response.output_item.done", "item": {}},
        {"type": "response.completed", "response": {"error": None}},
        {"type": "response.incomplete", "response": {}},
        {"type": "something.new"},
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_everything_else_commits(event: dict[str, Any], named: bool) -> None:
    assert verdict(200, sse(CREATED, event, named=named), ended=Ended.OPEN) == Commit()


def test_a_held_stream_is_given_when_the_limit_is_reached() -> None:
    assert verdict(200, sse(CREATED), ended=Ended.WAITED) == Commit()


@pytest.mark.parametrize(
    ("code", "cooldown", "scope"),
    [
        ("server_is_overloaded", 1, "model"),
        ("slow_down", 1, "model"),
        ("usage_limit_reached", 300, "account"),
        ("usage_not_included", ACCOUNT_COOLDOWN, "account"),
        ("insufficient_quota", ACCOUNT_COOLDOWN, "account"),
        ("rate_limit_exceeded", 1, "model"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_limits_inside_a_200(code: str, cooldown: float, scope: str, named: bool) -> None:
    for event in (
        failed(code),
        {"type": "error", "code": code, "message": "no", "param": None},
        {"type": "error", "error": {"code": code}},
    ):
        body = sse(CREATED, LIMITS, event, named=named)
        found = next_account(verdict(200, body, ended=Ended.OPEN))
        assert (found.cooldown, found.scope) == (cooldown, scope)


def test_a_nameless_error_object_inside_a_200() -> None:
    body = b'data: {"error": {"code": "usage_limit_reached"}}\n\n'
    assert isinstance(verdict(200, body, ended=Ended.OPEN), NextAccount)


@pytest.mark.parametrize(
    "code",
    ["context_length_exceeded", "invalid_prompt", "cyber_policy", "bio_policy", "unheard_of", ""],
)
def test_the_requests_own_fault_inside_a_200_is_the_clients_to_see(code: str) -> None:
    assert verdict(200, sse(CREATED, failed(code)), ended=Ended.OPEN) == Commit()


def test_server_error_inside_a_200() -> None:
    assert isinstance(verdict(200, sse(failed("server_error"))), SameAccount)
    assert isinstance(verdict(200, sse(failed("server_error")), retried=True), NextAccount)


def test_stale_credentials_inside_a_200() -> None:
    assert isinstance(verdict(200, sse(failed("token_expired"))), RefreshCredentials)


def test_a_failure_after_output_is_not_taken_back() -> None:
    body = sse(CREATED, DELTA, failed("server_is_overloaded"))
    assert verdict(200, body, ended=Ended.OPEN) == Commit()


def test_a_failure_that_is_no_json_is_given_as_it_is() -> None:
    assert verdict(200, b"event: response.failed\ndata: {\n\n", ended=Ended.OPEN) == Commit()


@given(st.lists(st.integers(1, 60), max_size=30), st.booleans())
def test_the_cut_of_a_stream_makes_no_difference(sizes: list[int], remembered: bool) -> None:
    whole = b": hi\r\n\r\n" + sse(CREATED, LIMITS, PROGRESS, failed("slow_down"))
    last = len(whole) - 1  # the failure is complete with the last byte
    scan = StreamScan() if remembered else None
    end = 0
    for size in sizes:
        end = min(end + size, last)
        assert verdict(200, whole[:end], ended=Ended.OPEN, scan=scan) == Hold()
    assert isinstance(verdict(200, whole, ended=Ended.OPEN, scan=scan), NextAccount)


def test_a_scan_reads_each_byte_once() -> None:
    # Fed the same body again and again it must neither forget nor repeat its event.
    scan = StreamScan()
    body = sse(CREATED) + sse(ADDED)
    for end in range(len(body)):
        assert verdict(200, body[:end], ended=Ended.OPEN, scan=scan) == Hold()
    for _ in range(3):
        assert (
            verdict(200, body + sse(failed("slow_down")), ended=Ended.OPEN, scan=scan) == Commit()
        )


# --- a 200 that is no stream ---------------------------------------------------------------------


def test_an_error_in_json_with_200() -> None:
    body = {"error": {"code": "usage_limit_reached"}}
    assert verdict(200, body, ended=Ended.OPEN) == Hold()
    assert isinstance(verdict(200, body), NextAccount)


def test_a_whole_response_in_json() -> None:
    body = {"id": "resp_1", "output": [], "error": None}
    assert verdict(200, body) == Commit()
    assert verdict(200, json.dumps(body).encode()[:20], ended=Ended.WAITED) == Commit()


def test_a_page_with_200_is_the_gate() -> None:
    found = next_account(verdict(200, b"\n<html><title>Sign in</title></html>"))
    assert found.error.code == "upstream_blocked"
    assert verdict(200, b"<html>", ended=Ended.OPEN) == Hold()


def test_documents_are_committed_on_their_head() -> None:
    assert verdict(200, b"", ended=Ended.OPEN, streamed=False) == Commit()
    assert verdict(204, b"", streamed=False) == Commit()
    assert verdict(304, b"", streamed=False) == Commit()
    broken = verdict(200, b"{", ended=Ended.BROKEN, streamed=False)
    assert isinstance(broken, SameAccount)


# --- learning ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "Unsupported parameter: prompt_cache_retention"},
        {
            "error": {
                "message": "Unsupported parameter: 'prompt_cache_retention' is not supported.",
                "param": "prompt_cache_retention",
            }
        },
    ],
)
def test_an_unsupported_parameter_is_left_out_and_asked_again(body: Any) -> None:
    asked: list[str] = []

    def learnable(name: str) -> bool:
        asked.append(name)
        return True

    found = verdict(400, body, learnable=learnable)
    assert isinstance(found, SameAccount)
    assert "prompt_cache_retention" in found.reason
    assert asked == ["prompt_cache_retention"]
    assert isinstance(verdict(400, body, learnable=lambda _: False), Fail)


# --- WebSocket messages --------------------------------------------------------------------------


def test_messages_that_are_no_refusal() -> None:
    for event in (CREATED, DELTA, LIMITS, {"x": 1}, {}):
        assert judge_event(event, model="m", now=NOW) is None


def test_an_error_message_with_its_headers() -> None:
    event = {
        "type": "error",
        "status": 429,
        "error": {"type": "usage_limit_reached", "message": "x"},
        "headers": {
            "x-codex-primary-used-percent": 100,
            "x-codex-primary-reset-after-seconds": "120",
        },
    }
    found = next_account(judge_event(event, model="m", now=NOW))
    assert found.cooldown == 120


@pytest.mark.parametrize(
    "code", ["websocket_connection_limit_reached", "previous_response_not_found"]
)
def test_connection_lifecycle_cools_nothing(code: str) -> None:
    event = {"type": "error", "status": 400, "error": {"code": code}}
    assert judge_event(event, model="m", now=NOW) == Commit()


def test_a_message_is_never_sent_again_on_the_same_account() -> None:
    for status in (500, 400):
        event = {
            "type": "error",
            "status": status,
            "error": {"message": "Unsupported parameter: x"},
        }
        assert not isinstance(judge_event(event, model="m", now=NOW), SameAccount)


def test_odd_statuses_in_messages() -> None:
    for status in (True, "x", -1, 10**9, None):
        event = {"type": "error", "status": status, "error": {"code": "slow_down"}}
        assert isinstance(judge_event(event, model="m", now=NOW), NextAccount)


# --- what clients are told -----------------------------------------------------------------------


PRIVATE = (
    "Rate limit reached for someone.else@example.com in organization org-AbC123xyz, account "
    "5f0c3b52-1111-2222-3333-444455556666, user-9hH2kLmN, key sk-proj-abcdefgh12345678, token "
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig"
)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 503])
def test_errors_never_name_accounts_or_secrets(status: int) -> None:
    body = json.dumps({"error": {"message": PRIVATE, "code": "x"}}).encode()
    found = verdict(status, body, retried=True)
    error = getattr(found, "error", None) or explain(status, [], body, now=NOW)
    assert isinstance(error, ClientError)
    assert "limit reached for" in error.message
    for secret in ("example.com", "org-AbC", "5f0c3b52", "user-9hH", "sk-proj", "eyJ"):
        assert secret not in error.message, secret


def test_explaining_an_upstreams_own_error() -> None:
    error = explain(400, [], b'{"detail": "Instructions are not valid"}', now=NOW)
    assert (error.status, error.code) == (400, "invalid_request_error")
    assert error.message == "Instructions are not valid"
    body = {"error": {"code": "context_length_exceeded", "message": "too long", "param": "input"}}
    error = explain(400, [], json.dumps(body).encode(), now=NOW)
    assert (error.code, error.param) == ("context_length_exceeded", "input")
    error = explain(413, [], b"", now=NOW)
    assert (error.status, error.message) == (413, "The upstream refused the request (HTTP 413).")


@given(st.binary(max_size=300), st.integers(200, 599), st.sampled_from(list(Ended)), st.booleans())
def test_no_bytes_break_the_judge(body: bytes, status: int, ended: Ended, streamed: bool) -> None:
    found = verdict(status, body, ended=ended, streamed=streamed)
    assert not (isinstance(found, Hold) and ended is not Ended.OPEN)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=10) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "detail",
                    "code",
                    "type",
                    "message",
                    "resets_at",
                    "resets_in_seconds",
                    "param",
                    "plan_type",
                    "headers",
                    "status",
                    "response",
                    "loc",
                    "msg",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from([200, 400, 401, 403, 404, 429, 500]), json_values)
def test_no_json_breaks_the_judge(status: int, document: Any) -> None:
    verdict(status, document)
    if isinstance(document, dict):
        judge_event(document, model="m", now=NOW)
        judge_event({**document, "type": "error"}, model="m", now=NOW)
        verdict(200, sse({**document, "type": "response.failed"}))
