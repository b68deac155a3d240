"""This provider's part of the list of all models, by base URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.front.models import ModelEntry
from addons.providers.codex.catalogue import Catalogue
from addons.providers.codex.endpoints import sign_in_of
from addons.providers.codex.models import Model
from addons.providers.codex.planning import Planner
from addons.providers.codex.roster import credential_of
from addons.providers.codex.side import entry


async def listed(
    planner: Planner, catalogue: Catalogue, pool: Pool, now: float
) -> list[ModelEntry]:
    """The models that an account can be asked for; the last good list while all cool.

    Raises:
        ClientError: there is no list.
    """
    if not pool.accounts:
        return []
    if not planner.asks_for_models:
        return _shown(planner.known_models())
    account = pool.choose("", "", now)
    if not isinstance(account, Account):
        if not catalogue.models:
            raise account.client_error("", now)
        return _shown(catalogue.models)
    if sign_in_of(account) == "api_key":
        token = credential_of(account).access_token
        return published(await catalogue.published(f"{planner.upstream.url}/v1/models", token))
    return _shown(await catalogue.required(lambda: planner.models(account)))


def published(document: Any) -> list[ModelEntry]:
    """The entries of a list in the published form; what has no ``id`` is left out."""
    rows = document.get("data") if isinstance(document, dict) else None
    return [
        ModelEntry(
            row["id"],
            created=row["created"] if isinstance(row.get("created"), int) else 0,
            owned_by=str(row.get("owned_by", "")),
        )
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and isinstance(row.get("id"), str)
    ]


def _shown(models: Sequence[Model]) -> list[ModelEntry]:
    return [entry(model) for model in models if model.listed]
