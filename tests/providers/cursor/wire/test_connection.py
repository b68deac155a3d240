"""Waits are bounded, dead connections are found, and unused ones are closed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace

import pytest

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire.connection import connect_failed
from addons.providers.cursor.wire.stream import Limits
from tests.providers.cursor.channels import QUICK, opener
from tests.providers.cursor.h2_servers import H2Server, ServerStream

BLINK = 0.05


async def silent(stream: ServerStream) -> None:
    stream.respond()
    await stream.gone()


async def test_a_server_that_never_sends_its_settings() -> None:
    server = H2Server(silent)
    server.talks = False
    async with server.listening(), opener(replace(QUICK, connect=BLINK)) as made:
        with pytest.raises(errors.ConnectTimeout) as raised:
            await made.open(server.endpoint)
        assert raised.value.unprocessed
        await server.connections[0].lost.wait()
        assert len(made.connections) == 0


async def test_a_server_that_closes_before_it_is_ready() -> None:
    server = H2Server(silent)
    server.talks = False
    async with server.listening(), opener() as made:
        task = asyncio.create_task(made.open(server.endpoint))
        await server.until(lambda: server.connections and server.connections[0].begun)
        server.connections[0].transport.close()
        with pytest.raises(errors.ConnectFailed, match="before it was ready"):
            await task


async def test_a_server_that_opens_no_window() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.manual = True
        await stream.gone()

    async with (
        H2Server(handler, window=100).listening() as server,
        opener(replace(QUICK, send=BLINK)) as made,
    ):
        channel = await made.open(server.endpoint)
        with pytest.raises(errors.SendTimeout):
            await channel.send(b"x" * 1000)
        await server.streams[0].gone()  # half a message was sent: the run is over


async def test_a_server_that_reads_nothing_at_all() -> None:
    """The network's own buffers fill up; TCP stops us, not a window."""
    server = H2Server(silent, window=2**30)
    async with server.listening(), opener(replace(QUICK, send=BLINK)) as made:
        channel = await made.open(server.endpoint)
        await server.until(lambda: server.streams)
        h2 = server.connections[0].server.h2
        h2.increment_flow_control_window(2**30)
        server.connections[0].flush()
        server.connections[0].transport.pause_reading()
        with pytest.raises(errors.SendTimeout):
            await channel.send(b"x" * (32 * 1024 * 1024))


async def test_a_dead_connection_is_found_by_a_ping() -> None:
    server = H2Server(silent)
    async with (
        server.listening(),
        opener(replace(QUICK, ping_after=BLINK, ping_answer=BLINK)) as made,
    ):
        channel = await made.open(server.endpoint)
        await server.until(lambda: server.streams)
        server.deaf = True
        with pytest.raises(errors.PingTimeout):
            await anext(channel)
        await server.connections[0].lost.wait()
        assert len(made.connections) == 0


async def test_a_quiet_connection_that_answers_pings_is_kept() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        owner = stream.connection.owner
        await owner.until(lambda: owner.pings == 3)
        await stream.end()

    async with (
        H2Server(handler).listening() as server,
        opener(replace(QUICK, ping_after=0.02, ping_answer=5)) as made,
    ):
        channel = await made.open(server.endpoint)
        assert [message async for message in channel] == []


async def test_an_unused_connection_is_closed_and_a_new_one_made() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.end()

    async with (
        H2Server(handler).listening() as server,
        opener(replace(QUICK, idle=BLINK, ping_after=BLINK)) as made,
    ):
        for _ in range(2):
            channel = await made.open(server.endpoint)
            assert [message async for message in channel] == []
            await server.connections[-1].lost.wait()
        assert len(server.connections) == 2
        assert len(made.connections) == 0


def test_the_defaults_are_those_of_the_official_client_where_they_are_known() -> None:
    assert (Limits().ping_after, Limits().ping_answer) == (10, 20)  # cursor-protocol.md §4.1 no. 7


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (socket.gaierror(-2, "Name or service not known"), "name could not be resolved"),
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 443)"), "refused"),
        (OSError("Multiple exceptions: [Errno 111] ('10.0.0.1', 443)"), "OSError"),
        (ssl.SSLError(1, "[SSL] bad"), "TLS: failed"),
    ],
)
def test_failures_name_no_address(error: OSError, text: str) -> None:
    told = str(connect_failed(error))
    assert text in told
    assert "10.0.0.1" not in told


async def test_a_connection_that_lay_idle_is_asked_for_a_sign_of_life_at_once() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        if len(stream.connection.streams) == 1:
            await stream.end()
        await stream.gone()

    server = H2Server(handler)
    limits = replace(QUICK, ping_after=BLINK, ping_answer=2 * BLINK)
    async with server.listening(), opener(limits) as made:
        first = await made.open(server.endpoint)
        assert [message async for message in first] == []
        server.deaf = True  # as after a night in which the network was gone
        await asyncio.sleep(2 * BLINK)  # the time that it lies idle
        second = await made.open(server.endpoint)
        assert len(server.connections) == 1
        with pytest.raises(errors.PingTimeout):
            await anext(second)
