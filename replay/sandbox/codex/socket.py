"""Model requests over WebSocket (codex-wire.md §3): one ``response.create`` after the other."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from replay.sandbox.accounts import TokenRefused
from replay.sandbox.agent import input_items
from replay.sandbox.call import (
    Call,
    Json,
    Refused,
    Services,
    base_headers,
    carry_out_before_headers,
    json_object,
)
from replay.sandbox.codex.checks import (
    SOCKET_MEMBERS,
    api_refusal,
    backend_refusal,
    previous_not_found,
)
from replay.sandbox.codex.models import ETAG
from replay.sandbox.codex.turn import TURN_STATE, identity, take_turn, turn_state
from replay.sandbox.events import dumps
from replay.sandbox.messages import HeaderList, Socket, header_list
from replay.sandbox.playback import Emit, SocketSink, play, script
from replay.sandbox.presets import ErrorAnswer, error, token_refused

RESPONSES_KEPT = 64
"""Responses of one connection that can be continued."""
CLOSE_UNSUPPORTED_DATA = 1003
CLOSE_POLICY = 1008


async def refuse(call: Call, socket: Socket, answer: ErrorAnswer) -> None:
    """Answer the upgrade with an error."""
    head = {**base_headers(answer.content_type), **answer.headers}
    await socket.refuse(answer.status, header_list(head), answer.payload)


async def serve(services: Services, call: Call, socket: Socket) -> None:
    """Accept the upgrade and answer messages until one side closes."""
    head: HeaderList = [(b"x-reasoning-included", b"true")]
    if call.request.path.startswith("/backend-api/"):
        head.append((b"x-models-etag", ETAG.encode()))
        if call.entry.model:  # known from the routing hint only
            head.append((b"openai-model", call.entry.model.encode()))
    call.entry.status = 101
    await socket.accept(head)
    conversation = _Conversation(services, call, _RecordedSocket(services, call, socket))
    await conversation.run()


class _RecordedSocket:
    """Writes both directions down."""

    def __init__(self, services: Services, call: Call, socket: Socket) -> None:
        self._recorder = services.recorder
        self._entry = call.entry
        self._socket = socket

    async def receive(self) -> str | bytes | None:
        message = await self._socket.receive()
        if message is not None:
            self._recorder.frame(self._entry, "client", message)
        return message

    async def send(self, text: str) -> None:
        self._recorder.frame(self._entry, "server", text)
        await self._socket.send(text)

    async def close(self, code: int, reason: str = "") -> None:
        await self._socket.close(code, reason)

    def reset(self) -> None:
        self._socket.reset()

    @property
    def problem(self) -> str:
        return self._socket.problem

    async def accept(self, headers: HeaderList) -> None:
        await self._socket.accept(headers)

    async def refuse(self, status: int, headers: HeaderList, body: bytes) -> None:
        await self._socket.refuse(status, headers, body)


class _Conversation:
    """The responses of one connection, and the message that is being answered."""

    def __init__(self, services: Services, call: Call, socket: Socket) -> None:
        self._services = services
        self._call = call
        self._socket = socket
        self._chatgpt = call.request.path.startswith("/backend-api/")
        self._gate = services.gate.frames(call.request)
        self._transcripts: OrderedDict[str, list[Json]] = OrderedDict()

    async def run(self) -> None:
        while (message := await self._socket.receive()) is not None:
            if isinstance(message, bytes):
                await self._socket.close(CLOSE_UNSUPPORTED_DATA, "text messages only")
                return
            try:
                alive = await self._message(message)
            except Refused as refused:
                await self._send_error(refused.answer)
                continue
            if not alive:
                return

    async def _message(self, message: str) -> bool:
        """Answer one message; False when the connection is over."""
        services, call = self._services, self._call
        body = json_object(message)
        if body.get("type") != "response.create":
            text = f"Unknown message type {body.get('type')!r}; send response.create"
            raise Refused(error(400, "invalid_request_error", "invalid_message_type", text))
        if self._chatgpt:
            reasons = self._gate(message)
            if reasons:
                call.entry.gate += reasons
                text = "The message does not match: " + "; ".join(reasons)[:2000]
                await self._send_error(error(403, "invalid_request_error", "gate", text))
                await self._socket.close(CLOSE_POLICY, "refused by the gate")
                return False
            self._check_token()
        call.body, call.entry.model = body, str(body.get("model") or "")
        call.fault = services.faults.take(
            phase="frame",
            method="GET",
            path=call.request.path,
            account=call.account,
            model=call.entry.model,
        )
        if call.fault is not None:
            call.entry.fault = call.fault.model_dump(mode="json")
        refusal = await carry_out_before_headers(services, call, self._socket.reset)
        if refusal is not None:
            raise Refused(refusal)
        return await self._answer(body)

    def _check_token(self) -> None:
        """The token of the handshake may have been expired or invalidated since."""
        token = (self._call.request.header("authorization") or "").partition(" ")[2].strip()
        try:
            self._services.accounts.bearer(token)
        except TokenRefused as refused:
            raise Refused(token_refused(refused.code)) from refused

    async def _answer(self, frame: Json) -> bool:
        services, call = self._services, self._call
        body = self._whole(frame)
        session = identity(body, call.request.header("session-id"), "session_id")
        turn = take_turn(services, call, body, session=session)
        if self._chatgpt:
            await self._preface(body)
        steps = script(turn.events, call.fault, failed=turn.events.failed, pace=turn.answer.pace)
        alive = await play(steps, SocketSink(self._socket))
        last = steps[-1]
        if isinstance(last, Emit) and last.type == "response.completed":
            self._transcripts[turn.events.id] = [*body["input"], *turn.events.output()]
        while len(self._transcripts) > RESPONSES_KEPT:
            self._transcripts.popitem(last=False)
        return alive

    def _whole(self, frame: Json) -> Json:
        """The request with the whole conversation as its input.

        Raises:
            Refused: it is not acceptable, or continues a response that is not known here.
        """
        account, lenient = self._call.owner, self._services.config.lenient
        named = self._services.gate.models
        if self._chatgpt:
            refusal = backend_refusal(
                frame,
                account_id=account.id,
                members=SOCKET_MEMBERS,
                lenient=lenient,
                named=named,
            )
        else:
            refusal = api_refusal(frame, account_id=account.id, lenient=lenient, named=named)
        if refusal is not None:
            raise Refused(refusal)
        body: Json = {name: value for name, value in frame.items() if name != "type"}
        items = input_items(frame)
        previous = frame.get("previous_response_id")
        if previous is not None:
            known = self._transcripts.get(str(previous))
            if known is None:
                raise Refused(previous_not_found(str(previous)))
            items = [*known, *items]
        body["input"] = items
        return body

    async def _preface(self, body: Json) -> None:
        """Frames that only the ChatGPT backend sends: limits, and the turn state once a turn."""
        services, account = self._services, self._call.owner
        await self._send(account.quota.frame(account.plan, services.now()))
        state = turn_state(services, self._call, identity(body, None, TURN_STATE))
        if state is not None:
            headers = {TURN_STATE: state, "openai-model": str(body.get("model"))}
            await self._send({"type": "response.metadata", "headers": headers, "metadata": {}})

    async def _send_error(self, answer: ErrorAnswer) -> None:
        await self._send(answer.frame())

    async def _send(self, value: Any) -> None:
        await self._socket.send(dumps(value))
