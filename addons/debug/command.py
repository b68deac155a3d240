"""mitmproxy's decorators for commands, with types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from mitmproxy import command


def named[F: Callable[..., Any]](name: str, **arguments: Any) -> Callable[[F], F]:
    """Make a method a command.

    Args:
        arguments: mitmproxy types of arguments that their annotations do not tell.
    """

    def wrap(function: F) -> F:
        made: Any = function
        for argument, kind in arguments.items():
            made = command.argument(argument, type=kind)(made)
        return cast("F", command.command(name)(made))

    return wrap
