"""A client's conversation with the sandbox's agent, in memory: no sockets, no time that passes.

What is real: reading of the request, the plan, its blobs and tools, the run machine, the store of
checkpoints, and on the other side the sandbox's agent with its seals on every checkpoint.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from addons.providers.cursor.failures.errors import ConnectError, CursorError
from addons.providers.cursor.model_choice import choose
from addons.providers.cursor.proto.agent_pb2 import AgentClientMessage
from addons.providers.cursor.run.run import RunMachine
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    Output,
    Send,
    Text,
    ToolCall,
    TurnEnded,
)
from addons.providers.cursor.telling.checkpoints import Checkpoints
from addons.providers.cursor.telling.conversation import Conversation, resolve
from addons.providers.cursor.telling.coverage import cover
from addons.providers.cursor.telling.reading import extended, read
from addons.providers.cursor.telling.request import prepare
from addons.providers.cursor.telling.state import Checkpoint, StatePlan, Telling, plan_state
from addons.providers.cursor.telling.tools import tools
from addons.providers.cursor.wire.connect import FrameReader
from replay.sandbox.cursor import prompt
from replay.sandbox.cursor.failures import RunFailed
from replay.sandbox.cursor.link import Link
from replay.sandbox.cursor.prompt import Prompt
from replay.sandbox.cursor.run import AgentRun
from replay.sandbox.cursor.trouble import Trouble
from tests.providers.cursor.said import Json, body, said

IDLE = 60
"""Turns of the event loop without a message, after which both sides wait for something else."""


@dataclass
class Answer:
    """What came of one run.

    Attributes:
        items: as a client puts them into its history.
        prompt: what the agent was asked, as it understood it.
    """

    plan: StatePlan
    conversation: Conversation
    prompt: Prompt | None = None
    text: str = ""
    items: list[Json] = field(default_factory=list)
    ended: TurnEnded | None = None
    error: CursorError | None = None

    @property
    def continued(self) -> bool:
        """The agent went on from its own checkpoint."""
        return self.prompt is not None and self.prompt.state.continued


@dataclass
class Client:
    """One conversation of one principal.

    Attributes:
        items: what the client knows of it.
        keeps: checkpoints are kept at the end of a turn.
    """

    checkpoints: Checkpoints
    telling: Telling = field(default_factory=Telling)
    tools: Sequence[Json] = ()
    items: list[Json] = field(default_factory=list)
    principal: str = "local"
    keeps: bool = True
    _clock: itertools.count[int] = field(default_factory=lambda: itertools.count(1000))

    async def ask(self, *items: Json, account: str) -> Answer:
        """Say something; the answer becomes part of the history."""
        self.items += items
        given = body(*self.items, model="cursor/composer-2", tools=list(self.tools))
        history = read(given)
        conversation = resolve(self.principal, {"x-session-id": "ses_1"}, given)
        kept = await self.checkpoints.find(conversation.key)
        plan = plan_state(
            kept.checkpoint, account, history, generation=kept.generation, telling=self.telling
        )
        prepared = prepare(
            plan,
            tools(given),
            choose(given, ()),
            conversation_id=conversation.id(kept.generation),
            run_id="run-1",
            system=history.system,
            place=self.telling.system,
        )
        machine = RunMachine(
            prepared.blobs,
            run_id=f"run-{len(self.items)}",
            tools=prepared.tools.names,
            request_context=prepared.request_context,
        )
        answer = Answer(plan, conversation)
        await _run(machine, prepared.message, account, answer)
        self.items += answer.items
        if answer.ended is not None and answer.ended.checkpoint is not None and self.keeps:
            covered = cover(extended(history, answer.items), history.system)
            checkpoint = Checkpoint(
                account,
                kept.generation,
                answer.ended.checkpoint,
                prepared.blobs,
                covered,
                float(next(self._clock)),
            )
            assert await self.checkpoints.keep(conversation.key, checkpoint) == ""
        return answer


class _Pipe:
    """The sandbox's channel, both ways."""

    def __init__(self) -> None:
        self.to_agent: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.to_client: list[bytes] = []
        self._reader = FrameReader()

    async def receive(self) -> bytes | None:
        return await self.to_agent.get()

    async def write(self, data: bytes) -> None:
        self.to_client += [frame.payload for frame in self._reader.feed(data)]

    async def finish(self) -> None:
        """Nothing to do: nobody waits for it."""

    def abort(self, code: int) -> None:
        raise AssertionError(code)

    go_away = set_window = abort


async def _run(machine: RunMachine, message: bytes, account: str, answer: Answer) -> None:
    pipe = _Pipe()
    link = Link(pipe, lambda _direction, _data: None, [])
    agent = asyncio.ensure_future(_agent(link, account, answer))
    now, idle = 0.0, 0
    _take(machine.start(message, now), pipe, answer)
    try:
        while not (machine.over or (answer.items and machine.waiting_for)):
            await asyncio.sleep(0)
            if pipe.to_client:
                idle = 0
                _take(machine.received(pipe.to_client.pop(0), now), pipe, answer)
            elif agent.done():
                failure = agent.exception()
                assert failure is None or isinstance(failure, RunFailed)
                error = None if failure is None else _error(failure)
                _take(machine.ended(error, now), pipe, answer)
            elif (idle := idle + 1) > IDLE:
                idle, now = 0, now + 0.1
                _take(machine.tick(now), pipe, answer)
                assert now < 100, "the run is stuck"
    finally:
        agent.cancel()
        await asyncio.wait({agent})


async def _agent(link: Link, account: str, answer: Answer) -> None:
    first = await link.receive()
    assert first is not None
    answer.prompt = prompt.checked(first.run_request, account, "run-1")
    run = AgentRun(answer.prompt, account, "run-1", link, Trouble(None, link))
    listening = asyncio.ensure_future(link.listen())
    try:
        await run.play()
    finally:
        listening.cancel()
        await asyncio.wait({listening})


def _error(failed: RunFailed) -> ConnectError:
    return ConnectError.parse(json.loads(failed.failure.end())["error"])


def _take(outputs: Sequence[Output], pipe: _Pipe, answer: Answer) -> None:
    for output in outputs:
        match output:
            case Send():
                AgentClientMessage.FromString(output.payload)
                pipe.to_agent.put_nowait(output.payload)
            case Text():
                answer.text += output.text
            case ToolCall():
                answer.items.append(
                    {
                        "type": "function_call",
                        "call_id": output.call_id,
                        "name": output.name,
                        "arguments": output.arguments,
                    }
                )
            case TurnEnded():
                answer.ended = output
            case Failed():
                answer.error = output.error
            case _:
                pass
        if answer.text and isinstance(output, AwaitTools | TurnEnded):
            answer.items.insert(0, said(answer.text))
