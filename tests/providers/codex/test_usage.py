"""Quota and token counts from every surface that carries them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.accounts.quota import Credits, Window
from addons.exchange import Usage
from addons.providers.codex.usage import (
    header_map,
    number,
    quota_from_event,
    quota_from_headers,
    quota_from_usage,
)

NOW = 1_800_000_000.0


def test_headers_of_several_limits() -> None:
    quota = quota_from_headers(
        header_map(
            [
                (b"X-Codex-Primary-Used-Percent", b"12.5"),
                (b"x-codex-primary-window-minutes", b"300"),
                (b"x-codex-primary-reset-at", b"1800003600"),
                (b"x-codex-secondary-used-percent", b"80"),
                (b"x-codex-secondary-window-minutes", b"10080"),
                (b"x-codex-secondary-reset-after-seconds", b"60"),
                (b"x-codex-spark-primary-used-percent", b"100"),
                (b"x-codex-spark-limit-name", b"Spark"),
                (b"x-codex-credits-has-credits", b"True"),
                (b"x-codex-credits-unlimited", b"false"),
                (b"x-codex-credits-balance", b"12.3"),
                (b"x-codex-active-limit", b"codex_spark"),
                (b"x-codex-plan-type", b"plus"),
                (b"x-other-used-percent", b"3"),
            ]
        ),
        NOW,
    )
    assert quota is not None
    assert set(quota.windows) == {
        Window("codex", "primary", 12.5, 300, 1_800_003_600),
        Window("codex", "secondary", 80, 10080, NOW + 60),
        Window("codex-spark", "primary", 100, None, None, "Spark", False),
    }
    assert quota.credits == Credits(True, False, "12.3")
    assert (quota.active_limit, quota.plan) == ("codex-spark", "plus")


def test_headers_that_say_nothing() -> None:
    assert quota_from_headers({}, NOW) is None
    assert quota_from_headers({"x-codex-primary-window-minutes": "300"}, NOW) is None
    assert quota_from_headers({"x-codex-primary-used-percent": "nan"}, NOW) is None


def test_the_number_of_families_is_bounded() -> None:
    headers = {f"x-l{n}-primary-used-percent": "1" for n in range(500)}
    quota = quota_from_headers(headers, NOW)
    assert quota is not None
    assert len(quota.windows) == 32


def test_rate_limit_messages() -> None:
    event = {
        "type": "codex.rate_limits",
        "plan_type": "pro",
        "metered_limit_name": "codex_other",
        "limit_name": "Other",
        "rate_limits": {
            "primary": {"used_percent": 3, "window_minutes": 300, "reset_at": 1_800_000_100},
            "secondary": None,
        },
        "credits": {"has_credits": False, "unlimited": False, "balance": 0},
    }
    quota = quota_from_event(event, NOW)
    assert quota is not None
    window = Window("codex-other", "primary", 3, 300, 1_800_000_100, "Other", False)
    assert quota.windows == (window,)
    assert quota.credits == Credits(False, False, "0")
    assert quota.plan == "pro"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.created"},
        {"type": "codex.rate_limits"},
        {"type": "codex.rate_limits", "rate_limits": [1], "credits": 3},
        {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": True}}},
    ],
)
def test_messages_that_say_nothing(event: dict[str, Any]) -> None:
    assert quota_from_event(event, NOW) is None


def test_the_usage_endpoint() -> None:
    document = {
        "plan_type": "plus",
        "rate_limit": {
            "allowed": True,
            "limit_reached": False,
            "primary_window": {
                "used_percent": 20,
                "limit_window_seconds": 18000,
                "reset_after_seconds": 60,
                "reset_at": 1_800_000_060,
            },
            "secondary_window": {"used_percent": 5, "limit_window_seconds": 604800},
        },
        "credits": {"has_credits": True, "unlimited": True, "balance": "9"},
        "additional_rate_limits": [
            {
                "metered_feature": "codex_spark",
                "limit_name": "Spark",
                "rate_limit": {"primary_window": {"used_percent": 50}},
            },
            "odd",
            {"metered_feature": None},
        ],
    }
    quota = quota_from_usage(document, NOW)
    assert quota is not None
    assert quota.windows == (
        Window("codex", "primary", 20, 300, 1_800_000_060),
        Window("codex", "secondary", 5, 10080),
        Window("codex-spark", "primary", 50, None, None, "Spark", False),
    )
    assert quota.credits == Credits(True, True, "9")
    assert quota_from_usage({}, NOW) is None


def test_token_counts() -> None:
    response = {
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 64},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 107,
        }
    }
    assert Usage.of_response(response) == Usage(100, 64, 7, 3)
    assert Usage.of_response({"usage": {"input_tokens": "x", "input_tokens_details": 3}}) == Usage()
    assert Usage.of_response({"usage": None}) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        ("3.5", 3.5),
        (-1, None),
        (True, None),
        ("inf", None),
        ("", None),
        (None, None),
        ([], None),
        ("1e400", None),
        (10**400, None),
    ],
)
def test_numbers(value: Any, expected: float | None) -> None:
    assert number(value) == expected


odd = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["primary", "primary_window", "used_percent", "rate_limit", "reset_at"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@given(odd, odd, odd)
def test_no_document_breaks_the_readers(limits: Any, credits: Any, additional: Any) -> None:
    document = {
        "type": "codex.rate_limits",
        "rate_limits": limits,
        "rate_limit": limits,
        "credits": credits,
        "additional_rate_limits": additional,
        "metered_limit_name": credits,
        "usage": limits,
    }
    quota_from_event(document, NOW)
    quota_from_usage(document, NOW)
    Usage.of_response(document)
