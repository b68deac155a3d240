"""The upstream's models: what an account can use, and when to ask again. Pure.

Two replies make the list (cursor-protocol.md §1.5, §3.13). ``GetUsableModels`` says which there
are; ``AvailableModels`` says of each how large it is and what it can be set to, and may be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from google.protobuf.message import DecodeError

from addons.errors import FlowayError
from addons.front.models import ModelEntry
from addons.providers.cursor.proto.agent_pb2 import GetUsableModelsResponse, ModelDetails
from addons.providers.cursor.proto.aiserver_pb2 import (
    AvailableModel,
    AvailableModelsResponse,
    DegradationStatus,
    ModelVariant,
)
from addons.providers.cursor.routes import PREFIX

MAX_MODELS: Final = 1000

EFFORTS: Final = ("effort", "reasoning")
"""Parameters that say how hard a model thinks; a model has one of them."""

MAX_OPTION: Final = "max"
"""Behind a model's name: with its larger window."""


class MalformedModels(FlowayError):
    """The upstream's reply is no list of models."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A setting in which a model is offered.

    Attributes:
        parameters: id and value of each.
        max_mode: with the larger window.
        default: the one that is taken where nobody chooses.
        slug: a name of its own, of a time without parameters; "" for none.
    """

    parameters: tuple[tuple[str, str], ...] = ()
    max_mode: bool = False
    default: bool = False
    slug: str = ""

    def value(self, parameter: str) -> str | None:
        return dict(self.parameters).get(parameter)


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Attributes:
        id: on the wire.
        aliases: other names that mean it.
        thinks: it can reason.
        images: it takes pictures; None: nobody said.
        window: tokens; None: nobody said.
        max_window: tokens in max mode; None: nobody said, or there is none.
        max_mode: it can be asked for in max mode.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    thinks: bool = False
    images: bool | None = None
    window: int | None = None
    max_window: int | None = None
    max_mode: bool = False
    variants: tuple[Variant, ...] = ()

    @property
    def effort_parameter(self) -> str:
        """The parameter that says how hard the model thinks; "" where there is none."""
        return next((name for name in EFFORTS if self.values(name)), "")

    @property
    def efforts(self) -> tuple[str, ...]:
        """Its values, in the upstream's order."""
        return self.values(self.effort_parameter)

    def values(self, parameter: str) -> tuple[str, ...]:
        """The values of a parameter, in the upstream's order."""
        found = (variant.value(parameter) for variant in self.variants)
        return tuple(dict.fromkeys(value for value in found if value is not None))


def parse(usable: bytes | None, available: bytes | None = None) -> list[Model]:
    """The models of two replies, in the upstream's order; at least one must be there.

    Raises:
        MalformedModels: a reply can't be read, or names no model.
    """
    try:
        listed = GetUsableModelsResponse.FromString(usable or b"").models
        described = AvailableModelsResponse.FromString(available or b"").models
    except DecodeError:
        raise MalformedModels("the upstream's model list can't be read") from None
    known = {model.name: model for model in described if model.name}
    made: dict[str, Model] = {}
    if usable is not None:
        for details in listed[:MAX_MODELS]:
            if details.model_id:
                model = _model(details, known.get(details.model_id))
                made.setdefault(model.id, model)
    else:
        for each in described[:MAX_MODELS]:
            if each.name and _is_offered(each):
                details = ModelDetails(model_id=each.name, display_name=each.client_display_name)
                made.setdefault(each.name, _model(details, each))
    if not made:
        raise MalformedModels("the upstream's model list is empty")
    return list(made.values())


def _is_offered(model: AvailableModel) -> bool:
    agent = not model.HasField("supports_agent") or model.supports_agent
    return agent and model.degradation_status != DegradationStatus.DEGRADATION_STATUS_DISABLED


