"""The ``openai`` Python SDK: one script per scenario, in a process of the SDK's own environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from replay.record import openai_sdk_calls, python_client
from replay.record.gateway_session import GatewaySession
from replay.record.install import Package
from replay.record.python_client import Installed, ScriptedClient
from replay.record.third_party import CASES, KEY, Client, ClientScenario

PACKAGE = Package("openai-sdk", "openai", "")
MODEL = "gpt-5.5"
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


def _scenario(
    name: str, about: str, path: str, *, requests: int = 1, output: bool = False
) -> ClientScenario:
    return ClientScenario(
        name, about, (), CASES, requests=requests, output=output, path=path, model=MODEL
    )


SCENARIOS = (
    _scenario("chat-plain", "one message, one answer", CHAT),
    _scenario("chat-stream", "the same as a stream, with usage", CHAT),
    _scenario("chat-tools", "a call of a function, and its output", CHAT, requests=2, output=True),
    _scenario("chat-structured", "an answer that follows a schema", CHAT),
    _scenario("chat-image", "a message with an image", CHAT),
    _scenario("chat-turns", "three messages, each with all before it", CHAT, requests=3),
    _scenario("responses-plain", "one input, one answer", RESPONSES),
    _scenario("responses-stream", "the same as a stream", RESPONSES),
    _scenario(
        "responses-tools",
        "a call of a function, and its output",
        RESPONSES,
        requests=2,
        output=True,
    ),
    _scenario("responses-structured", "an answer that follows a schema", RESPONSES),
    _scenario("responses-image", "an input with an image", RESPONSES),
    _scenario(
        "responses-previous", "three inputs, each with previous_response_id", RESPONSES, requests=3
    ),
    _scenario("responses-turns", "three inputs, each with all before it", RESPONSES, requests=3),
)


def _words(session: GatewaySession, scenario: ClientScenario) -> list[str]:
    return [scenario.name, f"{session.url}/v1", KEY, MODEL]


def client(installed: Installed) -> ScriptedClient:
    """An installed release, ready to be driven."""
    return ScriptedClient(installed, Path(openai_sdk_calls.__file__), _words)


async def install(
    wanted: str, cache: Path, *, tell: Callable[[str], None] = lambda _: None
) -> ScriptedClient:
    """A release from PyPI; see :func:`replay.record.python_client.install`."""
    return client(await python_client.install(PACKAGE, wanted, cache, tell=tell))


CLIENT = Client("openai-sdk", "sdk", SCENARIOS, install)
