from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.run import run_buffer
from addons.providers.cursor.run.run_buffer import RunBuffer
from addons.providers.cursor.run.run_outputs import (
    ResponseOutput,
    Text,
    Thinking,
    ThinkingDone,
    ToolCall,
)

CALL = ToolCall("call_1", "read", "{}")

outputs = st.one_of(
    st.builds(Text, st.text(min_size=1, max_size=3)),
    st.builds(Thinking, st.text(min_size=1, max_size=3)),
    st.just(ThinkingDone()),
    st.just(CALL),
)


def joined(given: list[ResponseOutput]) -> list[ResponseOutput]:
    """With neighbouring texts of a kind made one."""
    out: list[ResponseOutput] = []
    for output in given:
        last = out[-1] if out else None
        if isinstance(output, Text) and isinstance(last, Text):
            out[-1] = Text(last.text + output.text)
        elif isinstance(output, Thinking) and isinstance(last, Thinking):
            out[-1] = Thinking(last.text + output.text)
        else:
            out.append(output)
    return out


@settings(max_examples=60)
@given(st.lists(st.one_of(outputs, st.none()), max_size=20))
def test_what_goes_in_comes_out_in_order(steps: list[ResponseOutput | None]) -> None:
    """None stands for taking one out."""
    buffer = RunBuffer()
    put: list[ResponseOutput] = []
    taken: list[ResponseOutput] = []
    for step in steps:
        if step is not None:
            buffer.push(step)
            put.append(step)
        elif len(buffer):
            assert buffer.arrived.is_set()
            taken.append(buffer.take())
        assert buffer.arrived.is_set() == (len(buffer) > 0)
    while len(buffer):
        taken.append(buffer.take())
    assert joined(taken) == joined(put)
    assert buffer.characters == 0
    assert not buffer.urgent.is_set()


def test_only_text_waits_for_more() -> None:
    buffer = RunBuffer()
    buffer.push(Text("a"))
    assert not buffer.urgent.is_set()
    buffer.push(CALL)
    assert buffer.urgent.is_set()
    assert buffer.take() == Text("a")
    assert buffer.urgent.is_set()
    assert buffer.take() == CALL
    assert not buffer.urgent.is_set()


def test_much_text_does_not_wait() -> None:
    buffer = RunBuffer()
    buffer.push(Text("a" * 5000))
    assert buffer.urgent.is_set()
    buffer.take()
    assert not buffer.urgent.is_set()


def test_it_says_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_buffer, "FULL", 10)
    buffer = RunBuffer()
    buffer.push(Text("a" * 9))
    assert not buffer.full
    buffer.push(Thinking("b"))
    assert buffer.full
    buffer.take()
    assert not buffer.full
