"""Claude Code, with nothing in its home and only the settings that floway's README gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.command import Finished, run
from tests.floway_process import Floway, clean_environment

KEY = "sk-made-up-key-of-the-client"

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "IS_SANDBOX": "1",
}
"""Not needed, but without a network it would try for other hosts on every start."""


@dataclass(frozen=True, slots=True)
class ClaudeCodeCli:
    """An installed Claude Code with a home and a working folder of its own."""

    program: Path
    folder: Path
    base_url: str
    more: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, program: Path, folder: Path, floway: Floway, **more: str) -> ClaudeCodeCli:
        """
        Args:
            more: further variables of its environment.
        """
        (folder / "work").mkdir(parents=True)
        return cls(program, folder, floway.url, more)

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def run(self, *words: str, tools: str = "", seconds: float = 90.0) -> Finished:
        """``claude -p … PROMPT``; the last of the words is the prompt.

        Args:
            tools: what it may use without asking, e.g. ``Bash(echo:*),Read``.
        """
        home = self.folder / "user"
        environment = clean_environment(
            home,
            ANTHROPIC_BASE_URL=self.base_url,
            ANTHROPIC_API_KEY=KEY,
            **QUIET,
            **self.more,
        )
        allowed = ["--allowedTools", tools] if tools else []
        command: list[str | Path] = [self.program, "-p", *words[:-1], *allowed, "--", words[-1]]
        return run(command, cwd=self.work, environment=environment, seconds=seconds)
