"""Benchmark of the provider's runs by themselves: ``python -m replay.bench.runs``.

Messages a second through one run, up to the events of its response, from an upstream in memory and
from a sandbox in a process of its own, over HTTP/2 and TLS; runs that wait for tools at the same
time; and what memory is left over after many turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path

import psutil

from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    AgentRunRequest,
    AgentServerMessage,
    ConversationAction,
    GetBlobArgs,
    InteractionUpdate,
    KvServerMessage,
    RequestedModel,
    SetBlobArgs,
    TextDeltaUpdate,
    TurnEndedUpdate,
    UserMessage,
    UserMessageAction,
)
from addons.providers.cursor.proto.exec_pb2 import ExecServerMessage
from addons.providers.cursor.proto.mcp_pb2 import McpArgs
from addons.providers.cursor.run.events import Ending, ResponseEvents, ResponseWriter
from addons.providers.cursor.run.parking import Parking, RunOwner
from addons.providers.cursor.run.run import RunMachine
from addons.providers.cursor.run.run_limits import RunLimits
from addons.providers.cursor.run.run_outputs import ToolCall, ToolResult
from addons.providers.cursor.run.session import RunResponse, RunSession
from addons.providers.cursor.telling.blobs import BlobMap
from addons.providers.cursor.wire.channel import Channels, Opening
from addons.providers.cursor.wire.connections import Connections
from addons.providers.cursor.wire.endpoint import Endpoint, Hosts
from addons.providers.cursor.wire.http_clients import HttpClients
from replay.sandbox.embedded import EmbeddedSandbox

REQUEST = AgentClientMessage(
    run_request=AgentRunRequest(conversation_state=b"")
).SerializeToString()
LIMITS = RunLimits(siblings=0.002, drain=0.0)


def _update(update: InteractionUpdate) -> bytes:
    return AgentServerMessage(interaction_update=update).SerializeToString()


def _call(number: int) -> bytes:
    args = McpArgs(name="read", tool_call_id=f"t{number}")
    args.args["path"].string_value = f"file-{number}"
    request = ExecServerMessage(id=number, exec_id=f"e{number}", mcp_args=args)
    return AgentServerMessage(exec_server_message=request).SerializeToString()


TEXT = _update(InteractionUpdate(text_delta=TextDeltaUpdate(text="word ")))
ENDED = _update(InteractionUpdate(turn_ended=TurnEndedUpdate(input_tokens=10, output_tokens=10)))


class MemoryChannel:
    """Says ``first`` at once, and ``then`` when a tool's result is there."""

    def __init__(self, first: Sequence[bytes], then: Sequence[bytes] = ()) -> None:
        self.response_headers: list[tuple[str, str]] = []
        self._first = first
        self._then = then
        self._results = asyncio.Event()
        self.sent = 0

    async def send(self, payload: bytes) -> None:
        self.sent += 1
        message = AgentClientMessage.FromString(payload)
        if message.exec_client_message.HasField("mcp_result"):
            self._results.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for message in self._first:
            yield message
        if self._then:
            await self._results.wait()
            for message in self._then:
                yield message

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report."""

    what: str
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.what:<58} {self.value:>12,.1f} {self.unit}"


def _session(channel: MemoryChannel, number: int, parking: Parking[RunSession]) -> RunSession:
    machine = RunMachine(BlobMap(), run_id=f"run-{number}", tools=("read",), limits=LIMITS)
    owner = RunOwner("principal", f"conversation-{number}", "account")
    return RunSession(channel, machine, owner, parking=parking)


def _events(response: RunResponse) -> ResponseEvents:
    def ended(_: Ending) -> None:
        return None

    return ResponseEvents(response, ResponseWriter("exchange", "model", {}, 0.0), ended)


def machine_alone(count: int) -> Figure:
    """Text messages a second through the machine."""
    machine = RunMachine(BlobMap(), run_id="r")
    machine.start(REQUEST, 0.0)
    begun = time.perf_counter()
    for _ in range(count):
        machine.received(TEXT, 1.0)
    return Figure("machine: text messages", count / (time.perf_counter() - begun), "/s")


async def one_run(count: int) -> Figure:
    """Messages a second through one run: text, with blobs kept and read between."""
    kept = SetBlobArgs(blob_id=b"k" * 32, blob_data=b"x" * 1000)
    messages = [
        AgentServerMessage(kv_server_message=KvServerMessage(id=1, set_blob_args=kept)),
        AgentServerMessage(
            kv_server_message=KvServerMessage(id=2, get_blob_args=GetBlobArgs(blob_id=b"k" * 32))
        ),
    ]
    blobs = [message.SerializeToString() for message in messages]
    mixed = ([TEXT] * 48 + blobs) * (count // 50)
    channel = MemoryChannel([*mixed, ENDED])
    session = _session(channel, 0, Parking())
    begun = time.perf_counter()
    async for _ in _events(session.start(REQUEST)):
        pass
    took = time.perf_counter() - begun
    await session.ended()
    return Figure("one run, to the events of its response", len(mixed) / took, "messages/s")


async def over_http2(count: int) -> Figure:
    """The same from a sandbox, which says so many words; TLS, flow control and all."""
    with tempfile.TemporaryDirectory() as home, _sandbox(Path(home)) as found:
        connections, clients = Connections(ca_file=found.ca_file), HttpClients()
        try:
            request_id = str(uuid.uuid4())
            headers = [*found.headers, ("x-request-id", request_id)]
            opening = Opening(request_id, headers, headers, headers)
            agent = Endpoint.parse(found.url)
            hosts = Hosts(agent, agent, "http2")
            channel = await Channels(connections, clients).open(hosts, opening, lane="account")
            machine = RunMachine(BlobMap(), run_id=request_id)
            session = RunSession(channel, machine, RunOwner("principal", "c", "account"))
            begun = time.perf_counter()
            async for _ in _events(session.start(_asked(f"[[say {count}]]"))):
                pass
            took = time.perf_counter() - begun
            await session.ended()
        finally:
            connections.close()
            await clients.close()
    return Figure("one run over HTTP/2, from a sandbox", count / took, "messages/s")


@dataclass(frozen=True, slots=True)
class _Found:
    url: str
    ca_file: Path
    headers: list[tuple[str, str]]


@contextlib.contextmanager
def _sandbox(home: Path) -> Iterator[_Found]:
    """A sandbox in a process of its own."""
    spawning = multiprocessing.get_context("spawn")
    ready: Queue[_Found] = spawning.Queue()
    process = spawning.Process(target=_serve, args=(home, ready), daemon=True)
    process.start()
    try:
        yield ready.get(timeout=60)
    finally:
        process.terminate()
        process.join()


def _serve(home: Path, ready: Queue[_Found]) -> None:
    async def serve() -> None:
        sandbox = await EmbeddedSandbox.start(home)
        _, signed_in = sandbox.cursor_sign_ins()[0]
        headers = [
            ("authorization", f"Bearer {signed_in['accessToken']}"),
            ("connect-protocol-version", "1"),
            ("content-type", "application/connect+proto"),
            ("x-cursor-client-type", "sdk"),
            ("x-cursor-client-version", "sdk-python-1.1.0"),
        ]
        ready.put(_Found(sandbox.url, sandbox.ca_file, headers))
        await asyncio.Event().wait()

    asyncio.run(serve())


def _asked(text: str) -> bytes:
    message = UserMessage(text=text, message_id=str(uuid.uuid4()))
    action = ConversationAction(user_message_action=UserMessageAction(user_message=message))
    run = AgentRunRequest(
        conversation_state=b"",
        action=action,
        conversation_id=str(uuid.uuid4()),
        requested_model=RequestedModel(model_id="composer-2"),
    )
    return AgentClientMessage(run_request=run).SerializeToString()


async def many_runs(count: int) -> list[Figure]:
    """Runs that call two tools and wait, all at once; then all get their results."""
    parking: Parking[RunSession] = Parking(limit=count, each=count)
    text = [TEXT] * 50

    async def first(number: int) -> list[ToolCall]:
        channel = MemoryChannel([*text, _call(1), _call(2)], [*text, ENDED])
        outputs = [o async for o in _session(channel, number, parking).start(REQUEST)]
        return [output for output in outputs if isinstance(output, ToolCall)]

    async def second(calls: list[ToolCall]) -> RunSession:
        session = parking.claim("principal", [call.call_id for call in calls])
        assert session is not None
        response = session.resume([ToolResult(call.call_id, ("done",)) for call in calls])
        assert response is not None
        async for _ in _events(response):
            pass
        return session

    begun = time.perf_counter()
    calls = await asyncio.gather(*(first(number) for number in range(count)))
    assert len(parking) == count
    waiting = time.perf_counter() - begun
    sessions = await asyncio.gather(*(second(each) for each in calls))
    took = time.perf_counter() - begun
    await asyncio.gather(*(session.ended() for session in sessions))
    assert not len(parking)
    return [
        Figure(f"{count} runs, until all wait for two tools", waiting * 1000, "ms"),
        Figure(f"{count} runs, until all have ended", took * 1000, "ms"),
    ]


async def many_turns(count: int, *, warm_up: int = 100) -> Figure:
    """Memory that turns with a tool call leave behind."""
    parking: Parking[RunSession] = Parking()

    async def turn(number: int) -> None:
        channel = MemoryChannel([TEXT, _call(1)], [*[TEXT] * 20, ENDED])
        session = _session(channel, number, parking)
        outputs = [output async for output in session.start(REQUEST)]
        calls = [output.call_id for output in outputs if isinstance(output, ToolCall)]
        assert parking.claim("principal", calls) is session
        response = session.resume([ToolResult(calls[0], ("done " * 1000,))])
        assert response is not None
        async for _ in response:
            pass
        await session.ended()

    for number in range(warm_up):
        await turn(number)
    before = _resident()
    for number in range(count):
        await turn(number)
    grown = (_resident() - before) / 1024
    return Figure(f"memory left behind by {count:,} turns", grown, "KiB")


def _resident() -> int:
    gc.collect()
    resident: int = psutil.Process().memory_info().rss
    return resident


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """All figures, each as soon as it is there.

    Args:
        scale: less than 1.0 for a quick look.
    """
    yield machine_alone(int(200_000 * scale))
    yield await one_run(int(50_000 * scale))
    yield await over_http2(int(50_000 * scale))
    for figure in await many_runs(max(2, int(100 * scale))):
        yield figure
    yield await many_turns(int(1000 * scale), warm_up=int(100 * scale))


async def _print() -> None:
    async for figure in measure():
        sys.stdout.write(f"{figure}\n")


if __name__ == "__main__":
    asyncio.run(_print())
