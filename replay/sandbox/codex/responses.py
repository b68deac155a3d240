"""Model requests over HTTP: ``responses`` and ``responses/compact``, ChatGPT and API-key form."""

from __future__ import annotations

from replay.sandbox import faults
from replay.sandbox.agent import compaction_item, input_items
from replay.sandbox.call import Call, Json, Refused, Services, base_headers, send_json
from replay.sandbox.codex.checks import (
    COMPACT_MEMBERS,
    api_refusal,
    backend_refusal,
    previous_not_found,
)
from replay.sandbox.codex.models import ETAG
from replay.sandbox.codex.turn import TURN_STATE, Turn, identity, take_turn, turn_state
from replay.sandbox.events import new_id
from replay.sandbox.messages import Reply, header_list
from replay.sandbox.playback import SseSink, play, script


async def chatgpt_responses(services: Services, call: Call, reply: Reply) -> None:
    """``POST /backend-api/codex/responses``: an SSE stream, or the backend's refusal."""
    lenient = services.config.lenient
    named = services.gate.models
    refusal = backend_refusal(call.body, account_id=call.owner.id, lenient=lenient, named=named)
    if refusal is not None:
        raise Refused(refusal)
    turn = take_turn(services, call, call.body, session=_session(call))
    head = model_headers(services, call)
    given = call.request.header(TURN_STATE) or ""
    state = turn_state(services, call, given)
    if state is not None:
        head[TURN_STATE] = state
    await _stream(services, call, reply, turn, head)


async def api_responses(services: Services, call: Call, reply: Reply) -> None:
    """``POST /v1/responses``: the public API; takes every member, streams when asked."""
    body = call.body
    refusal = api_refusal(
        body,
        account_id=call.owner.id,
        lenient=services.config.lenient,
        named=services.gate.models,
    )
    if refusal is None and body.get("previous_response_id") is not None:
        refusal = previous_not_found(str(body["previous_response_id"]))
    if refusal is not None:
        raise Refused(refusal)
    turn = take_turn(services, call, body, session=_session(call))
    head = {**base_headers("text/event-stream; charset=utf-8"), "openai-version": "2020-10-01"}
    if body.get("stream"):
        await _stream(services, call, reply, turn, head)
        return
    status = "completed"
    for event in turn.events:
        if event.type == "response.failed":
            status = "failed"
    await send_json(call, reply, turn.events.response(status))


async def compact(services: Services, call: Call, reply: Reply) -> None:
    """``POST …/responses/compact``: the user's messages and one compaction item, as JSON."""
    account, lenient, named = call.owner, services.config.lenient, services.gate.models
    if call.request.path.startswith("/backend-api/"):
        refusal = backend_refusal(
            call.body,
            account_id=account.id,
            members=COMPACT_MEMBERS,
            lenient=lenient,
            named=named,
        )
    else:
        refusal = api_refusal(call.body, account_id=account.id, lenient=lenient, named=named)
    if refusal is not None:
        raise Refused(refusal)
    items = input_items(call.body)
    kept: list[Json] = [item for item in items if item.get("role") == "user"]
    turn = take_turn(services, call, {**call.body, "generate": False}, session=_session(call))
    value = {
        "id": new_id("resp"),
        "object": "response.compaction",
        "created_at": int(services.now()),
        "output": [*kept, compaction_item(items, account.id).body],
        "usage": turn.usage.json(),
    }
    await send_json(call, reply, value, model_headers(services, call, "application/json"))


def model_headers(
    services: Services, call: Call, content_type: str = "text/event-stream"
) -> dict[str, str]:
    """Headers of a model answer in ChatGPT mode (codex-wire.md §4.1)."""
    account = call.owner
    return {
        **base_headers(content_type),
        "openai-model": str(call.body.get("model", "")),
        "x-reasoning-included": "true",
        "x-models-etag": ETAG,
        **account.quota.headers(account.plan, services.now()),
    }


def _session(call: Call) -> str:
    """The session: a header over HTTP (``session_id`` before 0.131), else the metadata's."""
    header = call.request.header("session-id") or call.request.header("session_id")
    return header or identity(call.body, None, "session_id")


async def _stream(
    services: Services, call: Call, reply: Reply, turn: Turn, head: dict[str, str]
) -> None:
    steps = script(turn.events, call.fault, failed=turn.events.failed, pace=turn.answer.pace)
    call.entry.status = 200
    if isinstance(call.fault, faults.HeadersFault):
        head = call.fault.changed(head)
    reply.start(200, header_list(head))
    if await play(steps, SseSink(reply), per_write=services.config.events_per_write):
        await reply.finish()
