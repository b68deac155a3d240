"""What is done quickly has the outcome that mitmproxy's own way has."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import options
from mitmproxy.addons.asgiapp import ASGIApp
from mitmproxy.addons.maplocal import MapLocal
from mitmproxy.http import Headers, MessageData, Request, RequestData, ResponseData
from mitmproxy.optmanager import _Option
from mitmproxy.test import taddons, tflow
from mitmproxy.utils import asyncio_utils

from addons.quick import shortcuts

ORIGINAL = vars(MessageData)["__post_init__"]

RIGHT: dict[str, Any] = {
    "http_version": b"HTTP/1.1",
    "headers": Headers(),
    "content": b"",
    "trailers": None,
    "timestamp_start": 1.5,
    "timestamp_end": None,
}
REQUEST: dict[str, Any] = {
    "host": "a.example",
    "port": 80,
    "method": b"GET",
    "scheme": b"http",
    "authority": b"",
    "path": b"/",
}
RESPONSE: dict[str, Any] = {"status_code": 200, "reason": b"OK"}
MADE = [(RequestData, RIGHT | REQUEST), (ResponseData, RIGHT | RESPONSE)]


CHANGED = (Headers, _Option, MapLocal, ASGIApp)


class Word(bytes):
    """Not exactly bytes, and right all the same."""


VALUES = st.sampled_from(
    [None, b"", Word(b"x"), "text", 0, True, 1.5, Headers(), [], (b"a",), bytearray(b"x")]
)


@pytest.fixture
def installed() -> Iterator[None]:
    before = [dict(vars(kind)) for kind in CHANGED]
    undo = shortcuts.install()
    try:
        yield
    finally:
        undo()
        assert vars(MessageData)["__post_init__"] is ORIGINAL
        assert [dict(vars(kind)) for kind in CHANGED] == before


def said(kind: type[MessageData], values: dict[str, Any]) -> str:
    try:
        kind(**values)
    except TypeError as error:
        return str(error)
    return "right"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("kind", "right"), MADE)
def test_what_is_right_is_not_looked_at_twice(
    kind: type[MessageData], right: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("mitmproxy's own check was asked")

    monkeypatch.setattr("mitmproxy.utils.typecheck.check_option_type", never)
    assert said(kind, right) == "right"
    with pytest.raises(AssertionError):
        kind(**{**right, "timestamp_start": 1})


@given(data=st.data())
def test_every_message_is_judged_as_mitmproxy_judges_it(data: st.DataObject) -> None:
    kind, right = data.draw(st.sampled_from(MADE))
    wrong = data.draw(st.dictionaries(st.sampled_from(sorted(right)), VALUES, max_size=3))
    theirs = said(kind, right | wrong)
    undo = shortcuts.install()
    try:
        ours = said(kind, right | wrong)
    finally:
        undo()
    assert ours == theirs


@pytest.mark.usefixtures("installed")
def test_nothing_is_left_to_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        Request.make("GET", "http://a.example/")
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_without_the_check_there_is_nothing_to_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with ``python -O``."""
    monkeypatch.delattr(MessageData, "__post_init__")
    shortcuts.install()()
    assert "__post_init__" not in vars(MessageData)


# --- headers by name ----------------------------------------------------------------------------

NAMES = st.sampled_from([b"host", b"Host", b"HOST", b"x-a", b"X-\xc3\xa9", b"\xff", b""])
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b"", b"1", b"\xc3\xa9", b"\xfe"])), max_size=5)
WANTED = st.one_of(
    NAMES,
    NAMES.map(lambda name: name.decode("utf-8", "surrogateescape")),
    st.sampled_from(["hOsT", "missing", None]),
)
LOOKS: dict[str, Callable[[Headers, Any], object]] = {
    "get": lambda headers, name: headers.get(name),
    "or else": lambda headers, name: headers.get(name, 7),
    "get_all": lambda headers, name: headers.get_all(name),
    "in": lambda headers, name: name in headers,
    "[]": lambda headers, name: headers[name],
    "pop": lambda headers, name: (headers.pop(name, None), headers.fields),
    "set": lambda headers, name: (headers.update({name: "x"}), headers.fields),
    "set all": lambda headers, name: (headers.set_all(name, ["x", b"\xff", "é"]), headers.fields),
    "set none": lambda headers, name: (headers.set_all(name, []), headers.fields),
    "add": lambda headers, name: (headers.add(name or "x", "x"), headers.fields),
    "del": lambda headers, name: (headers.__delitem__(name), headers.fields),
}