def _model(details: ModelDetails, known: AvailableModel | None) -> Model:
    model_id = details.model_id
    made = Model(
        id=model_id,
        name=details.display_name or details.display_name_short or model_id,
        aliases=_others([*details.aliases, details.display_model_id], model_id),
        thinks=details.HasField("thinking_details"),
        max_mode=details.max_mode,
    )
    if known is None:
        return made
    aliases = [*made.aliases, *known.legacy_slugs, *known.id_aliases, known.server_model_name]
    return replace(
        made,
        aliases=_others(aliases, model_id),
        thinks=made.thinks or known.supports_thinking,
        images=known.supports_images if known.HasField("supports_images") else None,
        window=known.context_token_limit or None,
        max_window=known.context_token_limit_for_max_mode or None,
        max_mode=made.max_mode or known.supports_max_mode,
        variants=tuple(map(_variant, known.variants)),
    )


def _variant(given: ModelVariant) -> Variant:
    parameters = tuple((each.id, each.value) for each in given.parameter_values)
    default = given.is_default_max_config if given.is_max_mode else given.is_default_non_max_config
    return Variant(parameters, given.is_max_mode, default, given.legacy_slug)


def _others(names: Iterable[str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in names if each and each != name))


# --- the list as clients see it ------------------------------------------------------------------


def entries(models: Sequence[Model]) -> list[ModelEntry]:
    """The models in neutral words; one with a larger window is listed with it as well."""
    made: list[ModelEntry] = []
    for model in models:
        made.append(_entry(model, PREFIX + model.id, model.window))
        if model.max_mode and model.max_window and model.max_window != model.window:
            name = f"{PREFIX}{model.id}:{MAX_OPTION}"
            made.append(_entry(model, name, model.max_window, suffix=" (max)"))
    return made


def _entry(model: Model, name: str, window: int | None, *, suffix: str = "") -> ModelEntry:
    modalities = ["text"] if model.images is False else ["text", "image"]
    extras: dict[str, object] = {
        "input_modalities": modalities,
        "display_name": model.name + suffix,
    }
    if model.efforts:
        extras["supported_reasoning_efforts"] = list(model.efforts)
    parameters = {name for variant in model.variants for name, _ in variant.parameters}
    variants = {name: list(model.values(name)) for name in sorted(parameters - set(EFFORTS))}
    if variants:
        extras["variants"] = variants
    return ModelEntry(name, owned_by="cursor", context_window=window, extras=extras)


# --- the last good list --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelList:
    """The last good list of one account, and how long it holds.

    Attributes:
        fetched_at: unix seconds of the last good reply; 0 for never.
        failed_at: unix seconds of the last failure since then.
        failures: failures in a row.
    """

    models: tuple[Model, ...] = ()
    fetched_at: float = 0.0
    failed_at: float = 0.0
    failures: int = field(default=0)

    TTL = 300.0
    """Seconds after which a list is asked for again (cursor-protocol.md §4.9)."""
    RETRY = 15.0
    """Seconds after a first failure; doubled for each in a row, up to the TTL."""

    def due(self, now: float) -> bool:
        """Whether to ask the upstream; the last good list is served meanwhile."""
        if self.failures:
            wait = min(self.RETRY * 2.0 ** min(self.failures - 1, 16), self.TTL)
            return now >= self.failed_at + wait
        return now >= self.fetched_at + self.TTL

    def fetched(self, usable: bytes | None, available: bytes | None, now: float) -> ModelList:
        """After replies.

        What an earlier reply said of a model, and these do not (``AvailableModels`` failed, say),
        still holds.

        Raises:
            MalformedModels: keep the old one and call :meth:`failed`.
        """
        models = parse(usable, available)
        if available is None:
            before = {model.id: model for model in self.models}
            models = [_remembered(model, before.get(model.id)) for model in models]
        return ModelList(tuple(models), now)

    def failed(self, now: float) -> ModelList:
        """After an error: the last good list stays."""
        return replace(self, failed_at=now, failures=self.failures + 1)


def _remembered(model: Model, before: Model | None) -> Model:
    if before is None:
        return model
    return replace(
        model,
        images=before.images,
        window=before.window,
        max_window=before.max_window,
        variants=before.variants,
        aliases=_others([*model.aliases, *before.aliases], model.id),
    )


def united(lists: Iterable[ModelList]) -> list[Model]:
    """The models that at least one account can use; of each the first account's words count."""
    made: dict[str, Model] = {}
    for each in lists:
        for model in each.models:
            made.setdefault(model.id, model)
    return list(made.values())
