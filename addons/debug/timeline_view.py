"""Timelines for people: connections of a conversation one after the other, their frames folded.

Pure, but for :func:`read`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from addons.debug.timeline_lines import Line
from addons.debug.timeline_writer import SUFFIX

SHOWN_OF_BODY: Final = 2000
"""Characters of a body that are shown."""

_INDENT: Final = " " * 12
_FOLDED: Final = ".delta"
"""How types end of which a run is shown as one line."""


@dataclass(slots=True)
class Connection:
    """One file.

    Attributes:
        name: of the file.
        lines: its events, in order.
        conversation: the last that was known; "" for none.
    """

    name: str
    lines: list[Line]
    conversation: str = field(init=False, default="")

    def __post_init__(self) -> None:
        for line in self.lines:
            if line.get("event") == "plan":
                self.conversation = str(line.get("conversation", ""))

    @property
    def began(self) -> float:
        """Unix seconds; 0.0 where the file's beginning is gone."""
        at = self.lines[0].get("at") if self.lines else None
        return float(at) if isinstance(at, int | float) else 0.0

    @property
    def ended(self) -> float:
        """Unix seconds of its last event."""
        return self.began + max((_seconds(line) for line in self.lines), default=0.0)


@dataclass(frozen=True, slots=True)
class Detail:
    """What is shown besides a line for each event."""

    headers: bool = False
    bodies: bool = False


def read(path: Path) -> list[Connection]:
    """The connections of a file or of a folder, in the order in which they began.

    Raises:
        OSError: it can't be read.
        ValueError: a file is no timeline.
    """
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    found = [Connection(file.name, parsed(file.read_text("utf-8", "replace"))) for file in files]
    return sorted(found, key=lambda each: (each.began, each.name))


def parsed(text: str) -> list[Line]:
    """The lines of a file; a last one that was cut off is left out.

    Raises:
        ValueError: another line is none of a timeline.
    """
    out: list[Line] = []
    texts = text.splitlines()
    for number, each in enumerate(texts, 1):
        try:
            line = json.loads(each)
        except ValueError:
            line = None
        if isinstance(line, dict) and isinstance(line.get("event"), str):
            out.append(line)
        elif number < len(texts):
            raise ValueError(f"line {number} is none of a timeline")
    return out


def of_conversation(connections: Iterable[Connection], part: str) -> list[Connection]:
    """Those whose conversation has this in its id; all for ""."""
    return [each for each in connections if part in each.conversation]


def shown(connections: Sequence[Connection], detail: Detail = Detail()) -> str:
    """All of them; a conversation's later connections are told as reconnects."""
    last: dict[str, Connection] = {}
    count: dict[str, int] = {}
    parts = []
    for each in connections:
        key = each.conversation or each.name
        count[key] = count.get(key, 0) + 1
        parts.append("\n".join(_connection(each, count[key], last.get(key), detail)))
        last[key] = each
    return "\n\n".join(parts)


def _connection(
    each: Connection, number: int, before: Connection | None, detail: Detail
) -> Iterator[str]:
    began = datetime.fromtimestamp(each.began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    head = f"{each.name}: connection {number}"
    head += f" of conversation {each.conversation}" if each.conversation else ""
    if before is not None:
        passed = each.began - before.ended
        gap = f"{passed:.2f} s after" if passed >= 0 else f"{-passed:.2f} s before"
        head += f", {gap} the end of the one before"
    yield f"{head}, {began}"
    run: list[Line] = []
    for line in each.lines:
        if run and not _same(run[0], line):
            yield _folded(run)
            run = []
        if _folds(line) and not detail.bodies:
            run.append(line)
        else:
            yield from _event(line, detail)
    if run:
        yield _folded(run)


def _event(line: Line, detail: Detail) -> Iterator[str]:
    event, told = line["event"], ""
    match event:
        case "request":
            told = f"{line.get('method')} {line.get('path')}"
            told += "  (raw: nothing is masked)" if line.get("raw") else ""
        case "plan":
            told = (
                f"{line.get('protocol')} by {line.get('provider')}, exchange {line.get('exchange')}"
            )
            told += f", conversation {line.get('conversation')}" if line.get("conversation") else ""
        case "attempt":
            told = f"{line.get('attempt')} with {line.get('account')}: {line.get('method')} "
            told += str(line.get("url"))
        case "handshake":
            told = _handshake(line)
        case "frame":
            told = _frame(line)
        case "close":
            told = f"{line.get('code')} by the {line.get('by')} {line.get('reason') or ''}".rstrip()
        case "broken":
            told = str(line.get("text"))
        case "full":
            told = "nothing more is kept of this connection"
    yield f"{_moment(line)} {event:9} {told}"
    if detail.headers:
        yield from (f"{_INDENT}{name}: {value}" for name, value in line.get("headers", ()))
    passed = line.get("passed")
    if isinstance(passed, dict):
        yield f"{_INDENT}passed on as {_bytes(passed)}"
    refused = event == "handshake" and line.get("status") != 101
    if detail.bodies or refused or line.get("error"):
        yield from _body(line)
        if detail.bodies and isinstance(passed, dict):
            yield from _body(passed)


def _handshake(line: Line) -> str:
    side = "the upstream" if line.get("side") == "upstream" else "floway to the client"
    status = line.get("status")
    told = f"{side}: {status if status is not None else 'no answer'}"
    if status != 101:
        told += " refused"
        told += (
            f" attempt {line['attempt']} with {line.get('account')}" if "attempt" in line else ""
        )
        told += f": {line['reason']}" if line.get("reason") else ""
        told += f" ({line['text']})" if line.get("text") else ""
    return told


def _frame(line: Line) -> str:
    parts = [f"{_arrow(line)} {line.get('type') or 'a message'}"]
    parts += [f"{name} {line[name]}" for name in ("response", "previous") if name in line]
    parts.append(_bytes(line))
    parts += ["ERROR"] if line.get("error") else []
    parts += ["not passed on"] if line.get("dropped") else []
    return ", ".join(parts)


def _arrow(line: Line) -> str:
    sender = line.get("from")
    if sender == "client":
        return "client →"
    return "       ←" if sender == "server" else "floway ←"


def _folds(line: Line) -> bool:
    return line["event"] == "frame" and str(line.get("type", "")).endswith(_FOLDED)


def _same(first: Line, line: Line) -> bool:
    names = ("event", "type", "from", "response")
    return all(first.get(name) == line.get(name) for name in names)


def _folded(run: list[Line]) -> str:
    if len(run) == 1:
        return f"{_moment(run[0])} {'frame':9} {_frame(run[0])}"
    size = sum(int(line.get("size", 0)) for line in run)
    told = f"{_arrow(run[0])} {run[0]['type']} x {len(run)}, {size:,} bytes"
    return f"{_moment(run[0])} {'frame':9} {told}, until +{_seconds(run[-1]):.3f}"


def _body(line: Line) -> Iterator[str]:
    body: Any = line.get("body")
    if body is None:
        return
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    more = f" … {len(text):,} characters" if len(text) > SHOWN_OF_BODY else ""
    for part in text[:SHOWN_OF_BODY].splitlines():
        yield f"{_INDENT}{part}"
    if more:
        yield f"{_INDENT}{more}"


def _bytes(line: Line) -> str:
    return f"{int(line.get('size', 0)):,} bytes"


def _moment(line: Line) -> str:
    return f"{'+' + format(_seconds(line), '.3f'):>11}"


def _seconds(line: Line) -> float:
    found = line.get("t")
    return float(found) if isinstance(found, int | float) else 0.0
