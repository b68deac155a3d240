"""Conversations with the sandbox's agent: it answers from what it is still told.

A checkpoint of another account, of another conversation, or without its blobs is an error of the
agent's; a fact that was lost on the way is a wrong answer.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from addons.providers.cursor.run.run_errors import BlobMissing
from addons.providers.cursor.telling.blobs import BlobMap
from addons.providers.cursor.telling.checkpoints import Checkpoints
from addons.providers.cursor.telling.state import Dropped, Form, SystemPlace, Telling
from addons.store.memory import MemoryStore
from addons.store.sqlite import SqliteStore
from tests.providers.cursor.agents import Client
from tests.providers.cursor.said import Json, called, gave, png, said, user

WEATHER: Json = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    },
}


def clock() -> float:
    return 1000.0


def client(**more: Any) -> Client:
    return Client(Checkpoints(None, clock), **more)


async def test_ten_turns_by_checkpoint_and_a_restart(tmp_path: Path) -> None:
    talk = client()
    path = tmp_path / "floway.db"
    for number in range(10):
        async with await SqliteStore.open(path, clock=clock) as store:
            talk.checkpoints = Checkpoints(store, clock)
            facts = " ".join(f"[[recall fact{before}]]" for before in range(number))
            answer = await talk.ask(
                user(f"{facts} [[remember fact{number} value{number}]]"), account="ada"
            )
        assert answer.error is None
        assert answer.continued == (number > 0)
        assert answer.prompt is not None
        assert answer.prompt.state.verbatim
        assert not answer.prompt.state.changed
        for before in range(number):
            assert f"value{before}" in answer.text


@pytest.mark.parametrize("form", [Form.MESSAGES, Form.TEXT])
@pytest.mark.parametrize("place", list(SystemPlace))
async def test_another_account_knows_what_was_said(form: Form, place: SystemPlace) -> None:
    talk = client(telling=Telling(form=form, system=place))
    await talk.ask(user("[[remember cat Mia]]"), account="ada")
    again = await talk.ask(user("[[recall cat]]"), account="ada")
    assert again.continued
    other = await talk.ask(user("[[recall cat]]"), account="bob")
    assert (other.plan.form, other.plan.dropped) == (form, Dropped.FOREIGN)
    assert not other.continued
    assert "Mia" in other.text
    after = await talk.ask(user("[[recall cat]]"), account="bob")
    assert after.continued
    assert "Mia" in after.text


@pytest.mark.parametrize("form", [Form.MESSAGES, Form.TEXT])
async def test_in_the_middle_of_tool_calls_as_well(form: Form) -> None:
    talk = client(telling=Telling(form=form), tools=[WEATHER])
    await talk.ask(user("[[remember cat Mia]]"), account="ada")
    asked = '[[call weather {"city": "Oslo"}]] [[call weather {"city": "Rome"}]]'
    calls = await talk.ask(user(asked), account="ada")
    assert [item["name"] for item in calls.items] == ["weather", "weather"]
    oslo, rome = (item["call_id"] for item in calls.items)
    # The run that waits for them is gone; another account goes on.
    answer = await talk.ask(gave(oslo, "snow"), gave(rome, "sun"), account="bob")
    assert answer.error is None
    assert not answer.continued
    assert answer.plan.form is form
    assert answer.prompt is not None
    told = str(answer.prompt.messages)
    assert told.index("Mia") < told.index("Oslo") < told.index("snow") < told.index("sun")
    assert "Mia" in (await talk.ask(user("[[recall cat]]"), account="bob")).text


async def test_the_same_account_goes_on_after_its_run_was_lost() -> None:
    talk = client(tools=[WEATHER])
    await talk.ask(user("[[remember cat Mia]]"), account="ada")
    calls = await talk.ask(user("[[call weather {}]]"), account="ada")
    answer = await talk.ask(gave(calls.items[-1]["call_id"], "snow"), account="ada")
    assert answer.error is None
    assert answer.continued
    assert answer.prompt is not None
    assert answer.prompt.state.changed  # messages were put behind its own
    assert "snow" in answer.text
    assert "Mia" in (await talk.ask(user("[[recall cat]]"), account="ada")).text


async def test_turns_that_another_account_answered_are_put_behind_the_state() -> None:
    talk = client()
    await talk.ask(user("[[remember cat Mia]]"), account="ada")
    talk.keeps = False
    await talk.ask(user("[[remember dog Rex]]", png()), account="bob")
    talk.keeps = True
    answer = await talk.ask(user("[[recall cat]] [[recall dog]]"), account="ada")
    assert answer.continued
    assert "Mia" in answer.text
    assert "Rex" in answer.text
    assert (await talk.ask(user("[[recall dog]]"), account="ada")).prompt is not None


async def test_a_history_that_was_edited_is_told_anew() -> None:
    talk = client()
    await talk.ask(user("[[remember cat Mia]]"), account="ada")
    await talk.ask(user("[[remember dog Rex]]"), account="ada")
    del talk.items[2:]
    answer = await talk.ask(user("[[recall cat]] [[recall dog]]"), account="ada")
    assert answer.plan.dropped is Dropped.CHANGED
    assert not answer.continued
    assert "Mia" in answer.text
    assert "Rex" not in answer.text


async def test_a_refused_state_costs_one_attempt() -> None:
    talk = client()
    first = await talk.ask(user("[[remember cat Mia]]"), account="ada")
    key = first.conversation.key
    kept = await talk.checkpoints.find(key)
    assert kept.checkpoint is not None
    # As if the upstream had lost the id: it knows the state under another one.
    await talk.checkpoints.spoiled(key, 0)
    await talk.checkpoints.keep(key, replace(kept.checkpoint, generation=1))
    refused = await talk.ask(user("[[recall cat]]"), account="ada")
    assert refused.error is not None
    assert not refused.text
    assert await talk.checkpoints.spoiled(key, 1) == 2
    answer = await talk.ask(account="ada")
    assert answer.error is None
    assert not answer.continued
    assert "Mia" in answer.text


async def test_a_missing_blob_is_known_before_the_client_sees_anything() -> None:
    talk = client()
    first = await talk.ask(user("[[remember cat Mia]]"), account="ada")
    kept = await talk.checkpoints.find(first.conversation.key)
    assert kept.checkpoint is not None
    _lost, *others = kept.checkpoint.blobs.items()
    partial = replace(kept.checkpoint, blobs=BlobMap(dict(others)))
    await talk.checkpoints.keep(first.conversation.key, partial)
    answer = await talk.ask(user("[[recall cat]]"), account="ada")
    assert isinstance(answer.error, BlobMissing)
    assert not answer.text


async def test_any_history_is_understood() -> None:
    talk = client(tools=[WEATHER])
    talk.items = [
        said("Welcome."),
        user("look", png()),
        called("1", "weather", city="Oslo"),
        gave("1", "a picture", png()),
        called("1", "weather"),
        user("[[remember cat Mia]]"),
        gave("9", "left over"),
        said("ok"),
    ]
    answer = await talk.ask(user("[[recall cat]]"), account="ada")
    assert answer.error is None
    assert "Mia" in answer.text


async def test_principals_do_not_share_a_state() -> None:
    store = Checkpoints(MemoryStore(), clock)
    ada, bob = (Client(store, principal=name) for name in ("ada", "bob"))
    await ada.ask(user("hello"), account="x")
    answer = await bob.ask(user("hello"), account="x")
    assert answer.plan.form is Form.MESSAGES
    assert answer.plan.dropped is None
    assert not answer.continued
