"""Runs of the scripted agent: order, tools, blobs, checkpoints, over both transports."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from addons.providers.cursor.proto import agent_pb2, exec_pb2, mcp_pb2
from replay.sandbox import Sandbox
from tests.sandbox.cursor.conftest import Opened
from tests.sandbox.cursor.driver import Client, Keeper, arguments, text_result, tool
from tests.sandbox.cursor.wire import framed

type Recorded = Callable[..., Awaitable[list[dict[str, Any]]]]

CALLS = 'Go. [[call weather {"city":"Rome"}]][[call weather {"city":"Oslo"}]]'


async def test_a_turn_has_the_service_s_order(each_run: Opened) -> None:
    keeper = Keeper()
    turn = await keeper.turn(await each_run(), "[[think 3]][[text hello there]]")
    assert turn.end == {}
    assert turn.text == "hello there"
    assert turn.thinking.startswith("**Thinking**")
    order = [kind for position, kind in enumerate(turn.kinds) if kind not in turn.kinds[:position]]
    assert order == [
        "step_started",
        "thinking_delta",
        "thinking_completed",
        "text_delta",
        "token_delta",
        "step_completed",
        "checkpoint",
        "turn_ended",
    ]
    assert turn.execs == ["request_context_args"]


async def test_tools_are_called_in_parallel_and_quoted(each_run: Opened) -> None:
    keeper = Keeper(tools=[tool("weather")])
    turn = await keeper.turn(await each_run(), CALLS)
    assert [arguments(call) for call in turn.calls] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert turn.calls[0].name == "mcp-weather"
    assert turn.calls[0].provider_identifier == "tests"
    assert "weather gave: weather of Rome\nweather gave: weather of Oslo" in turn.text
    assert turn.kinds.count("tool_call_started") == turn.kinds.count("tool_call_completed") == 2
    assert turn.kinds.count("checkpoint") == 2
    pending = agent_pb2.ConversationStateStructure.FromString(turn.checkpoints[0])
    assert list(pending.pending_tool_calls) == [call.tool_call_id for call in turn.calls]
    last = agent_pb2.ConversationStateStructure.FromString(turn.checkpoints[1])
    assert not last.pending_tool_calls


async def test_rounds_come_one_after_the_other(stream: Opened) -> None:
    keeper = Keeper(tools=[tool("weather")])
    turn = await keeper.turn(
        await stream(), '[[call weather {"city":"a"}]][[then]][[call weather {"city":"b"}]]'
    )
    assert [arguments(call)["city"] for call in turn.calls] == ["a", "b"]
    assert turn.kinds.index("tool_call_completed") < len(turn.kinds) - 1 - turn.kinds[::-1].index(
        "tool_call_started"
    )


@pytest.mark.parametrize("where", ["request", "context"])
async def test_tools_are_found_in_either_place(stream: Opened, where: str) -> None:
    keeper = Keeper(tools=[tool("weather")], tools_in=where)
    turn = await keeper.turn(await stream(), '[[call weather {"city":"Rome"}]]')
    assert len(turn.calls) == 1


async def test_an_answer_without_an_exec_id_is_taken(stream: Opened) -> None:
    """As the official SDK gives it."""
    keeper = Keeper(tools=[tool("weather")], echo=False)
    turn = await keeper.turn(await stream(), '[[call weather {"city":"Rome"}]]')
    assert turn.end == {}


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (text_result("broke", is_error=True), "error: broke"),
        (mcp_pb2.McpResult(error=mcp_pb2.McpError(error="no way")), '{"error": "no way"}'),
        (
            mcp_pb2.McpResult(rejected=mcp_pb2.McpRejected(reason="not now")),
            '{"reason": "not now"}',
        ),
        (
            mcp_pb2.McpResult(
                success=mcp_pb2.McpSuccess(
                    content=[
                        mcp_pb2.McpToolResultContentItem(
                            image=mcp_pb2.McpImageContent(data=b"12345", mime_type="image/png")
                        )
                    ]
                )
            ),
            "[image image/png, 5 bytes]",
        ),
    ],
    ids=["is_error", "error", "rejected", "image"],
)
async def test_every_kind_of_result_is_told(
    stream: Opened, result: mcp_pb2.McpResult, shown: str
) -> None:
    keeper = Keeper(tools=[tool("weather")], answers=lambda _: result)
    assert shown in (await keeper.turn(await stream(), '[[call weather {"city":"x"}]]')).text


async def test_the_checkpoint_is_what_is_remembered(stream: Opened) -> None:
    """Three turns: the facts are nowhere but in the client's blobs."""
    keeper = Keeper(tools=[tool("weather")])
    await keeper.turn(await stream(), "[[remember colour teal]] hello")
    await keeper.turn(await stream(), CALLS)
    turn = await keeper.turn(await stream(), "[[recall colour]] [[recall taste]]")
    assert turn.text == "colour is teal. I do not know taste."
    assert turn.usage is not None
    assert 0 < turn.usage.cache_read_tokens < turn.usage.input_tokens


