"""How runs fail: what the service refuses, and every fault that can be ordered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from addons.providers.cursor.proto import agent_pb2, aiserver_pb2
from replay.sandbox import Sandbox
from replay.sandbox.cursor.failures import FAILURES, STATUS
from tests.sandbox.cursor.conftest import Opened
from tests.sandbox.cursor.driver import Client, Keeper, tool
from tests.sandbox.cursor.wire import RUN, Stream, details_of

type Recorded = Callable[..., Awaitable[list[dict[str, Any]]]]
type Fault = Callable[..., Awaitable[None]]

ASK = '[[call weather {"city":"x"}]]'


# --- what it refuses ---


async def refused(stream: Opened, **more: Any) -> dict[str, Any]:
    turn = await Keeper().turn(await stream(), **more)
    assert turn.text == ""
    return turn.end or {}


async def test_a_run_begins_with_its_request(stream: Opened) -> None:
    run = await stream()
    await run.send(Client(client_heartbeat=agent_pb2.Empty()))
    turn = await Keeper().follow(run)
    assert turn.end == {"code": "invalid_argument", "message": "Conversation state is required"}


async def test_a_state_is_needed(stream: Opened) -> None:
    found = await refused(stream, conversation_state=None)
    assert found["message"] == "Conversation state is required"


async def test_a_system_prompt_of_one_s_own_is_refused(stream: Opened) -> None:
    found = await refused(stream, custom_system_prompt="Be someone else.")
    assert found["message"] == "unknown option '--system-prompt'"


async def test_an_unknown_model_is_not_found(stream: Opened) -> None:
    model = agent_pb2.RequestedModel(model_id="gpt-none")
    found = await refused(stream, requested_model=model)
    assert found["code"] == "not_found"
    assert details_of(found).error == aiserver_pb2.ERROR_BAD_MODEL_NAME


async def test_nothing_can_be_resumed_in_a_new_conversation(stream: Opened) -> None:
    assert (await refused(stream, said=None))["code"] == "invalid_argument"


async def test_a_malformed_message_is_told(stream: Opened) -> None:
    run = await stream()
    await run.send_raw(b"\0\0\0\0\2\xff\xff")
    assert (await Keeper().follow(run)).code == "internal"


async def test_a_prompt_over_the_window_is_a_bare_error(stream: Opened) -> None:
    """No details and no tokens: as for an exhausted pool (facts §2.4)."""
    model = agent_pb2.RequestedModel(model_id="sandbox-small")
    found = await refused(stream, said="x" * 40_000, requested_model=model)
    assert found == {"code": "resource_exhausted", "message": "Error"}


@pytest.mark.parametrize(
    "tools",
    [
        [tool(f"t{number}") for number in range(333)],
        [tool("large", {"description": "x" * 140_000})],
        [tool("union", {"properties": {"a": {"anyOf": [{"type": "string"}]}}})],
    ],
    ids=["many", "large", "anyOf"],
)
async def test_tools_that_the_service_cannot_take(stream: Opened, tools: list[Any]) -> None:
    turn = await Keeper(tools=tools).turn(await stream())
    assert turn.end == {"code": "resource_exhausted", "message": "Error"}


async def test_an_exhausted_account_says_so(
    stream: Opened, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    answer = await http.post("/_sandbox/cursor/accounts/kim", json={"used_percent": 100})
    assert answer.json()["used_percent"] == 100
    found = await refused(stream)
    assert found["code"] == "resource_exhausted"
    assert details_of(found).error == aiserver_pb2.ERROR_PRO_USER_USAGE_LIMIT
    other = await Keeper().turn(await stream(sandbox.cursor_accounts[1]), "[[text ok]]")
    assert other.text == "ok"


@pytest.mark.parametrize("token", ["", "nonsense", "expired"])
async def test_who_is_not_signed_in_is_told_in_the_stream(
    stream: Opened, sandbox: Sandbox, token: str
) -> None:
    if token == "expired":
        account = sandbox.cursor_accounts[0]
        token = sandbox.cursor_accounts.access_token(account, lifetime=-1)
    run = await stream(authorization=f"Bearer {token}")
    turn = await Keeper().follow(run)
    assert (run.status, turn.code) == (200, "unauthenticated")


@pytest.mark.parametrize(
    ("kind", "version", "code"),
    [
        ("cli", "cli-2025.11.25-d5b3271", "resource_exhausted"),
        ("cli", "sdk-1.0.30", "resource_exhausted"),
        ("cli", "", "resource_exhausted"),
        ("sdk", "sdk-python-1.1.0", ""),
    ],
)
async def test_old_clients_are_told_to_update(
    stream: Opened, kind: str, version: str, code: str
) -> None:
    run = await stream(x_cursor_client_type=kind, x_cursor_client_version=version)
    turn = await Keeper().turn(run, "[[text ok]]")
    assert turn.code == code
    if code:
        assert details_of(turn.end or {}).details.title == "Update Required"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "application/proto"}, 415),
        ({"connect_protocol_version": "2"}, 400),
    ],
)
async def test_other_protocols_are_refused(
    stream: Opened, headers: dict[str, str], status: int
) -> None:
    run = await stream(**headers)
    await Keeper().follow(run)
    assert run.status == status


async def test_run_is_not_there_over_http_1(http: httpx.AsyncClient) -> None:
    answer = await http.post(RUN, headers={"content-type": "application/connect+proto"})
    assert answer.status_code == 464


# --- what is ordered ---


async def test_every_failure_has_its_form(each_run: Opened, fault: Fault) -> None:
    for preset, expected in FAILURES.items():
        await fault(preset=preset)
        turn = await Keeper(conversation=preset).turn(await each_run())
        assert turn.text == ""
        assert turn.end is not None, preset
        assert (turn.end["code"], turn.end["message"]) == (expected.code, expected.message)
        if not expected.error:
            assert "details" not in turn.end
            continue
        details = details_of(turn.end)
        assert aiserver_pb2.ErrorCode.Name(details.error) == f"ERROR_{expected.error}"
        assert details.details.title == expected.title
        assert turn.end["details"][0]["debug"]["error"] == f"ERROR_{expected.error}"


async def test_every_code_can_be_ordered(stream: Opened, fault: Fault) -> None:
    for code in STATUS:
        await fault(code=code, message="as told", error="DEBOUNCED")
        turn = await Keeper().turn(await stream())
        assert turn.end is not None, code
        assert (turn.end["code"], turn.end["message"]) == (code, "as told")
        assert details_of(turn.end).error == aiserver_pb2.ERROR_DEBOUNCED


@pytest.mark.parametrize(
    ("at", "text", "calls", "ended"),
    [
        ("before_output", "", 0, False),
        ("after_output", "", 1, False),
        (2, "", 2, False),
        ("awaiting_tools", "", 2, False),
        ("after_tools", "", 2, False),
        ("after_turn", "The tools have answered.\nweather gave: weather of x", 2, True),
    ],
)
async def test_a_fault_has_its_place(
    stream: Opened, fault: Fault, at: str | int, text: str, calls: int, ended: bool
) -> None:
    await fault(preset="unavailable", at=at)
    turn = await Keeper(tools=[tool("weather")]).turn(await stream(), ASK + ASK)
    assert turn.code == "unavailable"
    assert turn.text.startswith(text)
    assert turn.kinds.count("tool_call_started") == calls
    assert ("turn_ended" in turn.kinds) is ended


@pytest.mark.parametrize(
    ("how", "number", "broken"),
    [
        ("reset", 2, "reset 2"),
        ("reset", 7, "reset 7"),
        ("goaway", 0, "goaway 0"),
        ("goaway", 11, "goaway 11"),
        ("close", 0, ""),
    ],
)
async def test_a_run_can_be_broken_off(
    stream: Opened, fault: Fault, recorded: Recorded, how: str, number: int, broken: str
) -> None:
    await fault(how, number=number, at=3)
    run = await stream()
    turn = await Keeper().turn(run, "[[say 10]]")
    assert turn.kinds.count("text_delta") == 3
    assert turn.end is None
    assert run.broken == broken
    [entry] = await recorded(transport="agent")
    assert entry["notes"] == ["broken off by a fault"]


async def test_over_http_1_it_is_a_reset(appended: Opened, fault: Fault) -> None:
    await fault("goaway", at=3)
    run = await appended()
    turn = await Keeper().turn(run, "[[say 10]]")
    assert turn.end is None
    assert run.broken != ""


async def test_windows_can_shrink_in_the_middle(stream: Opened, fault: Fault) -> None:
    await fault("windows", window=100, at="awaiting_tools")
    run = await stream()
    keeper = Keeper(tools=[tool("weather")])
    turn = await keeper.turn(run, ASK + "x" * 5000)
    assert turn.end == {}
    assert run.windows[-1] == 100


async def test_tool_calls_can_be_taken_back(stream: Opened, fault: Fault) -> None:
    await fault("abort", at="awaiting_tools")
    keeper = Keeper(tools=[tool("weather")], answers=lambda _: None)
    turn = await keeper.turn(await stream(), ASK)
    assert 'weather gave: error: {"error": "aborted"}' in turn.text
    assert turn.end == {}


async def test_a_stall_is_filled_with_heartbeats(start: Callable[..., Any], stream: Opened) -> None:
    sandbox = await start(cursor_heartbeat=0.05)
    for heartbeats in (True, False):
        fault = {"kind": "agent", "how": "stall", "seconds": 0.5, "heartbeats": heartbeats}
        async with httpx.AsyncClient(base_url=sandbox.http_url, verify=False) as client:
            await client.post("/_sandbox/faults", json={"fault": fault})
        turn = await Keeper(conversation=str(heartbeats)).turn(
            await stream(on=sandbox), "[[text ok]]"
        )
        assert turn.text == "ok"
        # A busy machine may be slow enough for one or two without the stall.
        assert (turn.kinds.count("heartbeat") > 5) is heartbeats


async def test_a_poisoned_conversation_needs_another_id(stream: Opened, fault: Fault) -> None:
    await fault("poison")
    keeper = Keeper()
    for _ in range(2):
        turn = await keeper.turn(await stream())
        assert turn.end == {"code": "resource_exhausted", "message": "Error"}
    keeper.conversation = "another"
    assert (await keeper.turn(await stream(), "[[text ok]]")).text == "ok"


async def test_a_fault_is_of_its_account(stream: Opened, fault: Fault, sandbox: Sandbox) -> None:
    await fault(preset="usage_limit", account="lea")
    assert (await Keeper().turn(await stream(), "[[text ok]]")).text == "ok"
    lea = sandbox.cursor_accounts[1]
    assert (await Keeper(conversation="2").turn(await stream(lea))).code == "resource_exhausted"


async def test_a_status_comes_instead_of_a_run(stream: Opened, http: httpx.AsyncClient) -> None:
    rule = {"match": {"path": RUN}, "fault": {"status": 503, "body": "no"}}
    await http.post("/_sandbox/faults", json=rule)
    run = await stream()
    await Keeper().follow(run)
    assert run.status == 503


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"preset": "nothing"}, "unknown preset"),
        ({"code": "nothing"}, "unknown code"),
        ({"error": "NOTHING"}, "unknown error"),
        ({"at": "somewhere"}, "at"),
        ({"how": "badly"}, "how"),
    ],
)
async def test_a_wrong_fault_is_told(
    http: httpx.AsyncClient, members: dict[str, Any], problem: str
) -> None:
    answer = await http.post("/_sandbox/faults", json={"fault": {"kind": "agent", **members}})
    assert answer.status_code == 400
    assert re.search(problem, answer.json()["error"])


async def test_a_client_that_leaves_ends_its_run(
    stream: Opened, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    run: Stream = await stream()
    keeper = Keeper()
    await run.send(keeper.request("hello"))
    async for _ in run.receive():
        break  # the request for the context; it is never answered
    run.h2.reset_stream(run.id)
    run.flush()
    async with asyncio.timeout(5):
        while True:
            [entry] = (await http.get("/_sandbox/requests?transport=agent")).json()["requests"]
            if entry["notes"]:
                break
    assert entry["notes"][0] == "the client left before the run was over"
    assert (await keeper.turn(await stream(), "[[text ok]]")).text == "ok"
