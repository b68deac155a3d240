"""The official Codex CLI, driven through a scenario.

What a release can do is found out by asking it (``--help``) and by trying, never by its number.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from replay.record import catalogue, signin
from replay.record.catalogue import Catalogue
from replay.record.errors import Lacking, RecordError
from replay.record.install import Installed
from replay.record.processes import Finished, plain, run
from replay.record.progress import Progress, progress
from replay.record.scenarios import Feature, Scenario, Step
from replay.record.session import Session
from replay.record.terminal import NotInTime, Terminal, TerminalFailed

STEP_SECONDS = 90.0
"""For one start of the client."""
HELP_SECONDS = 30.0
PREFERRED = ("gpt-5.5",)
"""Where several models have the wanted body shape."""
_QUIET = 1.0
"""Seconds without a change of the screen, after which a terminal UI waits for keys."""
_PASTE = 0.5
"""The same between text and Enter: together they would be taken for pasted lines."""
_CLEAR = "\x15"
"""Ctrl-U: empties the line."""
ENTERS = 10
ENTER_SECONDS = 3.0
"""How often Enter is pressed, and how long the client may take to send a request after it."""
_CONVERSATION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SUBCOMMANDS: dict[Feature, tuple[str, ...]] = {
    "resume": ("exec resume",),
    "review": ("exec review",),
    "fork": ("exec fork", "fork"),
}
_REMOTE = "https://github.com/example/project.git"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a release can do.

    Attributes:
        commands: subcommands that it has, of :data:`_SUBCOMMANDS`.
        catalogue: None where it does not print one.
    """

    release: str
    commands: frozenset[str]
    catalogue: Catalogue | None

    def lacking(self, scenario: Scenario) -> str:
        """What of a scenario's needs is missing, "" when nothing is."""
        for need in sorted(scenario.needs):
            if need == "terminal":
                if sys.platform == "win32":
                    return "this system has no pseudo-terminals"
            elif not self.commands.intersection(_SUBCOMMANDS[need]):
                words = " or ".join(f"`codex {each}`" for each in _SUBCOMMANDS[need])
                return f"{self.release} has no {words}"
        return ""

    def fitted(self, scenario: Scenario) -> Scenario:
        """The scenario as this release can do it: where only the terminal UI forks, all of it is
        done there."""
        if "fork" not in scenario.needs or "exec fork" in self.commands:
            return scenario
        steps = tuple(
            replace(step, way="terminal") if step.way == "exec" else step for step in scenario.steps
        )
        return replace(scenario, steps=steps, surface="tui")

    def other_model(self) -> str:
        """A model whose body shape is not the default model's.

        Raises:
            Lacking: there is none, or the release does not say.
        """
        if self.catalogue is None:
            raise Lacking(f"{self.release} does not print its models")
        model = self.catalogue.of_other_shape(PREFERRED)
        if model is None:
            raise Lacking(f"all models of {self.release} have the same body shape")
        return model.slug


async def abilities(installed: Installed, home: Path) -> Abilities:
    """Ask a release.

    Args:
        home: an empty folder.

    Raises:
        RecordError: it does not run here.
    """
    environment = {**_system(), "HOME": str(home), "USERPROFILE": str(home), "LANG": "C.UTF-8"}

    async def ask(*words: str) -> Finished:
        return await run(
            [installed.program, *words], environment=environment, folder=home, seconds=HELP_SECONDS
        )

    first = await ask("--version")
    if first.code != 0:
        raise RecordError(f"codex {installed.release} does not run here", first.tail)
    wanted = sorted({words for each in _SUBCOMMANDS.values() for words in each})
    helps = await asyncio.gather(*(ask(*words.split(), "--help") for words in wanted))
    there = {
        words
        for words, said in zip(wanted, helps, strict=True)
        if re.search(rf"^Usage: \S+ {words}\b", said.output, re.MULTILINE)
    }
    printed = await ask("debug", "models")
    models = catalogue.reduce(printed.output, client="codex", release=installed.release)
    return Abilities(installed.release, frozenset(there), models if printed.code == 0 else None)


