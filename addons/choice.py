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
from addons.front import protocols
from addons.front.contract import Json, Turn
from addons.front.messages_models import model_page, one_info
from addons.front.models import ModelEntry, model_list, one_model, unknown_model
from addons.front.token_estimate import request_tokens
from addons.providers.contract import Generated, Plan, Provider

logger = logging.getLogger(__name__)


async def plan(exchange: Exchange) -> Plan:
    """The plan of the provider that serves the exchange, or what is answered for all of them: the
    list of models, and how long a request is."""
    match exchange.route.kind:
        case "models":
            for each in exchange.candidates:
                if each.route is not None and each.provider.knows(exchange):
                    exchange.provider, exchange.route = each.provider, each.route
                    return await each.provider.plan(exchange)
            providers = [each.provider for each in exchange.candidates if each.route is not None]
            if exchange.header("anthropic-version") is not None:
                exchange.protocol = protocols.get("messages")
            if len(providers) > 1 or exchange.protocol.name == "messages":
                return await _models(exchange, providers)
        case "count":
            return await _count(exchange)
    if exchange.wants_default and exchange.turn is not None:
        await _name_default(exchange, exchange.turn)
    return await exchange.provider.plan(exchange)


async def _count(exchange: Exchange) -> Generated:
    """How many tokens a request has, as far as :mod:`addons.front.token_estimate` can tell.

    Raises:
        ClientError: it is no request.
    """
    body = exchange.protocol.parse(exchange.request).body
    counted = await asyncio.to_thread(request_tokens, body)  # a long one takes its time
    return _answer({"input_tokens": counted})


async def _name_default(exchange: Exchange, turn: Turn) -> None:
    """
    Raises:
        ClientError: the provider has no list, or nothing in it.
    """
    entries = await exchange.provider.models()
    if not entries:
        raise unknown_model(turn.model)
    turn.name_model(entries[0].id)
    exchange.wants_default = False


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
    if exchange.protocol.name == "messages":
        return _answer(one_info(entries, wanted) if wanted else model_page(entries))
    return _answer(one_model(entries, wanted) if wanted else model_list(entries))


def _answer(shown: Json) -> Generated:
    return Generated(200, [(b"content-type", b"application/json")], once(orjson.dumps(shown)))


async def once(body: bytes) -> AsyncIterator[bytes]:
    """A body that is there already."""
    yield body
