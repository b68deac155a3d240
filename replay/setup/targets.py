"""Which members of which file make a client use floway. Pure.

Places and names are the clients' documented ones; each was tried with the real client
(tests/clients).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from replay.cli.clients import WINDOW
from replay.setup.edits import Format, Members


@dataclass(frozen=True, slots=True)
class Floway:
    """What clients are told.

    Attributes:
        address: origin, e.g. ``http://127.0.0.1:8080``.
        key: what a client shows as its API key.
        models: names of the models that it serves.
    """

    address: str
    key: str
    models: Sequence[str]

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"


@dataclass(frozen=True, slots=True)
class Target:
    """One client's settings.

    Attributes:
        file: its own place for a user's settings; None where it has none.
        then: how to start the client once it is set.
    """

    name: str
    title: str
    form: Format
    file: Path | None
    members: Members
    then: str


type Environment = Mapping[str, str]


def opencode(floway: Floway, environment: Environment, home: Path) -> Target:
    """OpenCode: a provider of its own, over chat completions."""
    folder = environment.get("XDG_CONFIG_HOME") or home / ".config"
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "floway",
        "options": {"baseURL": floway.base_url, "apiKey": floway.key},
        "models": {model: {} for model in floway.models},
    }
    return Target(
        "opencode",
        "OpenCode",
        "json",
        Path(folder) / "opencode" / "opencode.json",
        {"provider": {"floway": provider}},
        f"opencode run -m floway/{floway.models[0]} 'Say hello.'",
    )


def claude_code(floway: Floway, environment: Environment, home: Path) -> Target:
    """Claude Code: its API's address and key, and the window of the models that serve it, since by
    its own models' names it believes in a larger one."""
    folder = environment.get("CLAUDE_CONFIG_DIR") or home / ".claude"
    variables = {
        "ANTHROPIC_BASE_URL": floway.address,
        "ANTHROPIC_AUTH_TOKEN": floway.key,
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": str(WINDOW),
    }
    return Target(
        "claude-code",
        "Claude Code",
        "json",
        Path(folder) / "settings.json",
        {"env": variables},
        "claude -p 'Say hello.'",
    )


def codex(floway: Floway, environment: Environment, home: Path) -> Target:
    """Codex CLI: a provider of its own, for which it needs no sign-in."""
    folder = environment.get("CODEX_HOME") or home / ".codex"
    provider = {"name": "floway", "base_url": floway.base_url, "wire_api": "responses"}
    if floway.key != OPEN_KEY:
        provider["experimental_bearer_token"] = floway.key
    return Target(
        "codex",
        "Codex CLI",
        "toml",
        Path(folder) / "config.toml",
        {"model_provider": "floway", "model_providers": {"floway": provider}},
        "codex exec 'Say hello.'",
    )


def openai_sdk(floway: Floway, _environment: Environment, _home: Path) -> Target:
    """OpenAI's SDKs, and whatever reads their variables."""
    return Target(
        "openai-sdk",
        "OpenAI SDK",
        "env",
        None,
        {"OPENAI_BASE_URL": floway.base_url, "OPENAI_API_KEY": floway.key},
        "python -c 'import openai; print(openai.OpenAI().models.list())'",
    )


OPEN_KEY: Final = "floway"
"""A key for a floway that wants none; clients refuse to go without."""

TARGETS: Final[Mapping[str, Callable[[Floway, Environment, Path], Target]]] = {
    "opencode": opencode,
    "claude-code": claude_code,
    "codex": codex,
    "openai-sdk": openai_sdk,
}
