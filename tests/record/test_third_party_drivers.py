"""How each client is started, with stand-ins for the clients."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fingerprints.trace import Exchange, Origin, Payload, Trace
from replay.record import claude_code, cursor_sdk, openai_sdk, opencode, python_client
from replay.record.errors import Lacking, RecordError
from replay.record.install import Installed, Package
from replay.record.python_client import Installed as InstalledPython
from replay.record.third_party import KEY, Client, ClientScenario

FAKE = """#!/bin/sh
"exec" "{python}" "$0" "$@"
import json, os, pathlib, sys
home = pathlib.Path(os.environ["HOME"])
with open(home / "starts", "a") as log:
    log.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
print("said in", home)
sys.exit({code})
"""
CLIENTS = (opencode.CLIENT, claude_code.CLIENT, openai_sdk.CLIENT, cursor_sdk.CLIENT)

type Session = Any
"""As much of a :class:`GatewaySession` as drivers look at."""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    home, work = tmp_path / "scratch" / "home", tmp_path / "scratch" / "project"
    for folder in (home, work):
        folder.mkdir(parents=True)
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    made = SimpleNamespace(home=home, work=work, environment=environment)
    made.url = "http://127.0.0.1:4711"
    return made


@pytest.fixture
def program(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a stand-in that ends with a code."""

    def make(code: int) -> Path:
        file = tmp_path / "client"
        file.write_text(FAKE.format(python=sys.executable, code=code))
        file.chmod(0o755)
        return file

    return make


def starts(session: Session) -> list[tuple[list[str], dict[str, str]]]:
    lines = (session.home / "starts").read_text().splitlines()
    return [tuple(json.loads(line)) for line in lines]


def scenario(client: Client, name: str) -> ClientScenario:
    [found] = [each for each in client.scenarios if each.name == name]
    return found


def made(program: Path) -> Installed:
    return Installed(Package("x", "x", "x"), "1.2.3", program)


# --- OpenCode ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "provider"), [("chat", "gateway"), ("responses", "openai")])
async def test_opencode(
    session: Session, program: Callable[[int], Path], name: str, provider: str
) -> None:
    client = opencode.OpenCode(made(program(0)))
    said = await client.drive(session, scenario(opencode.CLIENT, f"resume-{name}"))
    assert "said in ⟨folder⟩/home" in said
    [(first, environment), (second, _)] = starts(session)
    assert first == ["run", "-m", f"{provider}/gpt-5.5", "Say", "hello."]
    assert second == ["run", "--continue", "-m", f"{provider}/gpt-5.5", "And", "once", "more."]
    assert environment["OPENCODE_DISABLE_AUTOUPDATE"] == "1"
    written = json.loads((session.work / "opencode.json").read_text())
    options = {"baseURL": "http://127.0.0.1:4711/v1", "apiKey": KEY}
    assert written["provider"][provider]["options"] == options
    assert (written.get("small_model") == "openai/gpt-5.5") == (provider == "openai")


async def test_opencode_that_fails(session: Session, program: Callable[[int], Path]) -> None:
    client = opencode.OpenCode(made(program(3)))
    with pytest.raises(RecordError, match="ended with 3") as caught:
        await client.drive(session, scenario(opencode.CLIENT, "resume-chat"))
    assert caught.value.output == "said in ⟨folder⟩/home\n"
    assert len(starts(session)) == 1


async def test_opencode_that_cannot_install_its_plugins_goes_without(
    session: Session, program: Callable[[int], Path]
) -> None:
    file = program(0)
    lines = file.read_text().splitlines()
    wants = 'if not os.environ.get("OPENCODE_DISABLE_DEFAULT_PLUGINS"):'
    lines[-1:] = [wants, '    sys.exit("BunInstallFailedError: some-plugin")']
    file.write_text("\n".join(lines))
    client = opencode.OpenCode(made(file))
    await client.drive(session, scenario(opencode.CLIENT, "resume-chat"))
    tried = [
        "OPENCODE_DISABLE_DEFAULT_PLUGINS" in environment for _, environment in starts(session)
    ]
    assert tried == [False, True, True]


async def test_opencode_that_needs_a_network(
    session: Session, program: Callable[[int], Path]
) -> None:
    file = program(0)
    file.write_text(file.read_text().replace('"said in"', '"BunInstallFailedError:"'))
    with pytest.raises(Lacking, match=r"^1\.2\.3 installs packages when it runs"):
        await opencode.OpenCode(made(file)).drive(session, scenario(opencode.CLIENT, "resume-chat"))


# --- Claude Code ---------------------------------------------------------------------------------


