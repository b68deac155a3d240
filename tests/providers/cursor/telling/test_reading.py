"""A request's items as blocks: order, texts, pictures, calls and what can't be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.errors import BadRequest
from addons.providers.cursor.run.run_outputs import Image, ToolResult
from addons.providers.cursor.telling.history import (
    Assistant,
    Call,
    Results,
    Turn,
    User,
    answers,
    turns,
)
from addons.providers.cursor.telling.reading import extended, read, wrapped
from tests.providers.cursor.said import (
    PNG,
    Json,
    body,
    called,
    gave,
    png,
    said,
    system,
    text,
    user,
)

PICTURE = Image(PNG, "image/png")


def test_blocks_alternate_however_the_client_cuts_them() -> None:
    history = read(
        body(
            user("one", "two"),
            user("three"),
            {"type": "reasoning", "summary": [], "encrypted_content": "sealed"},
            said("I call."),
            called("c1", "f", x=1),
            called("c2", "g"),
            gave("c1", "done"),
            gave("c2", text("picture:"), png()),
            said("It is done."),
            user("thanks"),
        )
    )
    assert history.blocks == (
        User(("one", "two", "three")),
        Assistant(("I call.", Call("c1", "f", '{"x": 1}'), Call("c2", "g", "{}"))),
        Results((ToolResult("c1", ("done",)), ToolResult("c2", ("picture:", PICTURE)))),
        Assistant(("It is done.",)),
        User(("thanks",)),
    )
    assert history.system == "Be brief."
    assert history.current == User(("thanks",))
    assert history.notes == ()


def test_system_prompts_at_the_beginning_are_one() -> None:
    developer = {"type": "message", "role": "developer", "content": "Be kind."}
    history = read(body(developer, system("Be quick."), user("hello")))
    assert history.system == "Be brief.\n\nBe kind.\n\nBe quick."


def test_a_system_message_in_the_middle_keeps_its_place() -> None:
    history = read(body(user("hello"), system("skills: none"), said("hi"), user("more")))
    assert history.blocks[0] == User(("hello", wrapped("skills: none")))


def test_a_billing_line_goes_nowhere() -> None:
    line = "x-anthropic-billing-header: cc_version=2.1.330.572; cc_entrypoint=cli; cch=abcde;"
    assert read(body(user("hi"), instructions=f"{line}\nBe brief.")).system == "Be brief."
    parts = [text(line), text("Be brief.")]
    prompt: Json = {"type": "message", "role": "system", "content": parts}
    assert read(body(prompt, user("hi"), instructions="")).system == "Be brief."


def test_after_results_the_model_goes_on_by_itself() -> None:
    items = [user("go"), called("c1", "f"), gave("c1", "done")]
    history = read(body(*items))
    assert history.current is None
    assert history.past == history.blocks
    assert answers(history) == (ToolResult("c1", ("done",)),)


def test_what_is_said_beside_results_goes_with_the_last() -> None:
    items = [user("go"), called("c1", "f"), called("c2", "f"), gave("c1", "a"), gave("c2", "b")]
    history = read(body(*items, user("and hurry", png())))
    assert answers(history) == (
        ToolResult("c1", ("a",)),
        ToolResult("c2", ("b", "and hurry", PICTURE)),
    )


def test_answered_results_are_of_no_waiting_run() -> None:
    history = read(body(user("go"), called("c1", "f"), gave("c1", "a"), said("ok"), user("more")))
    assert answers(history) == ()
    assert answers(read(body(user("go")))) == ()


def test_turns_begin_with_the_user() -> None:
    blocks = read(
        body(
            said("Welcome."), user("one"), said("1"), called("c", "f"), gave("c", "x"), user("two")
        )
    ).blocks
    assert (
        list(turns(blocks))
        == [
            Turn((), (blocks[0],)),  # type: ignore[arg-type]
            Turn(("one",), blocks[2:4]),  # type: ignore[arg-type]
            Turn(("two",), ()),
        ]
    )


@pytest.mark.parametrize(
    ("item", "arguments"),
    [
        ({"arguments": ""}, {}),
        ({"arguments": " "}, {}),
        ({"arguments": '{"a": [1]}'}, {"a": [1]}),
        ({"arguments": "[1]"}, {"input": "[1]"}),
        ({"arguments": '{"a": NaN}'}, {"input": '{"a": NaN}'}),
        ({"arguments": '{"a": 1e999}'}, {"input": '{"a": 1e999}'}),
        ({"arguments": '{"a": '}, {"input": '{"a": '}),
        ({"arguments": "[" * 100_000}, {"input": "[" * 100_000}),
        ({"type": "custom_tool_call", "input": "rm -r é"}, {"input": "rm -r é"}),
    ],
)
def test_arguments_are_always_an_object(item: Json, arguments: Any) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", **item}
    (block,) = read(body(user("go"), call, gave("c", ""), said("x"), user("y"))).blocks[1:2]
    assert isinstance(block, Assistant)
    (step,) = block.steps
    assert isinstance(step, Call)
    assert json.loads(step.arguments) == arguments


def test_a_result_can_be_a_failure() -> None:
    history = read(body(user("go"), called("c", "f"), {**gave("c", "no"), "is_error": True}))
    assert answers(history) == (ToolResult("c", ("no",), is_error=True),)


# --- what can't be read --------------------------------------------------------------------------

LINK = {"type": "input_image", "image_url": "https://example.com/a.png"}
PDF = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (LINK, "unsupported_image_url"),
        ({"type": "input_image", "image_url": "data:image/png;base64,§"}, "invalid_base64"),
        ({"type": "input_image", "image_url": "data:text/plain,hello"}, "invalid_image"),
        ({"type": "input_image", "file_id": "file-1"}, "missing_required_parameter"),
        (PDF, "unsupported_file"),
        ({"type": "input_file", "file_id": "file-1"}, "unsupported_file"),
        ({"type": "input_file", "file_data": "data:text/plain;base64,/w=="}, "unsupported_file"),
        ({"type": "input_audio"}, "unsupported_value"),
    ],
)
def test_what_is_new_must_be_readable_and_what_is_old_is_left_out(part: Json, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body(user("old"), said("ok"), user("look", part)))
    assert caught.value.code == code
    assert (caught.value.param or "").startswith("input[2].content[1]")
    history = read(body(user("look", part), said("I see."), user("new")))
    assert history.blocks[0] == User(
        ("look", f"[Something that was here can't be shown to this model: {code}.]")
    )
    assert history.notes == (f"input[0].content[1]: left out: {code}.",)


def test_results_are_new_as_well() -> None:
    with pytest.raises(BadRequest):
        read(body(user("go"), called("c", "f"), gave("c", LINK)))


def test_pictures_are_what_their_bytes_say() -> None:
    (block,) = read(body(user(png(b"\xff\xd8\xff?", "image/png"), png(b"?", "image/avif")))).blocks
    assert block == User((Image(b"\xff\xd8\xff?", "image/jpeg"), Image(b"?", "image/avif")))


def test_a_file_of_text_is_its_text() -> None:
    part = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}
    assert read(body(user(part))).blocks == (User(('<file name="a.txt">\nhi\n</file>',)),)


def test_items_of_other_upstreams_are_left_out_where_they_are_old() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    history = read(body(user("search"), search, said("found"), user("more")))
    assert [type(block) for block in history.blocks] == [User, Assistant, User]
    assert len(history.notes) == 1
    with pytest.raises(BadRequest, match="web_search_call"):
        read(body(user("search"), search))


def test_what_only_an_id_tells_is_refused() -> None:
    with pytest.raises(BadRequest, match="whole conversation") as caught:
        read(body(user("and then?"), previous_response_id="resp_1"))
    assert caught.value.param == "previous_response_id"


@pytest.mark.parametrize(
    "given",
    [
        {"model": "m"},
        {"model": "m", "input": []},
        body(system("only this")),
        body(user("")),
        {"model": "m", "input": [7]},
        body({"type": "item_reference", "id": "msg_1"}, user("hi")),
    ],
)
def test_a_request_that_says_nothing_is_refused(given: Json) -> None:
    with pytest.raises(BadRequest) as caught:
        read(given)
    assert (caught.value.param or "").startswith("input")


def test_an_answer_extends_a_history() -> None:
    asked = body(user("go"))
    answer = [said("I call."), called("c", "f")]
    assert extended(read(asked), answer) == read(body(user("go"), *answer)).blocks
