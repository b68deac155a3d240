"""The first message of a run, as the official clients form it."""

from __future__ import annotations

from google.protobuf.unknown_fields import UnknownFieldSet

from addons.providers.cursor.model_choice import Choice
from addons.providers.cursor.proto.agent_pb2 import AgentClientMessage, AgentRunRequest
from addons.providers.cursor.proto.exec_pb2 import CursorRuleSource, RequestContext
from addons.providers.cursor.telling.reading import read
from addons.providers.cursor.telling.request import Dialect, Environment, Prepared, prepare
from addons.providers.cursor.telling.state import SystemPlace, plan_state
from addons.providers.cursor.telling.tools import tools
from tests.providers.cursor.said import PNG, Json, body, called, gave, png, user

CHOICE = Choice("gpt-5.2", "GPT-5.2", True, (("effort", "high"),), 1000)
TOOL = {"type": "function", "name": "read", "parameters": {}}


def made(
    given: Json,
    dialect: Dialect = Dialect.SDK,
    place: SystemPlace = SystemPlace.BOTH,
    choice: Choice = CHOICE,
    environment: Environment | None = None,
    demand: str = "",
) -> Prepared:
    history = read(given)
    return prepare(
        plan_state(None, "ada", history),
        tools(given),
        choice,
        conversation_id="conv",
        run_id="run",
        system=history.system,
        dialect=dialect,
        place=place,
        environment=environment,
        demand=demand,
    )


def run(prepared: Prepared) -> AgentRunRequest:
    return AgentClientMessage.FromString(prepared.message).run_request


def test_the_sdks_form() -> None:
    request = run(made(body(user("hello", png()), tools=[TOOL])))
    assert request.conversation_id == "conv"
    assert request.run_id == "run"
    assert not request.HasField("model_details")
    model = request.requested_model
    assert (model.model_id, model.max_mode) == ("gpt-5.2", True)
    assert [(each.id, each.value) for each in model.parameters] == [("effort", "high")]
    assert [tool.tool_name for tool in request.mcp_tools.mcp_tools] == ["read"]
    message = request.action.user_message_action.user_message
    assert (message.text, message.message_id) == ("hello", "")
    assert message.selected_context.selected_images[0].data == PNG
    unknown = UnknownFieldSet(request)
    assert [(unknown[0].field_number, unknown[0].data)] == [(34, 0)]


def test_members_stand_in_the_sdks_order() -> None:
    message = made(body(user("hi"), instructions="")).message
    inner = message[2 if message[1] < 128 else 3 :]
    assert inner[:2] == b"\x0a\x00"  # a new conversation has a state, which is empty
    assert [inner.index(tag) for tag in (b"\x0a\x00\x12", b"\x22\x00\x2a\x04conv\x4a")] == [
        0,
        inner.index(b"\x22\x00"),
    ]
    assert inner.endswith(b"\xca\x01\x03run\x90\x02\x00")


def test_the_clis_form() -> None:
    request = run(made(body(user("hello")), Dialect.CLI))
    details = request.model_details
    assert (details.model_id, details.display_model_id) == ("gpt-5.2", "gpt-5.2")
    assert (details.display_name, details.max_mode) == ("GPT-5.2", True)
    assert request.requested_model.model_id == "gpt-5.2"
    assert request.action.user_message_action.user_message.message_id
    assert not request.HasField("run_id")
    assert len(UnknownFieldSet(request)) == 0


def test_without_words_of_the_user_the_model_resumes() -> None:
    request = run(made(body(user("go"), called("c", "f"), gave("c", "x"))))
    assert request.action.WhichOneof("action") == "resume_action"


def test_the_context_has_the_tools_and_the_system_prompt_as_a_rule() -> None:
    given = body(user("hi"), tools=[TOOL])
    environment = Environment(os_version="linux 6", shell="bash", time_zone="UTC")
    context = RequestContext.FromString(made(given, environment=environment).request_context)
    assert [tool.tool_name for tool in context.tools] == ["read"]
    (rule,) = context.rules
    assert rule.content == "Be brief."
    assert rule.type.HasField("global")
    assert rule.source == CursorRuleSource.CURSOR_RULE_SOURCE_USER
    assert (context.env.os_version, context.env.shell, context.env.time_zone) == (
        "linux 6",
        "bash",
        "UTC",
    )
    as_message = made(given, place=SystemPlace.MESSAGE).request_context
    assert not RequestContext.FromString(as_message).rules


def test_a_demand_stands_behind_the_users_words_or_is_a_rule() -> None:
    prepared = made(body(user("hello")), demand="In JSON.")
    assert run(prepared).action.user_message_action.user_message.text == "hello\n\nIn JSON."
    assert len(RequestContext.FromString(prepared.request_context).rules) == 1
    resumed = made(body(user("go"), called("c", "f"), gave("c", "x")), demand="In JSON.")
    assert run(resumed).action.WhichOneof("action") == "resume_action"
    rules = RequestContext.FromString(resumed.request_context).rules
    assert [rule.content for rule in rules] == ["Be brief.", "In JSON."]


def test_it_knows_how_full_the_window_is() -> None:
    half = made(body(user("x" * 2000), instructions="")).prompt_share
    assert half is not None
    assert 0.49 < half < 0.52
    assert made(body(user("x")), choice=Choice("m")).prompt_share is None


def test_notes_are_on_what_was_said_and_asides_on_the_rest() -> None:
    given = body(user("go"), called("c", "f"), user("stop"), tools=[{"type": "web_search"}])
    prepared = made(given, choice=Choice("m", notes=("a note",)))
    assert (len(prepared.notes), len(prepared.asides)) == (1, 2)


def test_the_same_request_is_the_same_bytes() -> None:
    given = body(user("hello", png()), tools=[TOOL])
    assert made(given).message == made(given).message
    assert made(given).request_context == made(given).request_context
