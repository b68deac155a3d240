"""OpenCode, with nothing in its home but the settings that floway's README gives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.clients.command import Finished, run
from tests.floway_process import Floway, clean_environment

MODEL = "gpt-5.5"

type Provider = Literal["openai-compatible", "openai"]


def settings(provider: Provider, base_url: str, key: str = "floway") -> dict[str, Any]:
    """``opencode.json``."""
    options = {"baseURL": base_url, "apiKey": key}
    if provider == "openai":
        return {"provider": {"openai": {"options": options}}}
    entry = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {MODEL: {}}}
    return {"provider": {"floway": entry}}


@dataclass(frozen=True, slots=True)
class OpenCodeCli:
    """An installed OpenCode with a home and a working folder of its own."""

    program: Path
    folder: Path
    provider: Provider

    @classmethod
    def make(cls, program: Path, folder: Path, floway: Floway, provider: Provider) -> OpenCodeCli:
        (folder / "work").mkdir(parents=True)
        written = json.dumps(settings(provider, floway.base_url))
        (folder / "work" / "opencode.json").write_text(written)
        return cls(program, folder, provider)

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def model(self) -> str:
        return f"{'openai' if self.provider == 'openai' else 'floway'}/{MODEL}"

    def run(self, *words: str, seconds: float = 90.0, **environment: str) -> Finished:
        """``opencode run -m … …``."""
        home = self.folder / "user"
        folders = {
            name: str(home / part)
            for name, part in {
                "XDG_CONFIG_HOME": "config",
                "XDG_DATA_HOME": "data",
                "XDG_CACHE_HOME": "cache",
                "XDG_STATE_HOME": "state",
            }.items()
        }
        command = [self.program, "run", "-m", self.model, *words]
        return run(
            command,
            cwd=self.work,
            environment=clean_environment(home, **folders, **environment),
            seconds=seconds,
        )
