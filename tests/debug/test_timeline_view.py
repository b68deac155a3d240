"""Timelines for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from addons.debug import timeline_view
from addons.debug.timeline_view import Connection, Detail
from addons.debug.timeline_writer import SUFFIX

ID = "local:0199"


def connection(name: str, at: float, *lines: dict[str, Any], conversation: str = ID) -> Connection:
    begin: list[dict[str, Any]] = [
        {"t": 0.0, "event": "request", "at": at, "method": "GET", "path": "/v1/responses"},
        {"t": 0.1, "event": "plan", "conversation": conversation, "exchange": "e"},
    ]
    return Connection(name, [*begin, *lines])


REFUSED: dict[str, Any] = {
    "t": 0.2,
    "event": "handshake",
    "side": "upstream",
    "status": 403,
    "attempt": 1,
    "account": "ada",
    "reason": "blocked",
    "headers": [["server", "s"]],
    "body": "no",
}


def delta(t: float, response: str = "r") -> dict[str, Any]:
    kind = "response.output_text.delta"
    return {"t": t, "event": "frame", "from": "server", "type": kind, "response": response,
            "size": 1000, "body": {"delta": "x"}}  # fmt: skip


def test_a_conversation_is_followed_through_its_reconnects() -> None:
    close = {"t": 2.0, "event": "close", "code": 1006, "by": "server"}
    found = [
        connection("a", 100.0, close),
        connection("x", 101.0, close, conversation="other"),
        connection("b", 103.5, close),
        connection("c", 105.0, close),
    ]
    text = timeline_view.shown(timeline_view.of_conversation(found, "0199"))
    heads = [line for line in text.splitlines() if not line.startswith(" ") and line]
    assert [head.partition(", 1970")[0] for head in heads] == [
        f"a: connection 1 of conversation {ID}",
        f"b: connection 2 of conversation {ID}, 1.50 s after the end of the one before",
        f"c: connection 3 of conversation {ID}, 0.50 s before the end of the one before",
    ]
    assert text.count("close     1006 by the server") == 3
    assert "other" not in text


def test_a_refused_upgrade_is_told_with_what_was_said() -> None:
    text = timeline_view.shown([connection("a", 0.0, REFUSED)])
    assert "handshake the upstream: 403 refused attempt 1 with ada: blocked\n" in text
    assert text.endswith("            no")
    assert "server: s" not in text
    assert "server: s" in timeline_view.shown([connection("a", 0.0, REFUSED)], Detail(headers=True))
    lost = {"t": 1.0, "event": "handshake", "side": "upstream", "status": None, "text": "reset"}
    assert "no answer refused (reset)" in timeline_view.shown([connection("a", 0.0, lost)])


def test_runs_of_pieces_are_folded_by_response() -> None:
    pieces = [*(delta(number / 10) for number in range(5)), delta(1.0, "s")]
    text = timeline_view.shown([connection("a", 0.0, *pieces)])
    assert "delta x 5, 5,000 bytes, until +0.400" in text
    assert "delta, response s, 1,000 bytes" in text
    whole = timeline_view.shown([connection("a", 0.0, *pieces)], Detail(bodies=True))
    assert whole.count('{"delta": "x"}') == 6


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"event": "attempt", "attempt": 2, "account": "b", "method": "GET", "url": "u"},
         "attempt   2 with b: GET u"),
        ({"event": "frame", "from": "client", "type": "t", "previous": "p", "size": 1500},
         "frame     client → t, previous p, 1,500 bytes"),
        ({"event": "frame", "from": "floway", "type": "error", "error": True, "size": 1},
         "frame     floway ← error, 1 bytes, ERROR"),
        ({"event": "frame", "from": "client", "size": 1, "dropped": True},
         "frame     client → a message, 1 bytes, not passed on"),
        ({"event": "frame", "from": "client", "size": 1, "passed": {"size": 7}},
         "passed on as 7 bytes"),
        ({"event": "broken", "text": "Client disconnected."}, "broken    Client disconnected."),
        ({"event": "full"}, "full      nothing more is kept"),
        ({"event": "something new"}, "something new"),
    ],
)  # fmt: skip
def test_each_event(line: dict[str, Any], told: str) -> None:
    assert told in timeline_view.shown([connection("a", 0.0, {"t": 1.0, **line})])


def test_a_folder_is_read_in_the_order_of_beginnings(tmp_path: Path) -> None:
    for name, at in (("b", 1.0), ("a", 2.0)):
        lines = [json.dumps({"t": 0, "event": "request", "at": at}), '{"t": 1, "ev']
        (tmp_path / f"{name}{SUFFIX}").write_text("\n".join(lines))
    (tmp_path / "other.txt").write_text("x")
    assert [each.name[0] for each in timeline_view.read(tmp_path)] == ["b", "a"]
    assert len(timeline_view.read(tmp_path / f"a{SUFFIX}")[0].lines) == 1
    with pytest.raises(FileNotFoundError):
        timeline_view.read(tmp_path / "none")


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a\nb\n")
    with pytest.raises(ValueError, match="line 1 is none of a timeline"):
        timeline_view.read(tmp_path / "x")
