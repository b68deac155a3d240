"""The list of models in Anthropic's form, for clients that send ``anthropic-version``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import unquote

from addons.front.contract import Json
from addons.front.models import ModelEntry, unknown_model


def model_page(entries: Iterable[ModelEntry]) -> Json:
    """``GET /v1/models``: one page with all of them. Of entries with the same id the first
    counts."""
    seen: dict[str, Json] = {}
    for entry in entries:
        seen.setdefault(entry.id, model_info(entry))
    names = list(seen)
    return {
        "data": list(seen.values()),
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }


def model_info(entry: ModelEntry) -> Json:
    """One model. A date that nobody knows is the epoch, as Anthropic has it."""
    name = entry.extras.get("display_name")
    created = datetime.fromtimestamp(entry.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "model",
        "id": entry.id,
        "display_name": name if isinstance(name, str) and name else entry.id,
        "created_at": created,
        "lifecycle": "active",
        "max_input_tokens": entry.context_window,
        "max_tokens": entry.max_output_tokens,
    }


def one_info(entries: Iterable[ModelEntry], model: str) -> Json:
    """``GET /v1/models/{id}``.

    Args:
        model: the rest of the path, percent-encoded or not; ids may hold slashes.

    Raises:
        ClientError: 404 ``model_not_found``.
    """
    wanted = (model, unquote(model))
    for entry in entries:
        if entry.id in wanted:
            return model_info(entry)
    raise unknown_model(wanted[1])