async def test_claude_code(session: Session, program: Callable[[int], Path]) -> None:
    client = claude_code.ClaudeCode(made(program(0)))
    await client.drive(session, scenario(claude_code.CLIENT, "resume"))
    [(first, environment), (second, _)] = starts(session)
    assert environment["ANTHROPIC_BASE_URL"] == session.url
    assert environment["ANTHROPIC_API_KEY"].startswith("sk-ant-made-up")
    assert (first[0], first[-1]) == ("-p", "Say hello.")
    assert (second[:2], second[-1]) == (["-p", "--continue"], "And once more.")


async def test_claude_code_that_fails(session: Session, program: Callable[[int], Path]) -> None:
    client = claude_code.ClaudeCode(made(program(1)))
    with pytest.raises(RecordError, match=r"`claude -p` ended with 1"):
        await client.drive(session, scenario(claude_code.CLIENT, "turn"))


def test_of_claude_code_s_system_prompt_only_the_version_is_kept() -> None:
    version = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0;"}
    masked = {"type": "text", "text": "⟨text:900:12345678⟩", "cache_control": {"type": "x"}}
    system = [version, {"type": "text", "text": "You are a short one."}, masked]
    kept = _tidied({"model": "m", "system": system, "messages": []})
    assert kept["system"][::2] == [version, masked]
    digest = hashlib.sha256(b"You are a short one.").hexdigest()[:8]
    assert kept["system"][1] == {"type": "text", "text": f"⟨text:20:{digest}⟩"}
    assert list(kept) == ["model", "system", "messages"]


@pytest.mark.parametrize("data", [{"system": "x"}, {"messages": []}, [], "x"])
def test_other_bodies_stay(data: Any) -> None:
    assert _tidied(data) == data


def _tidied(data: Any) -> Any:
    exchange = Exchange(
        number=1,
        method="POST",
        authority="x",
        path="/v1/messages",
        headers=(),
        body=Payload(form="json", length=1, data=data),
    )
    origin = Origin(tool="t", on="2026-11-21")
    empty = exchange.model_copy(update={"body": None, "number": 2})
    trace = Trace(client="claude-code", origin=origin, exchanges=(exchange, empty))
    kept = claude_code.CLIENT.tidy(trace)
    assert kept.exchanges[1] == empty
    assert kept.exchanges[0].body is not None
    return kept.exchanges[0].body.data


# --- Python clients ------------------------------------------------------------------------------


async def test_the_openai_sdk(session: Session, program: Callable[[int], Path]) -> None:
    installed = InstalledPython(openai_sdk.PACKAGE, "1.2.3", program(0))
    client = openai_sdk.client(installed)
    assert client.release == "1.2.3"
    await client.drive(session, scenario(openai_sdk.CLIENT, "chat-tools"))
    [(words, _)] = starts(session)
    assert words[0] == "-I", "nothing of the surroundings"
    assert Path(words[1]).name == "openai_sdk_calls.py"
    assert words[2:] == ["chat-tools", "http://127.0.0.1:4711/v1", KEY, "gpt-5.5"]


async def test_the_cursor_sdk(session: Session, program: Callable[[int], Path]) -> None:
    installed = InstalledPython(cursor_sdk.PACKAGE, "1.2.3", program(0))
    await cursor_sdk.client(installed).drive(session, scenario(cursor_sdk.CLIENT, "turn"))
    [(words, _)] = starts(session)
    assert Path(words[1]).name == "cursor_sdk_calls.py"
    assert words[2:] == [session.url, cursor_sdk.KEY, "composer-2", "Say hello."]


async def test_a_script_that_fails(session: Session, program: Callable[[int], Path]) -> None:
    installed = InstalledPython(openai_sdk.PACKAGE, "1.2.3", program(1))
    with pytest.raises(RecordError, match="openai chat-plain ended with code 1") as caught:
        await openai_sdk.client(installed).drive(session, scenario(openai_sdk.CLIENT, "chat-plain"))
    assert "⟨folder⟩" in caught.value.output


async def test_a_script_that_says_what_is_lacking(
    session: Session, program: Callable[[int], Path]
) -> None:
    installed = InstalledPython(openai_sdk.PACKAGE, "1.2.3", program(python_client.LACKING))
    with pytest.raises(Lacking, match=r"^1\.2\.3 lacks it: said in ⟨folder⟩/home$"):
        await openai_sdk.client(installed).drive(session, scenario(openai_sdk.CLIENT, "chat-plain"))


# --- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_scenarios_are_told_apart(client: Client) -> None:
    names = [each.name for each in client.scenarios]
    assert len(set(names)) == len(names)
    assert all(each.about and each.requests >= 1 for each in client.scenarios)
    assert all(each.requests >= 2 for each in client.scenarios if each.output)
