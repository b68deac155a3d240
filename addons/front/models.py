"""The list of models in OpenAI's form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

from addons.errors import ClientError
from addons.front.contract import Json

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be asked for, in neutral words.

    Attributes:
        id: the name that goes into a request's ``model``.
        created: unix seconds; 0 where nobody knows.
        owned_by: who runs it.
        context_window: tokens of input and output together; None where unknown.
        max_output_tokens: tokens; None where unknown.
        extras: further members, shown as they are (display name, efforts, …); a member of the
            standard is never replaced.
    """

    id: str
    created: int = 0
    owned_by: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    extras: Mapping[str, Any] = field(default=_NOTHING)


def model_list(entries: Iterable[ModelEntry]) -> Json:
    """``GET /v1/models``. Of entries with the same id the first counts."""
    seen: dict[str, Json] = {}
    for entry in entries:
        seen.setdefault(entry.id, model_object(entry))
    return {"object": "list", "data": list(seen.values())}


def model_object(entry: ModelEntry) -> Json:
    """One model: the four members of the standard first, then what else is known."""
    shown: Json = {
        "id": entry.id,
        "object": "model",
        "created": entry.created,
        "owned_by": entry.owned_by,
    }
    if entry.context_window is not None:
        shown["context_window"] = entry.context_window
    if entry.max_output_tokens is not None:
        shown["max_output_tokens"] = entry.max_output_tokens
    for name, value in entry.extras.items():
        shown.setdefault(name, value)
    return shown


def one_model(entries: Iterable[ModelEntry], model: str) -> Json:
    """``GET /v1/models/{id}``.

    Args:
        model: the rest of the path, percent-encoded or not; ids may hold slashes.

    Raises:
        ClientError: 404 ``model_not_found``.
    """
    wanted = (model, unquote(model))
    for entry in entries:
        if entry.id in wanted:
            return model_object(entry)
    raise unknown_model(wanted[1])


def unknown_model(model: str) -> ClientError:
    """The error for a model that nobody serves, for look-ups and for requests."""
    return ClientError(
        404,
        "model_not_found",
        f"The model {model!r:.120} does not exist here; GET /v1/models lists those that do.",
        param="model",
    )
