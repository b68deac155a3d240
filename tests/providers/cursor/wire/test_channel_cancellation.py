"""What is left behind when a run, a sender, a reader or an opener is cancelled: nothing."""

from __future__ import annotations

import asyncio

import pytest

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire.channel import Channel
from tests.providers.cursor.channels import Opener, opener
from tests.providers.cursor.h2_servers import H2Server, ServerStream

CANCEL = 8
BIG = b"x" * 500_000


async def silent(stream: ServerStream) -> None:
    """Takes messages and says nothing."""
    stream.respond()
    while True:
        await stream.message()


async def stuck(stream: ServerStream) -> None:
    """Never gives a window back."""
    stream.manual = True
    stream.respond()
    await stream.gone()


async def cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def still_works(made: Opener, server: H2Server) -> None:
    """The connection carries other runs as before."""
    channel = await made.open(server.endpoint)
    await channel.send(b"x")
    assert len(server.connections) == 1
    await channel.close()


async def test_closing_a_run_resets_its_stream_alone() -> None:
    async with H2Server(silent).listening() as server, opener() as made:
        first, second = await made.open(server.endpoint), await made.open(server.endpoint)
        await first.send(b"one")
        await second.send(b"two")
        await first.close()
        await first.close()
        await server.until(lambda: len(server.streams) == 2)
        await server.streams[0].gone()
        assert [stream.reset_with for stream in server.streams] == [CANCEL, None]
        with pytest.raises(errors.TransportError):
            await first.send(b"more")
        await second.send(b"more")
        await still_works(made, server)


async def test_closing_wakes_whoever_reads_or_sends() -> None:
    async with H2Server(stuck, window=1000).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        reader = asyncio.ensure_future(anext(channel))
        senders = [asyncio.create_task(channel.send(BIG)) for _ in range(3)]
        await server.until(lambda: server.streams and server.streams[0].received == 1000)
        await channel.close()
        for task in (reader, *senders):
            with pytest.raises(errors.TransportError):
                await task


async def test_a_reader_that_is_cancelled_loses_no_message() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        for number in range(5):
            await stream.message()
            await stream.say(b"%d" % number)
        await stream.end()

    async with H2Server(handler).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        seen = []
        for _ in range(5):
            task = asyncio.ensure_future(anext(channel))
            await asyncio.sleep(0)
            await cancelled(task)
            await channel.send(b"go")
            seen.append(await anext(channel))
        assert seen == [b"0", b"1", b"2", b"3", b"4"]
        assert [message async for message in channel] == []


async def test_a_sender_that_is_cancelled_in_the_middle_of_a_message_ends_the_run() -> None:
    """Half a message on the wire would make nonsense of the next one."""
    async with H2Server(stuck, window=1000).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        task = asyncio.create_task(channel.send(BIG))
        await server.until(lambda: server.streams and server.streams[0].received == 1000)
        await cancelled(task)
        await server.streams[0].gone()
        assert server.streams[0].reset_with == CANCEL
        with pytest.raises(errors.TransportError):
            await anext(channel)


async def test_a_sender_that_is_cancelled_before_its_turn_harms_nobody() -> None:
    release = asyncio.Event()
    seen: list[bytes] = []

    async def handler(stream: ServerStream) -> None:
        stream.manual = True
        stream.respond()
        await release.wait()
        stream.manual = False
        stream.connection.server.h2.acknowledge_received_data(stream.unread, stream.number)
        stream.connection.flush()
        while len(seen) < 2:
            seen.append(await stream.message())
        await stream.end()

    async with H2Server(handler, window=1000).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        first = asyncio.create_task(channel.send(BIG))
        await server.until(lambda: server.streams and server.streams[0].received == 1000)
        waiting = asyncio.create_task(channel.send(b"never"))
        last = asyncio.create_task(channel.send(b"last"))
        await asyncio.sleep(0)
        await cancelled(waiting)
        release.set()
        await asyncio.gather(first, last)
        assert [message async for message in channel] == []
    assert seen == [BIG, b"last"]


async def test_an_opener_that_is_cancelled_leaves_no_connection_attempt_to_others_behind() -> None:
    server = H2Server(silent)
    server.talks = False  # so that connections are not ready
    async with server.listening(), opener() as made:
        impatient = asyncio.create_task(made.open(server.endpoint))
        patient = asyncio.create_task(made.open(server.endpoint))
        await server.until(lambda: server.connections and server.connections[0].begun)
        await cancelled(impatient)
        server.talks = True
        server.connections[0].flush()
        channel = await patient
        await channel.send(b"x")
        assert len(server.connections) == 1


async def test_shutting_down_while_connecting() -> None:
    server = H2Server(silent)
    server.talks = False
    async with server.listening(), opener() as made:
        task: asyncio.Task[Channel] = asyncio.create_task(made.open(server.endpoint))
        await server.until(lambda: server.connections and server.connections[0].begun)
        made.connections.close()
        with pytest.raises(errors.ConnectFailed, match="shutting down"):
            await task
        await server.connections[0].lost.wait()


async def test_many_cancelled_runs_leave_room_for_more() -> None:
    async with H2Server(silent, max_streams=1).listening() as server, opener() as made:
        for _ in range(30):
            channel = await made.open(server.endpoint)
            await channel.send(b"x")
            await channel.close()
        assert len(server.connections) == 1
        await server.until(lambda: len(server.streams) == 30)
        for stream in server.streams:
            await stream.gone()
        await still_works(made, server)
