"""What is planned where more than one provider could serve. No mitmproxy in here.

A model request is its model's provider's (:attr:`addons.exchange.Exchange.candidates`); the list of
models is that of all providers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import orjson

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.models import ModelEntry, model_list, one_model
from addons.providers.contract import Generated, Plan, Provider

logger = logging.getLogger(__name__)


async def plan(exchange: Exchange) -> Plan:
    """The plan of the provider that serves the exchange, or the list of all providers' models."""
    if exchange.route.kind == "models":
        providers = [each.provider for each in exchange.candidates if each.route is not None]
        if len(providers) > 1:
            return await _models(exchange, providers)
    return await exchange.provider.plan(exchange)


async def _models(exchange: Exchange, providers: Sequence[Provider]) -> Generated:
    """The list, or the one model that the path names.

    Raises:
        ClientError: 404, nobody has that model; else the first provider's, where none has a list.
    """
    answers = await asyncio.gather(*(each.models() for each in providers), return_exceptions=True)
    entries: list[ModelEntry] = []
    failures: list[BaseException] = []
    for provider, answer in zip(providers, answers, strict=True):
        if isinstance(answer, BaseException):
            failures.append(answer)
            known = isinstance(answer, ClientError)
            logger.warning(
                "the models of %s are left out of the list: %s",
                provider.name,
                answer if known else type(answer).__name__,
                exc_info=None if known else answer,
            )
        else:
            entries += answer
    if failures and not entries:
        raise failures[0]
    prefix = exchange.route.path.removesuffix("/*").rstrip("/")
    wanted = exchange.path.partition("?")[0].removeprefix(prefix).strip("/")
    shown = one_model(entries, wanted) if wanted else model_list(entries)
    headers = [(b"content-type", b"application/json")]
    return Generated(200, headers, once(orjson.dumps(shown)))


async def once(body: bytes) -> AsyncIterator[bytes]:
    """A body that is there already."""
    yield body
