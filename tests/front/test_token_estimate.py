"""Estimates of tokens.

The true counts were made with ``o200k_base`` (the npm package gpt-tokenizer 3).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.front.token_estimate import FILE_BYTES, IMAGE, MEASURED, request_tokens, text_tokens

ENGLISH = (
    "All human beings are born free and equal in dignity and rights. They are endowed with reason "
    "and conscience and should act towards one another in a spirit of brotherhood."
)
CODE = '''def first(values: list[int]) -> int | None:
    """The first of them, or None."""
    for index, value in enumerate(values):
        if value > 0x1F and index < len(values) - 1:
            return value
    return None
'''
SCHEMA = (
    '{"type":"function","name":"get_weather","strict":false,"parameters":{"type":"object",'
    '"properties":{"city":{"type":"string","description":"A city"},"days":{"type":"integer"}},'
    '"required":["city"]}}'
)
CHINESE = "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。"
RUSSIAN = (
    "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом "
    "и совестью и должны поступать в отношении друг друга в духе братства."
)


@pytest.mark.parametrize(
    ("text", "true"), [(ENGLISH, 33), (CODE, 58), (SCHEMA, 46), (CHINESE, 37), (RUSSIAN, 41)]
)
def test_texts(text: str, true: int) -> None:
    assert abs(text_tokens(text) - true) <= 0.1 * true


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("1234", 2), ("🙂🙂", 2)])
def test_short_texts(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


def test_a_long_text_is_looked_at_here_and_there() -> None:
    short, long = ENGLISH * 200, ENGLISH * 2000
    assert len(short) < MEASURED < len(long)
    assert text_tokens(long) == pytest.approx(10 * text_tokens(short), rel=0.02)


def message(*parts: Any) -> dict[str, Any]:
    return {"input": [{"type": "message", "role": "user", "content": list(parts)}]}


def test_pictures_and_files_count_by_rule_of_thumb() -> None:
    empty = request_tokens(message())
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 100_000}
    assert request_tokens(message(picture)) == empty + IMAGE
    file = {"type": "input_file", "file_data": "A" * 80_000}
    assert request_tokens(message(file)) == empty + 80_000 // FILE_BYTES
    assert request_tokens(message({**file, "file_data": None})) == empty + IMAGE


def test_all_that_the_model_reads_counts() -> None:
    body: dict[str, Any] = {"input": []}
    seen = [request_tokens(body)]
    for item in (
        {"type": "message", "role": "user", "content": ENGLISH},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ENGLISH}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": SCHEMA},
        {"type": "function_call_output", "call_id": "c", "output": ENGLISH},
        {"type": "reasoning", "summary": [], "encrypted_content": "x" * 600},
        {"type": "something", "of": ENGLISH},
    ):
        body["input"].append(item)
        seen.append(request_tokens(body))
    body |= {"instructions": ENGLISH}
    seen.append(request_tokens(body))
    body |= {"tools": [{"type": "function", "name": "f"}]}
    seen.append(request_tokens(body))
    assert seen == sorted(set(seen)), "each one adds something"


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "content", "text", "input"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional={"input": ANY, "instructions": ANY, "text": ANY}))
def test_whatever_is_sent_has_a_length(body: dict[str, Any]) -> None:
    assert request_tokens(body) >= 3
