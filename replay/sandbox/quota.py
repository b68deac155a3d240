"""An account's usage windows, and how the backend tells clients about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LIMIT_ID = "codex"
"""The backend's name of the ordinary limit, ``x-codex-active-limit``."""


@dataclass(slots=True)
class Window:
    """One sliding limit. ``limit_tokens`` is generous: nothing is refused until a test says so."""

    minutes: int
    limit_tokens: int
    used_tokens: float = 0.0
    reset_at: float = 0.0

    def roll(self, now: float) -> None:
        """Start a new window when the last one has ended."""
        if now >= self.reset_at:
            self.used_tokens = 0.0
            self.reset_at = now + self.minutes * 60

    @property
    def used_percent(self) -> float:
        return min(100.0, round(100.0 * self.used_tokens / self.limit_tokens, 2))


@dataclass(slots=True)
class Quota:
    """The primary (five hours) and secondary (week) window of an account."""

    primary: Window = field(default_factory=lambda: Window(300, 50_000_000))
    secondary: Window = field(default_factory=lambda: Window(10_080, 500_000_000))

    def roll(self, now: float) -> None:
        self.primary.roll(now)
        self.secondary.roll(now)

    def add(self, tokens: int, now: float) -> None:
        """Count the tokens of an answer."""
        self.roll(now)
        self.primary.used_tokens += tokens
        self.secondary.used_tokens += tokens

    def set_used(self, percent: float, resets_in: float | None, now: float) -> None:
        """Set the primary window, as ``/_sandbox/accounts`` may ask."""
        self.roll(now)
        self.primary.used_tokens = self.primary.limit_tokens * percent / 100
        if resets_in is not None:
            self.primary.reset_at = now + resets_in

    def exhausted(self, now: float) -> Window | None:
        """The window that has no tokens left."""
        self.roll(now)
        for window in (self.primary, self.secondary):
            if window.used_tokens >= window.limit_tokens:
                return window
        return None

    def headers(self, plan: str, now: float) -> dict[str, str]:
        """Quota headers of 2xx and 429 answers (codex-wire.md §4.1)."""
        self.roll(now)
        headers = {"x-codex-plan-type": plan, "x-codex-active-limit": LIMIT_ID}
        for name, window in (("primary", self.primary), ("secondary", self.secondary)):
            headers[f"x-codex-{name}-used-percent"] = f"{window.used_percent:g}"
            headers[f"x-codex-{name}-window-minutes"] = str(window.minutes)
            headers[f"x-codex-{name}-reset-at"] = str(int(window.reset_at))
            left = max(0, int(window.reset_at - now))
            headers[f"x-codex-{name}-reset-after-seconds"] = str(left)
        headers["x-codex-credits-has-credits"] = "false"
        headers["x-codex-credits-unlimited"] = "false"
        headers["x-codex-credits-balance"] = "0"
        return headers

    def frame(self, plan: str, now: float) -> dict[str, Any]:
        """The ``codex.rate_limits`` event of a WebSocket (codex-wire.md §3)."""
        self.roll(now)
        return {
            "type": "codex.rate_limits",
            "plan_type": plan,
            "rate_limits": {
                name: {
                    "used_percent": window.used_percent,
                    "window_minutes": window.minutes,
                    "reset_at": int(window.reset_at),
                }
                for name, window in (("primary", self.primary), ("secondary", self.secondary))
            },
            "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
            "metered_limit_name": None,
            "limit_name": None,
        }

    def usage(self, plan: str, now: float) -> dict[str, Any]:
        """Body of ``wham/usage`` (codex-wire.md §4.5)."""
        self.roll(now)
        windows = {
            f"{name}_window": {
                "used_percent": window.used_percent,
                "limit_window_seconds": window.minutes * 60,
                "reset_after_seconds": max(0, int(window.reset_at - now)),
                "reset_at": int(window.reset_at),
            }
            for name, window in (("primary", self.primary), ("secondary", self.secondary))
        }
        reached = self.exhausted(now) is not None
        return {
            "plan_type": plan,
            "rate_limit": {"allowed": not reached, "limit_reached": reached, **windows},
            "credits": {
                "has_credits": False,
                "unlimited": False,
                "balance": "0",
                "approx_local_messages": [0, 0],
                "approx_cloud_messages": [0, 0],
            },
            "spend_control": None,
            "additional_rate_limits": [],
            "rate_limit_reached_type": ({"type": "rate_limit_reached"} if reached else None),
        }