async def test_a_lost_checkpoint_shows(stream: Opened, recorded: Recorded) -> None:
    keeper = Keeper()
    await keeper.turn(await stream(), "[[remember colour teal]]")
    keeper.checkpoint = b""
    turn = await keeper.turn(await stream(), "[[recall colour]]")
    assert turn.text == "I do not know colour."
    assert [entry["notes"] for entry in await recorded(transport="agent")] == [[], []]


async def test_it_says_how_the_conversation_went_on(
    stream: Opened, recorded: Recorded, sandbox: Sandbox
) -> None:
    keeper = Keeper()
    await keeper.turn(await stream(), "[[remember colour teal]]")
    await keeper.turn(await stream(), "again")
    assert (await recorded(transport="agent"))[-1]["notes"] == [
        "continued from a checkpoint of 2 messages"
    ]
    state = agent_pb2.ConversationStateStructure.FromString(keeper.checkpoint)
    keeper.checkpoint = state.SerializeToString()
    assert (await keeper.turn(await stream(), "[[recall colour]]")).text == "colour is teal."
    assert (await recorded(transport="agent"))[-1]["notes"][-1] == (
        "the checkpoint was serialised again"
    )
    known = sandbox.services.cursor.conversations["conversation-1"]
    assert (known.runs, known.continued, known.accounts) == (3, 2, ["kim"])


async def test_a_checkpoint_is_of_one_account(stream: Opened, sandbox: Sandbox) -> None:
    keeper = Keeper()
    await keeper.turn(await stream())
    other = sandbox.cursor_accounts[1]
    turn = await keeper.turn(await stream(other), "again")
    assert turn.end == {"code": "not_found", "message": "Error"}
    assert turn.text == ""


async def test_a_checkpoint_is_of_one_conversation(stream: Opened) -> None:
    keeper = Keeper()
    await keeper.turn(await stream())
    keeper.conversation = "another"
    assert (await keeper.turn(await stream(), "again")).code == "resource_exhausted"


async def test_a_lost_blob_ends_the_run(stream: Opened) -> None:
    keeper = Keeper()
    await keeper.turn(await stream())
    keeper.lose = True
    turn = await keeper.turn(await stream(), "again")
    first = agent_pb2.ConversationStateStructure.FromString(
        keeper.checkpoint
    ).root_prompt_messages_json[0]
    message = f"Blob not found: {','.join(str(byte) for byte in first)}"
    assert turn.end == {"code": "internal", "message": message}


async def test_history_of_another_account_goes_on_cold(stream: Opened, recorded: Recorded) -> None:
    """As chat messages in blobs, the tool's answer too: its call is not made again."""
    keeper = Keeper(tools=[tool("weather")])
    call = {"type": "tool-call", "toolCallId": "t1", "toolName": "weather", "args": {"city": "x"}}
    result = {"type": "tool-result", "toolCallId": "t1", "toolName": "weather", "result": "wet"}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "[[remember colour teal]] hello"},
        {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
        {"role": "user", "content": '[[call weather {"city":"x"}]]'},
        {"role": "assistant", "content": [call]},
        {"role": "tool", "content": [result]},
    ]
    roots = [keeper.keep(json.dumps(message).encode()) for message in messages]
    state = agent_pb2.ConversationStateStructure(root_prompt_messages_json=roots)
    keeper.checkpoint = state.SerializeToString()
    turn = await keeper.turn(await stream(), None)
    assert turn.text == "The tools have answered.\nweather gave: wet"
    assert turn.calls == []
    assert (await recorded(transport="agent"))[-1]["notes"] == ["cold: 6 messages of history"]
    assert (await keeper.turn(await stream(), "[[recall colour]]")).text == "colour is teal."


async def test_calls_that_wait_are_made_again(stream: Opened) -> None:
    """As the official client goes on with a run that was broken off."""
    keeper = Keeper(tools=[tool("weather")], answers=lambda _: text_result("wet"))
    turn = await keeper.turn(await stream(), CALLS)
    keeper.checkpoint = turn.checkpoints[0]
    again = await keeper.turn(await stream(), None)
    assert [call.tool_call_id for call in again.calls] == [call.tool_call_id for call in turn.calls]
    assert (
        again.text == turn.text == "The tools have answered.\nweather gave: wet\nweather gave: wet"
    )
    final = await keeper.turn(await stream(), None)
    assert (final.text, final.end) == ("", {}), "nothing is said twice"
    assert final.usage is not None


