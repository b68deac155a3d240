"""A run over HTTP/2, from its opening to each of its ends."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from pathlib import Path

import pytest
from h2.settings import SettingCodes

from addons.providers.cursor.failures import errors
from addons.providers.cursor.wire.channel import Channel, Run
from addons.providers.cursor.wire.connect import COMPRESSED, frame
from replay.sandbox.certificates import ensure_certificates
from tests.providers.cursor.channels import opener
from tests.providers.cursor.h2_servers import H2Server, Handler, ServerStream

BODY = bytes(range(256)) * 6000  # 1.5 MB


async def echo(stream: ServerStream) -> None:
    """Answers each message with itself; an empty one ends the run."""
    stream.respond()
    while message := await stream.message():
        await stream.say(message)
    await stream.end()


async def test_messages_both_ways_until_the_server_ends_the_run() -> None:
    async with H2Server(echo).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        assert channel.response_headers == []
        await channel.send(b"one")
        await channel.send(b"two")
        assert [await anext(channel), await anext(channel)] == [b"one", b"two"]
        await channel.send(b"")
        assert [message async for message in channel] == []
        assert dict(channel.response_headers)["content-type"] == "application/connect+proto"
        (stream,) = server.streams
        await stream.ended.wait()  # our half is ended too
        assert stream.headers[b":path"] == b"/agent.v1.AgentService/Run"
        assert stream.headers[b":authority"] == server.endpoint.authority.encode()
        assert stream.headers[b"authorization"] == b"Bearer t"
        assert stream.reset_with is None


async def test_over_tls_with_the_authority_that_is_set(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path)
    async with H2Server(echo).listening(files.server_context()) as server:
        async with opener(ca_file=files.ca_file) as made:
            channel = await made.open(server.endpoint, way="auto")
            assert isinstance(channel, Run)
            await channel.send(b"hello")
            assert await anext(channel) == b"hello"
        async with opener() as made:
            with pytest.raises(errors.ConnectFailed, match="not trusted") as raised:
                await made.open(server.endpoint)
            assert raised.value.unprocessed


@pytest.mark.parametrize("window", [16 * 1024, 65535])
async def test_a_body_of_megabytes_through_small_windows(window: int) -> None:
    """What once ended with FLOW_CONTROL_ERROR from about 178 KB on (cursor-protocol.md §4.1)."""

    async def handler(stream: ServerStream) -> None:
        stream.respond()
        assert await stream.message() == BODY
        await stream.end()

    async with H2Server(handler, window).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        await channel.send(BODY)
        assert [message async for message in channel] == []


async def test_a_window_that_shrinks_below_zero_in_the_middle_of_a_body() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.manual = True
        server = stream.connection.server
        stream.respond()
        await stream.bytes_received(60_000)
        server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 16 * 1024})
        stream.connection.flush()
        while stream.received < len(BODY) + 5:
            given, stream.unread = stream.unread, 0
            if given:
                server.h2.increment_flow_control_window(given)
                server.h2.increment_flow_control_window(given, stream.number)
                stream.connection.flush()
            await stream.bytes_received(min(stream.received + 1, len(BODY) + 5))
        assert await stream.message() == BODY
        await stream.end()

    async with H2Server(handler, 60_000).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        await channel.send(BODY)
        assert [message async for message in channel] == []


async def test_a_large_answer_that_is_read_late_waits_at_the_server() -> None:
    big = b"x" * (3 * 1024 * 1024)

    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.say(big)
        await stream.end()

    async with H2Server(handler).listening() as server, opener() as made:
        channel, other = await made.open(server.endpoint), await made.open(server.endpoint)
        assert len(made.connections) == 1
        assert [message async for message in other] == [big]  # not held up by the one unread
        assert [message async for message in channel] == [big]


async def test_many_runs_on_one_connection() -> None:
    async with H2Server(echo).listening() as server, opener() as made:
        channels = await asyncio.gather(*(made.open(server.endpoint) for _ in range(40)))
        assert len(server.connections) == 1

        async def talk(number: int) -> None:
            channel = channels[number]
            for turn in range(3):
                message = f"{number}/{turn}".encode() * 500
                await channel.send(message)
                assert await anext(channel) == message

        await asyncio.gather(*map(talk, range(len(channels))))


async def test_accounts_share_no_connection_and_full_connections_get_company() -> None:
    async with H2Server(echo, max_streams=2).listening() as server, opener() as made:
        for lane in ("a", "b", "a", "a"):
            channel = await made.open(server.endpoint, lane=lane)
            await channel.send(b"x")
            await anext(channel)
        assert [len(each.streams) for each in server.connections] == [2, 1, 1]


async def test_messages_of_several_senders_are_not_mixed() -> None:
    seen: list[bytes] = []

    async def handler(stream: ServerStream) -> None:
        stream.respond()
        while len(seen) < 20:
            seen.append(await stream.message())
        await stream.end()

    messages = [bytes([65 + number]) * 30_000 for number in range(20)]
    async with H2Server(handler, 4096).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        await asyncio.gather(*(channel.send(message) for message in messages))
        assert [message async for message in channel] == []
    assert seen == messages  # whole, and in the order of the calls


async def test_a_large_body_does_not_starve_the_other_runs_of_the_connection() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.message()
        await stream.end()

    server = H2Server(handler, window=2**24)
    server.manual = True  # the connection's window is opened by hand
    async with server.listening(), opener() as made:
        large, small = await made.open(server.endpoint), await made.open(server.endpoint)
        sending = asyncio.create_task(large.send(BODY))
        await server.until(lambda: server.streams and server.streams[0].received == 65535)
        waiting = asyncio.create_task(small.send(b"heartbeat"))
        (connection,) = server.connections
        for received in (65535, 65535 + 16384):  # the first room goes to whoever waited longer
            await server.until(lambda r=received: server.streams[0].received >= r)
            connection.server.h2.increment_flow_control_window(16384)
            connection.flush()
        async with asyncio.timeout(5):
            await waiting
            assert [message async for message in small] == []
        connection.server.h2.increment_flow_control_window(2**24)
        connection.flush()
        await sending
        assert [message async for message in large] == []


async def test_compressed_messages_are_opened() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.write(frame(gzip.compress(b"hello" * 100), COMPRESSED))
        await stream.end()

    async with H2Server(handler).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        assert [message async for message in channel] == [b"hello" * 100]


async def test_under_a_loop_that_starts_tasks_at_once() -> None:
    """As mitmproxy's does."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    async with H2Server(echo).listening() as server, opener() as made:
        channels = await asyncio.gather(*(made.open(server.endpoint) for _ in range(3)))
        assert len(server.connections) == 1
        for channel in channels:
            await asyncio.gather(channel.send(b"x"), channel.send(b""))
            assert [message async for message in channel] == [b"x"]
            await channel.close()


