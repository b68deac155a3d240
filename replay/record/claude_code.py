"""Claude Code, pointed at a gateway by ``ANTHROPIC_BASE_URL``, as ``claude -p``: no terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingerprints.placeholders import PLACEHOLDER, of_text
from fingerprints.trace import Exchange, Trace
from replay.record import install as npm
from replay.record.errors import RecordError
from replay.record.gateway_session import GatewaySession
from replay.record.install import Installed, Package
from replay.record.processes import TAIL, run
from replay.record.scenarios import GREETING, MORE, Step
from replay.record.third_party import CASES, Client, ClientScenario

PACKAGE = Package("claude-code", "@anthropic-ai/claude-code", "claude")
KEY = "sk-ant-made-up-key-of-nobody-0000"
PATH = "/v1/messages"
STEP_SECONDS = 120.0
"""For one start."""
_VERSION = "x-anthropic-billing-header:"

_COMMAND = "echo recorded"
_CALL = {"command": _COMMAND, "description": "Prints a word"}
_TOOL = f"Run it. [[call Bash {json.dumps(_CALL)}]]"

SCENARIOS = (
    ClientScenario(
        "turn", "one prompt, one answer", (Step("exec", (GREETING,)),), CASES, path=PATH
    ),
    ClientScenario(
        "resume",
        "a second prompt in a second start",
        (Step("exec", (GREETING,)), Step("resume", (MORE,))),
        CASES,
        requests=2,
        path=PATH,
    ),
    ClientScenario(
        "tool",
        "a command that the model asks for is run, and its output sent back",
        (Step("exec", (_TOOL,)),),
        CASES,
        requests=2,
        output=True,
        path=PATH,
    ),
)


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """An installed release."""

    installed: Installed

    @property
    def release(self) -> str:
        return self.installed.release

    async def drive(self, session: GatewaySession, scenario: ClientScenario) -> str:
        """
        Raises:
            RecordError: it failed.
        """
        (session.work / "README.md").write_text("# A project\n", encoding="utf-8")
        environment = {
            **session.environment,
            "ANTHROPIC_BASE_URL": session.url,
            "ANTHROPIC_API_KEY": KEY,
        }
        said = ""
        for step in scenario.steps:
            [prompt] = step.prompts
            more = ["--continue"] if step.way == "resume" else []
            command: list[str | Path] = [self.installed.program, "-p", *more]
            ended = await run(
                [*command, "--allowedTools", f"Bash({_COMMAND})", "--", prompt],
                environment=environment,
                folder=session.work,
                seconds=STEP_SECONDS,
            )
            said = ended.output[-TAIL:].replace(str(session.home.parent), "⟨folder⟩")
            if ended.code != 0:
                how = "did not end in time" if ended.code is None else f"ended with {ended.code}"
                raise RecordError(f"`{' '.join(['claude -p', *more])}` {how}", said)
        return said


async def install(
    wanted: str, cache: Path, *, tell: Callable[[str], None] = lambda _: None
) -> ClaudeCode:
    """A release from npm; see :func:`replay.record.install.install`."""
    return ClaudeCode(await npm.install(PACKAGE, wanted, cache, tell=tell))


def tidy(trace: Trace) -> Trace:
    """The trace without its system prompt, of which some blocks are too short to be masked by
    their length. The first block, which tells the client's version, is none."""
    exchanges = tuple(_tidy(exchange) for exchange in trace.exchanges)
    return trace.model_copy(update={"exchanges": exchanges})


def _tidy(exchange: Exchange) -> Exchange:
    body = exchange.body
    if body is None or not isinstance(body.data, dict):
        return exchange
    blocks = body.data.get("system")
    if not isinstance(blocks, list):
        return exchange
    data = {**body.data, "system": [_masked(block) for block in blocks]}
    return exchange.model_copy(update={"body": body.model_copy(update={"data": data})})


def _masked(block: Any) -> Any:
    text = block.get("text") if isinstance(block, dict) else None
    if not isinstance(text, str) or text.startswith(_VERSION) or PLACEHOLDER.fullmatch(text):
        return block
    return {**block, "text": of_text(text)}


CLIENT = Client("claude-code", "exec", SCENARIOS, install, tidy)