async def test_calls_of_tools_that_are_gone_are_left_alone(stream: Opened) -> None:
    keeper = Keeper(tools=[tool("weather")])
    turn = await keeper.turn(await stream(), CALLS)
    keeper.checkpoint, keeper.tools = turn.checkpoints[0], ()
    assert (await keeper.turn(await stream(), None)).calls == []


async def test_flattened_history_asks_for_nothing_again(stream: Opened) -> None:
    keeper = Keeper(tools=[tool("weather")])
    said = (
        'USER: [[remember colour teal]] [[call weather {"city":"x"}]]\n\nASSISTANT: done\n\n'
        "Current request: [[recall colour]]"
    )
    turn = await keeper.turn(await stream(), said)
    assert (turn.text, turn.calls) == ("colour is teal.", [])


async def test_inline_turns_are_no_blobs(stream: Opened) -> None:
    """The mistake of others (facts §4.5): a message where an id belongs."""
    inline = agent_pb2.ConversationTurnStructure(
        agent_conversation_turn=agent_pb2.AgentConversationTurnStructure(user_message=b"hi")
    ).SerializeToString()
    keeper = Keeper(
        checkpoint=agent_pb2.ConversationStateStructure(turns=[inline]).SerializeToString()
    )
    turn = await keeper.turn(await stream())
    assert turn.end is not None
    assert turn.end["message"].startswith("Blob not found: 10,")


async def test_blobs_may_come_with_the_request(stream: Opened) -> None:
    keeper = Keeper(lose=True)
    data = b'{"role":"user","content":"[[remember colour teal]]"}'
    root = keeper.keep(data)
    state = agent_pb2.ConversationStateStructure(root_prompt_messages_json=[root])
    blob = agent_pb2.PreFetchedBlob(id=root, value=data)
    keeper.checkpoint = state.SerializeToString()
    turn = await keeper.turn(await stream(), "[[recall colour]]", pre_fetched_blobs=[blob])
    assert turn.text == "colour is teal."


async def test_images_are_seen(stream: Opened) -> None:
    image = agent_pb2.SelectedImage(uuid="u", mime_type="image/png", data=b"123")
    context = agent_pb2.SelectedContext(selected_images=[image])
    turn = await Keeper().turn(await stream(), "[[text done]]", user={"selected_context": context})
    assert turn.text == "I see an image: image/png, 3 bytes.\ndone"


# --- built-in tools and questions ---


def rejected_shell(asked: exec_pb2.ExecServerMessage) -> list[Client]:
    """A refused shell stream: an event, then its end."""
    refusal = exec_pb2.ShellRejected(command=asked.shell_stream_args.command, reason="no shell")
    event = exec_pb2.ExecClientMessage(
        id=asked.id, exec_id=asked.exec_id, shell_stream=exec_pb2.ShellStream(rejected=refusal)
    )
    close = exec_pb2.ExecClientControlMessage(
        stream_close=exec_pb2.ExecClientStreamClose(id=asked.id)
    )
    return [Client(exec_client_message=event), Client(exec_client_control_message=close)]


def thrown(asked: exec_pb2.ExecServerMessage) -> list[Client]:
    throw = exec_pb2.ExecClientThrow(id=asked.id, error="not here")
    return [
        Client(exec_client_control_message=exec_pb2.ExecClientControlMessage(throw=throw)),
    ]


async def test_a_refused_shell_stream_is_told(stream: Opened) -> None:
    keeper = Keeper(refuse=rejected_shell)
    turn = await keeper.turn(await stream(), "[[exec shell_stream]][[text done]]")
    assert "shell_stream_args gave shell_stream" in turn.text
    assert "no shell" in turn.text
    assert turn.text.endswith("done")


async def test_a_thrown_exec_is_told(stream: Opened) -> None:
    keeper = Keeper(refuse=thrown)
    turn = await keeper.turn(await stream(), "[[exec adopt]][[text done]]")
    assert turn.text == "adopt_args threw: not here\ndone"


async def test_what_is_excluded_can_be_asked_for_anyway(stream: Opened) -> None:
    run = await stream(x_cursor_agent_allowed_tools="mcp_tool_call")
    turn = await Keeper(refuse=thrown).turn(run, "[[exec read anyway]][[exec nothing]]")
    assert turn.text.startswith("read_args threw: not here\nYou said:")


@pytest.mark.parametrize(
    ("header", "value", "asked"),
    [
        ("x_cursor_agent_allowed_tools", "mcp_tool_call", False),
        ("x_cursor_agent_allowed_tools", "", False),
        ("x_cursor_agent_allowed_tools", "mcp_tool_call, shell_tool_call", True),
        ("x_cursor_agent_exclude_tools", "shell_tool_call", False),
        ("x_cursor_agent_exclude_tools", "read_tool_call", True),
    ],
)
async def test_headers_exclude_built_in_tools(
    stream: Opened, header: str, value: str, asked: bool
) -> None:
    keeper = Keeper(refuse=rejected_shell)
    turn = await keeper.turn(await stream(**{header: value}), "[[exec shell_stream]][[text done]]")
    assert ("shell_stream_args" in turn.execs) is asked
    assert ("is not among my tools" in turn.text) is not asked


