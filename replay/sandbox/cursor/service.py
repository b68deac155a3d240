"""The agent service: runs over both transports, from the headers to the last message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from google.protobuf.message import DecodeError

from addons.providers.cursor.failures.errors import BrokenStream
from addons.providers.cursor.proto import agent_pb2, aiserver_pb2
from addons.providers.cursor.wire.connect import END_STREAM, FrameReader, frame
from replay.sandbox.call import Call, Services, base_headers
from replay.sandbox.cursor import decoding, prompt
from replay.sandbox.cursor.accounts import CursorAccount
from replay.sandbox.cursor.channels import AppendedChannel, StreamChannel
from replay.sandbox.cursor.failures import FAILURES, RunFailed
from replay.sandbox.cursor.faults import AgentFault
from replay.sandbox.cursor.link import Channel, Direction, Link
from replay.sandbox.cursor.prompting import Restrictions
from replay.sandbox.cursor.run import AgentRun
from replay.sandbox.cursor.side import Conversation, CursorSide
from replay.sandbox.cursor.trouble import BrokenOff, Trouble
from replay.sandbox.messages import ClientGone, Duplex, Reply, header_list

RUN = "/agent.v1.AgentService/Run"
RUN_SSE = "/agent.v1.AgentService/RunSSE"
STREAM_TYPE = "application/connect+proto"
FIRST_SECONDS = 30.0
"""In which the first message must come."""


async def run(services: Services, call: Call, stream: Duplex, account: CursorAccount) -> None:
    """``Run``: the body of the request is the client's side."""
    reader = FrameReader(services.config.max_body)
    reader.encoding = call.request.header("connect-content-encoding") or ""
    start(call, stream)
    await serve(services, call, StreamChannel(stream, reader), account)


async def run_sse(services: Services, call: Call, reply: Reply, account: CursorAccount) -> None:
    """``RunSSE``: the client's side comes by ``BidiAppend``, under the same request id."""
    side = services.cursor
    start(call, reply)
    try:
        request_id = _request_id(call.request.body)
        appended = side.appended(request_id, account)
    except RunFailed as failed:
        await end(call, reply, failed)
        return
    try:
        await serve(services, call, AppendedChannel(reply, appended), account)
    finally:
        side.forget(request_id)


def append(side: CursorSide, body: bytes, account: CursorAccount) -> None:
    """``BidiAppend``.

    Raises:
        RunFailed: malformed, out of order, or another account's run.
    """
    try:
        request = aiserver_pb2.BidiAppendRequest.FromString(body)
        data = request.data_binary or bytes.fromhex(request.data)
    except (DecodeError, ValueError) as error:
        raise RunFailed(FAILURES["parse_error"]) from error
    if not request.request_id.request_id:
        raise RunFailed(FAILURES["parse_error"])
    side.appended(request.request_id.request_id, account).append(request.append_seqno, data)


def start(call: Call, reply: Reply) -> None:
    """The head of a run's answer: 200, whatever comes."""
    call.entry.status = 200
    call.entry.transport = "agent"
    head = base_headers(STREAM_TYPE)
    if _takes_gzip(call):
        head["connect-content-encoding"] = "gzip"
    reply.start(200, header_list(head))


async def end(call: Call, reply: Reply, failed: RunFailed) -> None:
    """The end of a run that did not begin."""
    call.entry.notes.append(f"ended with {failed}")
    await reply.write(frame(failed.failure.end(), END_STREAM))
    await reply.finish()


def _takes_gzip(call: Call) -> bool:
    return "gzip" in (call.request.header("connect-accept-encoding") or "")


def _request_id(body: bytes) -> str:
    try:
        frames = FrameReader().feed(body)
        if len(frames) == 1:
            found = aiserver_pb2.BidiRequestId.FromString(frames[0].payload).request_id
            if found:
                return found
    except (BrokenStream, DecodeError) as error:
        raise RunFailed(FAILURES["parse_error"]) from error
    raise RunFailed(FAILURES["parse_error"])


