"""The oldest output of tools is cut first, and nothing that was said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.providers.cursor.telling.history import Block, Results
from addons.providers.cursor.telling.reading import read
from addons.providers.cursor.telling.trimming import KEPT_HEAD, KEPT_TAIL, PICTURE, tokens, trimmed
from tests.providers.cursor.said import body, called, gave, png, said, user

LONG = "0123456789" * 1000


def blocks(*outputs: str) -> tuple[Block, ...]:
    items = [user("go")]
    for index, output in enumerate(outputs):
        items += [said("I call."), called(f"c{index}", "f"), gave(f"c{index}", output)]
    return read(body(*items)).blocks


def outputs(given: tuple[Block, ...]) -> list[str]:
    results = [r for block in given if isinstance(block, Results) for r in block.results]
    return ["".join(part for part in r.parts if isinstance(part, str)) for r in results]


def test_what_fits_stays() -> None:
    given = blocks(LONG, LONG)
    assert trimmed(given, tokens(given)) == (given, ())


def test_the_oldest_is_cut_first_and_says_so() -> None:
    given = blocks(LONG, LONG, LONG)
    made, (note,) = trimmed(given, tokens(given) - 1)
    first, *others = outputs(made)
    assert others == [LONG, LONG]
    assert first.startswith(LONG[:KEPT_HEAD] + "\n[… 9200 characters were cut here")
    assert first.endswith(LONG[-KEPT_TAIL:])
    assert "1 oldest tool outputs" in note


def test_more_is_cut_until_it_fits() -> None:
    given = blocks(LONG, "short", LONG, LONG)
    made, (note,) = trimmed(given, tokens(blocks(LONG)) + 600)
    assert [len(each) < 1000 for each in outputs(made)] == [True, True, True, False]
    assert outputs(made)[1] == "short"
    assert "2 oldest tool outputs" in note


def test_pictures_in_results_go_as_well() -> None:
    items = [user("go"), called("c", "f"), gave("c", png()), said("ok"), user("more")]
    made, _ = trimmed(read(body(*items)).blocks, PICTURE)
    assert outputs(made)[0].startswith("[A picture of")


def test_what_was_said_is_never_cut() -> None:
    given = read(body(user(LONG), said(LONG), user("more"))).blocks
    assert trimmed(given, tokens(given) * 9 // 10)[0] == given
    assert trimmed(given, 0)[0] == given
    with pytest.raises(BadRequest) as caught:
        trimmed(given, tokens(given) // 2, window=2000)
    assert caught.value.code == "context_length_exceeded"
    assert "2000" in caught.value.message


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=6), st.integers(1, 9000))
def test_no_more_is_cut_than_has_to_be(sizes: list[int], budget: int) -> None:
    given = blocks(*("x" * size for size in sizes))
    made, notes = trimmed(given, budget)
    cut = [new != old for new, old in zip(outputs(made), outputs(given), strict=True)]
    assert bool(notes) == any(cut)
    assert all(size > KEPT_HEAD + KEPT_TAIL for size, was in zip(sizes, cut, strict=True) if was)
    if any(cut):
        last = max(index for index, was in enumerate(cut) if was)
        # Every older one that is long was cut, and without the last cut it would not fit.
        saved = tokens(blocks("x" * sizes[last])) - tokens(blocks(outputs(made)[last]))
        assert tokens(made) + saved > budget
        assert all(was or sizes[i] < 1000 for i, was in enumerate(cut[:last]))
