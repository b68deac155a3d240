"""Every fault, with one to three accounts, on every surface, against a running floway.

With three accounts the first two have the fault. The client always sees exactly one well-formed
outcome (:mod:`tests.failover.surfaces` judges that), no word of an answer comes twice, and the
right account cools for the right time.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import httpx
import pytest

from replay.sandbox.app import BROKEN_OFF as LEFT
from tests.clients.evidence import RESPONSES
from tests.failover.cases import CASES, HTTP, MESSAGE, MIDST, Case
from tests.failover.house import ACCOUNTS, HEADER_SECONDS, House, Street
from tests.failover.surfaces import MODEL, SURFACES, Told
from tests.floway_process import until

pytestmark = pytest.mark.slow

_NUMBERS = itertools.count(1)

CELLS = [
    pytest.param(name, count, surface, id=f"{name}-{count}-{surface}".replace(" ", "_"))
    for name, case in CASES.items()
    for count in (1, 2, 3)
    for surface in SURFACES
    if surface in case.where
]


def ask(house: House, surface: str) -> tuple[str, Told]:
    """A question of a new conversation; what a whole answer to it says, and what was told."""
    answer = (
        f"This is the answer to question {next(_NUMBERS)}, in several pieces, each of them once."
    )
    return answer, SURFACES[surface](house.url, f'[[text "{answer}"]]')


def asked(house: House, surface: str) -> list[str]:
    """Accounts that were sent something, in order; each message of a WebSocket counts."""
    found: list[str] = []
    for entry in house.sandbox.requests(RESPONSES):
        messages = [each for each in entry.get("frames", ()) if each["from"] == "client"]
        found += [entry["account"]] * (len(messages) if surface in MESSAGE else 1)
    return found


def failing(case: Case, count: int, house: House, surface: str) -> list[str]:
    """Give the accounts the fault: all but the last, and the only one."""
    labels = list(ACCOUNTS[: max(1, count - 1)])
    transport = {"websocket upgrade": "upgrade", "websocket message": "frame"}.get(surface, "http")
    for label in labels:
        house.sandbox.fault(
            case.fault, times=None, account=label, path=RESPONSES, transport=transport
        )
    return labels


@pytest.mark.parametrize(("name", "count", "surface"), CELLS)
def test_cell(street: Street, name: str, count: int, surface: str) -> None:
    case, house = CASES[name], street.house(count)
    failed = failing(case, count, house, surface)
    answer, told = ask(house, surface)
    cooling = house.cooldowns()
    if case.outcome == "serves":
        assert told == Told("completed", answer)
        assert asked(house, surface) == failed[:1]
    elif case.outcome == "refused":
        assert told.end in ("refused", "failed")
        assert (told.text, told.status or case.alone) == ("", case.alone)
        assert asked(house, surface) == failed[:1], "nobody else was bothered"
    elif case.outcome == "ends":
        failed = failed[:1]
        assert told.end == ("refused" if surface == "responses whole" else "failed")
        assert answer.startswith(told.text)
        assert (len(told.text) > 0) == (surface != "responses whole")
        assert asked(house, surface) == failed, "it was not asked twice for what was answered"
    else:
        moves(case, count, surface, house, failed, answer, told)
    if case.cools is None or (count == 1 and not case.lonely):
        assert cooling == []
        return
    assert [each["account"] for each in cooling] == failed
    for each in cooling:
        assert each in case.cools
        assert each["model"] in (None, MODEL) or surface == "websocket upgrade"


def moves(
    case: Case,
    count: int,
    surface: str,
    house: House,
    failed: list[str],
    answer: str,
    told: Told,
) -> None:
    """The next account answers; without one the client is told what is wrong, once."""
    attempts = [label for label in failed for _ in range(case.asked)]
    if surface in MESSAGE and case.asked > 1:
        attempts = [failed[0], *failed]  # trouble of one conversation is told once
    if count > 1:
        last = ACCOUNTS[count - 1]
        assert (told.end, told.text) == ("completed", answer)
        assert asked(house, surface) == [*attempts, last]
        assert told.reconnects == (len(attempts) if surface in MESSAGE else 0)
        return
    assert told.end == ("refused" if surface not in MESSAGE else told.end)
    assert told.text == ""
    assert told.message
    if surface not in MESSAGE:
        assert told.status == case.alone
    elif told.end == "failed":  # the upstream's own words, as they are
        assert told.status in (case.fault.get("status", told.status), 429)
    assert asked(house, surface)[: len(attempts)] == attempts


# --- the upstream is not there -------------------------------------------------------------------


@pytest.mark.parametrize("surface", [name for name in SURFACES if name not in MESSAGE])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_connections_are_refused(street: Street, count: int, surface: str) -> None:
    house = street.house(count)
    with street.closed_road():
        _, told = ask(house, surface)
    assert (told.end, told.status, told.code) == ("refused", 502, "upstream_unreachable")
    assert house.cooldowns() == [], "no account is at fault"
    answer, told = ask(house, surface)
    assert (told.end, told.text) == ("completed", answer)
    assert asked(house, surface) == ["ada"]


# --- a conversation, beyond one request ----------------------------------------------------------


@pytest.mark.parametrize("surface", SURFACES)
def test_all_cooling_is_one_answer_that_names_accounts_and_times(
    street: Street, surface: str
) -> None:
    house = street.house(3)
    soon = {"ada": 500, "ben": 300, "cleo": 400}
    for label, seconds in soon.items():
        fault = {"preset": "usage_limit_reached", "resets_in_seconds": seconds}
        house.sandbox.fault(fault, times=None, account=label, path=RESPONSES)
    for again in (False, True):
        _, told = ask(house, surface)
        assert (told.end, told.status, told.code) == ("refused", 429, "usage_limit_reached")
        assert all(label in told.message for label in soon)
        if told.retry_after is not None:
            assert 290 <= told.retry_after <= 300
        assert len(house.sandbox.requests(RESPONSES)) == 3, f"asked once each, {again=}"


@pytest.mark.parametrize("surface", SURFACES)
def test_without_faults_the_first_account_serves(street: Street, surface: str) -> None:
    house = street.house(3)
    for _ in range(2):
        answer, told = ask(house, surface)
        assert told == Told("completed", answer)
    assert asked(house, surface) == ["ada", "ada"]
    assert house.cooldowns() == []


@pytest.mark.parametrize("surface", [name for name in SURFACES if name not in MESSAGE])
def test_attempts_differ_in_the_account_alone(street: Street, surface: str) -> None:
    house = street.house(3)
    for label in ACCOUNTS[:2]:
        house.sandbox.fault({"status": 429}, times=None, account=label, path=RESPONSES)
    ask(house, surface)
    sent = house.sandbox.requests(RESPONSES)
    assert [each["account"] for each in sent] == list(ACCOUNTS)
    assert len({neutral(each, ACCOUNT_HEADERS) for each in sent}) == 1


ACCOUNT_HEADERS = {"authorization", "chatgpt-account-id", "content-length", "host"}
INSTALLATION = re.compile(r'installation[_-]id\\*": *\\*"[0-9a-f-]{36}')


def neutral(entry: dict[str, Any], left_out: set[str]) -> str:
    """All of a request but what names its account and the account's installation."""
    headers = [pair for pair in entry["headers"] if pair[0].lower() not in left_out]
    whole = json.dumps([entry["path"], headers, entry["body_json"]])
    return INSTALLATION.sub("", whole)


@pytest.mark.parametrize("fault", ["before headers", "mid-stream"])
@pytest.mark.parametrize("surface", sorted(HTTP))
def test_a_client_that_leaves_cools_nobody(street: Street, surface: str, fault: str) -> None:
    house = street.house(2)
    place = "before_headers" if fault == "before headers" else MIDST
    house.sandbox.fault({"kind": "stall", "at": place, "seconds": 30}, path=RESPONSES)
    with pytest.raises(httpx.ReadTimeout):
        SURFACES[surface](house.url, "never mind", seconds=HEADER_SECONDS / 2)
    until(lambda: LEFT in house.sandbox.requests(RESPONSES)[0]["notes"], 10)
    assert house.cooldowns() == []
    assert asked(house, surface) == ["ada"]


def faults() -> list[dict[str, Any]]:
    return [case.fault for case in CASES.values()]


def test_the_matrix_has_every_cell_of_the_issue() -> None:
    assert len(CELLS) > 200
    assert len(faults()) == len(CASES)
