"""A run in many requests: the order of what goes, the end of what comes, and nothing left over."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from addons.providers.cursor.failures import errors
from addons.providers.cursor.proto.aiserver_pb2 import BidiAppendRequest, BidiRequestId
from addons.providers.cursor.wire.bidi import AHEAD, IN_FLIGHT, SplitRun
from addons.providers.cursor.wire.channel import Run
from addons.providers.cursor.wire.connect import END_STREAM, FrameReader, frame
from addons.providers.cursor.wire.endpoint import APPEND, RUN_SSE, Endpoint
from replay.sandbox.certificates import ensure_certificates
from tests.providers.cursor.channels import OPENING, QUICK, opener
from tests.providers.cursor.h2_servers import H2Server, ServerStream

HEAD = [("content-type", "application/connect+proto")]
OK = httpx.Response(200)
DONE = frame(b"{}", END_STREAM)

type Append = Callable[[BidiAppendRequest], Awaitable[httpx.Response]]


class Backend(httpx.AsyncBaseTransport):
    """Cursor's side: pieces of the answer come through a queue, appends go to a function.

    Attributes:
        pieces: bytes of the answer; None ends it, an exception breaks it.
        closed: the client has let go of the answer.
    """

    def __init__(self, append: Append | None = None, status: int = 200) -> None:
        self.pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.status = status
        self.append = append
        self.appended: list[BidiAppendRequest] = []
        self.requests: list[httpx.Request] = []
        self.taken = 0
        self.closed = asyncio.Event()
        self.news = asyncio.Event()

    async def until(self, true: Callable[[], object]) -> None:
        while not true():
            self.news.clear()
            await self.news.wait()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        body = await request.aread()
        if request.url.path == RUN_SSE:
            return httpx.Response(self.status, headers=HEAD, stream=Pieces(self))
        assert request.url.path == APPEND
        message = BidiAppendRequest.FromString(body)
        self.appended.append(message)
        self.news.set()
        return OK if self.append is None else await self.append(message)


class Pieces(httpx.AsyncByteStream):
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._backend.pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            self._backend.taken += 1
            self._backend.news.set()
            yield piece

    async def aclose(self) -> None:
        self._backend.closed.set()


def run(backend: httpx.AsyncBaseTransport, send: float = 5.0, limit: int = 10_000_000) -> SplitRun:
    return SplitRun(
        httpx.AsyncClient(transport=backend),
        Endpoint.parse("https://backend.test"),
        OPENING.request_id,
        OPENING.run_sse,
        OPENING.append,
        limits=replace(QUICK, send=send),
        limit=limit,
    )


async def test_messages_both_ways() -> None:
    backend = Backend()
    channel = run(backend)
    for payload in (b"run request", b"\x3a\x00"):
        await channel.send(payload)
    for piece in (frame(b"one")[:3], frame(b"one")[3:] + frame(b"two"), DONE):
        backend.pieces.put_nowait(piece)
    assert [message async for message in channel] == [b"one", b"two"]
    assert dict(channel.response_headers) == dict(HEAD)
    assert [(each.append_seqno, each.data) for each in backend.appended] == [
        (0, b"run request".hex()),
        (1, "3a00"),
    ]
    assert {each.request_id.request_id for each in backend.appended} == {OPENING.request_id}
    await backend.closed.wait()
    await channel.close()


async def test_under_a_loop_that_starts_tasks_at_once() -> None:
    """As mitmproxy's does."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    await test_messages_both_ways()


async def test_the_requests_are_those_of_the_identity_and_nothing_else() -> None:
    backend = Backend()
    channel = run(backend)
    await channel.send(b"x")
    backend.pieces.put_nowait(DONE)
    assert [message async for message in channel] == []
    first = next(each for each in backend.requests if each.url.path == RUN_SSE)
    opened = FrameReader().feed(await first.aread())
    assert BidiRequestId.FromString(opened[0].payload).request_id == OPENING.request_id
    names = [name.lower() for name, _ in first.headers.raw]
    assert set(names) == {b"host", b"content-length", b"content-type", b"authorization"}
    append = next(each for each in backend.requests if each.url.path == APPEND)
    assert append.headers["connect-timeout-ms"] == "60000"
    assert append.extensions["timeout"]["connect"] == QUICK.connect
    await channel.close()


async def test_no_more_than_sixteen_appends_are_in_flight() -> None:
    release = asyncio.Event()
    flying = most = 0

    async def append(_: BidiAppendRequest) -> httpx.Response:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await release.wait()
        flying -= 1
        return OK

    backend = Backend(append)
    channel = run(backend)
    senders = [asyncio.create_task(channel.send(b"%d" % number)) for number in range(40)]
    await asyncio.gather(*senders[:IN_FLIGHT])
    assert not any(sender.done() for sender in senders[IN_FLIGHT:])
    release.set()
    await asyncio.gather(*senders)
    await backend.until(lambda: len(backend.appended) == 40)
    assert most == IN_FLIGHT
    numbers = {each.append_seqno: bytes.fromhex(each.data) for each in backend.appended}
    assert numbers == {number: b"%d" % number for number in range(40)}
    await channel.close()


