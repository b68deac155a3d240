"""How to point each client at a running floway; pure text, every line made to be pasted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MODEL = "gpt-5.5"
"""A model that the sandbox and the present official catalogue both have."""

SMALL_MODEL = "gpt-5.4-mini"
"""One for small tasks beside it, likewise."""

WINDOW = 272_000
"""Tokens of their context. A client that goes by its own models' would compact too late."""

CA_FILE = Path("~/.mitmproxy/mitmproxy-ca-cert.pem")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the texts depend on.

    Attributes:
        address: origin at which clients reach floway, e.g. ``http://127.0.0.1:8080``.
        sandbox_url: origin of the embedded sandbox's control paths; None when real accounts serve.
        accounts: labels of the accounts in use.
        key_needed: clients must show one of ``client_keys``.
        ca_file: certificate authority that forward-proxy clients must trust.
    """

    address: str
    sandbox_url: str | None = None
    accounts: Sequence[str] = ()
    key_needed: bool = False
    ca_file: Path = CA_FILE
    version: str = version("floway")

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    @property
    def key(self) -> str:
        """What to write where a client wants an API key."""
        return "YOUR_CLIENT_KEY" if self.key_needed else "floway"


@dataclass(frozen=True, slots=True)
class Setup:
    """One client.

    Attributes:
        name: word for ``floway clients NAME``.
        short: lines for the banner.
        long: lines for ``floway clients``; where empty, ``short`` serves there too.
    """

    name: str
    title: str
    short: tuple[str, ...]
    long: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """For ``floway clients``."""
        return self.long or self.short


def curl_line(facts: Facts) -> str:
    """A shell line that streams an answer."""
    body = json.dumps({"model": MODEL, "input": "Say hello.", "stream": True})
    headers = ["content-type: application/json"]
    if facts.key_needed:
        headers.append(f"authorization: Bearer {facts.key}")
    words = ["curl", "-N", f"{facts.base_url}/responses"]
    for header in headers:
        words += ["-H", header]
    return shlex.join([*words, "-d", body])


def setups(facts: Facts) -> list[Setup]:
    """All clients that work, in the order in which they are shown."""
    return [_openai_sdk(facts), _opencode(facts), _codex(facts), _claude_code(facts)]


def _openai_sdk(facts: Facts) -> Setup:
    line = f"export OPENAI_BASE_URL={facts.base_url} OPENAI_API_KEY={facts.key}"
    return Setup("openai", "OpenAI SDK, and whatever reads its variables", (line,))


def _opencode(facts: Facts) -> Setup:
    options = {"baseURL": facts.base_url, "apiKey": facts.key}
    compatible = {
        "npm": "@ai-sdk/openai-compatible",
        "options": options,
        "models": {MODEL: {}},
    }
    chat = {"provider": {"floway": compatible}}
    responses = {"provider": {"openai": {"options": options}}}
    return Setup(
        "opencode",
        "OpenCode, in opencode.json: over chat completions, or over Responses",
        (json.dumps(chat), json.dumps(responses)),
        (
            "As a provider of its own, over chat completions; opencode.json:",
            *_indented(json.dumps(chat, indent=2)),
            f"  opencode run -m floway/{MODEL} 'Say hello.'",
            "",
            "As the openai provider, over Responses; opencode.json:",
            *_indented(json.dumps(responses, indent=2)),
            f"  opencode run -m openai/{MODEL} 'Say hello.'",
        ),
    )


def _codex(facts: Facts) -> Setup:
    members = [f'name="floway",base_url="{facts.base_url}",wire_api="responses"']
    if facts.key_needed:
        members.append('env_key="OPENAI_API_KEY"')
    key = f"OPENAI_API_KEY={facts.key} " if facts.key_needed else ""
    provider = f"model_providers.floway={{{','.join(members)}}}"
    own = key + shlex.join(["codex", "-c", "model_provider=floway", "-c", provider])
    own_lines = (
        "As a provider of its own; no sign-in is needed:",
        f"  {own}",
        "  or for good, in ~/.codex/config.toml:",
        '    model_provider = "floway"',
        "    [model_providers.floway]",
        *(f"    {member.replace('=', ' = ', 1)}" for member in ",".join(members).split(",")),
    )
    if facts.key_needed:  # its sign-in takes the place where a client key would be
        return Setup("codex", "Codex CLI", (own,), own_lines)
    proxy = f"HTTPS_PROXY={facts.address} CODEX_CA_CERTIFICATE={facts.ca_file} codex"
    settings = (
        f'openai_base_url="{facts.address}/backend-api/codex"',
        f'chatgpt_base_url="{_other_name(facts.address)}/backend-api"',
    )
    base = shlex.join(["codex", *(word for setting in settings for word in ("-c", setting))])
    return Setup(
        "codex",
        "Codex CLI: as a provider of its own, or, with its ChatGPT sign-in, through the proxy",
        (own, proxy),
        (
            *own_lines,
            "",
            "With its ChatGPT sign-in, through the proxy (other hosts are tunnelled untouched):",
            f"  {proxy}",
            "",
            "With its ChatGPT sign-in, by base URL (two names of one address: with one, releases",
            "from 0.155 would send model requests to the origin that their sign-in names):",
            f"  {base}",
            "  or for good, in ~/.codex/config.toml:",
            *(f"    {setting.replace('=', ' = ', 1)}" for setting in settings),
        ),
    )


def _other_name(address: str) -> str:
    """The same loopback address under another name."""
    for name, other in (("//127.0.0.1", "//localhost"), ("//localhost", "//127.0.0.1")):
        if name in address:
            return address.replace(name, other)
    return address


def _claude_code(facts: Facts) -> Setup:
    variables = {
        "ANTHROPIC_BASE_URL": facts.address,
        "ANTHROPIC_AUTH_TOKEN": facts.key,
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": str(WINDOW),
    }
    line = "export " + " ".join(f"{name}={value}" for name, value in variables.items())
    return Setup(
        "claude",
        "Claude Code, and whatever reads Anthropic's variables",
        (line,),
        (
            "In the environment:",
            f"  {line}",
            "  claude -p 'Say hello.'",
            "or for good, in ~/.claude/settings.json:",
            *_indented(json.dumps({"env": variables}, indent=2)),
            "",
            "Its own model names (claude-…) are served by the first model of the list: the setting",
            "model_aliases says so, and can say something else. Other models by their names:",
            f"  claude --model {MODEL} -p 'Say hello.'",
            f"  export ANTHROPIC_MODEL={MODEL} ANTHROPIC_DEFAULT_HAIKU_MODEL={SMALL_MODEL}",
            f"  export CLAUDE_CODE_MAX_CONTEXT_TOKENS={WINDOW}",
        ),
    )


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
