"""Conversations of the meter as JSON: for the control API, and for ``floway sessions --json``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from addons.operate.errors import ControlError
from addons.operate.models import SessionDetail, SessionList
from addons.sessions.conversations import NAMESPACE as CHANGES
from addons.sessions.journal import NAMESPACE, key_of
from addons.sessions.records import Conversation, Entry, Miss, load, totals
from addons.store.contract import Record, Store

logger = logging.getLogger(__name__)

_PAGE = 50


# --- from the store ------------------------------------------------------------------------------


async def kept(store: Store, prefix: str = "") -> list[Conversation]:
    """All that the store has; what is of another form is left out. The loop is not held up.

    Raises:
        StoreError: it can't be read.
    """
    found: list[Conversation] = []
    after = ""
    while records := await store.scan(NAMESPACE, prefix, after=after, limit=_PAGE):
        after = records[-1].key
        found += await asyncio.to_thread(_loaded, records)
    return found


def _loaded(records: Sequence[Record]) -> list[Conversation]:
    found = []
    for record in records:
        try:
            found.append(load(record.value))
        except ValueError as error:
            logger.warning("%s", error)
    return found


async def changes(store: Store, conversation: Conversation) -> list[dict[str, Any]]:
    """Changes of its account, as the provider has kept them; [] where it has none."""
    record = await store.get(CHANGES, key_of(conversation.owner, conversation.id))
    value = record.value if record is not None else None
    given = value.get("events") if isinstance(value, dict) else None
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


async def listed(store: Store, limit: int) -> SessionList:
    """The last used ones, and the numbers of all.

    Raises:
        StoreError: the store can't be read.
    """
    found = await kept(store)
    return await asyncio.to_thread(_listed, found, limit)


def _listed(found: list[Conversation], limit: int) -> SessionList:
    found.sort(key=lambda each: each.used, reverse=True)
    return SessionList.model_validate(
        {"conversations": [summary(each) for each in found[:limit]], "total": total(found)}
    )


async def shown(store: Store, name: str) -> SessionDetail:
    """One conversation, request by request.

    Raises:
        ControlError: the name names none, or several.
        StoreError: the store can't be read.
    """
    conversation = chosen(await kept(store), name)
    return SessionDetail.model_validate(detail(conversation, await changes(store, conversation)))


def chosen(known: Sequence[Conversation], name: str) -> Conversation:
    """The conversation of that id or beginning of an id.

    Raises:
        ControlError: there is none, or more than one.
    """
    found = [each for each in known if each.id == name]
    found = found or [each for each in known if name and each.id.startswith(name)]
    if not found:
        raise ControlError(
            404, "no_such_session", f"there is no conversation {name!r}", "see floway sessions"
        )
    if len(found) > 1:
        # Of one id there can be several: each owner's conversations are its own.
        ids = ", ".join(sorted({each.id for each in found}))
        raise ControlError(409, "ambiguous", f"{name!r} names {len(found)} conversations: {ids}")
    return found[0]


# --- as JSON -------------------------------------------------------------------------------------


def summary(conversation: Conversation) -> dict[str, Any]:
    """One conversation in the list."""
    last = conversation.last_miss
    return {
        "id": conversation.id,
        "owner": conversation.owner,
        "client": conversation.client,
        "source": conversation.source,
        "began": conversation.began,
        "used": conversation.used,
        "accounts": conversation.accounts,
        "models": conversation.models,
        "requests": conversation.requests,
        "input_tokens": conversation.input,
        "eligible_tokens": conversation.eligible,
        "cached_tokens": conversation.cached,
        "output_tokens": conversation.output,
        "ratio": _rounded(conversation.ratio),
        "missed_tokens": conversation.missed,
        "last_miss": None if last is None else {"at": last[0].at, **miss_json(last[1])},
    }


def detail(conversation: Conversation, changed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One conversation with its requests. ``changed``: of :func:`changes`."""
    return {
        **summary(conversation),
        "log": [entry_json(entry) for entry in conversation.log],
        "events": with_dropped(events(conversation), changed),
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "thread": entry.thread,
        "window": entry.window,
        "account": entry.account,
        "model": entry.model,
        "transport": entry.transport,
        "attempts": entry.attempts,
        "input_tokens": entry.input,
        "eligible_tokens": entry.eligible,
        "cached_tokens": entry.cached,
        "output_tokens": entry.output,
        "misses": [miss_json(miss) for miss in entry.misses],
    }


def miss_json(miss: Miss) -> dict[str, Any]:
    return {
        "reason": miss.reason.value,
        "tokens": miss.tokens,
        "by": miss.by,
        "detail": miss.detail,
    }


def events(conversation: Conversation) -> list[dict[str, Any]]:
    """What happened to the conversation besides being continued, oldest first.

    Changes of account, model and window of a thread, with the tokens that were not read because
    of them.
    """
    found: list[dict[str, Any]] = []
    before: dict[str, Entry] = {}
    for entry in conversation.log:
        last = before.get(entry.thread)
        before[entry.thread] = entry
        if last is None:
            continue
        for name in ("account", "model", "window"):
            one, other = getattr(last, name), getattr(entry, name)
            if one != other:
                cost = sum(miss.tokens for miss in entry.misses if miss.reason.startswith(name))
                change = {"event": f"{name} changed", "from": one, "to": other}
                found.append({"at": entry.at, "thread": entry.thread, **change, "tokens": cost})
    return found


def total(found: Sequence[Conversation]) -> dict[str, Any]:
    sums = totals(found)
    return {
        "conversations": sums.conversations,
        "requests": sums.requests,
        "input_tokens": sums.input,
        "eligible_tokens": sums.eligible,
        "cached_tokens": sums.cached,
        "output_tokens": sums.output,
        "ratio": _rounded(sums.ratio),
    }


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


def with_dropped(
    told: list[dict[str, Any]], changes: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Events with what the account after each change could not be sent."""
    left = list(changes)
    made = []
    for event in told:
        accounts = (event["from"], event["to"])
        same = [each for each in left if (each.get("before"), each.get("after")) == accounts]
        if event["event"] == "account changed" and same:
            left.remove(same[0])
            dropped = same[0].get("dropped")
            event = {**event, "dropped": dropped if isinstance(dropped, list) else []}
        made.append(event)
    return made
