"""``floway sessions``: what a person and a program are told of conversations."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from addons.sessions.facts import Facts
from addons.sessions.journal import Journal
from addons.store.sqlite import SqliteStore
from tests.sessions.made import facts

ID = "0197a000-1111-7000-8000-000000000001"
OTHER = "0197a000-2222-7000-8000-000000000002"


def keep(home: Path, *given: Facts) -> None:
    async def work() -> None:
        async with await SqliteStore.open(home / "floway.db") as store:
            journal = Journal(store)
            journal.start()
            for each in given:
                journal.report(each)
            await journal.stop()

    asyncio.run(work())


@pytest.fixture
def conversation(home: Path) -> None:
    own: dict[str, Any] = {"conversation": ID, "thread": ID, "client": "[red]/1"}
    keep(
        home,
        facts(1, conversation=OTHER, thread=OTHER, at=500.0),
        facts(1, **own),
        facts(3, input=2300, cached=1920, **own),
        facts(5, input=2600, account="bob", at=1010.0, attempts=2, **own),
        facts(3, input=2400, cached=0, window=1, at=1020.0, model="model-2", **own),
    )


def test_nothing_yet(floway, home: Path) -> None:
    assert floway("sessions") == (0, "no conversations yet\n", "")
    assert not home.exists(), "nothing is made by looking"
    code, out, _ = floway("sessions", "--json")
    assert code == 0
    assert json.loads(out)["total"]["ratio"] is None


@pytest.mark.usefixtures("conversation")
@pytest.mark.parametrize("words", [["sessions"], ["sessions", "list"]])
def test_the_list(floway, words: list[str]) -> None:
    code, out, err = floway(*words)
    assert (code, err) == (0, "")
    first, second = out.splitlines()[1:3]
    assert first.split()[0] == ID[:13]
    assert "[red]/1" in first
    assert "ada, bob" in first
    assert "46.8 %" in first
    assert "model changed (model-1 -> model-2), the client's doing" in first
    assert second.split()[0] == OTHER[:13]
    assert out.splitlines()[-1].split()[:2] == ["total", "5"]


@pytest.mark.usefixtures("conversation")
def test_the_list_as_json(floway) -> None:
    _, out, _ = floway("sessions", "list", "--json")
    found = json.loads(out)
    assert [each["id"] for each in found["conversations"]] == [ID, OTHER]
    first = found["conversations"][0]
    assert first["ratio"] == round(first["cached_tokens"] / first["eligible_tokens"], 4)
    assert first["missed_tokens"]["account changed"] == 2176
    assert first["last_miss"]["reason"] == "model changed"
    total = found["total"]
    assert (total["conversations"], total["requests"], total["cached_tokens"]) == (2, 5, 1920)


@pytest.mark.usefixtures("conversation")
def test_one_is_explained(floway) -> None:
    code, out, _ = floway("sessions", "show", ID)
    assert code == 0
    assert "missed    2,176 tokens: account changed" in out
    rows = [line for line in out.splitlines() if " main" in line]
    assert len(rows) == 4
    assert "first request" in rows[0]
    assert "account changed (ada -> bob): 2,176 tokens; 2 attempts" in rows[2]
    assert "main:1" in rows[3]


@pytest.mark.usefixtures("conversation")
def test_one_is_explained_as_json(floway) -> None:
    _, out, _ = floway("sessions", "show", ID[:15], "--json")
    found = json.loads(out)
    assert [entry["cached_tokens"] for entry in found["log"]] == [0, 1920, 0, 0]
    assert found["log"][2]["misses"] == [
        {"reason": "account changed", "tokens": 2176, "by": "floway", "detail": "ada -> bob"}
    ]
    changes = [(each["event"], each["from"], each["to"]) for each in found["events"]]
    assert changes == [
        ("account changed", "ada", "bob"),
        ("account changed", "bob", "ada"),
        ("model changed", "model-1", "model-2"),
        ("window changed", 0, 1),
    ]
    assert found["events"][0]["tokens"] == 2176


@pytest.mark.usefixtures("conversation")
def test_what_a_new_account_could_not_read(floway, home: Path) -> None:
    async def keep_change() -> None:
        async with await SqliteStore.open(home / "floway.db") as store:
            change = {"before": "ada", "after": "bob", "dropped": ["2 reasoning items"]}
            await store.put("conversations", f"local:{ID}", {"events": [change, "malformed"]})

    asyncio.run(keep_change())
    _, out, _ = floway("sessions", "show", ID)
    assert "ada -> bob: not sent, since the new account could not read it: 2 reasoning items" in out
    _, out, _ = floway("sessions", "show", ID, "--json")
    told = json.loads(out)["events"]
    assert [each.get("dropped") for each in told] == [["2 reasoning items"], None, None, None]


@pytest.mark.usefixtures("conversation")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nope", "there is no conversation 'nope'; see floway sessions"),
        ("", "there is no conversation ''; see floway sessions"),
        ("0197a000", f"'0197a000' names 2 conversations: {ID}, {OTHER}"),
    ],
)
def test_a_name_that_names_none_or_several(floway, name: str, message: str) -> None:
    assert floway("sessions", "show", name) == (2, "", f"floway: {message}\n")


def test_a_store_that_cannot_be_read(floway, home: Path) -> None:
    home.mkdir()
    (home / "floway.db").write_bytes(b"no database" * 1000)
    code, _, err = floway("sessions")
    assert code == 1
    assert "floway.db" in err


def test_a_wrong_setting(floway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWAY_MAX_ATTEMPTS", "none")
    code, _, err = floway("sessions")
    assert code == 2
    assert "FLOWAY_MAX_ATTEMPTS" in err