# --- ends ----------------------------------------------------------------------------------------


async def ending(
    handler: Handler, limit: int = 1_000_000
) -> tuple[list[bytes], errors.CursorError]:
    """What a run gives, and the error that it ends with."""
    messages: list[bytes] = []

    async def read(channel: Channel) -> None:
        while True:
            messages.append(await anext(channel))

    async with H2Server(handler).listening() as server, opener(limit=limit) as made:
        channel = await made.open(server.endpoint)
        with pytest.raises(errors.CursorError) as raised:
            await read(channel)
        with pytest.raises(type(raised.value)):  # it stays so
            await read(channel)
        return messages, raised.value


async def test_an_error_at_the_end_comes_after_the_messages() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.say(b"text")
        await stream.end(b'{"error":{"code":"resource_exhausted","message":"Error"}}')

    messages, error = await ending(handler)
    assert messages == [b"text"]
    assert isinstance(error, errors.ConnectError)
    assert error.code == "resource_exhausted"


@pytest.mark.parametrize("code", [2, 7, 11])
async def test_a_reset(code: int) -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.say(b"text")
        stream.reset(code)

    messages, error = await ending(handler)
    assert messages == [b"text"]
    assert isinstance(error, errors.StreamReset)
    assert error.error_code == code


async def test_a_goaway_and_a_closed_connection() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.say(b"text")
        stream.connection.go_away(stream.number, 0, b"bye")
        stream.connection.transport.close()

    messages, error = await ending(handler)
    assert messages == [b"text"]
    assert isinstance(error, errors.Goaway)
    assert not error.unprocessed
    assert "bye" in str(error)


