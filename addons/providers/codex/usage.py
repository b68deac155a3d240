"""Quota and token counts as the upstream reports them. Pure.

Sources: response headers (codex-wire.md §4.1), ``codex.rate_limits`` messages (§3),
``wham/usage`` (§4.5), ``usage`` of a response object (§4.2).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from addons.accounts.quota import Credits, Quota, Window

DEFAULT_LIMIT = "codex"
"""Id of the limit that holds for the account as a whole."""

_USED = "-used-percent"
_FAMILY = re.compile(rf"x-([a-z0-9][a-z0-9-]{{0,63}})-(primary|secondary){_USED}")
_MAX_FAMILIES = 16
_WINDOWS = ("primary", "secondary")


def header_map(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """First value by lower-case name."""
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())
    return found


def quota_from_headers(headers: Mapping[str, str], now: float) -> Quota | None:
    """Quota of a response; None when its headers say nothing of it.

    Args:
        headers: by lower-case name (:func:`header_map`); also ``headers`` of a WebSocket error.
        now: unix seconds.
    """
    windows = tuple(_header_windows(headers, now))
    credits = None
    available = _boolean(headers.get("x-codex-credits-has-credits"))
    if available is not None:
        credits = Credits(
            available,
            bool(_boolean(headers.get("x-codex-credits-unlimited"))),
            headers.get("x-codex-credits-balance") or None,
        )
    active = headers.get("x-codex-active-limit")
    plan = headers.get("x-codex-plan-type")
    if not (windows or credits or active or plan):
        return None
    return Quota(now, windows, plan or None, credits, _limit_id(active) if active else None)


def _header_windows(headers: Mapping[str, str], now: float) -> Iterator[Window]:
    names = [name for name in headers if name.endswith(_USED)]
    families = [match for name in names if (match := _FAMILY.fullmatch(name)) is not None]
    for family in families[: 2 * _MAX_FAMILIES]:
        limit, name = family.groups()
        prefix = f"x-{limit}-{name}"
        used = number(headers[prefix + _USED])
        if used is None:
            continue
        resets = number(headers.get(f"{prefix}-reset-at"))
        if resets is None:
            after = number(headers.get(f"{prefix}-reset-after-seconds"))
            resets = None if after is None else now + after
        yield Window(
            limit,
            name,
            used,
            number(headers.get(f"{prefix}-window-minutes")),
            resets,
            headers.get(f"x-{limit}-limit-name", ""),
            limit == DEFAULT_LIMIT,
        )


def quota_from_event(event: Mapping[str, Any], now: float) -> Quota | None:
    """Quota of a ``codex.rate_limits`` message; None for any other or an empty one."""
    if event.get("type") != "codex.rate_limits":
        return None
    limit = event.get("metered_limit_name") or event.get("limit_name") or DEFAULT_LIMIT
    windows = _json_windows(event.get("rate_limits"), _limit_id(limit), now, names=_WINDOWS)
    display = event.get("limit_name")
    return _quota(
        now,
        windows,
        event,
        display=display if isinstance(display, str) and display != limit else "",
    )


def quota_from_usage(document: Mapping[str, Any], now: float) -> Quota | None:
    """Quota of a ``wham/usage`` answer; None when it holds none."""
    names = ("primary_window", "secondary_window")
    windows = _json_windows(document.get("rate_limit"), DEFAULT_LIMIT, now, names=names)
    additional = document.get("additional_rate_limits")
    for row in (additional if isinstance(additional, list) else [])[:_MAX_FAMILIES]:
        if isinstance(row, dict) and row.get("metered_feature"):
            limit = _limit_id(row["metered_feature"])
            display = row.get("limit_name")
            windows += [
                replace(w, display=str(display or ""))
                for w in _json_windows(row.get("rate_limit"), limit, now, names=names)
            ]
    return _quota(now, windows, document)


def _quota(
    now: float, windows: list[Window], document: Mapping[str, Any], display: str = ""
) -> Quota | None:
    plan = document.get("plan_type")
    credits = None
    given = document.get("credits")
    if isinstance(given, dict):
        balance = given.get("balance")
        credits = Credits(
            bool(_boolean(given.get("has_credits"))),
            bool(_boolean(given.get("unlimited"))),
            None if balance is None else str(balance),
        )
    if not windows and credits is None and not isinstance(plan, str):
        return None
    if display:
        windows = [replace(window, display=display) for window in windows]
    return Quota(now, tuple(windows), plan if isinstance(plan, str) else None, credits)


def _json_windows(value: Any, limit: str, now: float, *, names: Sequence[str]) -> list[Window]:
    if not isinstance(value, dict):
        return []
    windows = []
    for name in names:
        given = value.get(name)
        if not isinstance(given, dict):
            continue
        used = number(given.get("used_percent"))
        if used is None:
            continue
        minutes = number(given.get("window_minutes"))
        seconds = number(given.get("limit_window_seconds"))
        if minutes is None and seconds is not None:
            minutes = seconds / 60
        resets = number(given.get("reset_at"))
        if resets is None:
            after = number(given.get("reset_after_seconds"))
            resets = None if after is None else now + after
        general = limit == DEFAULT_LIMIT
        windows.append(
            Window(limit, name.removesuffix("_window"), used, minutes, resets, general=general)
        )
    return windows


def number(value: Any) -> float | None:
    """A finite number that is not negative, from a JSON number or a decimal text, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    return None


def _limit_id(value: Any) -> str:
    return str(value).strip().lower().replace("_", "-")[:64] or DEFAULT_LIMIT