class Driver:
    """Drives one release in one session.

    Args:
        model: slug to ask for, "" for the default.
        git: make the working folder a git repository.

    Attributes:
        said: the end of the output of the last start, without secrets.
    """

    def __init__(
        self,
        installed: Installed,
        able: Abilities,
        session: Session,
        scenario: Scenario,
        *,
        model: str = "",
        git: bool = False,
    ) -> None:
        self._program = installed.program
        self._able = able
        self._session = session
        self._scenario = scenario
        self._model = model
        self._git = git
        self._secrets: list[str] = []
        self.said = ""
        authority = session.environment["SSL_CERT_FILE"]
        self._environment = {**session.environment, "CODEX_CA_CERTIFICATE": authority}

    async def drive(self) -> None:
        """All steps of the scenario.

        Raises:
            RecordError: the client failed; with the end of its output, without secrets.
        """
        self._sign_in()
        self._project()
        for step in self._scenario.steps:
            await self._step(step)

    def _sign_in(self) -> None:
        accounts, scenario = self._session.sandbox.accounts, self._scenario
        account = accounts[0]
        if scenario.sign_in == "api_key":
            content = signin.api_key(account)
        else:
            content = signin.chatgpt(
                accounts, account, "expired" if scenario.state == "expired" else "good"
            )
        if scenario.state == "refused":
            account.expire_tokens()
        home = self._session.home / ".codex"
        signin.write(home, content)
        values = content.get("tokens") or content
        self._secrets = [value for value in values.values() if isinstance(value, str)]
        if scenario.surface == "tui":
            project = str(self._session.work.resolve()).replace("\\", "\\\\").replace('"', '\\"')
            text = f'[projects."{project}"]\ntrust_level = "trusted"\n'
            (home / "config.toml").write_text(text, encoding="utf-8")

    def _project(self) -> None:
        """Files in the working folder, and a repository where one is wanted."""
        work = self._session.work
        (work / "README.md").write_text("# A project\n", encoding="utf-8")
        if not self._git:
            return
        name = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
        for words in (
            ("init", "--quiet", "--initial-branch=main"),
            ("remote", "add", "origin", _REMOTE),
            ("add", "README.md"),
            (*name, "commit", "--quiet", "--message=First"),
        ):
            try:
                ended = plain(["git", *words], self._session.environment, work)
            except OSError as error:
                raise RecordError(f"git cannot be run: {error}; install it") from error
            if ended.code != 0:
                raise RecordError(f"git {words[0]} failed", ended.tail)
        if self._scenario.changes:
            (work / "README.md").write_text("# A project\n\nChanged.\n", encoding="utf-8")

    async def _step(self, step: Step) -> None:
        match step.way:
            case "exec":
                await self._exec(*step.prompts)
            case "resume":
                # Not --last: together with a prompt, the oldest releases take it for an id.
                await self._exec("resume", self._conversation(), *step.prompts)
            case "review":
                await self._exec("review", "--uncommitted")
            case "fork" if self._scenario.surface == "exec":
                await self._exec("fork", self._conversation(), *step.prompts)
            case "fork":
                words = ["fork", self._conversation(), *step.prompts]
                await self._terminal(words, given=step.prompts)
            case "terminal":
                await self._terminal([], typed=step.prompts)

    def _options(self) -> list[str]:
        options = ["-m", self._model] if self._model else []
        for setting in self._scenario.settings:
            options += ["-c", setting]
        return [*options, "-s", "workspace-write"] if self._scenario.tools else options

    async def _exec(self, *words: str) -> None:
        command: list[str | Path] = [
            self._program,
            "exec",
            "--skip-git-repo-check",
            *self._options(),
            *words,
        ]
        ended = await run(
            command,
            environment=self._environment,
            folder=self._session.work,
            seconds=STEP_SECONDS,
        )
        self.said = self._clean(ended.tail)
        if ended.code != 0:
            how = "did not end in time" if ended.code is None else f"ended with code {ended.code}"
            shown = " ".join(["codex exec", *words])
            raise RecordError(f"`{shown}` {how}", self.said)

    async def _terminal(
        self, words: list[str], *, typed: tuple[str, ...] = (), given: tuple[str, ...] = ()
    ) -> None:
        """A start of the terminal UI; ``typed``: prompts to type, ``given``: one in ``words``."""
        command: list[str | Path] = [self._program, *self._options(), *words]
        interrupted = threading.Event()
        work = asyncio.create_task(
            asyncio.to_thread(self._in_terminal, command, typed, given, interrupted)
        )
        try:
            await asyncio.shield(work)
        except TerminalFailed as error:
            problem, _, screen = str(error).partition("\n")
            raise RecordError(f"codex in a terminal: {problem}", self._clean(screen)) from error
        finally:
            interrupted.set()  # a cancelled recording: the thread sees it
            with contextlib.suppress(TerminalFailed):
                await work

    def _in_terminal(
        self,
        command: list[str | Path],
        typed: tuple[str, ...],
        given: tuple[str, ...],
        interrupted: threading.Event,
    ) -> None:
        """What happens at the terminal; in a thread, since reading from it waits."""
        with Terminal(
            command, self._environment, self._session.work, interrupted=interrupted
        ) as terminal:
            for prompt in given:
                self._await_answer(terminal, prompt)
            for prompt in typed:
                self._say(terminal, prompt)
                self._await_answer(terminal, prompt)
            for _ in range(3):
                terminal.quiet(_QUIET, STEP_SECONDS / 4)
                if not terminal.alive:
                    break
                terminal.type("\x03")

    def _say(self, terminal: Terminal, prompt: str) -> None:
        """Type a prompt and press Enter until it is on its way.

        While a UI starts, it may swallow Enter; and a dialog, say about a new model, swallows the
        prompt as well: Enter has taken what it proposes, and the prompt is typed again.
        """
        shown = ""
        for _ in range(ENTERS):
            terminal.quiet(_QUIET, STEP_SECONDS / 4)
            if not _holds(terminal.screen[len(shown) :], prompt):
                shown = terminal.screen
                terminal.type(_CLEAR + prompt)
                terminal.quiet(_PASTE, STEP_SECONDS / 4)
            terminal.type("\r")
            with contextlib.suppress(NotInTime):
                terminal.wait(lambda: bool(self._progress(prompt)), ENTER_SECONDS, "a request")
                return
        raise TerminalFailed(f"the prompt was not sent\n{terminal.tail}")

    def _await_answer(self, terminal: Terminal, prompt: str) -> None:
        terminal.wait(lambda: self._progress(prompt) == "answered", STEP_SECONDS, "an answer")

    def _conversation(self) -> str:
        """Id of the newest conversation, as its file's name ends.

        Raises:
            RecordError: there is no such file.
        """
        files = (self._session.home / ".codex" / "sessions").rglob("rollout-*")
        for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
            match = _CONVERSATION.search(file.name)
            if match is not None:
                return match[0]
        raise RecordError("the client kept no conversation that could be forked", self.said)

    def _progress(self, prompt: str) -> Progress:
        return progress(self._session.sandbox.services.recorder.entries(), prompt)

    def _clean(self, text: str) -> str:
        """Output without secrets and without paths of this machine."""
        for secret in self._secrets:
            text = text.replace(secret, "⟨secret⟩")
        return text.replace(str(self._session.home.parent), "⟨folder⟩")


def _holds(screen: str, text: str) -> bool:
    """Whether a text was drawn; blanks are often not, but jumped over."""
    return "".join(text.split()) in "".join(screen.split())


def _system() -> Mapping[str, str]:
    return {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