async def test_appends_that_are_never_answered_bound_the_sender() -> None:
    async def append(_: BidiAppendRequest) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    channel = run(Backend(append), send=0.02)
    for _ in range(IN_FLIGHT):
        await channel.send(b"x")
    with pytest.raises(errors.SendTimeout):
        await channel.send(b"x")
    await channel.close()


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (
            httpx.Response(401, json={"code": "unauthenticated", "message": "expired"}),
            errors.ConnectError,
            "expired",
        ),
        (httpx.Response(502, text="<html>"), errors.ConnectError, "HTML"),
        (httpx.ConnectError("to 10.0.0.1"), errors.ConnectFailed, "connected"),
        (httpx.ConnectTimeout(""), errors.ConnectTimeout, "5 seconds"),
        (httpx.WriteTimeout(""), errors.SendTimeout, "60"),
        (httpx.ReadTimeout(""), errors.Silence, "60"),
        (httpx.ReadError(""), errors.ConnectionLost, "ReadError"),
    ],
)
async def test_an_append_that_fails_ends_the_run_for_its_reader(
    answer: httpx.Response | Exception, kind: type[Exception], text: str
) -> None:
    async def append(_: BidiAppendRequest) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    channel = run(Backend(append))
    await channel.send(b"x")
    with pytest.raises(kind, match=text) as raised:
        await anext(channel)
    assert "10.0.0.1" not in str(raised.value)
    with pytest.raises(kind):
        await channel.send(b"more")
    await channel.close()


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([frame(b'{"error":{"code":"internal"}}', END_STREAM)], errors.ConnectError),
        ([None], errors.Cut),
        ([b"\x00\x00", None], errors.BrokenStream),
        ([httpx.ReadError("reset")], errors.ConnectionLost),
        ([httpx.RemoteProtocolError("odd")], errors.ConnectionLost),
        ([frame(b"x" * 2000)], errors.FrameTooLarge),
    ],
)
async def test_ends_of_the_answer(pieces: list[bytes | Exception | None], kind: type) -> None:
    backend = Backend()
    channel = run(backend, limit=1000)
    for piece in [frame(b"text"), *pieces]:
        backend.pieces.put_nowait(piece)
    assert await anext(channel) == b"text"
    for _ in range(2):
        with pytest.raises(kind):
            await anext(channel)
    await backend.closed.wait()
    await channel.close()


async def test_a_refused_answer() -> None:
    backend = Backend(status=429)
    backend.pieces.put_nowait(b'{"code":"resource_exhausted","message":"slow"}')
    backend.pieces.put_nowait(None)
    channel = run(backend)
    with pytest.raises(errors.ConnectError, match="slow") as raised:
        await anext(channel)
    assert raised.value.http_status == 429
    await channel.close()


async def test_an_answer_that_nobody_reads_is_not_read_ahead_for_ever() -> None:
    backend = Backend()
    channel = run(backend)
    piece = frame(b"x" * (AHEAD // 4))
    for _ in range(40):
        backend.pieces.put_nowait(piece)
    backend.pieces.put_nowait(DONE)
    await backend.until(lambda: backend.taken == 5)
    for _ in range(20):
        await asyncio.sleep(0)
    assert backend.taken == 5
    assert len([message async for message in channel]) == 40
    await channel.close()


async def test_closing_ends_all_that_runs_for_it() -> None:
    started = asyncio.Event()

    async def append(_: BidiAppendRequest) -> httpx.Response:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    backend = Backend(append)
    before = asyncio.all_tasks()
    channel = run(backend)
    await channel.send(b"x")
    reader = asyncio.ensure_future(anext(channel))
    await started.wait()
    await channel.close()
    await channel.close()
    with pytest.raises(errors.ConnectionLost, match="cancelled"):
        await reader
    with pytest.raises(errors.ConnectionLost):
        await channel.send(b"x")
    await backend.closed.wait()
    assert asyncio.all_tasks() == before


# --- over the network ----------------------------------------------------------------------------


class Split:
    """A backend on a real server: joins the requests of a run, and echoes its messages."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(self, stream: ServerStream) -> None:
        if stream.headers[b":path"].decode() == RUN_SSE:
            stream.respond()
            while message := await self.messages.get():
                await stream.say(message)
            await stream.end()
            return
        await stream.ended.wait()
        self.messages.put_nowait(bytes.fromhex(BidiAppendRequest.FromString(stream.body).data))
        stream.respond([(b":status", b"200"), (b"content-type", b"application/proto")])
        stream.close()


async def test_over_a_real_connection(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path)
    async with (
        H2Server(Split().handle).listening(files.server_context()) as server,
        opener(ca_file=files.ca_file) as made,
    ):
        channel = await made.open(server.endpoint, way="http1")
        assert isinstance(channel, SplitRun)
        for payload in (b"one", b"x" * 200_000):
            await channel.send(payload)
            assert await anext(channel) == payload
        await channel.send(b"")
        assert [message async for message in channel] == []
        await channel.close()


async def test_a_host_without_http2_gets_a_split_run_and_is_remembered(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # offers no protocol at all
    context.load_cert_chain(files.leaf_file, files.key_file)

    async def never(_: ServerStream) -> None:
        raise AssertionError

    async with (
        H2Server(never).listening(context) as server,
        opener(ca_file=files.ca_file) as made,
    ):
        for _ in range(2):
            channel = await made.open(server.endpoint, way="auto")
            assert isinstance(channel, SplitRun)
            await channel.close()
        assert server.endpoint in made.channels._without_http2


async def test_over_plain_http_a_run_is_split_unless_http2_is_asked_for() -> None:
    async def silent(stream: ServerStream) -> None:
        await stream.gone()

    async with H2Server(silent).listening() as server, opener() as made:
        split = await made.open(server.endpoint, way="auto")
        assert isinstance(split, SplitRun)
        await split.close()
        assert isinstance(await made.open(server.endpoint, way="http2"), Run)
