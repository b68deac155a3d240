"""Cursor's official Python SDK, run as a black box in an environment of its own.

It is proprietary: nothing of it is read or kept here but the bytes that it sends. Its bodies are
protobuf, of which a trace says how long they are and whether two are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from replay.record import cursor_sdk_calls, python_client
from replay.record.gateway_session import GatewaySession
from replay.record.install import Package
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


@dataclass(frozen=True, slots=True)
class CursorSdk:
    """An installed release."""

    installed: python_client.Installed

    @property
    def release(self) -> str:
        return self.installed.release

    async def drive(self, session: GatewaySession, scenario: ClientScenario) -> str:
        """
        Raises:
            RecordError: the script failed.
        """
        words = [session.url, KEY, scenario.model, GREETING]
        script = Path(cursor_sdk_calls.__file__)
        return await python_client.call(self.installed, script, words, session)


async def install(
    wanted: str, cache: Path, *, tell: Callable[[str], None] = lambda _: None
) -> CursorSdk:
    """A release from PyPI; see :func:`replay.record.python_client.install`."""
    return CursorSdk(await python_client.install(PACKAGE, wanted, cache, tell=tell))


CLIENT = Client("cursor-sdk", "sdk", SCENARIOS, install)
