"""Fault rules: reading them, and which requests they take."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from replay.sandbox.accounts import Account, Accounts
from replay.sandbox.faults import Fault, FaultTable, Phase, parse_rule
from replay.sandbox.presets import PRESETS, PresetContext


@pytest.fixture
def accounts() -> Accounts:
    return Accounts(2, clock=lambda: 0.0, token_lifetime=10)


@pytest.fixture
def table(accounts: Accounts) -> FaultTable:
    return FaultTable(accounts.find)


def take(
    table: FaultTable,
    *,
    phase: Phase = "http",
    path: str = "/p",
    account: Account | None = None,
    model: str = "m",
) -> Fault | None:
    return table.take(phase=phase, method="POST", path=path, account=account, model=model)


def test_times_skip_and_order(table: FaultTable) -> None:
    table.add(parse_rule({"fault": {"status": 500}, "skip": 1, "times": 2}))
    table.add(parse_rule({"fault": {"status": 400}, "times": None}))
    statuses = [getattr(take(table), "status", None) for _ in range(5)]
    assert statuses == [400, 500, 500, 400, 400]
    assert [rule["applied"] for rule in table.json()] == [2, 3]
    assert table.remove() == 2
    assert take(table) is None


@pytest.mark.parametrize(
    ("match", "asked", "expected"),
    [
        ({"path": "/p"}, {}, True),
        ({"path": "/p"}, {"path": "/p/x"}, False),
        ({"path": "/p*"}, {"path": "/p/x"}, True),
        ({"model": "m"}, {}, True),
        ({"model": "other"}, {}, False),
        ({"method": "GET"}, {}, False),
        ({"transport": "http"}, {}, True),
        ({"transport": "http"}, {"phase": "upgrade"}, False),
        ({"transport": "websocket"}, {"phase": "upgrade"}, True),
        ({"transport": "websocket"}, {"phase": "frame"}, True),
        ({"transport": "websocket"}, {}, False),
        ({"transport": "frame"}, {"phase": "upgrade"}, False),
    ],
)
def test_matching(
    table: FaultTable, match: dict[str, Any], asked: dict[str, Any], expected: bool
) -> None:
    table.add(parse_rule({"match": match, "fault": {"status": 500}}))
    assert (take(table, **asked) is not None) is expected


def test_accounts_match_by_any_name(table: FaultTable, accounts: Accounts) -> None:
    for name in (accounts[0].label, accounts[0].id, accounts[0].email):
        table.add(parse_rule({"match": {"account": name}, "fault": {"status": 500}}))
    assert take(table, account=accounts[1]) is None
    assert take(table, account=None) is None
    assert [take(table, account=accounts[0]) is not None for _ in range(4)] == [True] * 3 + [False]


def test_a_request_in_another_phase_does_not_use_a_fault_up(table: FaultTable) -> None:
    table.add(parse_rule({"fault": {"kind": "close_socket"}}))
    assert take(table) is None
    assert take(table, phase="upgrade") is None
    assert take(table, phase="frame") is not None


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"fault": {"preset": "nothing"}}, "unknown preset 'nothing'; there are: bad_request"),
        ({"fault": {"status": 99}}, "greater than or equal to 200"),
        ({"fault": {"kind": "nothing"}}, "does not match any of the expected tags"),
        ({"fault": {"kind": "stall"}}, "seconds"),
        ({"fault": {"kind": "reset", "at": "noon"}}, "at"),
        ({"fault": {"kind": "reset", "at": -1}}, "at"),
        ({"fault": {"status": 500, "stauts": 1}}, "Extra inputs"),
        ({"fault": {"status": 500}, "times": 0}, "times"),
        ({"match": {"account": 3}, "fault": {"status": 500}}, "match.account"),
        ({}, "fault"),
        ("x", "dictionary"),
    ],
)
def test_bad_rules_are_named(rule: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        parse_rule(rule)


def test_an_unknown_account_is_refused(table: FaultTable) -> None:
    with pytest.raises(ValueError, match="there is no account 'zoe'"):
        table.add(parse_rule({"match": {"account": "zoe"}, "fault": {"status": 500}}))


def test_presets_have_the_statuses_of_the_real_backend(accounts: Accounts) -> None:
    context = PresetContext(accounts[0], 1000.0, resets_in=60)
    statuses = {name: build(context).status for name, build in PRESETS.items()}
    assert statuses["usage_limit_reached"] == statuses["usage_not_included"] == 429
    assert statuses["insufficient_quota"] == statuses["rate_limit_exceeded"] == 429
    assert statuses["server_is_overloaded"] == statuses["slow_down"] == 503
    assert statuses["token_expired"] == statuses["token_invalidated"] == 401
    assert statuses["deactivated_workspace"] == 402
    assert statuses["cloudflare_403"] == 403
    body = PRESETS["usage_limit_reached"](context).body
    assert isinstance(body, dict)
    assert body["error"]["resets_at"] == 1060
    assert body["error"]["plan_type"] == "plus"


def test_every_preset_makes_a_frame_with_its_status(accounts: Accounts) -> None:
    for name, build in PRESETS.items():
        answer = build(PresetContext(accounts[0], 0.0))
        frame = answer.frame()
        assert frame["type"] == "error"
        assert frame["status"] == answer.status, name
        assert frame["error"]["message"] or frame["error"]["code"], name
