"""A run on a real HTTP/2 stream, through small windows, over two requests of a client."""

from __future__ import annotations

import asyncio

from addons.providers.cursor.failures.errors import ConnectError
from addons.providers.cursor.proto.agent_pb2 import AgentClientMessage
from addons.providers.cursor.run.parking import Parking, RunOwner
from addons.providers.cursor.run.run import RunMachine
from addons.providers.cursor.run.run_limits import RunLimits
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    ResponseOutput,
    Text,
    ToolCall,
    ToolResult,
    TurnEnded,
    Usage,
)
from addons.providers.cursor.run.session import RunResponse, RunSession
from addons.providers.cursor.telling.blobs import BlobMap
from tests.providers.cursor import server_messages as server
from tests.providers.cursor.channels import opener
from tests.providers.cursor.h2_servers import H2Server, ServerStream

LIMITS = RunLimits(siblings=0.01, drain=0.01)
OWNER = RunOwner("principal", "conversation", "account")
LONG = "0123456789abcdef" * 20_000  # 320 kB


async def message(stream: ServerStream) -> AgentClientMessage:
    return AgentClientMessage.FromString(await stream.message())


async def collected(response: RunResponse) -> list[ResponseOutput]:
    async with asyncio.timeout(10):
        return [output async for output in response]


async def test_a_run_over_two_requests() -> None:
    """The client is given a call, answers it with a long text, and is given the end."""
    blobs = BlobMap()
    known = blobs.put(LONG.encode())

    async def handler(stream: ServerStream) -> None:
        stream.respond()
        assert (await message(stream)).HasField("run_request")
        await stream.say(server.get_blob(1, known))
        blob = (await message(stream)).kv_client_message.get_blob_result.blob_data
        assert blob == LONG.encode()
        await stream.say(server.text("Let me look."))
        await stream.say(server.call(2, args={"path": "a"}))
        result = (await message(stream)).exec_client_message
        assert result.mcp_result.success.content[0].text.text == LONG
        await stream.say(server.text("It is long."))
        await stream.say(server.turn_ended(input_tokens=9, output_tokens=10))
        await stream.end()

    parking: Parking[RunSession] = Parking()
    async with H2Server(handler, 16 * 1024).listening() as peer, opener() as made:
        channel = await made.open(peer.endpoint)
        machine = RunMachine(blobs, run_id="r", tools=("read",), limits=LIMITS)
        session = RunSession(channel, machine, OWNER, parking=parking)
        text, call, waits = await collected(session.start(server.RUN_REQUEST))
        assert text == Text("Let me look.")
        assert isinstance(call, ToolCall)
        assert isinstance(waits, AwaitTools)
        found = parking.claim("principal", [call.call_id])
        assert found is session
        response = found.resume([ToolResult(call.call_id, (LONG,))])
        assert response is not None
        text, end = await collected(response)
        assert text == Text("It is long.")
        assert isinstance(end, TurnEnded)
        # 10 in all, of which 7 (28 characters) were told with the first response.
        assert end.usage == Usage(9, 3, estimated=True)
        await session.ended()
        assert not peer.violations


async def test_an_error_at_the_end_of_the_stream() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.message()
        await stream.end(b'{"error":{"code":"resource_exhausted","message":"Error"}}')

    async with H2Server(handler, 65535).listening() as peer, opener() as made:
        channel = await made.open(peer.endpoint)
        session = RunSession(channel, RunMachine(BlobMap(), run_id="r"), OWNER)
        (failed,) = await collected(session.start(server.RUN_REQUEST))
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, ConnectError)
        assert failed.error.code == "resource_exhausted"
        await session.ended()


async def test_a_client_that_leaves_resets_the_stream_after_a_word() -> None:
    last: list[AgentClientMessage] = []

    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.message()
        await stream.say(server.text("long"))
        last.append(await message(stream))
        await stream.gone()

    async with H2Server(handler, 65535).listening() as peer, opener() as made:
        channel = await made.open(peer.endpoint)
        session = RunSession(channel, RunMachine(BlobMap(), run_id="r"), OWNER)
        response = session.start(server.RUN_REQUEST)
        assert await anext(response) == Text("long")
        await response.aclose()
        await session.ended()
        await peer.streams[0].gone()
        assert last[0].conversation_action.HasField("cancel_action")
