"""The upstream's models, and how one is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from addons.errors import BadRequest
from addons.front.models import model_list
from addons.providers.cursor.model_choice import Choice, choose
from addons.providers.cursor.models import MalformedModels, ModelList, entries, parse, united
from addons.providers.cursor.proto.agent_pb2 import Empty, GetUsableModelsResponse, ModelDetails
from addons.providers.cursor.proto.aiserver_pb2 import (
    AvailableModel,
    AvailableModelsResponse,
    DegradationStatus,
    ModelVariant,
    VariantParameter,
)
from addons.providers.cursor.routes import serves

type Json = dict[str, Any]


def variant(
    *, max_mode: bool = False, default: bool = False, slug: str = "", **values: str
) -> ModelVariant:
    made = ModelVariant(
        parameter_values=[VariantParameter(id=key, value=each) for key, each in values.items()],
        is_max_mode=max_mode,
        legacy_slug=slug,
    )
    if max_mode:
        made.is_default_max_config = default
    else:
        made.is_default_non_max_config = default
    return made


USABLE = GetUsableModelsResponse(
    models=[
        ModelDetails(model_id="default", display_name="Auto", aliases=["auto"]),
        ModelDetails(model_id="gpt-5.2", display_name="GPT-5.2", thinking_details=Empty()),
        ModelDetails(model_id="claude-4", display_name="Claude 4", max_mode=True),
        ModelDetails(model_id="composer-2"),
        ModelDetails(model_id="composer-2-fast"),
        ModelDetails(model_id="gpt-5.2"),
        ModelDetails(),
    ]
).SerializeToString()
AVAILABLE = AvailableModelsResponse(
    models=[
        AvailableModel(
            name="gpt-5.2",
            context_token_limit=272_000,
            supports_images=True,
            legacy_slugs=["gpt-5.2-old"],
            id_aliases=["gpt-latest"],
            variants=[
                variant(reasoning="low", fast="false"),
                variant(reasoning="medium", fast="false", default=True),
                variant(reasoning="high", fast="false", slug="gpt-5.2-high"),
                variant(reasoning="medium", fast="true"),
            ],
        ),
        AvailableModel(
            name="claude-4",
            context_token_limit=200_000,
            context_token_limit_for_max_mode=1_000_000,
            supports_max_mode=True,
            supports_images=False,
            variants=[
                variant(thinking="true", effort="high", default=True),
                variant(thinking="false", effort="high"),
                variant(thinking="true", effort="low"),
                variant(thinking="true", effort="high", max_mode=True, default=True),
            ],
        ),
        AvailableModel(name="secret", default_on=True),
        AvailableModel(name="chat", supports_agent=False),
        AvailableModel(
            name="broken", degradation_status=DegradationStatus.DEGRADATION_STATUS_DISABLED
        ),
    ]
).SerializeToString()
MODELS = parse(USABLE, AVAILABLE)


def test_usable_models_are_described_by_the_other_reply() -> None:
    assert [model.id for model in MODELS] == [
        "default",
        "gpt-5.2",
        "claude-4",
        "composer-2",
        "composer-2-fast",
    ]
    auto, gpt, claude, composer, _ = MODELS
    assert (auto.name, auto.aliases) == ("Auto", ("auto",))
    assert (gpt.window, gpt.thinks, gpt.images) == (272_000, True, True)
    assert gpt.aliases == ("gpt-5.2-old", "gpt-latest")
    assert (gpt.effort_parameter, gpt.efforts) == ("reasoning", ("low", "medium", "high"))
    assert (claude.window, claude.max_window, claude.max_mode) == (200_000, 1_000_000, True)
    assert (composer.name, composer.window, composer.efforts) == ("composer-2", None, ())


def test_either_reply_alone_is_a_list() -> None:
    assert [model.id for model in parse(USABLE)] == [model.id for model in MODELS]
    assert [model.id for model in parse(None, AVAILABLE)] == ["gpt-5.2", "claude-4", "secret"]


@pytest.mark.parametrize("replies", [(b"", None), (b"\xff", None), (USABLE, b"\xff"), (None, b"")])
def test_a_reply_without_models_is_none(replies: tuple[bytes | None, bytes | None]) -> None:
    with pytest.raises(MalformedModels):
        parse(*replies)


def test_clients_see_sizes_efforts_and_variants() -> None:
    shown = {each["id"]: each for each in model_list(entries(MODELS))["data"]}
    assert list(shown) == [
        "cursor/default",
        "cursor/gpt-5.2",
        "cursor/claude-4",
        "cursor/claude-4:max",
        "cursor/composer-2",
        "cursor/composer-2-fast",
    ]
    gpt, claude = shown["cursor/gpt-5.2"], shown["cursor/claude-4"]
    assert (gpt["owned_by"], gpt["context_window"]) == ("cursor", 272_000)
    assert gpt["supported_reasoning_efforts"] == ["low", "medium", "high"]
    assert gpt["variants"] == {"fast": ["false", "true"]}
    assert claude["input_modalities"] == ["text"]
    assert shown["cursor/claude-4:max"]["context_window"] == 1_000_000
    assert shown["cursor/claude-4:max"]["display_name"] == "Claude 4 (max)"
    assert "context_window" not in shown["cursor/composer-2"]


# --- the last good list --------------------------------------------------------------------------


def test_a_list_holds_for_a_while() -> None:
    fresh = ModelList().fetched(USABLE, AVAILABLE, 1000.0)
    assert ModelList().due(1000.0)
    assert not fresh.due(1000.0 + ModelList.TTL - 1)
    assert fresh.due(1000.0 + ModelList.TTL)


def test_the_last_good_list_outlives_failures_which_are_not_repeated_at_once() -> None:
    kept = ModelList().fetched(USABLE, AVAILABLE, 1000.0).failed(2000.0)
    assert kept.models == tuple(MODELS)
    assert not kept.due(2000.0 + ModelList.RETRY - 1)
    again = kept.failed(2000.0)
    assert not again.due(2000.0 + ModelList.RETRY * 2 - 1)
    assert again.due(2000.0 + ModelList.RETRY * 2)
    for _ in range(50):
        again = again.failed(2000.0)
    assert again.due(2000.0 + ModelList.TTL)
    with pytest.raises(MalformedModels):
        again.fetched(b"\xff", None, 3000.0)


def test_what_was_known_of_a_model_still_holds() -> None:
    first = ModelList().fetched(USABLE, AVAILABLE, 1000.0)
    second = first.fetched(USABLE, None, 2000.0)
    assert second.models == first.models
    assert ModelList().fetched(USABLE, None, 2000.0).models != first.models


def test_accounts_lists_come_together() -> None:
    one = ModelList(tuple(MODELS[:2]), 1.0)
    two = ModelList(tuple(parse(None, AVAILABLE)), 1.0)
    assert [model.id for model in united([one, two])] == [
        "default",
        "gpt-5.2",
        "claude-4",
        "secret",
    ]
    assert united([one, two])[1] is MODELS[1]
    assert united([]) == []


# --- a choice ------------------------------------------------------------------------------------


def chosen(name: str, effort: str | None = None) -> Choice:
    body: Json = {"model": name}
    if effort is not None:
        body["reasoning"] = {"effort": effort}
    return choose(body, MODELS)


@pytest.mark.parametrize(
    ("name", "served"),
    [("cursor/x", True), ("cursor/", False), ("gpt-5.2", False), ("cursor", False)],
)
def test_names_of_this_provider(name: str, served: bool) -> None:
    assert serves(name) is served


@pytest.mark.parametrize(
    ("name", "effort", "model_id", "parameters"),
    [
        ("cursor/default", None, "default", {}),
        ("cursor/auto", None, "default", {}),
        ("cursor/gpt-latest", None, "gpt-5.2", {"reasoning": "medium", "fast": "false"}),
        ("cursor/gpt-5.2", None, "gpt-5.2", {"reasoning": "medium", "fast": "false"}),
        ("cursor/gpt-5.2", "high", "gpt-5.2", {"reasoning": "high", "fast": "false"}),
        ("cursor/gpt-5.2:low", "high", "gpt-5.2", {"reasoning": "low", "fast": "false"}),
        ("cursor/gpt-5.2:reasoning=low", None, "gpt-5.2", {"reasoning": "low", "fast": "false"}),
        ("cursor/gpt-5.2:effort=low", None, "gpt-5.2", {"reasoning": "low", "fast": "false"}),
        ("cursor/gpt-5.2:fast", None, "gpt-5.2", {"reasoning": "medium", "fast": "true"}),
        ("cursor/gpt-5.2:x=y", None, "gpt-5.2", {"reasoning": "medium", "fast": "false", "x": "y"}),
        ("cursor/gpt-5.2-high", None, "gpt-5.2", {"reasoning": "high", "fast": "false"}),
        ("cursor/claude-4", "none", "claude-4", {"thinking": "false", "effort": "high"}),
        ("cursor/claude-4:thinking", None, "claude-4", {"thinking": "true", "effort": "high"}),
        ("cursor/composer-2:fast", None, "composer-2-fast", {}),
        ("cursor/composer-2:x=y", None, "composer-2", {"x": "y"}),
        ("cursor/default:optimization=cost", None, "default", {"optimization": "cost"}),
        ("cursor/unlisted:x=y", None, "unlisted", {"x": "y"}),
    ],
)
def test_a_name_becomes_a_model_and_its_parameters(
    name: str, effort: str | None, model_id: str, parameters: dict[str, str]
) -> None:
    found = chosen(name, effort)
    assert (found.model_id, dict(found.parameters)) == (model_id, parameters)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("name", "effort", "parameters", "noted"),
    [
        ("cursor/gpt-5.2", "xhigh", {"reasoning": "high", "fast": "false"}, "no 'xhigh'; 'high'"),
        ("cursor/gpt-5.2", "minimal", {"reasoning": "low", "fast": "false"}, "no 'minimal'"),
        ("cursor/gpt-5.2", "?", {"reasoning": "low", "fast": "false"}, "no '?'"),
        (
            "cursor/gpt-5.2:thinking",
            None,
            {"reasoning": "medium", "fast": "false"},
            "thinking=true",
        ),
        ("cursor/composer-2", "high", {}, "high: composer-2 has no such setting"),
        ("cursor/unlisted", "high", {}, "not in the list"),
        ("cursor/gpt-5.2:max", None, {"reasoning": "medium", "fast": "false"}, "no larger window"),
    ],
)
def test_what_cannot_be_had_is_noted(
    name: str, effort: str | None, parameters: dict[str, str], noted: str
) -> None:
    found = chosen(name, effort)
    assert dict(found.parameters) == parameters
    (note,) = found.notes
    assert noted in note
    assert not found.max_mode


def test_of_two_efforts_as_near_the_lesser_is_taken() -> None:
    model = parse(
        None,
        AvailableModelsResponse(
            models=[
                AvailableModel(name="m", variants=[variant(effort="high"), variant(effort="low")])
            ]
        ).SerializeToString(),
    )
    found = choose({"model": "cursor/m", "reasoning": {"effort": "medium"}}, model)
    assert found.parameters == (("effort", "low"),)
    # Nobody says which variant is the usual one, so nothing is asked for.
    assert choose({"model": "cursor/m"}, model).parameters == ()


def test_max_mode_takes_its_variant_and_its_window() -> None:
    found = chosen("cursor/claude-4:max", "low")
    assert (found.max_mode, found.window) == (True, 1_000_000)
    assert dict(found.parameters) == {"thinking": "true", "effort": "low"}
    assert chosen("cursor/claude-4").window == 200_000


@pytest.mark.parametrize(
    ("name", "window"),
    [("claude-4-1m", 1_000_000), ("x-1M-fast", 1_000_000), ("kimi-21mini", None)],
)
def test_a_name_may_tell_the_window(name: str, window: int | None) -> None:
    models = parse(
        GetUsableModelsResponse(models=[ModelDetails(model_id=name)]).SerializeToString()
    )
    assert choose({"model": f"cursor/{name}"}, models).window == window


def test_without_a_list_names_pass() -> None:
    assert choose({"model": "cursor/gpt-5.2:max"}, []) == Choice("gpt-5.2", max_mode=True)


def test_an_option_must_mean_something() -> None:
    with pytest.raises(BadRequest, match="'hihg' means nothing") as caught:
        chosen("cursor/gpt-5.2:hihg")
    assert caught.value.param == "model"
