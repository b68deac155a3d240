"""Text with titles, columns and sizes. Pure; terminals and mitmweb show it in one fixed width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 110
"""Characters of a value in a column."""


PANEL = 80
"""Characters that mitmweb shows of a line beside its list of flows; it does not break lines."""


def section(title: str, lines: Iterable[str]) -> str:
    """A title and its indented lines; "" without any. (mitmweb leaves out empty lines, so that they
    alone would not tell where a section begins.)"""
    body = [f"  {line}".rstrip() for line in lines]
    return "\n".join([f"── {title}", *body, ""]) if body else ""


def joined(sections: Iterable[str]) -> str:
    """All that is not empty."""
    return "\n".join(each for each in sections if each)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell but the last."""
    if not rows:
        return []
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]


def wrapped(label: str, words: Iterable[str], width: int = PANEL) -> list[str]:
    """Words with commas between them, on as many lines as they need, behind a label."""
    lines = textwrap.wrap(
        ", ".join(words),
        max(width - len(label), 20),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [f"{label if not place else ' ' * len(label)}{line}" for place, line in enumerate(lines)]


def cut(text: str, width: int = WIDTH) -> str:
    """On one line and no longer than ``width``, with the number of characters left out."""
    line = text.replace("\n", "⏎").replace("\r", "")
    return line if len(line) <= width else f"{line[:width]}… (+{len(line) - width})"


def size(count: int) -> str:
    """Bytes in a form that is quickly read: ``734 B``, ``12.3 KB``."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
