"""The two directions of a run: messages out in few writes, and answers in, by what was asked."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from google.protobuf.message import DecodeError

from addons.providers.cursor.proto import agent_pb2, exec_pb2
from addons.providers.cursor.wire.connect import COMPRESSED, END_STREAM, frame
from replay.sandbox.cursor.failures import FAILURES, RunFailed

BATCH_FRAMES = 64
BATCH_BYTES = 32 * 1024
COMPRESS_FROM = 512
"""Bytes from which a message is compressed for a client that takes it."""

type ExecAnswer = exec_pb2.ExecClientMessage | exec_pb2.ExecClientThrow
type Direction = Literal["client", "server"]


class Channel(Protocol):
    """What carries a run. Writing raises ``ClientGone`` when the client has left."""

    async def receive(self) -> bytes | None:
        """The next message of the client; None: it will send no more."""

    async def write(self, data: bytes) -> None:
        """Send bytes of framed messages."""

    async def finish(self) -> None:
        """End the answer."""

    async def abort(self, code: int) -> None:
        """Break the answer off."""

    async def go_away(self, code: int) -> None:
        """Break the connection off."""

    def set_window(self, size: int) -> None:
        """Change how much the client may send ahead."""


@dataclass(slots=True)
class _Exec:
    """An exec request that waits.

    Attributes:
        streamed: its answer is a row of events that the client closes.
    """

    exec_id: str
    streamed: bool
    answer: asyncio.Future[ExecAnswer]
    event: exec_pb2.ExecClientMessage | None = None


@dataclass(slots=True)
class Link:
    """Attributes:
    record: is given every message, for ``/_sandbox/requests``.
    notes: what was odd in what the client sent.
    heartbeats: of the client, so far.
    said: whether anything was sent since it was last set to False.
    """

    channel: Channel
    record: Callable[[Direction, bytes], None]
    notes: list[str]
    compress: bool = False
    heartbeats: int = 0
    said: bool = False
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _batch: list[bytes] = field(default_factory=list)
    _bytes: int = 0
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _execs: dict[int, _Exec] = field(default_factory=dict)
    _blobs: dict[int, asyncio.Future[agent_pb2.KvClientMessage]] = field(default_factory=dict)
    _queries: dict[int, asyncio.Future[agent_pb2.InteractionResponse]] = field(default_factory=dict)
    _closed: bool = False

    # --- out ---

    async def send(self, message: agent_pb2.AgentServerMessage) -> None:
        """Send a message, perhaps together with later ones."""
        await self.send_raw(message.SerializeToString())

    async def send_raw(self, payload: bytes) -> None:
        """Send a message that is serialised already."""
        self.record("server", payload)
        self.said = True
        flags = 0
        if self.compress and len(payload) >= COMPRESS_FROM:
            payload, flags = gzip.compress(payload, 1, mtime=0), COMPRESSED
        self._batch.append(frame(payload, flags))
        self._bytes += len(payload)
        if len(self._batch) >= BATCH_FRAMES or self._bytes >= BATCH_BYTES:
            await self.flush()

    async def update(self, update: agent_pb2.InteractionUpdate) -> None:
        await self.send(agent_pb2.AgentServerMessage(interaction_update=update))

    async def flush(self) -> None:
        """Send what is due. One write after the other: a message must not land in another one."""
        async with self._writing:
            data, self._batch, self._bytes = b"".join(self._batch), [], 0
            if data:
                await self.channel.write(data)

    async def end(self, payload: bytes) -> None:
        """Send the last message, and end."""
        self._batch.append(frame(payload, END_STREAM))
        await self.flush()
        await self.channel.finish()

    # --- questions ---

    async def ask(self, request: exec_pb2.ExecServerMessage) -> asyncio.Future[ExecAnswer]:
        """Have the client carry something out; it is given an ``id``, and ``exec_id`` is kept.

        Several can be asked before :meth:`flush`, and are then answered in any order.

        Raises:
            RunFailed: the client has ended its side.
        """
        request.id = next(self._numbers)
        answer = self._future(asyncio.Future[ExecAnswer]())
        streamed = request.WhichOneof("message") == "shell_stream_args"
        self._execs[request.id] = _Exec(request.exec_id, streamed, answer)
        await self.send(agent_pb2.AgentServerMessage(exec_server_message=request))
        return answer

    async def ask_blob(
        self, request: agent_pb2.KvServerMessage
    ) -> asyncio.Future[agent_pb2.KvClientMessage]:
        """Get or set a blob. As :meth:`ask`."""
        request.id = next(self._numbers)
        answer = self._blobs[request.id] = self._future(asyncio.Future[agent_pb2.KvClientMessage]())
        await self.send(agent_pb2.AgentServerMessage(kv_server_message=request))
        return answer

    async def query(
        self, request: agent_pb2.InteractionQuery
    ) -> asyncio.Future[agent_pb2.InteractionResponse]:
        """Ask the user something. As :meth:`ask`."""
        request.id = next(self._numbers)
        answer = self._queries[request.id] = self._future(
            asyncio.Future[agent_pb2.InteractionResponse]()
        )
        await self.send(agent_pb2.AgentServerMessage(interaction_query=request))
        return answer

    async def abort_execs(self) -> None:
        """Take back every exec request; what waits for it is told so."""
        waiting, self._execs = self._execs, {}
        for number, each in waiting.items():
            abort = exec_pb2.ExecServerControlMessage(abort=exec_pb2.ExecServerAbort(id=number))
            await self.send(agent_pb2.AgentServerMessage(exec_server_control_message=abort))
            each.answer.set_result(exec_pb2.ExecClientThrow(id=number, error="aborted"))
        await self.flush()

    def _future[T](self, future: asyncio.Future[T]) -> asyncio.Future[T]:
        if self._closed:
            raise RunFailed(FAILURES["no_exec_result"])
        return future

    # --- in ---

    async def receive(self) -> agent_pb2.AgentClientMessage | None:
        """The next message; None: the client has ended its side.

        Raises:
            RunFailed: it is malformed.
        """
        payload = await self.channel.receive()
        if payload is None:
            return None
        self.record("client", payload)
        try:
            return agent_pb2.AgentClientMessage.FromString(payload)
        except DecodeError as error:
            raise RunFailed(FAILURES["parse_error"]) from error

    async def listen(self) -> None:
        """Give every message to who waits for it, until the client has ended its side.

        Raises:
            RunFailed: malformed, cancelled by the user, or ended while an answer is due.
        """
        while (message := await self.receive()) is not None:
            match message.WhichOneof("message"):
                case "client_heartbeat":
                    self.heartbeats += 1
                case "exec_client_message":
                    self._answered(message.exec_client_message)
                case "exec_client_control_message":
                    self._controlled(message.exec_client_control_message)
                case "kv_client_message":
                    blob = message.kv_client_message
                    self._settle(self._blobs.pop(blob.id, None), blob, f"blob {blob.id}")
                case "interaction_response":
                    response = message.interaction_response
                    waiting = self._queries.pop(response.id, None)
                    self._settle(waiting, response, f"query {response.id}")
                case "conversation_action":
                    if message.conversation_action.WhichOneof("action") == "cancel_action":
                        raise RunFailed(FAILURES["canceled"])
                    self.notes.append("an action in the middle of a run")
                case kind:
                    self.notes.append(f"unexpected message: {kind}")
        self._closed = True
        if self._execs or self._blobs or self._queries:
            raise RunFailed(FAILURES["no_exec_result"])

    def _answered(self, message: exec_pb2.ExecClientMessage) -> None:
        waiting = self._execs.get(message.id)
        if waiting is None:
            self.notes.append(f"a result for exec {message.id}, which does not wait")
            return
        # The official SDK (1.1.0) leaves exec_id out; others echo it.
        if message.exec_id not in ("", waiting.exec_id):
            self.notes.append(f"the result of exec {message.id} has another exec_id")
            raise RunFailed(FAILURES["no_exec_result"])
        if waiting.streamed:
            waiting.event = message
            return
        del self._execs[message.id]
        self._settle(waiting.answer, message, "")

    def _controlled(self, message: exec_pb2.ExecClientControlMessage) -> None:
        match message.WhichOneof("message"):
            case "throw":
                thrown = self._execs.pop(message.throw.id, None)
                about = f"exec {message.throw.id}"
                self._settle(thrown.answer if thrown else None, message.throw, about)
            case "stream_close":
                closed = self._execs.get(message.stream_close.id)
                if closed is not None and closed.event is not None:
                    del self._execs[message.stream_close.id]
                    self._settle(closed.answer, closed.event, "")
                elif closed is not None:
                    self.notes.append(f"exec {message.stream_close.id} was closed unanswered")

    def _settle[T](self, waiting: asyncio.Future[T] | None, answer: T, about: str) -> None:
        if waiting is None:
            self.notes.append(f"an answer to {about}, which does not wait")
        elif not waiting.done():
            waiting.set_result(answer)
