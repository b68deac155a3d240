"""What an upstream says of an account's limits, in neutral words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Window:
    """One limit over a span of time.

    Attributes:
        limit: the provider's id of the limit, e.g. one per model family.
        name: which window of it, e.g. ``primary``.
        used_percent: 0 to 100; more when the upstream says so.
        minutes: length of the window, None when not said.
        resets_at: unix seconds, None when not said.
        display: the provider's name of the limit for people; "" when it has none.
        general: it holds for the account as a whole, not only for some models.
    """

    limit: str
    name: str
    used_percent: float
    minutes: float | None = None
    resets_at: float | None = None
    display: str = ""
    general: bool = True

    @property
    def exhausted(self) -> bool:
        return self.used_percent >= 100

    @property
    def span(self) -> str:
        """Length in words: ``5-hour``, ``weekly``, ``30-day``; "" when not known."""
        if not self.minutes:
            return ""
        minutes = round(self.minutes)
        if minutes == 7 * 1440:
            return "weekly"
        if minutes % 1440 == 0:
            return f"{minutes // 1440}-day"
        if minutes % 60 == 0:
            return f"{minutes // 60}-hour"
        return f"{minutes}-minute"


@dataclass(frozen=True, slots=True)
class Credits:
    """Prepaid use beyond the windows. ``balance`` is the upstream's own text."""

    available: bool
    unlimited: bool = False
    balance: str | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one account at one moment.

    Attributes:
        active_limit: id of the limit that refused a request; None when none did.
        observed_at: unix seconds.
    """

    observed_at: float
    windows: tuple[Window, ...] = field(default=())
    plan: str | None = None
    credits: Credits | None = None
    active_limit: str | None = None

    def exhausted(self, limit: str | None = None) -> list[Window]:
        """Used-up windows, of one limit when given."""
        return [
            window
            for window in self.windows
            if window.exhausted and (limit is None or window.limit == limit)
        ]

    def load(self, now: float) -> float:
        """Percent used of the fullest window that holds for the account as a whole; 0: none."""
        return max((each.used_percent for each in self.at(now).windows if each.general), default=0)

    def merged(self, newer: Quota) -> Quota:
        """This, with all that a newer observation says; which of the two is newer is looked up."""
        if newer.observed_at < self.observed_at:
            return newer.merged(self)
        windows = {(window.limit, window.name): window for window in self.windows}
        windows.update({(window.limit, window.name): window for window in newer.windows})
        return replace(
            newer,
            windows=tuple(windows.values()),
            plan=newer.plan or self.plan,
            credits=newer.credits or self.credits,
        )

    def at(self, now: float) -> Quota:
        """Without what is out of date: a window whose reset has passed counts as unused."""
        return replace(self, windows=tuple(_aged(self.windows, now)))


def _aged(windows: Iterable[Window], now: float) -> Iterable[Window]:
    for window in windows:
        if window.resets_at is not None and window.resets_at <= now:
            yield replace(window, used_percent=0.0, resets_at=None)
        else:
            yield window
