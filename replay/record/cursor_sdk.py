"""Cursor's official Python SDK, run as a black box in an environment of its own.

It is proprietary: nothing of it is read or kept here but the bytes that it sends. Its bodies are
protobuf, of which a trace says how long they are and whether two are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from replay.record import cursor_sdk_calls, python_client
from replay.record.gateway_session import GatewaySession
from replay.record.install import Package
from replay.record.python_client import Installed, ScriptedClient
from replay.record.scenarios import GREETING
from replay.record.third_party import CASES, Client, ClientScenario

PACKAGE = Package("cursor-sdk", "cursor-sdk", "")
KEY = "crsr_made0up0key0of0nobody00000000"
MODEL = "composer-2"

SCENARIOS = (
    ClientScenario(
        "turn",
        "one prompt, one answer, streamed by RunSSE",
        (),
        CASES,
        path="/agent.v1.AgentService/RunSSE",
        model=MODEL,
    ),
)


def _words(session: GatewaySession, scenario: ClientScenario) -> list[str]:
    return [session.url, KEY, scenario.model, GREETING]


def client(installed: Installed) -> ScriptedClient:
    """An installed release, ready to be driven."""
    return ScriptedClient(installed, Path(cursor_sdk_calls.__file__), _words)


async def install(
    wanted: str, cache: Path, *, tell: Callable[[str], None] = lambda _: None
) -> ScriptedClient:
    """A release from PyPI; see :func:`replay.record.python_client.install`."""
    return client(await python_client.install(PACKAGE, wanted, cache, tell=tell))


CLIENT = Client("cursor-sdk", "sdk", SCENARIOS, install)
