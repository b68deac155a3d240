"""Catalogues without their texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.record.catalogue import Catalogue, read, reduce, write


def entry(slug: str, **more: Any) -> dict[str, Any]:
    return {"slug": slug, "visibility": "list", "priority": 5, **more}


def reduced(*entries: dict[str, Any], before: str = "") -> Catalogue:
    found = reduce(before + json.dumps({"models": entries}), client="codex", release="1.2.3")
    assert found is not None
    return found


FULL = entry("gpt-5.5", priority=7)
LITE = entry("gpt-6", priority=1, use_responses_lite=True, default_reasoning_level="low")


def test_what_is_kept_and_what_is_not() -> None:
    found = reduced(
        entry(
            "m",
            use_responses_lite=True,
            default_verbosity="low",
            supported_reasoning_levels=[{"effort": "low", "description": "Quick answers"}],
            base_instructions="You are a model with long instructions.",
            display_name="M",
            tool_mode="code_mode_only",
            supports_search_tool=True,
            context_window=272_000,
            truncation_policy={"mode": "tokens", "limit": 10_000, "note": "some long text"},
            input_modalities=["text", "image"],
            service_tiers=[{"id": "priority", "description": "Faster answers"}],
            comp_hash=None,
            novel_text="words of a new release",
        )
    ).models[0]
    assert (found.shape, found.efforts, found.default_verbosity) == ("lite", ("low",), "low")
    assert found.settings == {
        "context_window": 272_000,
        "input_modalities": ["text", "image"],
        "service_tiers": [{"id": "priority"}],
        "supports_search_tool": True,
        "tool_mode": "code_mode_only",
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
    }


def test_the_default_is_the_visible_model_with_the_lowest_number() -> None:
    hidden = entry("secret", priority=0, visibility="hide")
    assert reduced(FULL, hidden, LITE).default == "gpt-6"
    assert reduced(hidden).default == "secret"


def test_the_model_of_the_other_shape() -> None:
    other = reduced(LITE, entry("gpt-5.9", priority=2), FULL)
    chosen = other.of_other_shape(("gpt-5.5",))
    assert chosen is not None
    assert chosen.slug == "gpt-5.5"
    first = other.of_other_shape()
    assert first is not None
    assert first.slug == "gpt-5.9"
    hidden = entry("auto", visibility="hide", use_responses_lite=True)
    assert reduced(FULL, hidden).of_other_shape() is None


@pytest.mark.parametrize(
    "text", ["", "no models", "{", '{"models": 1}', '{"models": []}', "[1]", '{"models": [1]}']
)
def test_what_is_no_catalogue(text: str) -> None:
    assert reduce(text, client="codex", release="1.2.3") is None


def test_warnings_before_it_are_skipped() -> None:
    assert reduced(FULL, before="WARNING: home is odd\n").default == "gpt-5.5"


names = st.text(min_size=1, max_size=45)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=45),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, values, max_size=4))
def test_no_text_survives_and_files_read_back(members: dict[str, Any]) -> None:
    found = reduce(json.dumps({"models": [{**members, "slug": "m"}]}), client="codex", release="1")
    assert found is not None
    assert Catalogue.model_validate_json(found.model_dump_json()) == found

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for item in value.values() for text in texts(item)]
        if isinstance(value, list):
            return [text for item in value for text in texts(item)]
        return [value] if isinstance(value, str) else []

    assert all(" " not in text and len(text) <= 40 for text in texts(found.models[0].settings))


def test_files(tmp_path: Path) -> None:
    made = reduced(LITE, FULL)
    file = write(made, tmp_path)
    assert file == tmp_path / "codex" / "1.2.3" / "catalogue.json"
    assert read(file) == made
    assert len(file.read_text().splitlines()) == 2 + len(made.models)
    file.write_text(file.read_text().replace('"lite"', '"flat"'))
    with pytest.raises(ValueError, match=r"models\.0\.shape"):
        read(file)
