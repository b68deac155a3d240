"""Limits and cooldowns of an account as JSON, and back, for those who look from outside. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from addons.accounts.cooldowns import Cooldown, Source
from addons.accounts.quota import Credits, Quota, Window
from addons.store.contract import JsonLike

type Json = Mapping[str, Any]


def dump_cooldowns(cooldowns: Iterable[Cooldown]) -> list[dict[str, JsonLike]]:
    """Without the errors that clients were told."""
    return [
        {
            "model": each.model,
            "until": each.until,
            "since": each.since,
            "reason": each.reason,
            "level": each.level,
            "source": each.source.value,
        }
        for each in cooldowns
    ]


def dump_quota(quota: Quota) -> dict[str, JsonLike]:
    credits = quota.credits
    return {
        "observed_at": quota.observed_at,
        "plan": quota.plan,
        "active_limit": quota.active_limit,
        "credits": None
        if credits is None
        else {
            "available": credits.available,
            "unlimited": credits.unlimited,
            "balance": credits.balance,
        },
        "windows": [
            {
                "limit": window.limit,
                "name": window.name,
                "used_percent": window.used_percent,
                "minutes": window.minutes,
                "resets_at": window.resets_at,
                "display": window.display,
                "general": window.general,
            }
            for window in quota.windows
        ],
    }


def load_quota(seen: Json) -> Quota | None:
    """The quota in what was observed; None when there is none that can be read."""
    given = seen.get("quota")
    if not isinstance(given, dict):
        return None
    try:
        credits = given["credits"]
        return Quota(
            float(given["observed_at"]),
            tuple(Window(**window) for window in given["windows"]),
            given["plan"],
            None if credits is None else Credits(**credits),
            given["active_limit"],
        )
    except (KeyError, TypeError, ValueError):  # written by another version
        return None


def load_cooldowns(handle: str, seen: Json, now: float) -> list[Cooldown]:
    """Those that are still open, the longest first."""
    found = []
    given = seen.get("cooldowns")
    for each in given if isinstance(given, list) else []:
        try:
            cooldown = Cooldown(handle, **{**each, "source": Source(each["source"])})
        except (KeyError, TypeError, ValueError):  # written by another version
            continue
        if cooldown.until > now:
            found.append(cooldown)
    return sorted(found, key=lambda each: -each.until)