@given(fields=FIELDS, steps=st.lists(st.tuples(st.sampled_from(sorted(LOOKS)), WANTED), min_size=1))
def test_headers_are_found_as_mitmproxy_finds_them(
    fields: list[tuple[bytes, bytes]], steps: list[tuple[str, Any]]
) -> None:
    def seen() -> list[object]:
        headers, out = Headers(fields), list[object]()
        for look, name in steps:
            try:
                out.append(LOOKS[look](headers, name))
            except (AttributeError, KeyError, TypeError) as error:
                out.append(repr(error))
        return out

    theirs = seen()
    undo = shortcuts.install()
    try:
        ours = seen()
    finally:
        undo()
    assert ours == theirs


# --- options ------------------------------------------------------------------------------------


def test_every_option_reads_as_in_mitmproxy() -> None:
    """As it is at first, set, and reset; what can be changed is a copy of its own."""
    own = options.Options()
    own.update(listen_port=7, ignore_hosts=["a"], certs=["b"], http2=False)

    def read() -> dict[str, object]:
        return {name: getattr(own, name) for name in own.keys()}  # noqa: SIM118 - no mapping

    theirs = read()
    undo = shortcuts.install()
    try:
        assert read() == theirs
        own.ignore_hosts.append("c")
        assert own.ignore_hosts == ["a"]
        assert own.has_changed("http2")
        own.reset()
        assert own.listen_port is None
        assert own.http2
    finally:
        undo()


# --- names of tasks -----------------------------------------------------------------------------


async def test_tasks_are_named_as_in_mitmproxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing() -> None: ...

    async def named(client: tuple[str, int] | None) -> list[str]:
        task = asyncio_utils.create_task(nothing(), name="a task", keep_ref=False, client=client)
        await task
        return [asyncio_utils.task_repr(task), task.get_name()]

    for client in (None, ("127.0.0.1", 7)):
        with monkeypatch.context() as patched:
            patched.delenv("PYTEST_CURRENT_TEST")
            theirs = await named(client)
            undo = shortcuts.install()
            try:
                assert await named(client) == theirs
            finally:
                undo()
        assert "created in" in (await named(client))[1]


async def test_in_a_test_tasks_say_which() -> None:
    theirs = asyncio_utils.set_task_debug_info
    undo = shortcuts.install()
    try:
        assert asyncio_utils.set_task_debug_info is theirs
    finally:
        undo()


# --- answers of mitmproxy's own -----------------------------------------------------------------


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("path", ["/kept", "/gone", "/other"])
def test_local_files_are_served_as_in_mitmproxy(mapped: bool, path: str, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("own")
    mapping = f";//a.example/(kept|gone);{tmp_path}"
    for again in (False, True):
        with ExitStack() as stack:
            if again:
                stack.callback(shortcuts.install())
            addon = MapLocal()
            with taddons.context(addon) as context:
                context.configure(addon, map_local=[mapping] if mapped else [])
                flow = tflow.tflow()
                flow.request.url = f"http://a.example{path}"
                addon.request(flow)
        status = flow.response.status_code if flow.response else None
        assert status == ({"/kept": 200, "/gone": 404}.get(path) if mapped else None)


@given(
    own=st.sampled_from([80, 8080, None]),
    port=st.sampled_from([80, 8080]),
    host=st.sampled_from(["mitm.it", "a.example"]),
    live=st.booleans(),
)
def test_pages_are_served_as_in_mitmproxy(
    own: int | None, port: int, host: str, live: bool
) -> None:
    page = ASGIApp(None, "mitm.it", own)
    flow = tflow.tflow()
    flow.request.host, flow.request.port, flow.live = host, port, live
    theirs = page.should_serve(flow)
    undo = shortcuts.install()
    try:
        assert page.should_serve(flow) == theirs
    finally:
        undo()
