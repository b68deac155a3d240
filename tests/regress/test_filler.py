"""Placeholders become text, the same every time."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from replay.regress.filler import filled, text


@given(st.integers(0, 3000), st.text("0123456789abcdef", min_size=8, max_size=8))
def test_a_text_has_its_length(length: int, digest: str) -> None:
    made = filled(f"⟨text:{length}:{digest}⟩")
    assert len(made) == length
    assert made == text(length, digest)


def test_texts_depend_on_their_hash() -> None:
    assert text(500, "00000000") != text(500, "00000001")


def test_every_kind_is_filled_and_equality_is_kept() -> None:
    value = {
        "a": ["⟨jwt:1⟩", "Bearer ⟨jwt:1⟩", "⟨jwt:2⟩"],
        "⟨path:1⟩": {"b": "⟨account:1⟩ ⟨email:1⟩ ⟨remote:1⟩ ⟨secret:1⟩", "c": 1, "d": None},
        "binary": "⟨binary:30:00000000⟩",
    }
    made = filled(value)
    assert "⟨" not in json.dumps(made, ensure_ascii=False)
    assert made["a"][1] == f"Bearer {made['a'][0]}"
    assert made["a"][0] != made["a"][2]
    assert made["a"][0].count(".") == 2
    assert made == filled(value)


def test_json_text_stays_json_text() -> None:
    made = filled('{"workspaces":{"⟨path:1⟩":{"text":"⟨text:300:0a0b0c0d⟩"}}}')
    ((folder, inside),) = json.loads(made)["workspaces"].items()
    assert folder == "/made/up/1"
    assert len(inside["text"]) == 300
