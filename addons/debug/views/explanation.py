"""What floway did with a request, and why: from what it has written down of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from addons.debug.views.sections import columns, joined, section

_FIRST = ("protocol", "provider", "model", "profile", "conversation", "session", "account")
_LAST = ("outcome", "error")


def explained(summary: Mapping[str, Any], line: str) -> str:
    """The text.

    Args:
        summary: as :mod:`addons.debug.description` writes it; {} where floway had no part in it.
        line: the request in a few words.
    """
    if not summary:
        return section(line, ["floway had no part in this request: no route names it"])
    facts = [(name, str(summary[name])) for name in (*_FIRST, *_LAST) if summary.get(name)]
    if "continued_in" in summary:
        facts.append(("went on as", str(summary["continued_in"])))
    return joined(
        [
            section(line, columns(facts)),
            section("Where its ids come from", _sources(summary.get("sources"))),
            section("Attempts", _attempts(summary.get("attempts"))),
            section("Tokens", _usage(summary.get("usage"))),
            section("Changed in the request", _texts(summary.get("notes"))),
            section("Left out for this account", _texts(summary.get("dropped"))),
        ]
    )


def _sources(sources: object) -> list[str]:
    if not isinstance(sources, Mapping):
        return []
    return columns([(str(name), str(source)) for name, source in sources.items()])


def _attempts(attempts: object) -> list[str]:
    if not isinstance(attempts, Sequence) or isinstance(attempts, str):
        return []
    rows = []
    for number, each in enumerate(attempts, 1):
        if not isinstance(each, Mapping):
            continue
        after = each.get("after")
        status = each.get("status")
        rows.append(
            (
                f"#{number}",
                f"{after:.3f} s" if isinstance(after, float) else "",
                str(each.get("account", "")),
                "no answer" if status is None else f"HTTP {status}",
                f"{each.get('verdict', '')} {each.get('reason', '')}".strip(),
            )
        )
    return columns(rows)


def _usage(usage: object) -> list[str]:
    if not isinstance(usage, Mapping):
        return []
    rows = [(name.replace("_", " "), str(count)) for name, count in usage.items()]
    eligible, cached = usage.get("input_tokens"), usage.get("cached_tokens")
    if isinstance(eligible, int) and isinstance(cached, int) and eligible > 0:
        rows.append(("from the cache", f"{100 * cached / eligible:.1f} %"))
    return columns(rows)


def _texts(notes: object) -> list[str]:
    if not isinstance(notes, Sequence) or isinstance(notes, str):
        return []
    return [str(note) for note in notes]
