"""Every failure that the Cursor side can be told to have, seen by a client of floway.

What a user sees is what counts: the answer comes, from whichever account, and what was said before
is still known; or the error is one that only the user can do something about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message

from addons.providers.cursor.proto import agent_pb2, exec_pb2
from replay.sandbox.cursor.failures import FAILURES
from tests.floway_process import Floway, running_floway

pytestmark = pytest.mark.slow

FAULTS: list[dict[str, Any]] = [
    *({"preset": preset} for preset in FAILURES),
    {"how": "reset"},
    {"how": "goaway", "number": 0},
    {"how": "close"},
    {"how": "poison"},
]
TOLD = {"update_required": 502, "custom_system_prompt": 400, "canceled": 499}
"""No account makes these good: what the client is told at once."""
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@dataclass
class Talk:
    """One conversation by chat completions."""

    client: httpx.Client
    name: str
    messages: list[dict[str, Any]] = field(default_factory=list)

    def say(self, *messages: dict[str, Any]) -> httpx.Response:
        self.messages += messages
        answer = self.client.post(
            "chat/completions",
            json={"model": "cursor/composer-2", "messages": self.messages, "tools": [TOOL]},
            headers={"authorization": "Bearer made-up", "x-session-id": self.name},
        )
        if answer.status_code == 200:
            self.messages.append(answer.json()["choices"][0]["message"])
        return answer

    def user(self, text: str) -> httpx.Response:
        return self.say({"role": "user", "content": text})

    def results(self) -> httpx.Response:
        """Answer the tool calls of the last message."""
        calls = self.messages[-1]["tool_calls"]
        return self.say(
            *({"role": "tool", "tool_call_id": each["id"], "content": "wet"} for each in calls)
        )


@dataclass
class House:
    """A floway, its sandbox, and its control API."""

    floway: Floway
    client: httpx.Client
    token: str
    talks: int = 0

    def talk(self) -> Talk:
        """A new conversation that has something to remember, on accounts that all are ready."""
        cleared = httpx.delete(
            f"{self.floway.url}/floway/api/v1/cooldowns",
            headers={"authorization": f"Bearer {self.token}"},
        )
        assert cleared.status_code == 200
        self.talks += 1
        talk = Talk(self.client, f"session-{self.talks}")
        assert talk.user("Hello [[remember colour teal]]").status_code == 200
        return talk

    def order(self, fault: dict[str, Any], at: str | int) -> None:
        self.floway.sandbox.forget()
        self.floway.sandbox.fault({"kind": "agent", **fault, "at": at})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home: Path = tmp_path_factory.mktemp("floway")
    with (
        running_floway(home) as floway,
        httpx.Client(base_url=floway.base_url, timeout=30) as client,
    ):
        [token] = home.rglob("control.token")
        yield House(floway, client, token.read_text().strip())


def text(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


def known(talk: Talk, about: str) -> None:
    """What was said at first is still known, at the latest now."""
    assert text(talk.user("[[recall colour]]")) == "colour is teal.", about


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
def test_nothing_is_lost(house: House, fault: dict[str, Any]) -> None:
    told = TOLD.get(fault.get("preset", ""))

    talk = house.talk()
    house.order(fault, "before_output")
    answer = talk.user("[[recall colour]]")
    if told is None:
        assert text(answer) == "colour is teal.", "between two turns"
    else:
        assert answer.status_code == told

    for at in ("awaiting_tools", "after_tools"):
        talk = house.talk()
        house.order(fault, at)
        assert talk.user('[[call weather {"city":"Rome"}]]').status_code == 200, at
        answer = talk.results()
        if told is None:
            assert text(answer) == "The tools have answered.\nweather gave: wet", at
        else:
            assert answer.status_code in (200, told), at
        known(talk, at)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
def test_an_answer_that_breaks_off_is_never_a_whole_one(
    house: House, fault: dict[str, Any]
) -> None:
    talk = house.talk()
    house.order(fault, 3)
    said = {"role": "user", "content": "[[say 20]]"}
    answer = house.client.post(
        "chat/completions",
        json={
            "model": "cursor/composer-2",
            "messages": [*talk.messages, said],
            "stream": True,
        },
        headers={"authorization": "Bearer made-up", "x-session-id": talk.name},
    )
    whole = "[DONE]" in answer.text
    assert whole is (fault.get("how") == "poison"), "poisoned: begun again under another id"
    if not whole:
        assert answer.status_code in (200, *TOLD.values())
        assert '"error"' in answer.text
        assert '"finish_reason":"stop"' not in answer.text
    known(talk, "after it")


def members(message: Message) -> list[str]:
    """Names of a message's one choice."""
    return [each.name for each in message.DESCRIPTOR.oneofs[0].fields]


def test_everything_that_can_be_asked_is_answered(house: House) -> None:
    """Built-in tools are refused, questions too, and what nobody needs does no harm."""
    execs = members(exec_pb2.ExecServerMessage())
    execs = [each for each in execs if each not in ("request_context_args", "mcp_args")]
    queries = members(agent_pb2.InteractionQuery())
    asked = [*(f"[[exec {each} anyway]]" for each in execs)]
    asked += [f"[[query {each}]]" for each in queries]
    talk = house.talk()
    said = text(talk.user(f"{''.join(asked)}[[noise]][[text all of it]]"))
    answers = said.splitlines()
    assert len(answers) == len(execs) + len(queries) + 1
    for name, answer in zip([*execs, *queries], answers, strict=False):
        assert answer.startswith((f"{name} gave ", f"{name} threw: "))
        assert "gave nothing" not in answer
    assert answers[-1] == "all of it"
    known(talk, "after it")
