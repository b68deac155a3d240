"""Channels, identity and calls against the sandbox's Cursor side, over each way there is."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from addons.providers.cursor.failures import errors
from addons.providers.cursor.failures.diagnosis import Kind, diagnose
from addons.providers.cursor.proto import agent_pb2 as agent
from addons.providers.cursor.run.parking import RunOwner
from addons.providers.cursor.run.run import RunMachine
from addons.providers.cursor.run.run_limits import RunLimits
from addons.providers.cursor.run.run_outputs import Failed, ResponseOutput, Text, TurnEnded
from addons.providers.cursor.run.session import RunSession
from addons.providers.cursor.telling.blobs import BlobMap
from addons.providers.cursor.wire.channel import Channels
from addons.providers.cursor.wire.client_identity import ClientIdentity
from addons.providers.cursor.wire.connections import Connections
from addons.providers.cursor.wire.discovery import Discovery, Policy
from addons.providers.cursor.wire.endpoint import Endpoint, Hosts, Way
from addons.providers.cursor.wire.http_clients import HttpClients
from addons.providers.cursor.wire.unary import USABLE_MODELS, Unary
from replay.sandbox import Sandbox, SandboxConfig

IDENTITY = ClientIdentity()


@dataclass
class Side:
    """A sandbox, and floway's way to it."""

    sandbox: Sandbox
    clients: HttpClients
    connections: Connections

    @property
    def token(self) -> str:
        accounts = self.sandbox.cursor_accounts
        return accounts.access_token(accounts[0])

    def backend(self, *, secure: bool = True) -> Endpoint:
        return Endpoint.parse(self.sandbox.https_url if secure else self.sandbox.http_url)

    async def fault(self, **fault: object) -> None:
        async with httpx.AsyncClient(base_url=self.sandbox.http_url) as control:
            rule = {"match": {}, "fault": {"kind": "agent", **fault}}
            answer = await control.post("/_sandbox/faults", json=rule)
            assert answer.status_code == 200, answer.text

    async def run(self, text: str, way: Way, *, secure: bool = True) -> list[ResponseOutput]:
        """All that one run gives."""
        request_id = str(uuid.uuid4())
        endpoint = self.backend(secure=secure)
        channel = await Channels(self.connections, self.clients).open(
            Hosts(endpoint, endpoint, way),
            IDENTITY.opening(access_token=self.token, request_id=request_id),
            lane="account",
        )
        machine = RunMachine(BlobMap(), run_id=request_id, limits=RunLimits(drain=0.05))
        session = RunSession(channel, machine, RunOwner("p", "c", "account"))
        action = agent.UserMessageAction(user_message=agent.UserMessage(text=text, message_id="m"))
        request = agent.AgentRunRequest(
            conversation_state=b"",
            action=agent.ConversationAction(user_message_action=action),
            conversation_id=f"agent-{request_id}",
            requested_model=agent.RequestedModel(model_id="composer-2"),
            run_id=request_id,
        )
        message = agent.AgentClientMessage(run_request=request).SerializeToString()
        outputs = [output async for output in session.start(message)]
        await session.ended()
        return outputs


@pytest.fixture(scope="session")
def sandbox_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate for all tests."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
async def side(sandbox_home: Path) -> AsyncIterator[Side]:
    sandbox = Sandbox(SandboxConfig(home=sandbox_home, gate="off"))
    await sandbox.start()
    made = Side(sandbox, HttpClients(ca_file=sandbox.ca_file), Connections(ca_file=sandbox.ca_file))
    yield made
    made.connections.close()
    await made.clients.close()
    await sandbox.stop()


def said(outputs: list[ResponseOutput]) -> str:
    return "".join(each.text for each in outputs if isinstance(each, Text))


def failure(outputs: list[ResponseOutput]) -> errors.CursorError:
    (failed,) = (each for each in outputs if isinstance(each, Failed))
    return failed.error


async def test_a_run_goes_the_same_over_each_way(side: Side) -> None:
    found = [
        await side.run("Hello, who is there?", "http2"),
        await side.run("Hello, who is there?", "http1"),
        await side.run("Hello, who is there?", "auto", secure=False),
    ]
    assert all(isinstance(each[-1], TurnEnded) for each in found)
    texts = {said(each) for each in found}
    assert len(texts) == 1
    assert texts != {""}


@pytest.mark.parametrize(
    ("fault", "way", "kind"),
    [
        ({"how": "reset", "number": 2}, "http2", errors.StreamReset),
        ({"how": "goaway", "number": 11}, "http2", errors.Goaway),
        ({"how": "close"}, "http2", errors.Cut),
        ({"how": "close"}, "http1", errors.Cut),
        ({"how": "reset"}, "http1", errors.TransportError),
    ],
)
async def test_streams_that_break(
    side: Side, fault: dict[str, object], way: Way, kind: type[Exception]
) -> None:
    await side.fault(at="after_output", **fault)
    outputs = await side.run("Hello, who is there? Tell me a lot.", way)
    assert isinstance(failure(outputs), kind)
    assert said(outputs)


@pytest.mark.parametrize("way", ["http2", "http1"])
async def test_a_used_up_account_is_told_with_its_details(side: Side, way: Way) -> None:
    await side.fault(preset="usage_limit")
    error = failure(await side.run("Hello", way))
    assert isinstance(error, errors.ConnectError)
    assert diagnose(error).kind is Kind.QUOTA
    assert "usage limit" in error.text


async def test_models_and_the_agent_s_host(side: Side) -> None:
    unary = Unary(side.clients)
    models = await unary.call(
        side.backend(),
        USABLE_MODELS,
        agent.GetUsableModelsResponse,
        headers=IDENTITY.unary(access_token=side.token, request_id=str(uuid.uuid4())),
        lane="account",
    )
    assert "composer-2" in {each.model_id for each in models.models}
    hosts = await Discovery(unary, clock=lambda: 0.0).hosts(
        Policy(side.backend()), "account", lambda: IDENTITY.config(access_token=side.token)
    )
    assert hosts.agent.host == side.backend().host
    with pytest.raises(errors.ConnectError) as refused:
        await unary.call(
            side.backend(),
            USABLE_MODELS,
            agent.GetUsableModelsResponse,
            headers=IDENTITY.unary(access_token="stranger", request_id=str(uuid.uuid4())),
            lane="account",
        )
    assert diagnose(refused.value).kind is Kind.CREDENTIALS
