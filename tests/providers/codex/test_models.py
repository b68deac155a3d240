"""The upstream's model list: reading it, showing it, and when it is due."""

from __future__ import annotations

from typing import Any

import pytest

from addons.providers.codex.models import (
    MalformedModels,
    Model,
    ModelList,
    fitting_effort,
    parse,
    shape_of,
)

NOW = 1_800_000_000.0
DOCUMENT: dict[str, Any] = {
    "models": [
        {
            "slug": "gpt-6.1-sol",
            "display_name": "GPT-6.1-Sol",
            "context_window": 272000,
            "supported_reasoning_levels": [
                {"effort": "low", "description": "x"},
                {"effort": "high"},
            ],
            "default_reasoning_level": "low",
            "input_modalities": ["text", "image"],
            "supports_parallel_tool_calls": False,
            "use_responses_lite": True,
            "visibility": "list",
        },
        {"slug": "hidden", "visibility": "hide", "use_responses_lite": False},
        {"slug": "plain", "supported_reasoning_levels": ["low", 3], "context_window": "no"},
        {"slug": "gpt-6.1-sol", "display_name": "again"},
        {"slug": ""},
        {"no": "slug"},
        "odd",
        {"slug": "odd", "display_name": 3, "input_modalities": {}, "use_responses_lite": "yes"},
    ]
}


def test_entries_are_read_one_by_one() -> None:
    sol, hidden, plain, odd = parse(DOCUMENT)
    assert sol == Model(
        "gpt-6.1-sol", "GPT-6.1-Sol", 272000, True, ("low", "high"), "low", ("text", "image"), False
    )
    assert not hidden.listed
    assert (plain.efforts, plain.context_window, plain.modalities) == (("low",), None, ("text",))
    assert (odd.name, odd.lite) == ("odd", None)


@pytest.mark.parametrize("document", [None, [], {}, {"models": {}}, {"data": []}])
def test_what_is_no_list_is_an_error(document: Any) -> None:
    with pytest.raises(MalformedModels):
        parse(document)


def test_the_upstream_says_the_shape_before_the_profile_does() -> None:
    models = parse(DOCUMENT)
    found = [
        shape_of(slug, models, lambda slug: f"profile of {slug}")
        for slug in ("gpt-6.1-sol", "hidden", "plain", "new")
    ]
    assert found == ["lite", "full", "profile of plain", "profile of new"]


@pytest.mark.parametrize(
    ("wanted", "slug", "effort"),
    [
        ("max", "m", "xhigh"),
        ("ultra", "m", "xhigh"),
        ("xhigh", "m", "xhigh"),
        ("low", "m", "low"),
        ("none", "m", "none"),
        ("huge", "m", "huge"),
        ("max", "plain", "max"),
        ("max", "unknown", "max"),
    ],
)
def test_an_effort_deeper_than_the_models_deepest(wanted: str, slug: str, effort: str) -> None:
    models = [Model("m", "M", efforts=("low", "medium", "xhigh", "odd")), Model("plain", "P")]
    assert fitting_effort(wanted, slug, models) == effort


def test_the_last_good_list_stays_through_failures() -> None:
    good = ModelList().fetched(DOCUMENT, '"e1"', NOW)
    failing = good.failed(NOW + 3600).failed(NOW + 3700)
    assert failing.models == good.models
    assert failing.etag == '"e1"'
    with pytest.raises(MalformedModels):
        failing.fetched({}, "", NOW)
    assert failing.unchanged(NOW + 4000).failures == 0


def test_when_it_is_due() -> None:
    assert ModelList().due(NOW)
    good = ModelList().fetched(DOCUMENT, "e1", NOW)
    assert not good.due(NOW + 3599)
    assert good.due(NOW + 3600)
    assert not good.unchanged(NOW + 3600).due(NOW + 7000)
    failing = good.failed(NOW + 3600)
    assert not failing.due(NOW + 3629)
    assert failing.due(NOW + 3630)
    assert not failing.failed(NOW + 3630).due(NOW + 3689)
    assert ModelList(failures=99, failed_at=NOW).due(NOW + 3600)


def test_another_etag_in_an_answer_makes_it_due() -> None:
    good = ModelList().fetched(DOCUMENT, "e1", NOW)
    assert good.announced("e2").due(NOW + 1)
    assert good.announced("e2").models == good.models
    for same in ("e1", "", None):
        assert good.announced(same) is good


def test_an_etag_with_which_the_list_never_comes_is_sought_once() -> None:
    good = ModelList().fetched(DOCUMENT, 'W/"e1"', NOW)
    sought = good.announced('"e1"')
    assert sought.due(NOW + 1)
    for again in (sought.fetched(DOCUMENT, 'W/"e1"', NOW + 1), sought.unchanged(NOW + 1)):
        assert not again.announced('"e1"').due(NOW + 2)
        assert again.announced('"e2"').due(NOW + 2)
        assert again.announced('"e1"').due(NOW + 3601)
