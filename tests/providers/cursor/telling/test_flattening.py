"""A history as one text."""

from __future__ import annotations

from addons.providers.cursor.run.run_outputs import Image
from addons.providers.cursor.telling.flattening import flattened
from addons.providers.cursor.telling.history import User
from addons.providers.cursor.telling.pairing import paired
from addons.providers.cursor.telling.reading import read
from tests.providers.cursor.said import PNG, Json, body, called, gave, png, said, user


def flat(*items: Json) -> tuple[str | Image, ...]:
    history = read(body(*items))
    return flattened(paired(history.past), history.current)


def test_it_is_in_order_with_calls_and_results() -> None:
    (text,) = flat(
        user("one"),
        said("I call."),
        called("c1", "f", x="ü"),
        called("c2", "g"),
        gave("c1", "A"),
        {**gave("c2", "B"), "is_error": True},
        said("Done."),
        user("two"),
        said("Yes."),
        user("three"),
    )
    assert text == (
        "The conversation so far, oldest first:\n\n"
        "USER: one\n\n"
        "ASSISTANT: I call.\n\n"
        'ASSISTANT_TOOL_CALL: {"id": "c1", "name": "f", "arguments": {"x": "ü"}}\n\n'
        'ASSISTANT_TOOL_CALL: {"id": "c2", "name": "g", "arguments": {}}\n\n'
        'TOOL_RESULT: {"id": "c1", "name": "f", "content": "A"}\n\n'
        'TOOL_ERROR: {"id": "c2", "name": "g", "content": "B"}\n\n'
        "ASSISTANT: Done.\n\n"
        "USER: two\n\n"
        "ASSISTANT: Yes.\n\n"
        "(That was the conversation so far. Go on from its end; do not answer what is answered "
        "there.)\n\n"
        "Current request: three"
    )


def test_a_first_request_is_only_itself() -> None:
    assert flat(user("hello", png())) == ("hello", Image(PNG, "image/png"))


def test_after_results_the_model_is_told_to_go_on() -> None:
    (text,) = flat(user("one"), called("c", "f"), gave("c", "A"))
    assert isinstance(text, str)
    assert text.endswith("Current request: Continue with the results above.")


def test_pictures_are_marked_where_they_were() -> None:
    one, two, three = (png(PNG + bytes([number])) for number in range(3))
    text, *pictures = flat(
        user("look", one), called("c", "f"), gave("c", two), said("ok"), user("and", three)
    )
    assert isinstance(text, str)
    assert "USER: look\n\n[picture 1]" in text
    assert '"content": "[picture 2]"' in text
    assert text.endswith("Current request: and\n\n[picture 3]")
    assert pictures == [Image(PNG + bytes([number]), "image/png") for number in range(3)]


def test_nothing_before_and_nothing_now() -> None:
    assert flattened(paired(()), None) == ()
    assert flattened(paired(()), User(("x",))) == ("x",)
