from __future__ import annotations

import json
import logging
import shlex
import tomllib
from dataclasses import replace

import pytest

from addons.settings import Settings
from replay.cli.banner import announce, banner
from replay.cli.clients import Facts, Setup, curl_line, setups

SANDBOX = Facts("http://127.0.0.1:8080", sandbox_url="http://127.0.0.1:8090")
ACCOUNTS = Facts("http://127.0.0.1:8080", accounts=("work (one)", "home (one)"))
WITH_KEY = Facts("http://10.0.0.1:8080", accounts=("work (one)",), key_needed=True)
ALL = pytest.mark.parametrize("facts", [SANDBOX, ACCOUNTS, WITH_KEY])


def setup(facts: Facts, name: str) -> Setup:
    (found,) = [setup for setup in setups(facts) if setup.name == name]
    return found


@ALL
def test_it_says_where_clients_go_and_fits_a_screen(facts: Facts) -> None:
    text = banner(facts)
    assert f"is ready: {facts.address}/v1" in text
    assert len(text.splitlines()) <= 20


def test_it_says_what_is_served() -> None:
    assert "sandbox" in banner(SANDBOX)
    assert "http://127.0.0.1:8090/_sandbox/" in banner(SANDBOX)
    assert "2 account(s): work (one), home (one)" in banner(ACCOUNTS)
    assert "sandbox" not in banner(ACCOUNTS)


@ALL
def test_every_client_is_in_it(facts: Facts) -> None:
    text = banner(facts)
    for client in setups(facts):
        assert client.title in text
        assert all(line in text for line in client.short)


@ALL
def test_the_curl_line_is_a_request_for_a_stream(facts: Facts) -> None:
    words = shlex.split(curl_line(facts))
    assert words[:3] == ["curl", "-N", f"{facts.address}/v1/responses"]
    body = json.loads(words[words.index("-d") + 1])
    assert body["stream"] is True
    assert any("authorization" in word for word in words) == facts.key_needed


@ALL
def test_lines_for_opencode_are_its_configuration(facts: Facts) -> None:
    chat, responses = (json.loads(line) for line in setup(facts, "opencode").short)
    expected = {"baseURL": f"{facts.address}/v1", "apiKey": facts.key}
    assert chat["provider"]["floway"]["options"] == expected
    assert chat["provider"]["floway"]["npm"] == "@ai-sdk/openai-compatible"
    assert responses["provider"]["openai"]["options"] == expected


@ALL
def test_lines_for_codex_are_toml_and_shell(facts: Facts) -> None:
    words = shlex.split(setup(facts, "codex").short[0])
    overrides = [words[n + 1] for n, word in enumerate(words) if word == "-c"]
    settings = tomllib.loads("\n".join(o.replace("=floway", '="floway"') for o in overrides))
    provider = settings["model_providers"]["floway"]
    assert settings["model_provider"] == "floway"
    assert provider["base_url"] == f"{facts.address}/v1"
    assert ("env_key" in provider) == facts.key_needed
    assert ("OPENAI_API_KEY=YOUR_CLIENT_KEY" in words) == facts.key_needed


@ALL
def test_the_long_form_for_codex_has_the_same_as_a_file(facts: Facts) -> None:
    lines = [line.strip() for line in setup(facts, "codex").lines]
    begin = lines.index('model_provider = "floway"')
    end = lines.index("", begin) if "" in lines[begin:] else len(lines)
    content = tomllib.loads("\n".join(lines[begin:end]))
    assert content["model_providers"]["floway"]["base_url"] == f"{facts.address}/v1"
    assert content["model_providers"]["floway"]["wire_api"] == "responses"


def test_the_two_base_urls_of_codex_have_two_origins() -> None:
    """Seen with 0.169.0: with one origin it follows the https origin that its sign-in names."""
    lines = [line.strip() for line in setup(ACCOUNTS, "codex").lines]
    assert 'openai_base_url = "http://127.0.0.1:8080/backend-api/codex"' in lines
    assert 'chatgpt_base_url = "http://localhost:8080/backend-api"' in lines


def test_a_sign_in_and_a_client_key_exclude_each_other() -> None:
    """Both would go into the same header."""
    assert "HTTPS_PROXY" in banner(ACCOUNTS)
    assert "HTTPS_PROXY" not in banner(WITH_KEY)


@ALL
def test_lines_for_claude_code_are_shell_and_its_settings(facts: Facts) -> None:
    claude = setup(facts, "claude")
    expected = {
        "ANTHROPIC_BASE_URL": facts.address,
        "ANTHROPIC_AUTH_TOKEN": facts.key,
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": "272000",
    }
    words = shlex.split(claude.short[0])
    assert dict(word.split("=", 1) for word in words[1:]) == expected
    lines = claude.lines
    start, end = lines.index("  {"), lines.index("  }")
    assert json.loads("\n".join(lines[start : end + 1])) == {"env": expected}


def test_the_version_is_the_package_s() -> None:
    assert f"floway {SANDBOX.version} " in banner(SANDBOX)
    assert "floway 9.9 " in banner(replace(SANDBOX, version="9.9"))


def test_announce_logs_it_from_the_settings(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(accounts=["one:work:x"], client_keys=["abcdefgh1"])
    with caplog.at_level(logging.INFO, "floway"):
        announce(settings, "http://127.0.0.1:8080", sandbox=None)
    (record,) = caplog.records
    assert "1 account(s): work (one)" in record.message
    assert "YOUR_CLIENT_KEY" in record.message
    assert "abcdefgh1" not in record.message
