"""Limits and cooldowns as JSON, and back."""

from __future__ import annotations

from addons.accounts.cooldowns import Cooldown, Source
from addons.accounts.quota import Credits, Quota, Window
from addons.accounts.seen import dump_cooldowns, dump_quota, load_cooldowns, load_quota

NOW = 1_800_000_000.0


def test_a_quota_comes_back() -> None:
    windows = (
        Window("main", "primary", 40.0, 300, NOW + 60),
        Window("big", "weekly", 7.5, None, None, "Big models", general=False),
    )
    for quota in (Quota(NOW, windows, "pro", Credits(True, False, "3"), "main"), Quota(NOW)):
        assert load_quota({"quota": dump_quota(quota)}) == quota


def test_open_cooldowns_come_back_the_longest_first() -> None:
    short = Cooldown("h", "m", NOW + 5, NOW, "busy", 2, Source.BACKOFF)
    long = Cooldown("h", None, NOW + 60, NOW, "used up")
    seen = {"cooldowns": dump_cooldowns([short, long])}
    assert load_cooldowns("h", seen, NOW) == [long, short]
    assert load_cooldowns("h", seen, NOW + 5) == [long]


def test_what_another_version_has_seen_counts_as_nothing() -> None:
    for quota in (None, 3, {}, {"windows": [{"x": 1}], "credits": None}):
        assert load_quota({"quota": quota}) is None
    for cooldown in ({"x": 1}, {"source": "moon"}, {"source": "rule"}):
        assert load_cooldowns("h", {"cooldowns": [cooldown]}, 0) == []
