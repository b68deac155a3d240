from __future__ import annotations

from addons.front.chat_content import Content


def test_texts_of_several_messages_are_set_apart() -> None:
    content = Content(())
    assert [content.add(0, "a"), content.add(0, "b"), content.add(1, "c")] == ["a", "b", "\n\nc"]
    assert [content.start_of(item) for item in range(3)] == [0, 4, 7]


def test_what_is_held_back_belongs_to_its_own_message() -> None:
    content = Content(["END", "xy"])
    assert content.add(0, "one E") == "one "
    # "E" can't become "END" any more, although the next message begins with "ND".
    assert content.add(1, "ND x") == "E\n\nND "
    assert content.flush() == "x"
    assert not content.stopped


def test_a_message_of_which_nothing_is_shown_leaves_no_gap() -> None:
    content = Content(["END"])
    assert content.add(0, "") == ""
    assert content.add(1, "a") == "a"
    assert content.add(2, "END") == ""
    assert content.stopped
