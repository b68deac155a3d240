"""Whole traces against a profile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fingerprints.difference import Change, Difference, Layer
from fingerprints.library import load
from fingerprints.profile import Profile
from fingerprints.serial import dumps
from fingerprints.trace import Exchange, Message, Trace
from fingerprints.trace_check import Checked, beginning, check_trace, summed
from tests.fingerprints.made_traces import made, payload
from tests.fingerprints.recordings import case
from tests.fingerprints.test_trace_view import exchange_of

NEW = load("codex@0.169.0")
TURN = exchange_of(case("0.169.0/turn-http-full-chatgpt"))


def socket(*names: str, profile: Profile = NEW) -> Trace:
    """A connection whose messages are recorded ones, made to belong to its upgrade."""
    release = profile.release
    upgrade = case(f"{release}/upgrade-ws-full-chatgpt")
    metadata = dict(upgrade.headers)
    session = metadata["session-id"]
    messages = []
    for name in names:
        data = belonging(case(f"{release}/{name}").data, session, upgrade.headers)
        messages.append(Message(sender="client", at=0.1, payload=payload(data)))
    return made([exchange_of(upgrade).model_copy(update={"messages": tuple(messages)})])


def belonging(data: Any, session: str, headers: Any) -> Any:
    """A message with the ids of its connection."""
    text = next(value for name, value in headers if name == "x-codex-turn-metadata")
    mine = json.loads(data["client_metadata"]["x-codex-turn-metadata"])
    theirs = json.loads(text)
    whole = dumps(data).decode()
    whole = whole.replace(mine["thread_id"], session)
    return json.loads(whole.replace(mine["installation_id"], theirs["installation_id"]))


def check(trace: Trace, profile: Profile = NEW) -> list[Checked]:
    return list(check_trace(profile, trace))


def only(checked: list[Checked]) -> Difference:
    (difference,) = [found for each in checked for found in each.differences]
    return difference


def test_a_trace_of_requests() -> None:
    models = exchange_of(case("0.169.0/models"))
    checked = check(made([models, TURN]))
    assert [each.variant.kind for each in checked if each.variant] == ["models", "turn"]
    assert [each.name for each in checked] == ["1", "2"]
    assert summed(checked) == {}


def test_a_connection_with_its_messages() -> None:
    checked = check(socket("prewarm-ws-full-chatgpt", "turn-ws-full-chatgpt"))
    assert [each.name for each in checked] == ["1", "1.1", "1.2"]
    assert [each.variant.kind for each in checked if each.variant] == ["upgrade", "prewarm", "turn"]
    assert [str(found) for each in checked for found in each.differences] == []


def test_a_message_of_another_session() -> None:
    trace = socket("prewarm-ws-full-chatgpt", "turn-ws-full-chatgpt")
    foreign = payload(case("0.169.0/turn-ws-full-chatgpt").data)
    (exchange,) = trace.exchanges
    messages = (exchange.messages[0], Message(sender="client", at=1, payload=foreign))
    checked = check(made([exchange.model_copy(update={"messages": messages})]))
    assert {found.layer for found in checked[2].differences} == {Layer.EQUALITY}


@pytest.mark.parametrize(
    ("names", "path", "kind"),
    [
        (["turn-ws-full-chatgpt"], "message 1", Change.REMOVED),
        (["prewarm-ws-full-chatgpt", "prewarm-ws-full-chatgpt"], "message 2", Change.MOVED),
    ],
)
@pytest.mark.parametrize("release", ["0.142.0", "0.169.0"])
def test_what_begins_a_connection(release: str, names: list[str], path: str, kind: Change) -> None:
    profile = load(f"codex@{release}")
    checked = check(socket(*names, profile=profile), profile)
    found = [d for each in checked for d in each.differences if d.layer is Layer.FRAME_SEQUENCE]
    assert [(each.path, each.kind) for each in found] == [(path, kind)]
    assert "documents.turn_metadata" in found[0].rule


def test_the_profile_says_what_begins_a_connection() -> None:
    first = beginning(NEW, "upgrade")
    assert first is not None
    assert first[0] == "prewarm"
    assert beginning(NEW, "models") is None


def test_an_unknown_request_is_shown_beside_the_nearest() -> None:
    strange = exchange_of(case("0.169.0/usage")).model_copy(
        update={"path": "/backend-api/wham/usages"}
    )
    (checked,) = check(made([strange]))
    assert checked.variant is None
    assert only([checked]).kind is Change.UNKNOWN
    assert checked.nearest == "usage (GET /backend-api/wham/usage over http)"
    assert checked.apart == (("path", "/backend-api/wham/usage", "/backend-api/wham/usages"),)


def test_only_what_reached_the_upstream_is_checked() -> None:
    sides: list[Exchange] = [
        TURN.model_copy(update={"side": "client", "path": "/v1/chat/completions"}),
        TURN.model_copy(update={"side": "upstream", "of": 1, "attempt": 1}),
        TURN.model_copy(update={"method": "CONNECT", "path": "chatgpt.com:443"}),
    ]
    (checked,) = check(made(sides))
    assert checked.name == "2"
    assert checked.differences == ()


def test_another_level_of_compression() -> None:
    assert TURN.body is not None
    assert TURN.body.coding is not None
    coding = TURN.body.coding.model_copy(update={"level": 4})
    body = TURN.body.model_copy(update={"coding": coding})
    checked = check(made([TURN.model_copy(update={"body": body})]))
    assert {each.layer for each in checked[0].differences} == {Layer.ENCODING}
