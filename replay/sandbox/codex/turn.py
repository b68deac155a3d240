"""From a checked model request to the events of its answer; the same for HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from replay.sandbox.agent import Answer, BadSchema, answer
from replay.sandbox.cache_model import CacheKey, Lookup, prompt_bytes, token_count
from replay.sandbox.call import Call, Refused, Services
from replay.sandbox.codex.models import find_model
from replay.sandbox.events import ResponseEvents, Usage, dumps
from replay.sandbox.presets import PresetContext, error, usage_limit_reached
from replay.sandbox.tokens import BadToken, seal, unseal

type Json = dict[str, Any]

TURN_STATE = "x-codex-turn-state"


@dataclass(slots=True)
class Turn:
    """An answer ready to be sent.

    Attributes:
        events: iterated once, in order.
        answer: what the model said; without items when the response fails or is a prewarm.
    """

    events: ResponseEvents
    answer: Answer
    usage: Usage


def identity(body: Mapping[str, Any], header: str | None, member: str) -> str:
    """A value that travels in a header over HTTP and in ``client_metadata`` over WebSocket."""
    metadata = body.get("client_metadata")
    inside = metadata.get(member) if isinstance(metadata, dict) else None
    return str(inside or header or "")


def take_turn(services: Services, call: Call, body: Json, *, session: str) -> Turn:
    """Let the model answer.

    Args:
        body: checked, with a known model; its ``input`` is the whole conversation.
        session: session id of the request, for the prompt cache.

    Raises:
        Refused: the account's quota is used up, or the request cannot be answered.
    """
    account = call.owner
    window = account.quota.exhausted(services.now())
    if window is not None:
        left = window.reset_at - services.now()
        context = PresetContext(account, services.now(), resets_in=left)
        raise Refused(usage_limit_reached(context))
    prompt = _prompt(body)
    model = find_model(
        body.get("model"), lenient=services.config.lenient, named=services.gate.models
    )
    assert model is not None, "the request was not checked"
    if token_count(len(prompt)) > model.context_window:
        # Not echoed: a response object repeats instructions and tools, which may be very large.
        short = {**body, "instructions": None, "tools": None}
        failure = {
            "code": "context_length_exceeded",
            "message": "Your input exceeds the context window of this model. "
            "Please adjust your input and try again.",
        }
        lookup = Lookup(token_count(len(prompt)), 0)
        return _turn(services, call, short, Answer(), lookup, failure=failure)
    lookup = services.cache.lookup(
        CacheKey(account.label, session, str(body.get("prompt_cache_key") or ""), body["model"]),
        prompt,
        services.now(),
    )
    if body.get("generate") is False:
        return _turn(services, call, body, Answer(), lookup)
    try:
        said = answer(body, account_id=account.id)
    except BadSchema as problem:
        message = f"Invalid schema for response_format 'codex_output_schema': {problem}"
        refusal = error(400, "invalid_request_error", "invalid_json_schema", message)
        raise Refused(refusal) from problem
    return _turn(services, call, body, said, lookup)


def _prompt(body: Json) -> bytes:
    try:
        return prompt_bytes(body)
    except TypeError as problem:
        refusal = error(400, "invalid_request_error", None, f"The body is too deep: {problem}")
        raise Refused(refusal) from problem


def _turn(
    services: Services,
    call: Call,
    body: Json,
    said: Answer,
    lookup: Lookup,
    *,
    failure: Json | None = None,
) -> Turn:
    spoken = sum(len(dumps(item.json(done=True))) for item in said.items)
    usage = Usage(
        input_tokens=lookup.input_tokens,
        cached_tokens=lookup.cached_tokens,
        output_tokens=token_count(spoken) + said.reasoning_tokens if said.items else 0,
        reasoning_tokens=said.reasoning_tokens,
        cache_write_tokens=lookup.written_tokens,
    )
    if said.input_tokens is not None and _ordered(services, call, said):
        cached = min(lookup.cached_tokens, said.input_tokens)
        usage = replace(usage, input_tokens=said.input_tokens, cached_tokens=cached)
    account = call.owner
    account.requests += 1
    if failure is None:
        account.quota.add(usage.input_tokens + usage.output_tokens, services.now())
    call.entry.usage = usage.json()
    events = ResponseEvents(body, said.items, usage, failure=failure, created=services.now())
    return Turn(events, said, usage)


def _ordered(services: Services, call: Call, said: Answer) -> bool:
    """Whether the token count that a directive asks for, to provoke a compaction, is reported."""
    if not said.once:
        return True
    order = (call.owner.label, said.input_tokens)
    fresh = order not in services.reported
    services.reported.add(order)
    return fresh


def turn_state(services: Services, call: Call, given: str) -> str | None:
    """A new turn state when the client has none yet; notes one that is not this account's."""
    account = call.owner
    if not given:
        return seal(account.id, "turn", {"at": int(services.now())})
    try:
        unseal(account.id, given)
    except BadToken:
        call.entry.notes.append(f"{TURN_STATE} was not given to account {account.label}")
    return None
