"""The meter of a running floway says what its sandbox has counted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from addons.sessions.records import Conversation
from replay.cli.sessions import _read
from tests.clients.evidence import RESPONSES, cached_tokens, model_requests
from tests.floway_process import Floway, clean_environment, command, running_floway, until

pytestmark = pytest.mark.slow

type Json = dict[str, Any]

RULES = "You are a careful assistant. " + "Follow the rules of the house. " * 250
FAULT = {"preset": "usage_limit_reached", "resets_in_seconds": 600}


def ask(floway: Floway, items: list[Json], text: str) -> None:
    items.append({"role": "user", "content": text})
    body = {"model": "gpt-5.5", "instructions": RULES, "input": items}
    headers = {"user-agent": "client/1.0 (test)"}
    answer = httpx.post(
        f"{floway.base_url}/responses", json=body, headers=headers, timeout=30, trust_env=False
    )
    answer.raise_for_status()
    items += answer.json()["output"]


def shown(floway: Floway, *words: str) -> Any:
    """What ``floway sessions`` says while floway runs."""
    environment = clean_environment(floway.home / "user", FLOWAY_HOME=str(floway.state))
    return json.loads(command("sessions", *words, "--json", environment=environment).stdout)


def test_every_request_is_counted_and_every_miss_explained(tmp_path: Path) -> None:
    items: list[Json] = []
    with running_floway(tmp_path / "floway") as floway:
        for text in ("one", "two", "three"):
            ask(floway, items, text)
        failing = floway.sandbox.requests(RESPONSES)[-1]["account"]
        floway.sandbox.fault(FAULT, times=None, account=failing, path=RESPONSES)
        ask(floway, items, "four")
        ask(floway, items, "five")
        items[2]["content"] = "changed by the client"
        ask(floway, items, "six")
        asked = [each for each in model_requests(floway.sandbox.requests()) if each.usage]
        database = floway.home / "state" / "floway.db"
        until(lambda: sum(e.requests for e in _kept(database)) == 6, 20, "all are counted")
        (listed,) = shown(floway)["conversations"]
        found = shown(floway, "show", listed["id"])
    assert listed["id"] == asked[0].session
    assert (listed["client"], listed["source"]) == ("client/1.0", "derived from the content")
    log = found["log"]
    assert [entry["input_tokens"] for entry in log] == [e.usage["input_tokens"] for e in asked]
    assert [entry["cached_tokens"] for entry in log] == [cached_tokens(each) for each in asked]
    assert [entry["account"] for entry in log] == [each.account for each in asked]
    reasons = [[(miss["reason"], miss["by"]) for miss in entry["misses"]] for entry in log]
    assert reasons[:5] == [
        [("first request", "")],
        [],
        [],
        [("account changed", "floway")],
        [],
    ]
    assert reasons[5][0] == ("prefix changed", "client")
    assert log[5]["misses"][0]["detail"] == "from input[2] on"
    assert log[3]["attempts"] == 2
    (event,) = [each for each in found["events"] if each["event"] == "account changed"]
    assert event["tokens"] == log[3]["eligible_tokens"] > 1024
    # The next floway goes on where this one ended.
    with running_floway(tmp_path / "floway") as again:
        ask(again, items, "seven")
    (kept,) = _kept(database)
    assert kept.requests == 7
    assert kept.log[-1].eligible > 1024, "its sandbox is a new one, and has read nothing"
    assert kept.log[-1].cached == 0
    assert kept.log[-1].misses


def _kept(database: Path) -> list[Conversation]:
    return asyncio.run(_read(database))
