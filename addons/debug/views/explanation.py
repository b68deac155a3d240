"""What floway did with a request, and why: from what it has written down of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from addons.debug.views.sections import columns, joined, section

_FIRST = ("protocol", "provider", "model", "profile", "conversation", "session", "account")
_LAST = ("attempt", "status", "verdict", "reason", "outcome", "error", "replay_of")


@dataclass(frozen=True, slots=True)
class Link:
    """Another flow of the same exchange."""

    id: str
    comment: str


def explained(summary: Mapping[str, Any], line: str, links: Sequence[Link] = ()) -> str:
    """The text.

    Args:
        summary: as :mod:`addons.debug.description` writes it; {} where floway had no part in it.
        line: the request in a few words.
    """
    if not summary:
        return section(line, ["floway had no part in it: passed as it was, or answered at once"])
    facts = [(name, str(summary[name])) for name in (*_FIRST, *_LAST) if summary.get(name)]
    return joined(
        [
            section(line, columns(facts)),
            section("Attempts", _attempts(summary.get("attempts"))),
            section(*_linked(summary, links)),
            section("Tokens", _usage(summary.get("usage"))),
            section("Where its ids come from", _sources(summary.get("sources"))),
            section("Changed in the request", _texts(summary.get("notes"))),
            section("Left out for this account", _texts(summary.get("dropped"))),
        ]
    )


def _linked(summary: Mapping[str, Any], links: Sequence[Link]) -> tuple[str, list[str]]:
    """The flows of its other attempts; one that has left the list by its id alone."""
    if "continued_in" not in summary:
        title = "Attempts that failed, as flows of their own (commands take @ and an id)"
        return title, columns([(f"@{link.id}", link.comment) for link in links])
    went_on = str(summary["continued_in"])
    comments = {link.id: link.comment for link in links}
    title = "This attempt was not given to the client; it went on as"
    return title, columns([(f"@{went_on}", comments.get(went_on, "(no longer in the list)"))])


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
