from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from addons.debug.views.frames import Message, folded, one


def message(from_client: bool, at: float, **data: Any) -> Message:
    return Message(from_client, json.dumps(data).encode(), at)


CONNECTION = [
    message(True, 1.0, type="response.create", model="m", input=[1, 2], generate=False),
    message(False, 1.1, type="response.completed", response={"id": "resp_0"}),
    message(True, 2.0, type="response.create", model="m", previous_response_id="resp_0"),
    message(False, 2.25, type="response.output_text.delta", output_index=0, delta="Hello"),
    message(False, 2.5, type="response.completed", response={"id": "resp_1", "status": "ok"}),
]


def test_one_message() -> None:
    text = one(CONNECTION[3])
    assert text.startswith("── ← response.output_text.delta, ")
    assert 'delta: "Hello"' in text
    assert one(Message(True, b"no json")) == "no json"


def test_folded_by_response() -> None:
    text = folded(CONNECTION)
    first, second = text.split("response.create m")[1:]
    assert first.startswith(" · prewarm · 2 items\n")
    assert second.startswith(" · after resp_0\n")
    assert "first answer after 0.250 s, over 0.500 s" in second
    assert "ended: completed resp_1 ok" in second
    assert "Text (5 characters)" in second
    assert "← response.output_text.delta  × 1" in second


def test_what_comes_before_a_request_and_is_no_text() -> None:
    text = folded([Message(False, b"\x00", text=False), Message(False, b"[1]")])
    assert "before the first request" in text
    assert "← binary" in text
    assert "← other" in text


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40), st.booleans()), max_size=5))
def test_nothing_breaks_it(messages: list[tuple[bool, bytes, bool]]) -> None:
    made = [Message(client, content, 0.0, text) for client, content, text in messages]
    folded(made)
    for each in made:
        one(each)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "delta", "response", "item", "usage", "choices", "input"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KINDS = ["response.create", "response.output_text.delta", "response.completed", "error"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(KINDS), JSON), max_size=4))
def test_odd_members_do_not_either(messages: list[tuple[bool, str, Any]]) -> None:
    made = [
        message(client, 0.0, **{**(data if isinstance(data, dict) else {}), "type": kind})
        for client, kind, data in messages
    ]
    folded(made)
