"""mitmproxy's check of a message's fields, without what it costs for messages that are right.

mitmproxy looks at the type of each field of each request and response that it makes. It makes an
exception for each look and catches some of them, which leaves a dozen of the caller's frames to the
garbage collector: measured, a twelfth of the CPU time of a small request. Here a field of exactly
the type that it should have is found right at once; a message with any other goes through
mitmproxy's own check, which decides.

Rests on ``MessageData.__post_init__`` of mitmproxy 12.2.3; ``tests/test_message_fields.py``
compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from types import UnionType
from typing import get_args, get_origin

from mitmproxy.http import MessageData


def exact(kind: type[MessageData]) -> list[tuple[str, frozenset[type]]]:
    """The fields of a kind of message, each with the types that are right without a further look.

    None of them for a field whose annotation is neither a class nor a union of classes.
    """
    found = []
    for field in fields(kind):
        given: object = field.type
        options = get_args(given) if get_origin(given) is UnionType else (given,)
        classes = {option for option in options if isinstance(option, type)}
        found.append((field.name, frozenset(classes)))
    return found


def install() -> Callable[[], None]:
    """Look quickly from now on; the result undoes it."""
    thorough: Callable[[MessageData], None] | None = vars(MessageData).get("__post_init__")
    if thorough is None:  # python -O: mitmproxy does not look either
        return lambda: None
    known: dict[type[MessageData], list[tuple[str, frozenset[type]]]] = {}

    def look(self: MessageData) -> None:
        kind = type(self)
        if kind not in known:
            known[kind] = exact(kind)
        for name, types in known[kind]:
            if type(getattr(self, name)) not in types:
                thorough(self)
                return

    def uninstall() -> None:
        MessageData.__post_init__ = thorough  # type: ignore[method-assign]

    MessageData.__post_init__ = look  # type: ignore[method-assign]
    return uninstall
