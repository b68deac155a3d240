"""The table of handlers; what they render is in the tests of the protocols."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from addons.front import chat_answer, messages_answer
from addons.front.chat_stream import ChatRenderer
from addons.front.event_renderer import METHODS, EventRenderer
from addons.front.messages_stream import MessagesRenderer


def renderers() -> list[EventRenderer]:
    options = messages_answer.AnswerOptions((), "none")
    return [ChatRenderer("m", chat_answer.AnswerOptions()), MessagesRenderer("m", options)]


@pytest.mark.parametrize("kind", [None, 7, ["error"], {}, "", "response", "response.queued"])
def test_what_is_no_event_of_the_protocol_says_nothing(kind: Any) -> None:
    assert [renderer.event({"type": kind}) for renderer in renderers()] == [b"", b""]


def test_a_method_that_is_not_there_is_noticed_with_the_class() -> None:
    with pytest.raises(AttributeError, match="_queued"):

        class Other(ChatRenderer):
            methods = {**METHODS, "response.queued": "_queued"}  # noqa: RUF012


def test_an_answer_leaves_nothing_for_the_garbage_collector() -> None:
    gc.disable()
    try:
        made = renderers()
        for renderer in made:
            renderer.event({"type": "response.created", "response": {"id": "resp_1"}})
        left = [weakref.ref(renderer) for renderer in made]
        del made, renderer
        assert [reference() for reference in left] == [None, None]
    finally:
        gc.enable()