async def test_an_orderly_goaway_does_not_disturb_the_run_and_new_ones_go_elsewhere() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        if len(stream.connection.owner.streams) == 1:
            stream.connection.go_away(stream.number)
        await stream.say(b"after the GOAWAY")
        await stream.message()
        await stream.end()

    async with H2Server(handler).listening() as server, opener() as made:
        first = await made.open(server.endpoint)
        assert await anext(first) == b"after the GOAWAY"
        second = await made.open(server.endpoint)
        assert await anext(second) == b"after the GOAWAY"
        for channel in (first, second):
            await channel.send(b"go on")
            assert [message async for message in channel] == []
        assert len(server.connections) == 2
        await server.connections[0].lost.wait()  # nobody is on it any more


async def test_an_answer_that_just_stops() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.say(b"text")
        stream.close()

    messages, error = await ending(handler)
    assert messages == [b"text"]
    assert isinstance(error, errors.Cut)


async def test_an_answer_that_stops_in_a_message() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.write(b"\x00\x00\x00\x00\x09half")
        stream.close()

    _, error = await ending(handler)
    assert isinstance(error, errors.BrokenStream)


async def test_a_message_over_the_limit() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond()
        await stream.say(b"ok")
        await stream.say(b"x" * 2000)
        await stream.gone()

    messages, error = await ending(handler, limit=1000)
    assert messages == [b"ok"]
    assert isinstance(error, errors.FrameTooLarge)


@pytest.mark.parametrize(
    ("status", "kind", "body", "code", "text"),
    [
        (b"401", b"application/json", b'{"code":"unauthenticated"}', "unauthenticated", ""),
        (b"429", b"text/plain", b"slow down", "unavailable", "slow down"),
        (b"403", b"text/html", b"<html>who are you", "permission_denied", "an HTML page"),
        (b"502", b"text/plain", b"", "unavailable", ""),
        (b"464", b"text/plain", b"", "unknown", ""),
        (b"500", b"application/json", b'{"broken', "unknown", "broken"),
        (b"302", b"text/plain", b"elsewhere", "unknown", "elsewhere"),
    ],
)
async def test_a_status_that_is_not_200(
    status: bytes, kind: bytes, body: bytes, code: str, text: str
) -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond([(b":status", status), (b"content-type", kind), (b"retry-after", b"7")])
        await stream.write(body)
        stream.close()

    _, error = await ending(handler)
    assert isinstance(error, errors.ConnectError)
    assert (error.code, error.http_status) == (code, int(status))
    assert text in error.text
    assert error.metadata["retry-after"] == ("7",)


async def test_an_error_s_body_that_is_cut_off_does_not_hide_the_status() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond([(b":status", b"503")])
        stream.reset(2)

    _, error = await ending(handler)
    assert isinstance(error, errors.ConnectError)
    assert error.http_status == 503


async def test_an_answer_that_is_no_connect_stream() -> None:
    async def handler(stream: ServerStream) -> None:
        stream.respond([(b":status", b"200"), (b"content-type", b"text/html; charset=utf-8")])
        await stream.gone()

    _, error = await ending(handler)
    assert isinstance(error, errors.BrokenStream)
    assert "text/html" in str(error)


# --- no connection -------------------------------------------------------------------------------


async def test_nobody_listens() -> None:
    async with H2Server(echo).listening() as server:
        endpoint = server.endpoint
    async with opener() as made:
        with pytest.raises(errors.ConnectFailed) as raised:
            await made.open(endpoint)
        assert raised.value.unprocessed
        assert "127.0.0.1" not in str(raised.value)


async def test_a_host_without_http2_is_told_apart(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.leaf_file, files.key_file)
    for protocols in ([], ["http/1.1"]):
        if protocols:
            context.set_alpn_protocols(protocols)
        async with (
            H2Server(echo).listening(context) as server,
            opener(ca_file=files.ca_file) as made,
        ):
            with pytest.raises(errors.NoHttp2):
                await made.open(server.endpoint, way="http2")


async def test_shutting_down() -> None:
    async with H2Server(echo).listening() as server, opener() as made:
        channel = await made.open(server.endpoint)
        made.connections.close()
        with pytest.raises(errors.ConnectionLost):
            await anext(channel)
        with pytest.raises(errors.ConnectFailed, match="shutting down"):
            await made.open(server.endpoint)
