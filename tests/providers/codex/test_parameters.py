"""What is left out for a backend, what is refused, and what is learned."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.providers.codex.parameters import (
    CHATGPT,
    CHATGPT_HTTP,
    REQUIRED,
    LearnedParameters,
    apply,
    holds,
    unsupported_parameter,
    without,
)
from addons.providers.codex.refusals import from_answer

type Json = dict[str, Any]

NOW = 1_800_000_000.0
UPSTREAM = "chatgpt.com"


def refused(status: int, body: Any) -> str | None:
    return unsupported_parameter(from_answer(status, [], json.dumps(body).encode(), NOW))


# --- the table -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "max_output_tokens",
        "temperature",
        "top_p",
        "safety_identifier",
        "user",
        "metadata",
        "top_logprobs",
        "max_tool_calls",
    ],
)
def test_known_members_are_left_out_with_a_note(name: str) -> None:
    body = {"model": "m", name: 3, "input": []}
    kept, notes = apply(body)
    assert list(kept) == ["model", "input"]
    assert len(notes) == 1
    assert notes[0].startswith(f"{name} was left out: ")
    assert body[name] == 3, "the caller's body is not changed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", None),
        ("truncation", "disabled"),
        ("background", False),
        ("service_tier", "auto"),
        ("service_tier", "default"),
        ("stream_options", {}),
        ("stream_options", {"include_usage": True}),
        ("stream_options", {"include_obfuscation": False}),
        ("conversation", None),
        ("n", 1),
        ("logprobs", False),
    ],
)
def test_what_the_backend_does_anyhow_goes_without_a_note(name: str, value: Any) -> None:
    assert apply({"model": "m", name: value}) == ({"model": "m"}, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service_tier", "priority"),
        ("service_tier", "flex"),
        ("stream_options", {"reasoning_summary_delivery": "sequential_cutoff"}),
        ("prompt_cache_key", "k"),
        ("prompt_cache_retention", "24h"),
        ("tool_choice", "required"),
        ("unheard_of", 1),
    ],
)
def test_what_may_pass_passes(name: str, value: Any) -> None:
    body = {"model": "m", name: value}
    assert apply(body) == (body, [])


def test_parts_of_an_object_may_pass() -> None:
    options = {"reasoning_summary_delivery": "x", "include_obfuscation": True}
    kept, notes = apply({"stream_options": options, "model": "m"})
    assert kept == {"stream_options": {"reasoning_summary_delivery": "x"}, "model": "m"}
    assert len(notes) == 1


@pytest.mark.parametrize("value", ["scale", [], {}, 3])
def test_odd_service_tiers_are_left_out(value: Any) -> None:
    kept, notes = apply({"service_tier": value})
    assert kept == {}
    assert len(notes) == 1


@pytest.mark.parametrize("name", ["conversation", "prompt"])
def test_what_would_change_the_meaning_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(BadRequest, match="send") as caught:
        apply({name: {"id": "x"}})
    assert caught.value.param == name


def test_an_untouched_body_is_the_same_object() -> None:
    body = {"model": "m"}
    assert apply(body)[0] is body
    assert apply({"temperature": 1}, {})[0] == {"temperature": 1}


def test_every_rule_says_why() -> None:
    assert all(len(rule.reason) > 20 for rule in CHATGPT.values())
    assert not CHATGPT.keys() & REQUIRED
    assert not {"prompt_cache_key", "prompt_cache_retention"} & CHATGPT.keys()


# --- reading a refusal ---------------------------------------------------------------------------


def test_a_continuation_is_refused_over_http_and_kept_on_a_websocket() -> None:
    body = {"model": "m", "input": "x", "previous_response_id": "resp_1"}
    with pytest.raises(BadRequest) as caught:
        apply(body, CHATGPT_HTTP)
    assert caught.value.param == "previous_response_id"
    assert "whole input" in caught.value.message
    assert apply(body, CHATGPT) == (body, [])
    assert apply({**body, "previous_response_id": None}, CHATGPT_HTTP)[1] == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"detail": "Unsupported parameter: prompt_cache_retention"}, "prompt_cache_retention"),
        ({"detail": "Unsupported parameter: 'reasoning.summary'."}, "reasoning.summary"),
        (
            {
                "error": {
                    "message": "Unsupported parameter: 'top_p' is not supported with this model."
                }
            },
            "top_p",
        ),
        ({"error": {"message": "Unknown parameter: 'foo'.", "param": "foo"}}, "foo"),
        ({"error": {"message": "Unrecognized request argument supplied: foo"}}, "foo"),
        ({"error": {"message": "no", "code": "unsupported_parameter", "param": "a.b"}}, "a.b"),
        ({"error": {"message": "Unsupported parameter: 'x'", "param": "y.z"}}, "y.z"),
    ],
)
def test_refused_members_are_found(body: Json, name: str) -> None:
    assert refused(400, body) == name


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "Bad request"},
        {"error": {"message": "Unsupported value: 'xhigh'", "param": "reasoning.effort"}},
        {"error": {"message": "Unknown parameter: 'tools[0].strict'", "param": "tools[0].strict"}},
        {"error": {"message": "Unsupported parameter: 'input[3].id'"}},
        {"error": {"message": "Invalid type", "param": "model"}},
        {"error": {"code": "unsupported_parameter"}},
        {"detail": "Unsupported parameter: "},
    ],
)
def test_other_refusals_name_none(body: Json) -> None:
    assert refused(400, body) is None


def test_other_statuses_teach_nothing() -> None:
    assert refused(500, {"detail": "Unsupported parameter: x"}) is None
    assert refused(422, {"detail": "Unsupported parameter: x"}) == "x"


# --- leaving out by path -------------------------------------------------------------------------


def test_paths() -> None:
    body = {"reasoning": {"effort": "low", "summary": "auto"}, "text": {"format": {"a": 1}}, "x": 1}
    assert without(body, "reasoning.summary")["reasoning"] == {"effort": "low"}
    assert "text" not in without(body, "text.format.a")
    assert "x" not in without(body, "x")
    for missing in ("y", "x.y", "reasoning.y", "reasoning.summary.z"):
        assert without(body, missing) is body
        assert not holds(body, missing)
    assert holds(body, "text.format.a")
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}


# --- memory --------------------------------------------------------------------------------------


def test_learned_members_are_left_out_for_that_upstream_only() -> None:
    learned = LearnedParameters()
    learned.learn(UPSTREAM, "prompt_cache_retention", NOW)
    body = {"model": "m", "prompt_cache_retention": "24h"}
    kept, notes = learned.apply(UPSTREAM, body, NOW + 1)
    assert kept == {"model": "m"}
    assert notes == ["prompt_cache_retention was left out: chatgpt.com refused it before."]
    assert learned.apply("other", body, NOW)[0] is body
    assert learned.apply(UPSTREAM, {"model": "m"}, NOW) == ({"model": "m"}, [])


def test_learned_members_are_tried_again_after_a_time() -> None:
    learned = LearnedParameters(ttl=100)
    learned.learn(UPSTREAM, "x", NOW)
    assert learned.refused(UPSTREAM, NOW + 99) == ["x"]
    assert learned.refused(UPSTREAM, NOW + 100) == []
    assert learned.dump() == {UPSTREAM: {}}


@pytest.mark.parametrize(
    "path", [*sorted(REQUIRED), "tools[0]", "", "a b", "a." * 9 + "b", "x" * 99]
)
def test_required_members_and_odd_paths_are_never_learned(path: str) -> None:
    learned = LearnedParameters()
    assert not learned.learnable({path: 1}, path)
    with pytest.raises(ValueError, match="can't be learned"):
        learned.learn(UPSTREAM, path, NOW)


def test_only_what_was_sent_is_learned() -> None:
    learned = LearnedParameters()
    assert learned.learnable({"reasoning": {"summary": "auto"}}, "reasoning.summary")
    assert not learned.learnable({"reasoning": {}}, "reasoning.summary")
    assert not learned.learnable({}, "temperature")


def test_the_memory_is_bounded() -> None:
    learned = LearnedParameters(limit=3)
    for n in range(10):
        learned.learn(UPSTREAM, f"p{n}", NOW)
        learned.learn(f"u{n}", "x", NOW)
        learned.learn(UPSTREAM, f"p{n}", NOW)
    assert learned.refused(UPSTREAM, NOW) == ["p7", "p8", "p9"]
    assert len(learned.dump()) == 3


def test_stored_and_back() -> None:
    learned = LearnedParameters()
    learned.learn(UPSTREAM, "reasoning.summary", NOW)
    copy = LearnedParameters()
    copy.load(json.loads(json.dumps(learned.dump())))
    assert copy.refused(UPSTREAM, NOW) == ["reasoning.summary"]


@pytest.mark.parametrize(
    "data", [None, [], {"u": 3}, {"u": {"x": "soon"}}, {"u": {"input": 1.0}}, {"u": {"a[0]": 1.0}}]
)
def test_malformed_stores_change_nothing(data: Any) -> None:
    learned = LearnedParameters()
    learned.learn(UPSTREAM, "x", NOW)
    with pytest.raises(ValueError, match="stored parameter"):
        learned.load(data)
    assert learned.refused(UPSTREAM, NOW) == ["x"]


names = st.sampled_from([*CHATGPT, *sorted(REQUIRED), "other"])


@given(st.dictionaries(names, st.none() | st.text(max_size=3) | st.integers() | st.just({"a": 1})))
def test_required_members_always_stay_in_their_order(body: Json) -> None:
    try:
        kept, _ = apply(body)
    except BadRequest:
        return
    assert [name for name in kept if name not in CHATGPT] == [
        name for name in body if name not in CHATGPT
    ]
