"""The models of the made-up accounts, and the replies that list them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from addons.providers.cursor.proto import agent_pb2, aiserver_pb2


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Attributes:
        context: tokens; ``larger``: with max mode, 0: there is none.
        efforts: values of the parameter ``effort``, the default one first.
        listed: whether lists have it.
    """

    id: str
    name: str
    context: int = 200_000
    larger: int = 0
    thinks: bool = False
    efforts: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    listed: bool = True


MODELS = (
    Model("default", "Auto", aliases=("auto",)),
    Model("composer-2", "Composer 2"),
    Model("composer-2-fast", "Composer 2 Fast"),
    Model("claude-4-sonnet", "Claude 4 Sonnet", larger=1_000_000, aliases=("claude-sonnet-4",)),
    Model("claude-4-sonnet-thinking", "Claude 4 Sonnet Thinking", larger=1_000_000, thinks=True),
    Model("gpt-5.2", "GPT-5.2", 272_000, thinks=True, efforts=("medium", "low", "high", "xhigh")),
    Model("sandbox-small", "Small", 8_000, listed=False),
)
"""Names are of the real service's kind; the small one is for prompts that are too long."""


def find(name: str) -> Model | None:
    """By id or alias."""
    return next((model for model in MODELS if name == model.id or name in model.aliases), None)


def usable() -> agent_pb2.GetUsableModelsResponse:
    """The reply of ``GetUsableModels``."""
    return agent_pb2.GetUsableModelsResponse(models=[_details(model) for model in _listed()])


def default() -> agent_pb2.GetDefaultModelForCliResponse:
    return agent_pb2.GetDefaultModelForCliResponse(model=_details(MODELS[1]))


def available(*, parameters: bool) -> aiserver_pb2.AvailableModelsResponse:
    """The reply of ``AvailableModels``; ``parameters``: with variants."""
    return aiserver_pb2.AvailableModelsResponse(
        model_names=[model.id for model in _listed()],
        models=[_available(model, parameters=parameters) for model in _listed()],
        use_model_parameters=parameters,
    )


def _listed() -> Iterable[Model]:
    return (model for model in MODELS if model.listed)


def _details(model: Model) -> agent_pb2.ModelDetails:
    return agent_pb2.ModelDetails(
        model_id=model.id,
        display_model_id=model.id,
        display_name=model.name,
        display_name_short=model.name,
        aliases=model.aliases,
        thinking_details=agent_pb2.Empty() if model.thinks else None,
        max_mode=True if model.larger else None,
    )


def _available(model: Model, *, parameters: bool) -> aiserver_pb2.AvailableModel:
    return aiserver_pb2.AvailableModel(
        name=model.id,
        default_on=True,
        supports_agent=True,
        supports_thinking=model.thinks,
        supports_images=True,
        supports_max_mode=bool(model.larger),
        supports_non_max_mode=True,
        context_token_limit=model.context,
        context_token_limit_for_max_mode=model.larger or None,
        client_display_name=model.name,
        server_model_name=model.id,
        variants=_variants(model) if parameters else [],
    )


def _variants(model: Model) -> Iterable[aiserver_pb2.ModelVariant]:
    for number, effort in enumerate(model.efforts):
        yield aiserver_pb2.ModelVariant(
            parameter_values=[aiserver_pb2.VariantParameter(id="effort", value=effort)],
            display_name=f"{model.name} {effort.capitalize()}",
            is_default_non_max_config=not number,
        )
    if model.larger:
        yield aiserver_pb2.ModelVariant(
            display_name=f"{model.name} Max", is_max_mode=True, is_default_max_config=True
        )
