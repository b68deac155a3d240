from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from addons.debug.views.outline import LONGEST, outline
from addons.debug.views.sections import cut, size


def test_members_in_order_and_json_texts_opened() -> None:
    assert outline({"b": 1, "a": {"x": [True]}, "t": '{"k": "v"}', "e": []}) == [
        "b: 1",
        "a:",
        "  x:",
        "    [0]: true",
        "t: (JSON text, 10 characters)",
        '  k: "v"',
        "e: []",
    ]


def test_long_ones_are_cut() -> None:
    assert outline(["x"] * (LONGEST + 3))[-1] == "… 3 more"
    assert outline("y" * 500)[0].endswith('… (+390)"')
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    assert outline(deep)[-1].strip() == "… 1 more inside"


def test_words_for_sizes() -> None:
    assert [size(count) for count in (999, 1500, 2_000_000)] == ["999 B", "1.5 KB", "2.0 MB"]
    assert cut("a\nb", 10) == "a⏎b"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_value_has_lines(value: Any) -> None:
    assert all("\n" not in line for line in outline(value))
