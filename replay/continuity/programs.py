"""Command-line clients: the official one, straight against the sandbox, and OpenCode."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from replay.continuity import script
from replay.continuity.errors import PlayFailed, Unavailable
from replay.record import install, signin
from replay.record.errors import RecordError
from replay.record.install import Installed, Package
from replay.record.processes import TAIL, end_all_at_home, run
from replay.sandbox import Sandbox

type Json = dict[str, Any]

OPENCODE = Package("opencode", "opencode-ai", "opencode")
OPENCODE_RELEASE = "1.18.33"
STEP_SECONDS = 120.0
"""For one start; the first one of OpenCode sets up a database."""

_KEPT = ("PATH", "SYSTEMROOT", "COMSPEC", "PATHEXT")
_OFFLINE = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
"""Nothing else is to be reached, and it would wait for these."""


async def installed(package: Package, release: str, tell: Any) -> Installed:
    """A client from npm.

    Raises:
        Unavailable: npm is missing, or failed.
    """
    try:
        return await install.install(package, release, install.cache_folder(), tell=tell)
    except RecordError as error:
        raise Unavailable(str(error)) from None


class _Program:
    """A client that is started for each turn, with a home of its own."""

    def __init__(self, client: Installed, folder: Path) -> None:
        self._program = client.program
        self.home, self.work = folder / "home", folder / "project"
        for each in (self.home, self.work, folder / "tmp"):
            each.mkdir(parents=True)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environment: Mapping[str, str] = {
            **kept,
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
        }

    async def _run(self, number: int, words: Sequence[str], **more: str) -> str:
        try:
            ended = await run(
                [self._program, *words],
                environment={**self._environment, **more},
                folder=self.work,
                seconds=STEP_SECONDS,
            )
        except OSError as error:
            raise PlayFailed(f"{self._program.name} cannot be run: {error}") from error
        if ended.code != 0:
            how = "did not end in time" if ended.code is None else f"ended with {ended.code}"
            raise PlayFailed(f"turn {number}: {self._program.name} {how}", ended.output[-TAIL:])
        if script.asks_for_a_tool(number) and script.output(number).strip() not in ended.output:
            raise PlayFailed(f"turn {number}: the tool's output is not shown", ended.output[-TAIL:])
        return ended.output

    async def close(self) -> None:
        end_all_at_home(self.home)


class CodexDirect(_Program):
    """The official client, signed in at the sandbox, with nothing in between."""

    def __init__(self, client: Installed, folder: Path, sandbox: Sandbox) -> None:
        super().__init__(client, folder)
        account = sandbox.accounts[0]
        signin.write(self.home / ".codex", signin.chatgpt(sandbox.accounts, account))
        url = sandbox.http_url
        # Two names of one host: with one, recent releases would ask the origin of their sign-in.
        other = url.replace("127.0.0.1", "localhost")
        self._options = [
            "-c",
            f'chatgpt_base_url="{other}/backend-api"',
            "-c",
            f'openai_base_url="{url}/backend-api/codex"',
            "-c",
            'model_reasoning_effort="medium"',
            "-m",
            script.MODEL,
            "-s",
            "danger-full-access",
        ]

    async def turn(self, number: int) -> None:
        words = ["exec", "--skip-git-repo-check", *self._options]
        words += ["resume", "--last"] if number else []
        await self._run(number, [*words, script.prompt(number)])


class OpenCode(_Program):
    """OpenCode over chat completions (a provider of its own) or over Responses (``openai``)."""

    def __init__(self, client: Installed, folder: Path, url: str, protocol: str) -> None:
        super().__init__(client, folder)
        options = {"baseURL": f"{url}/v1", "apiKey": script.KEY}
        entry: Json = {"options": options, "models": {script.MODEL: {}}}
        if protocol == "responses":
            # Its own choice of a small model, for titles, is one that no ChatGPT sign-in has.
            self._model = f"openai/{script.MODEL}"
            settings: Json = {"provider": {"openai": entry}, "small_model": self._model}
        else:
            self._model = f"floway/{script.MODEL}"
            entry["npm"] = "@ai-sdk/openai-compatible"
            settings = {"provider": {"floway": entry}}
        (self.work / "opencode.json").write_text(json.dumps(settings), "utf-8")

    async def turn(self, number: int) -> None:
        words = ["run", *(["--continue"] if number else []), "-m", self._model]
        # It puts words with spaces in quotation marks, so the prompt is given word by word.
        await self._run(number, [*words, *script.prompt(number).split(" ")], **_OFFLINE)
