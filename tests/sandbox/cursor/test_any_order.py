"""Whatever a client sends, in whatever order: a run ends, once, and says how."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.proto import agent_pb2, exec_pb2, mcp_pb2
from replay.sandbox import Sandbox, SandboxConfig
from replay.sandbox.call import Call
from replay.sandbox.cursor import service
from replay.sandbox.cursor.failures import STATUS
from replay.sandbox.messages import Request
from tests.sandbox.cursor.driver import Client, Keeper, tool
from tests.sandbox.cursor.wire import Messages, error_of

CALLS = '[[call weather {"city":"x"}]][[call weather {"city":"y"}]][[exec read]]'


class Script:
    """A channel whose client says what is written down, then no more."""

    def __init__(self, said: Iterable[bytes]) -> None:
        self._said = list(said)
        self.written = b""
        self.ends = 0

    async def receive(self) -> bytes | None:
        await asyncio.sleep(0)
        return self._said.pop(0) if self._said else None

    async def write(self, data: bytes) -> None:
        assert not self.ends, "nothing comes after the end"
        self.written += data

    async def finish(self) -> None:
        self.ends += 1

    async def abort(self, code: int) -> None:
        raise AssertionError("no fault was ordered")

    go_away = abort

    def set_window(self, size: int) -> None:
        raise AssertionError("no fault was ordered")


def asked(prompt: str) -> bytes:
    return Keeper(tools=[tool("weather")], tools_in="request").request(prompt).SerializeToString()


numbers = st.integers(0, 12)
execs = st.sampled_from(
    [
        exec_pb2.ExecClientMessage(
            request_context_result=exec_pb2.RequestContextResult(
                success=exec_pb2.RequestContextSuccess()
            )
        ),
        exec_pb2.ExecClientMessage(mcp_result=mcp_pb2.McpResult(error=mcp_pb2.McpError(error="e"))),
        exec_pb2.ExecClientMessage(),
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    number = draw(numbers)
    kind = draw(st.integers(0, 7))
    message = Client()
    match kind:
        case 0:
            return draw(st.binary(max_size=8))
        case 1:
            message.client_heartbeat.SetInParent()
        case 2 | 3:
            message.exec_client_message.CopyFrom(draw(execs))
            message.exec_client_message.id = number
        case 4:
            result = agent_pb2.SetBlobResult()
            kv = agent_pb2.KvClientMessage(id=number, set_blob_result=result)
            message.kv_client_message.CopyFrom(kv)
        case 5:
            message.exec_client_control_message.throw.id = number
        case 6:
            message.exec_client_control_message.stream_close.id = number
        case _:
            cancel = draw(st.booleans())
            action = message.conversation_action
            (action.cancel_action if cancel else action.resume_action).SetInParent()
    return message.SerializeToString()


prompts = st.sampled_from(["hello", CALLS, "[[say 100]]", "[[query web_search_request]]"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@given(first=st.one_of(prompts.map(asked), messages()), rest=st.lists(messages(), max_size=14))
@settings(max_examples=60, deadline=None)
def test_a_run_ends_once(home: Path, first: bytes, rest: list[bytes]) -> None:
    sandbox = Sandbox(SandboxConfig(home=home, gate="off"))
    request = Request("POST", service.RUN, "2", [])
    call = Call(request, sandbox.services.recorder.begin(request))
    script = Script([first, *rest])

    async def run() -> None:
        async with asyncio.timeout(5):
            await service.serve(sandbox.services, call, script, sandbox.cursor_accounts[0])
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing goes on"

    asyncio.run(run())
    *updates, (end, last) = Messages().feed(script.written)
    assert script.ends == 1
    assert end
    assert not any(flag for flag, _ in updates)
    for _, payload in updates:
        agent_pb2.AgentServerMessage.FromString(payload)
    error = error_of(last)
    assert error == {} or error["code"] in STATUS
    assert json.dumps(call.entry.json())
