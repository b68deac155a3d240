"""Quota in neutral words, and times that people read."""

from __future__ import annotations

import pytest

from addons.accounts.model import account_handle
from addons.accounts.quota import Credits, Quota, Window
from addons.accounts.wording import duration, moment

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("minutes", "span"),
    [(300, "5-hour"), (10080, "weekly"), (43200, "30-day"), (45, "45-minute"), (None, "")],
)
def test_windows_have_a_name(minutes: float | None, span: str) -> None:
    assert Window("l", "primary", 0, minutes).span == span


def test_a_newer_observation_wins_whatever_arrives_first() -> None:
    old = Quota(NOW, (Window("a", "primary", 10), Window("a", "secondary", 20)), plan="plus")
    new = Quota(NOW + 1, (Window("a", "primary", 99),), credits=Credits(True))
    for merged in (old.merged(new), new.merged(old)):
        assert {(w.name, w.used_percent) for w in merged.windows} == {
            ("primary", 99),
            ("secondary", 20),
        }
        assert (merged.plan, merged.credits, merged.observed_at) == ("plus", Credits(True), NOW + 1)


def test_a_window_is_unused_after_its_reset() -> None:
    quota = Quota(NOW, (Window("a", "primary", 100, 300, NOW + 60),))
    assert quota.exhausted("a")
    assert not quota.exhausted("b")
    assert not quota.at(NOW + 60).exhausted()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.2, "1 s"),
        (119, "119 s"),
        (121, "3 min"),
        (3600, "1 h"),
        (7830, "2 h 11 min"),
        (48 * 3600, "2 d"),
        (50 * 3600 + 1, "2 d 3 h"),
    ],
)
def test_durations_are_rounded_up(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_moments_are_utc() -> None:
    assert moment(1_763_698_500) == "2025-11-21 04:15:00 UTC"
    assert moment(1e30).startswith("unix time")


def test_handles_are_stable_opaque_and_need_a_subject() -> None:
    handle = account_handle("p", "someone@example.com")
    assert handle == account_handle("p", "someone@example.com")
    assert handle != account_handle("q", "someone@example.com")
    assert len(handle) == 16
    assert "someone" not in handle
    with pytest.raises(ValueError, match="subject"):
        account_handle("p", "")
