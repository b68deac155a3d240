"""Pieces of JSON text."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from addons.front.json_text import compact, compact_text, quoted

TEXT = st.text(st.characters() | st.sampled_from('"\\\n\u2028\ud83d\ude42é'))


@given(TEXT)
def test_a_string_is_read_as_it_was(text: str) -> None:
    assert json.loads(quoted(text)) == text
    assert b"\n" not in quoted(text)


@given(st.lists(TEXT, max_size=3))
def test_pieces_make_the_whole(pieces: list[str]) -> None:
    """Also where a surrogate pair was cut in two."""
    joined = b'"' + b"".join(quoted(piece)[1:-1] for piece in pieces) + b'"'
    expected = "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    told = json.loads(joined).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert told == expected


def test_no_white_space() -> None:
    assert compact({"a": [1, "é"]}) == b'{"a":[1,"\\u00e9"]}'
    assert compact_text({"a": [1, "é"]}) == '{"a":[1,"é"]}'
