"""``floway cooldowns`` and ``floway accounts prefer`` without a running floway."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from addons.accounts.ledger import Ledger, kept_cooldowns
from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.store.sqlite import SqliteStore

type Floway = Callable[..., tuple[int, str, str]]

PROVIDER = "codex"


@pytest.fixture
def keys(floway: Floway, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Two accounts that were added; handles by label."""
    monkeypatch.setenv("FLOWAY_CREDENTIAL_STORE", "file")
    found = {}
    for label in ("work", "home"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"sk-{label}\n"))
        code, _, told = floway("accounts", "add", PROVIDER, "--label", label, "--api-key")
        assert code == 0, told
        kept = json.loads((home / "credentials" / f"{PROVIDER}.{label}.json").read_text())
        found[label] = kept["handle"]
    return found


def cool(home: Path, handle: str, reason: str, model: str | None = None) -> None:
    """What a floway leaves that was killed."""

    async def run() -> None:
        async with await SqliteStore.open(home / "floway.db") as store:
            account = Account(PROVIDER, "made up", handle, object())
            pool = Pool([account])
            ledger = Ledger(PROVIDER, pool, store)
            await ledger.start()
            now = time.time()
            pool.cool(account, model, now + 600, reason, now=now)
            await ledger.stop()

    asyncio.run(run())


def left(home: Path) -> list[str]:
    """Reasons of the cooldowns that the next floway would take over."""

    async def run() -> list[str]:
        async with await SqliteStore.open(home / "floway.db") as store:
            return [each.reason for each in await kept_cooldowns(store, PROVIDER, time.time())]

    return asyncio.run(run())


def test_nothing_cools(floway: Floway, keys: dict[str, str]) -> None:
    assert floway("cooldowns") == (0, "no account is cooling\n", "")
    assert json.loads(floway("cooldowns", "list", "--json")[1]) == {"cooldowns": []}
    assert floway("cooldowns", "clear") == (0, "", "nothing was cooling\n")


def test_they_are_listed_and_cleared(floway: Floway, keys: dict[str, str], home: Path) -> None:
    cool(home, keys["work"], "usage limit")
    cool(home, keys["home"], "too busy", "gpt-x")
    _, table, _ = floway("cooldowns")
    lines = {line.split()[0]: line for line in table.splitlines()}
    assert ("usage limit" in lines["work"], "all" in lines["work"]) == (True, True)
    assert ("too busy" in lines["home"], "gpt-x" in lines["home"]) == (True, True)
    assert "10 min" in lines["home"]
    assert "usage limit: until" in floway("accounts", "list")[1]
    code, out, told = floway("cooldowns", "clear", "work", "--json")
    assert (code, told) == (0, "work: no longer cooling: usage limit\n")
    (cleared,) = json.loads(out)["cleared"]
    assert (cleared["provider"], cleared["label"]) == (PROVIDER, "work")
    assert left(home) == ["too busy"]
    assert "no longer cooling (gpt-x): too busy" in floway("cooldowns", "clear")[2]
    assert left(home) == []


def test_an_account_that_does_not_exist(floway: Floway, keys: dict[str, str]) -> None:
    code, out, told = floway("cooldowns", "clear", "none")
    assert (code, out) == (2, "")
    assert "no account is called 'none'; there are: home, work" in told


def test_an_account_is_preferred(floway: Floway, keys: dict[str, str]) -> None:
    code, out, told = floway("accounts", "prefer", "work", "--weight", "2.5", "--json")
    assert (code, told) == (0, "work has weight 2.5 and priority 0 now\n")
    assert json.loads(out)["weight"] == 2.5
    floway("accounts", "prefer", "work", "--priority", "-1")
    view = json.loads(floway("accounts", "show", "work", "--json")[1])
    assert (view["weight"], view["priority"]) == (2.5, -1)
    code, _, told = floway("accounts", "prefer", "work")
    assert (code, "--weight or --priority" in told) == (2, True)
