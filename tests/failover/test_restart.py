"""What was learned of accounts outlives a floway that is killed, and reaches others beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.clients.evidence import RESPONSES
from tests.failover.house import House, Street
from tests.failover.surfaces import MODEL, responses_stream
from tests.floway_process import until

pytestmark = pytest.mark.slow

QUOTA = {"preset": "usage_limit_reached", "resets_in_seconds": 600}
WRITTEN = 0.6
"""Seconds after which what was learned is in the store: twice the delay of writing behind."""
SEEN = 5.0
"""Seconds within which another process must know it (it looks every second)."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def served_by(house: House, prompt: str = "hello", session: str = "one") -> str:
    """Account that answers a request of a conversation."""
    answer = httpx.post(
        f"{house.url}/v1/responses",
        json={"model": MODEL, "input": prompt},
        headers={"x-session-id": session},
        trust_env=False,
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    account: str = house.sandbox.requests(RESPONSES)[-1]["account"]
    return account


def test_a_killed_floway_knows_what_it_knew(
    street: Street, tmp_path: Path, stack: ExitStack
) -> None:
    first = street.built(tmp_path / "house", floway_strategy="round_robin")
    stack.callback(first.stop)
    first.reset()
    assert [served_by(first, session=name) for name in ("one", "two")] == ["ada", "ben"]
    first.sandbox.fault(QUOTA, times=None, account="cleo", path=RESPONSES)
    assert served_by(first, session="three") == "ada", "cleo is used up"
    first.command("accounts", "disable", "ada")
    until(lambda: served_by(first, session="one") == "ben", SEEN)
    first.command("accounts", "enable", "ada")
    before = first.cooldowns()
    time.sleep(WRITTEN)  # what a crash may lose, and is said to
    first.kill()
    second = street.built(tmp_path / "house", floway_strategy="round_robin")
    try:
        assert second.cooldowns() == before
        assert [each["account"] for each in before] == ["cleo"]
        second.sandbox.forget()
        assert served_by(second, session="two") == "ben", "conversations stay where they were"
        assert served_by(second, session="one") == "ben"
        for number in range(3):
            assert served_by(second, session=f"new {number}") != "cleo"
    finally:
        second.stop()


def test_two_floways_share_what_they_learn(
    street: Street, tmp_path: Path, stack: ExitStack
) -> None:
    one = street.built(tmp_path / "one")
    stack.callback(one.stop)
    one.reset()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "state").symlink_to(tmp_path / "one" / "state")
    other = street.built(tmp_path / "other")
    stack.callback(other.stop)
    one.sandbox.fault(QUOTA, times=None, account="ada", path=RESPONSES)
    assert served_by(one) == "ben"
    until(lambda: [each["account"] for each in other.cooldowns()] == ["ada"], SEEN)
    assert served_by(other, session="another") == "ben"
    one.command("accounts", "use", "cleo")
    until(lambda: served_by(one) == "cleo", SEEN)
    until(lambda: served_by(other, session="another") == "cleo", SEEN)
    one.command("cooldowns", "clear")
    one.command("accounts", "use", "--auto")
    one.sandbox.forget()
    until(lambda: other.cooldowns() == [], SEEN)
    until(lambda: served_by(other, session=f"new {time.monotonic()}") == "ada", SEEN)


def test_a_person_s_choice_moves_an_open_websocket(street: Street, tmp_path: Path) -> None:
    house = street.built(tmp_path / "house")
    try:
        house.reset()
        said = {"role": "user", "content": "hello"}
        create = json.dumps({"type": "response.create", "model": MODEL, "input": [said]})
        url = house.url.replace("http:", "ws:") + "/v1/responses"
        with connect(url, proxy=None) as socket:

            def last() -> dict[str, object]:
                socket.send(create)
                while True:
                    event: dict[str, object] = json.loads(socket.recv(20))
                    if event["type"] in ("response.completed", "error"):
                        return event

            assert last()["type"] == "response.completed"
            house.command("accounts", "use", "ben")
            until(lambda: last()["type"] == "error", SEEN)
            refused = last()
        error = refused["error"]
        assert isinstance(error, dict)
        assert error["code"] == "websocket_connection_limit_reached"
        assert served_by(house) == "ben"
    finally:
        house.stop()


def test_waiting_for_an_account(street: Street, tmp_path: Path) -> None:
    house = street.built(tmp_path / "house", 1, floway_wait_seconds="10s")
    try:
        house.reset()
        house.sandbox.fault({"status": 429, "retry_after": 1}, account="ada", path=RESPONSES)
        began = time.monotonic()
        told = responses_stream(house.url, "hello")
        assert (told.end, len(house.sandbox.requests(RESPONSES))) == ("completed", 2)
        assert time.monotonic() - began >= 1
        house.sandbox.fault({"status": 429, "retry_after": 2}, account="ada", path=RESPONSES)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{house.url}/v1/responses",
                json={"model": MODEL, "input": "gone soon"},
                trust_env=False,
                timeout=1,
            )
        time.sleep(2)  # nothing may come of it: there is nobody to be served
        assert len(house.sandbox.requests(RESPONSES)) == 3
        assert served_by(house, session="later") == "ada"
    finally:
        house.stop()
