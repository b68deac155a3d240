"""OpenCode, with nothing in its home but the settings that floway's README gives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.clients.command import Finished, run
from tests.floway_process import Floway, clean_environment

MODEL = "gpt-5.5"
KEY = "made-up-key-of-the-client"

OFFLINE = {
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
}
"""Not needed, but without a network it would try both on every start."""

type Provider = Literal["openai-compatible", "openai"]


def settings(provider: Provider, base_url: str, model: str) -> dict[str, Any]:
    """``opencode.json``."""
    options = {"baseURL": base_url, "apiKey": KEY}
    if provider == "openai":
        # Its own choice of a small model, for titles, is one that no ChatGPT sign-in has.
        entry = {"options": options, "models": {model: {}}}
        return {"provider": {"openai": entry}, "small_model": f"openai/{model}"}
    entry = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {model: {}}}
    return {"provider": {"floway": entry}}


@dataclass(frozen=True, slots=True)
class OpenCodeCli:
    """An installed OpenCode with a home and a working folder of its own."""

    program: Path
    folder: Path
    model: str

    @classmethod
    def make(
        cls,
        program: Path,
        folder: Path,
        floway: Floway,
        provider: Provider,
        model: str = MODEL,
    ) -> OpenCodeCli:
        (folder / "work").mkdir(parents=True)
        written = json.dumps(settings(provider, floway.base_url, model))
        (folder / "work" / "opencode.json").write_text(written)
        name = "openai" if provider == "openai" else "floway"
        return cls(program, folder, f"{name}/{model}")

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def run(self, *words: str, seconds: float = 90.0) -> Finished:
        """``opencode run -m … …``; the last of the words is the prompt.

        It puts words with spaces in quotation marks, so the prompt is given word by word.
        """
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
        prompt = words[-1].split(" ")
        command: list[str | Path] = [self.program, "run", "-m", self.model, *words[:-1], *prompt]
        environment = clean_environment(home, **folders, **OFFLINE)
        return run(command, cwd=self.work, environment=environment, seconds=seconds)
