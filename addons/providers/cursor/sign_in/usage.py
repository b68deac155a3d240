"""What ``GetCurrentPeriodUsage`` says of a plan, as limits (cursor-protocol.md §1.6). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from addons.accounts.quota import Quota, Window

_LIMITS: Final = (
    ("totalPercentUsed", "plan", ""),
    ("autoPercentUsed", "auto", "Auto"),
    ("apiPercentUsed", "api", "Named models"),
)
"""Member, id of the limit, and its name for people."""

_MINUTE_MS: Final = 60_000


def quota_of(document: Any, now: float) -> Quota | None:
    """The quota in the JSON answer; None when it says nothing of limits.

    Args:
        now: unix seconds.
    """
    if not isinstance(document, dict):
        return None
    plan = document.get("planUsage")
    windows = tuple(_windows(document, plan)) if isinstance(plan, dict) else ()
    return Quota(now, windows) if windows else None


def _windows(document: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[Window]:
    start, end = (
        _number(document.get("billingCycleStart")),
        _number(document.get("billingCycleEnd")),
    )
    minutes = (end - start) / _MINUTE_MS if start is not None and end is not None else None
    for member, limit, display in _LIMITS:
        used = _number(plan.get(member))
        if used is not None:
            resets = None if end is None else end / 1000
            yield Window(limit, "cycle", used, minutes, resets, display)


def _number(value: Any) -> float | None:
    """64-bit integers are texts in the JSON form of protobuf."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) and found >= 0 else None
