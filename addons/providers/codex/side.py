"""Answers that floway gives itself: the model list in OpenAI form, and the account check. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import orjson

from addons.accounts.model import Account
from addons.exchange import Exchange
from addons.front.models import ModelEntry, model_list, one_model
from addons.providers.codex.models import Model
from addons.providers.codex.roster import credential_of
from addons.providers.contract import Generated

_JSON = [(b"content-type", b"application/json")]


def accounts_check(exchange: Exchange, account: Account) -> Generated:
    """``wham/accounts/check``, answered here.

    The real answer may name another origin for model requests, to which the client would then go
    past floway (codex-wire.md §1.6). A client that speaks plain HTTP to floway is given floway's
    own origin with https, which 0.169.0 demands: where its two base URLs have different origins
    it stays with them, else it comes back over TLS on the same port, and fails if it does not
    trust mitmproxy's certificate. Either way it does not go past. The client looks for its own
    account in the answer, whatever account of the pool serves it.
    """
    own = exchange.header("chatgpt-account-id") or credential_of(account).account_id or "floway"
    address = exchange.header("host") if exchange.route.host is None else None
    entry = {
        "id": own,
        "workspace_backend_origin": f"https://{address}" if address else "NO_CONSTRAINT",
        "account_routing_override": "NO_CONSTRAINT",
        "structure": "personal",
    }
    body = {"accounts": [entry], "account_ordering": [own], "default_account_id": own}
    return Generated(200, _JSON, _once(orjson.dumps(body)), account.label)


def models_answer(exchange: Exchange, models: Sequence[Model], account: Account) -> Generated:
    """``/v1/models`` and ``/v1/models/{id}`` in OpenAI form, from the upstream's list.

    Raises:
        ClientError: 404, there is no such model.
    """
    entries = [entry(model) for model in models if model.listed]
    wanted = exchange.path.partition("?")[0].partition("/v1/models")[2].strip("/")
    answer = one_model(entries, wanted) if wanted else model_list(entries)
    return Generated(200, _JSON, _once(orjson.dumps(answer)), account.label)


def entry(model: Model) -> ModelEntry:
    """An upstream's model in neutral words."""
    extras: dict[str, object] = {"input_modalities": list(model.modalities)}
    if model.name != model.slug:
        extras["display_name"] = model.name
    if model.efforts:
        extras["supported_reasoning_efforts"] = list(model.efforts)
    return ModelEntry(
        model.slug, owned_by="openai", context_window=model.context_window, extras=extras
    )


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
