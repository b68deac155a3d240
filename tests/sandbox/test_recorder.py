"""The recorder's bounds."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from replay.sandbox.messages import Request
from replay.sandbox.recorder import FRAMES_KEPT, Recorder


def request(body: bytes = b"", *, upgrade: bool = False) -> Request:
    headers = [(b"Upgrade", b"websocket")] if upgrade else []
    return Request("GET" if upgrade else "POST", "/p?q", "1.1", headers, body=body)


def test_bodies_are_kept_raw_and_decoded() -> None:
    recorder = Recorder(10, 1000)
    entry = recorder.begin(request(b"\x28\xb5\x2f\xfd"))
    recorder.decoded(entry, b'{"b": 1, "a": 2}')
    shown = entry.json()
    assert base64.b64decode(shown["body_base64"]) == b"\x28\xb5\x2f\xfd"
    assert list(shown["body_json"]) == ["b", "a"]
    assert (shown["path"], shown["target"]) == ("/p", "/p?q")


def test_a_large_body_is_cut_and_named_by_its_hash() -> None:
    recorder = Recorder(10, 400)
    entry = recorder.begin(request(b"x" * 1000))
    shown = entry.json()
    assert shown["body_length"] == 1000
    assert len(base64.b64decode(shown["body_base64"])) == 100
    assert "sha256" in shown["notes"][0]
    assert entry.request.body == b""


def test_old_bodies_make_room_for_new_ones() -> None:
    recorder = Recorder(10, 400)
    for number in range(6):
        recorder.begin(request(bytes([number]) * 100))
    kept = [len(entry.kept_body) for entry in recorder.entries()]
    assert kept == [0, 0, 100, 100, 100, 100]
    assert recorder.entries()[0].notes == ["body dropped: the recorder's byte budget was used up"]


def test_frames_are_bounded_in_number_and_bytes() -> None:
    recorder = Recorder(10, 1_000_000)
    entry = recorder.begin(request(upgrade=True))
    for number in range(FRAMES_KEPT + 20):
        recorder.frame(entry, "client", f'{{"n": {number}}}')
    shown = entry.json()
    assert (len(shown["frames"]), shown["frames_seen"]) == (FRAMES_KEPT, FRAMES_KEPT + 20)
    assert shown["frames"][-1]["json"] == {"n": FRAMES_KEPT + 19}
    small = Recorder(10, 40)
    entry = small.begin(request(upgrade=True))
    small.frame(entry, "server", "x" * 30)
    small.frame(entry, "client", b"\x00\x01")
    first, second = entry.json()["frames"]
    assert (first["text"], first["length"]) == ("x" * 10, 30)
    assert (second["base64"], second["length"]) == ("", 2)


actions = st.lists(
    st.tuples(st.sampled_from(["request", "socket", "frame", "clear"]), st.integers(0, 300)),
    max_size=40,
)


@given(actions, st.integers(1, 5), st.integers(4, 1000))
def test_the_budget_holds_whatever_happens(history: Any, entries: int, budget: int) -> None:
    recorder = Recorder(entries, budget)
    sockets = []
    for action, size in history:
        match action:
            case "request":
                recorder.begin(request(b"x" * size))
            case "socket":
                sockets.append(recorder.begin(request(upgrade=True)))
            case "frame":
                for socket in sockets:
                    recorder.frame(socket, "client", "x" * size)
            case "clear":
                recorder.clear()
        found = recorder.entries()
        kept = sum(
            len(entry.kept_body) + len(entry.decoded) + sum(len(f.data) for f in entry.frames)
            for entry in found
        )
        assert len(found) <= entries
        assert kept == recorder._kept
        # A single entry may hold a quarter of the budget; older ones give theirs up.
        assert kept <= max(budget, budget // 4 + 1)
