"""What mitmproxy does many times in every request, done quickly; with the same outcome.

- It looks at the type of each field of each request and response that it makes. It makes an
  exception for each look and catches some of them, which leaves a dozen of the caller's frames to
  the garbage collector. Here a field of exactly the type that it should have is found right at
  once; a message with any other goes through mitmproxy's own check, which decides.
- It looks for a header, to read, set or remove it, by calling a function for each header that there
  is, and raises and catches an exception for one that is not there; thirty times in a request.
- It copies an option's value, twice, whenever the value is asked for. What cannot be changed needs
  no copy.
- It asks the environment at each task which test is running, to say so in the task's name.
- It spells out each request's URL for local files that nobody has mapped, and its host for a page
  that is on another port.

Measured together: a tenth of the CPU time of a small request. Rests on ``MessageData``,
``Headers``, ``_Option``, ``set_task_debug_info``, ``MapLocal`` and ``ASGIApp`` of mitmproxy
12.2.3; ``tests/quick/test_shortcuts.py`` compares.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from mitmproxy.addons.asgiapp import ASGIApp
from mitmproxy.addons.maplocal import MapLocal
from mitmproxy.http import Headers, HTTPFlow, MessageData
from mitmproxy.optmanager import _Option, unset
from mitmproxy.utils import asyncio_utils
from mitmproxy.utils.strutils import always_bytes

type Undo = Callable[[], None]


def install() -> Undo:
    """From now on; the result undoes it."""
    undo = [_install_look(), _install_search(), _install_reading()]
    undo += [_install_naming(), _install_serving()]

    def uninstall() -> None:
        while undo:
            undo.pop()()

    return uninstall


# --- types of fields ----------------------------------------------------------------------------


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


def _install_look() -> Undo:
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


# --- headers by name ----------------------------------------------------------------------------


def _install_search() -> Undo:
    own = {name: function for name, function in vars(Headers).items() if name in _SEARCHES}
    for name, function in _SEARCHES.items():
        setattr(Headers, name, function)

    def uninstall() -> None:
        for name in _SEARCHES:
            if name in own:
                setattr(Headers, name, own[name])
            else:
                delattr(Headers, name)  # the one of a base class

    return uninstall


@lru_cache(maxsize=512)
def _wanted(name: str | bytes) -> bytes:
    return always_bytes(name, "utf-8", "surrogateescape").lower()


def _get_all(self: Headers, name: str | bytes) -> list[str]:
    wanted = _wanted(name)
    size = len(wanted)
    return [
        value.decode("utf-8", "surrogateescape")
        for key, value in self.fields
        if len(key) == size and key.lower() == wanted
    ]


def _get(self: Headers, key: str | bytes, default: object = None) -> object:
    values = _get_all(self, key)
    return ", ".join(values) if values else default


def _contains(self: Headers, key: object) -> bool:
    return bool(_get_all(self, key))  # type: ignore[arg-type]  # what is no name raises as before


def _set_all(self: Headers, name: str | bytes, values: Iterable[str | bytes]) -> None:
    wanted, key = _wanted(name), always_bytes(name, "utf-8", "surrogateescape")
    size, fields = len(wanted), list[tuple[bytes, bytes]]()
    coming = [always_bytes(value, "utf-8", "surrogateescape") for value in values]
    for field in self.fields:
        if len(field[0]) != size or field[0].lower() != wanted:
            fields.append(field)
        elif coming:
            fields.append((field[0], coming.pop(0)))
    self.fields = (*fields, *((key, value) for value in coming))


def _delete(self: Headers, name: str | bytes) -> None:
    wanted = _wanted(name)
    size = len(wanted)
    left = [field for field in self.fields if len(field[0]) != size or field[0].lower() != wanted]
    if len(left) == len(self.fields):
        raise KeyError(always_bytes(name, "utf-8", "surrogateescape"))
    self.fields = tuple(left)


_SEARCHES = {
    "get_all": _get_all,
    "get": _get,
    "__contains__": _contains,
    "set_all": _set_all,
    "__delitem__": _delete,
}


# --- options ------------------------------------------------------------------------------------

_UNCHANGING = frozenset({bool, int, str, NoneType})


def _install_reading() -> Undo:
    copied = _Option.current

    def current(self: _Option) -> object:
        value = self._default if self.value is unset else self.value
        return value if type(value) in _UNCHANGING else copied(self)

    def uninstall() -> None:
        _Option.current = copied  # type: ignore[method-assign]

    _Option.current = current  # type: ignore[method-assign]
    return uninstall


# --- names of tasks -----------------------------------------------------------------------------


def _install_naming() -> Undo:
    thorough = asyncio_utils.set_task_debug_info
    if "PYTEST_CURRENT_TEST" in os.environ:  # a test process: there the name is of use
        return lambda: None

    def name_task(
        task: asyncio.Task[object], *, name: str, client: tuple[object, ...] | None = None
    ) -> None:
        named: Any = task
        named.created = time.time()
        named.set_name(name)
        if client:
            named.client = client

    def uninstall() -> None:
        asyncio_utils.set_task_debug_info = thorough

    asyncio_utils.set_task_debug_info = name_task
    return uninstall


# --- answers of mitmproxy's own -----------------------------------------------------------------


def _install_serving() -> Undo:
    map_local, should_serve = MapLocal.request, ASGIApp.should_serve

    def request(self: MapLocal, flow: HTTPFlow) -> None:
        if self.replacements:
            map_local(self, flow)

    def should(self: ASGIApp, flow: HTTPFlow) -> bool:
        elsewhere = self.port is not None and flow.request.port != self.port
        return not elsewhere and should_serve(self, flow)

    def uninstall() -> None:
        MapLocal.request = map_local  # type: ignore[method-assign]
        ASGIApp.should_serve = should_serve  # type: ignore[method-assign]

    MapLocal.request = request  # type: ignore[method-assign]
    ASGIApp.should_serve = should  # type: ignore[method-assign]
    return uninstall