async def serve(services: Services, call: Call, channel: Channel, account: CursorAccount) -> None:
    """A run, however it is carried."""
    entry = call.entry

    def record(direction: Direction, data: bytes) -> None:
        client = direction == "client"
        decode = decoding.client_message if client else decoding.server_message
        services.recorder.frame(entry, direction, data, decode)

    link = Link(channel, record, entry.notes, _takes_gzip(call))
    try:
        await channel.write(b"")  # the head, before anything is known
        async with asyncio.timeout(FIRST_SECONDS):
            first = await link.receive()
        if first is None or first.WhichOneof("message") != "run_request":
            raise RunFailed(FAILURES["state_required"])
        await _play(services, call, link, first.run_request, account)
        await link.end(b"{}")
    except TimeoutError:
        await link.end(FAILURES["deadline_exceeded"].end())
    except RunFailed as failed:
        entry.notes.append(f"ended with {failed}")
        await link.end(failed.failure.end())
    except BrokenOff as broken:
        entry.notes.append(str(broken))
        await broken.carry_out()
    except (ClientGone, asyncio.CancelledError):
        entry.notes.append("the client left before the run was over")
        raise


async def _play(
    services: Services,
    call: Call,
    link: Link,
    request: agent_pb2.AgentRunRequest,
    account: CursorAccount,
) -> None:
    """
    Raises:
        RunFailed, BrokenOff, ClientGone: how it ended otherwise than well.
    """
    side, entry = services.cursor, call.entry
    entry.model = request.requested_model.model_id or request.model_details.model_id
    run_id = request.run_id or call.request.header("x-request-id") or ""
    fault = services.faults.take(
        phase="agent",
        method=call.request.method,
        path=call.request.path,
        account=account,
        model=entry.model,
    )
    if fault is not None:
        entry.fault = fault.model_dump(mode="json")
        await asyncio.sleep(fault.delay)
    ordered = fault if isinstance(fault, AgentFault) else None
    if account.exhausted:
        raise RunFailed(FAILURES["usage_limit"])
    checked = prompt.checked(request, account.id, run_id)
    conversation = _note(side, call, checked, account)
    if ordered is not None and ordered.how == "poison":
        conversation.poisoned = True
    if conversation.poisoned:
        raise RunFailed(FAILURES["bare_exhausted"])
    account.runs += 1
    trouble = Trouble(ordered, link)
    restrictions = Restrictions.of(
        call.request.header("x-cursor-agent-allowed-tools"),
        call.request.header("x-cursor-agent-exclude-tools"),
    )
    played = AgentRun(checked, account.id, run_id, link, trouble, restrictions)
    beats = partial(_beat, link, trouble, services.config.cursor_heartbeat)
    try:
        await _together(played.play, link.listen, beats)
    finally:
        entry.usage = {**played.spent.json(), "client_heartbeats": link.heartbeats}
        account.spend(played.spent.input + played.spent.output)


def _note(
    side: CursorSide, call: Call, checked: prompt.Prompt, account: CursorAccount
) -> Conversation:
    """The conversation, with how it went on written down."""
    conversation = side.conversation(checked.conversation)
    conversation.runs += 1
    state, notes = checked.state, call.entry.notes
    if state.continued:
        conversation.continued += 1
        notes.append(f"continued from a checkpoint of {state.messages} messages")
    elif state.structure.root_prompt_messages_json:
        conversation.cold += 1
        notes.append(f"cold: {len(state.structure.root_prompt_messages_json)} messages of history")
    if not state.verbatim:
        notes.append("the checkpoint was serialised again")
    if state.changed:
        notes.append("the checkpoint has other messages now")
    if conversation.accounts and conversation.accounts[-1] != account.label:
        notes.append(f"the conversation was last with {conversation.accounts[-1]}")
    if account.label not in conversation.accounts[-1:]:
        conversation.accounts.append(account.label)
    return conversation


async def _together(
    main: Callable[[], Awaitable[None]], *others: Callable[[], Awaitable[None]]
) -> None:
    """Run ``main`` to its end; an error of one of the others ends it, too."""
    loop = asyncio.get_running_loop()
    tasks = [asyncio.Task(_awaited(work), loop=loop) for work in (main, *others)]
    pending = set(tasks)
    try:
        while tasks[0] in pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, RunFailed, BrokenOff, ClientGone):
                await task


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _beat(link: Link, trouble: Trouble, seconds: float) -> None:
    """Say something when the run has nothing to say."""
    while True:
        link.said = False
        await asyncio.sleep(seconds)
        if not link.said and not trouble.silent:
            await link.update(agent_pb2.InteractionUpdate(heartbeat=agent_pb2.Empty()))
            await link.flush()