async def test_a_question_is_asked(stream: Opened) -> None:
    turn = await Keeper().turn(await stream(), "[[query web_search_request]][[text done]]")
    assert turn.text == (
        "web_search_request_query gave web_search_request_response: "
        "{'rejected': {'reason': 'no'}}\ndone"
    )


async def test_there_may_be_noise(stream: Opened) -> None:
    turn = await Keeper().turn(await stream(), "[[noise]][[text done]]")
    assert (turn.text, turn.end) == ("done", {})
    noise = {"summary", "routed_model", "user_message_appended", "tool_call_delta", "heartbeat", ""}
    assert noise <= set(turn.kinds)


async def test_ending_the_request_too_early_ends_the_run(stream: Opened) -> None:
    keeper = Keeper()
    run = await stream()
    await run.send(keeper.request("hello"))
    run.end_request()
    ends = [payload async for end, payload in run.receive() if end]
    assert json.loads(ends[0])["error"] == {"code": "internal", "message": "No exec result"}


async def test_the_user_can_cancel(stream: Opened) -> None:
    keeper = Keeper()
    run = await stream()
    await run.send(keeper.request("hello [[pace 1000]]"))
    cancel = agent_pb2.ConversationAction(cancel_action=agent_pb2.CancelAction(reason="enough"))
    await run.send(Client(conversation_action=cancel))
    assert (await keeper.follow(run)).code == "canceled"


# --- the two transports ---


async def test_frames_are_compressed_for_who_takes_it(stream: Opened) -> None:
    run = await stream(connect_accept_encoding="gzip")
    long = "word " * 300
    turn = await Keeper().turn(run, f"[[text {long}]]")
    assert turn.end == {}
    assert run.messages.compressed > 0
    plain = await stream()
    await Keeper(conversation="2").turn(plain, f"[[text {long}]]")
    assert plain.messages.compressed == 0


@pytest.mark.parametrize("window", [1, 16384, 65535])
async def test_a_large_request_waits_for_the_window(
    start: Callable[..., Any], stream: Opened, window: int
) -> None:
    small = await start(window=window)
    run = await stream(on=small)
    size = 300 if window == 1 else 300_000
    keeper = Keeper()
    turn = await keeper.turn(run, f"[[text ok]] {'x' * size}")
    assert turn.text == "ok"
    assert run.windows[-1] == window


async def test_sending_past_the_window_is_an_error(
    start: Callable[..., Any], stream: Opened
) -> None:
    run = await stream(on=await start(window=10))
    run.h2.remote_settings.initial_window_size = 100_000
    run.h2.streams[run.id].outbound_flow_control_window = 100_000
    run.h2.send_data(run.id, framed(b"x" * 50))
    run.flush()
    assert [frame async for frame in run.receive()] == []
    assert run.broken == "goaway 3"  # FLOW_CONTROL_ERROR


async def test_appended_messages_are_put_into_order(appended: Opened) -> None:
    run = await appended()
    keeper = Keeper()
    heartbeat = Client(client_heartbeat=agent_pb2.Empty())
    assert (await run.append(heartbeat.SerializeToString(), 1)).status_code == 200
    assert (
        await run.append(keeper.request("[[text ok]]").SerializeToString(), 0)
    ).status_code == 200
    run.number = 2
    assert (await keeper.follow(run)).text == "ok"
    assert (await run.append(b"", 0)).status_code == 200, "of a run that is over: kept for nobody"


async def test_run_sse_is_there_over_http_2(appended2: Opened) -> None:
    assert (await Keeper().turn(await appended2(), "[[text ok]]")).text == "ok"


async def test_a_number_is_used_once(appended: Opened) -> None:
    run = await appended()
    message = Client(client_heartbeat=agent_pb2.Empty()).SerializeToString()
    assert (await run.append(message, 1)).status_code == 200
    assert (await run.append(message, 1)).status_code == 400


async def test_frames_are_recorded_and_decoded(each_run: Opened, recorded: Recorded) -> None:
    await Keeper().turn(await each_run(), "[[text ok]]")
    [entry] = await recorded(transport="agent")
    assert (entry["account"], entry["model"], entry["status"]) == ("kim", "composer-2", 200)
    shown = [frame["message"] for frame in entry["frames"] if frame["from"] == "client"]
    said = shown[0]["run_request"]["action"]["user_message_action"]["user_message"]
    assert said["text"] == "[[text ok]]"
    updates = [frame["message"] for frame in entry["frames"] if frame["from"] == "server"]
    assert {"interaction_update": {"text_delta": {"text": "ok"}}} in updates
