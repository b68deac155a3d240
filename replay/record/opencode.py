"""OpenCode, pointed at a gateway by its own settings file.

Two of its providers are recorded: ``openai-compatible``, which speaks chat completions, and
``openai``, which speaks Responses. With the first prompt of a conversation it asks for a title too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replay.record import install as npm
from replay.record.errors import Lacking, RecordError
from replay.record.gateway_session import GatewaySession
from replay.record.install import Installed, Package
from replay.record.processes import TAIL, Finished, run
from replay.record.scenarios import GREETING, MORE, Step
from replay.record.third_party import CASES, KEY, Client, ClientScenario

PACKAGE = Package("opencode", "opencode-ai", "opencode")
STEP_SECONDS = 90.0
"""For one start; the first one sets up a database."""
MODEL = "gpt-5.5"
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"

_CALL = {"command": "echo recorded-$((6*7))", "description": "Prints a word"}
_TOOL = f"Run it. [[call bash {json.dumps(_CALL)}]]"
_OFFLINE = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
"""Nothing but the gateway can be reached, and it would wait for these."""
_NO_PLUGINS = {"OPENCODE_DISABLE_DEFAULT_PLUGINS": "1"}
_INSTALLS = "BunInstallFailedError"
"""What releases say that install packages when they run: plugins for other sign-ins, which they
can go without, and what speaks to providers, which they cannot."""


def _scenarios(kind: str, path: str) -> tuple[ClientScenario, ...]:
    """Every first prompt has a request for a title at its side."""
    first, then = Step("exec", (GREETING,)), Step("resume", (MORE,))
    return (
        ClientScenario(
            f"turn-{kind}",
            f"one prompt, one answer, and the title, over {path}",
            (first,),
            CASES,
            requests=2,
            path=path,
            model=MODEL,
        ),
        ClientScenario(
            f"resume-{kind}",
            "a second prompt in a second start",
            (first, then),
            CASES,
            requests=3,
            path=path,
            model=MODEL,
        ),
        ClientScenario(
            f"tool-{kind}",
            "a command that the model asks for is run, and its output sent back",
            (Step("exec", (_TOOL,)), then),
            CASES,
            requests=4,
            output=True,
            path=path,
            model=MODEL,
        ),
    )


SCENARIOS = (*_scenarios("chat", CHAT), *_scenarios("responses", RESPONSES))


def settings(path: str, base_url: str) -> dict[str, Any]:
    """``opencode.json`` for the provider that speaks so."""
    options = {"baseURL": base_url, "apiKey": KEY}
    if path == RESPONSES:
        entry: dict[str, Any] = {"options": options, "models": {MODEL: {}}}
        # Its own choice of a small model, for titles, is one that a gateway need not have.
        return {"provider": {"openai": entry}, "small_model": f"openai/{MODEL}"}
    entry = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {MODEL: {}}}
    return {"provider": {"gateway": entry}}


@dataclass(frozen=True, slots=True)
class OpenCode:
    """An installed release."""

    installed: Installed

    @property
    def release(self) -> str:
        return self.installed.release

    async def drive(self, session: GatewaySession, scenario: ClientScenario) -> str:
        """
        Raises:
            Lacking: it needs a network.
            RecordError: it failed.
        """
        written = json.dumps(settings(scenario.path, f"{session.url}/v1"), indent=2)
        (session.work / "opencode.json").write_text(written, encoding="utf-8")
        (session.work / "README.md").write_text("# A project\n", encoding="utf-8")
        model = f"{'openai' if scenario.path == RESPONSES else 'gateway'}/{MODEL}"
        environment = {**session.environment, **_OFFLINE}
        said = ""
        for step in scenario.steps:
            # It puts arguments with spaces in quotation marks, so a prompt is given word by word.
            words = [word for prompt in step.prompts for word in prompt.split(" ")]
            more = ["--continue"] if step.way == "resume" else []
            options = ["run", *more, "-m", model]
            command: list[str | Path] = [self.installed.program, *options, *words]
            ended = await self._start(command, environment, session)
            if _INSTALLS in ended.output and environment.keys().isdisjoint(_NO_PLUGINS):
                environment |= _NO_PLUGINS
                ended = await self._start(command, environment, session)
            if _INSTALLS in ended.output:
                raise Lacking(
                    f"{self.release} installs packages when it runs, and is recorded without "
                    "a network; 1.18.28 brings them"
                )
            said = ended.output[-TAIL:].replace(str(session.home.parent), "⟨folder⟩")
            if ended.code != 0:
                how = "did not end in time" if ended.code is None else f"ended with {ended.code}"
                raise RecordError(f"`{' '.join(['opencode run', *more])}` {how}", said)
        return said

    async def _start(
        self, command: Sequence[str | Path], environment: dict[str, str], session: GatewaySession
    ) -> Finished:
        return await run(
            command, environment=environment, folder=session.work, seconds=STEP_SECONDS
        )


async def install(
    wanted: str, cache: Path, *, tell: Callable[[str], None] = lambda _: None
) -> OpenCode:
    """A release from npm; see :func:`replay.record.install.install`."""
    return OpenCode(await npm.install(PACKAGE, wanted, cache, tell=tell))


CLIENT = Client("opencode", "exec", SCENARIOS, install)
