"""Hooks from a table are called as mitmproxy calls them: same functions, order and errors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import addons as default_addons
from mitmproxy import exceptions, hooks, options
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons.script import ScriptLoader
from mitmproxy.log import LegacyLogEvents, LogEntry
from mitmproxy.master import Master
from mitmproxy.proxy.layers.http import HttpRequestHook, HttpResponseHook
from mitmproxy.test import tflow

from addons.quick import dispatch


def replaced() -> tuple[Any, ...]:
    """What :func:`dispatch.install` puts something in the place of."""
    manager = AddonManager
    own = (manager.trigger_event, manager.handle_lifecycle, manager.register, manager.remove)
    return (*own, LegacyLogEvents.emit, hooks.Hook.args)


ORIGINAL = replaced()
EVENTS = {"request": HttpRequestHook, "response": HttpResponseHook}
"""After each of them comes ``update``."""


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    yield
    assert replaced() == ORIGINAL


@contextlib.asynccontextmanager
async def running_master() -> AsyncIterator[Master]:
    """A mitmproxy without addons."""
    master = Master(options.Options())
    try:
        yield master
    finally:
        await master.done()


class Installed:
    """Context manager: the table is in use."""

    def __enter__(self) -> None:
        self._undo = dispatch.install()

    def __exit__(self, *_: object) -> None:
        self._undo()


# --- random chains ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """How an addon is made.

    Attributes:
        hooks: name -> what it does: ``note``, ``later`` (asynchronous), ``awaitable`` (synchronous,
            gives a task), ``raise``, ``halt``, ``options`` (an OptionsError), ``grow`` (adds an
            addon), ``leave`` (removes itself), ``number``, ``module`` (attributes that are no
            function).
    """

    name: str
    hooks: dict[str, str]
    children: tuple[Spec, ...] = ()


def addon_of(spec: Spec, trace: list[str], managers: list[AddonManager], *, top: bool) -> Any:
    class Addon:
        name = spec.name

    addon: Any = Addon()
    if spec.children:
        addon.addons = [addon_of(child, trace, managers, top=False) for child in spec.children]
    for name, deed in spec.hooks.items():
        setattr(addon, name, _function(spec.name, name, deed, trace, managers, addon, top=top))
    return addon


def _function(
    owner: str,
    hook: str,
    deed: str,
    trace: list[str],
    managers: list[AddonManager],
    addon: Any,
    *,
    top: bool,
) -> Any:
    if deed == "number":
        return 7
    if deed == "module":
        return math

    def note(_: object) -> Any:
        trace.append(f"{owner}.{hook}")
        manager = managers[0]
        if deed == "awaitable":
            return asyncio.ensure_future(asyncio.sleep(0))
        if deed == "raise":
            raise ValueError(f"{owner} fails")
        if deed == "halt":
            raise exceptions.AddonHalt
        if deed == "options":
            raise exceptions.OptionsError(f"{owner} refuses")
        if deed == "grow" and f"{owner}+" not in manager:
            added = Spec(f"{owner}+", {"request": "note", "response": "later"})
            manager.add(addon_of(added, trace, managers, top=True))
        if deed == "leave" and top and owner in manager:
            manager.remove(addon)
        return None

    async def later(argument: object) -> None:
        await asyncio.sleep(0)
        note(argument)

    return later if deed == "later" else note


DEEDS = [
    *("note", "note", "later", "awaitable", "raise", "halt"),
    *("options", "grow", "leave", "number", "module"),
]


@st.composite
def chains(draw: st.DrawFn) -> list[Spec]:
    numbers = iter(range(1000))

    def spec(depth: int) -> Spec:
        names = st.sampled_from([*EVENTS, "update"])
        found = draw(st.dictionaries(names, st.sampled_from(DEEDS)))
        count = draw(st.integers(0, 2)) if depth else 0
        return Spec(f"a{next(numbers)}", found, tuple(spec(depth - 1) for _ in range(count)))

    return [spec(2) for _ in range(draw(st.integers(0, 5)))]


async def run(chain: list[Spec], script: list[str]) -> list[str]:
    """What a chain does for a script of events, removals and additions."""
    trace: list[str] = []
    managers: list[AddonManager] = []
    log = _Log(trace)
    logging.getLogger("mitmproxy").addHandler(log)
    try:
        async with running_master() as master:
            manager = master.addons
            managers.append(manager)
            manager.add(*(addon_of(spec, trace, managers, top=True) for spec in chain))
            for number, step in enumerate(script):
                trace.append(step)
                if step == "remove" and manager.chain:
                    manager.remove(manager.chain[number % len(manager.chain)])
                elif step == "add":
                    spec = Spec(f"late{number}", {"request": "later", "response": "note"})
                    manager.add(addon_of(spec, trace, managers, top=True))
                elif step in EVENTS:
                    try:
                        await manager.handle_lifecycle(EVENTS[step](tflow.tflow()))
                    except exceptions.OptionsError as error:
                        trace.append(f"raised {error}")
        return trace
    finally:
        logging.getLogger("mitmproxy").removeHandler(log)


class _Log(logging.Handler):
    def __init__(self, trace: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        self.trace.append(re.sub("0x[0-9a-f]+", "", record.getMessage()))


@given(
    chain=chains(),
    script=st.lists(st.sampled_from([*EVENTS, *EVENTS, "add", "remove"]), min_size=1, max_size=6),
)
def test_random_chains_are_served_as_mitmproxy_serves_them(
    chain: list[Spec], script: list[str]
) -> None:
    theirs = asyncio.run(run(chain, script))
    with Installed():
        ours = asyncio.run(run(chain, script))
    assert ours == theirs


# --- particular ones ----------------------------------------------------------------------------


@pytest.fixture
async def master() -> AsyncIterator[Master]:
    """A mitmproxy without addons, with the table in use."""
    with Installed():
        async with running_master() as master:
            yield master


async def requests(master: Master, count: int = 1) -> None:
    for _ in range(count):
        await master.addons.trigger_event(HttpRequestHook(tflow.tflow()))


@dataclass
class Noting:
    """Writes down who was called."""

    name: str
    trace: list[str]

    def request(self, flow: object) -> None:
        self.trace.append(self.name)


async def test_an_addon_added_during_an_event_is_called_in_it(master: Master) -> None:
    trace: list[str] = []

    class Growing:
        def request(self, flow: object) -> None:
            if "new" not in master.addons:
                master.addons.add(Noting("new", trace))

    master.addons.add(Growing(), Noting("old", trace))
    await requests(master)
    assert trace == ["old", "new"]
    await requests(master)
    assert trace == ["old", "new", "old", "new"]


async def test_a_chain_that_is_changed_by_hand_is_noticed(master: Master) -> None:
    trace: list[str] = []
    master.addons.add(Noting("a", trace), Noting("b", trace))
    await requests(master)
    master.addons.chain[0] = Noting("c", trace)
    await requests(master)
    master.addons.clear()
    await requests(master)
    assert trace == ["a", "b", "c", "b"]


async def test_one_bad_addon_costs_only_itself(
    master: Master, caplog: pytest.LogCaptureFixture
) -> None:
    """What mitmproxy logs, it logs for each event; the others are served."""
    trace: list[str] = []

    class Bad:
        request = 7

    master.addons.add(Noting("a", trace), Bad(), Noting("b", trace))
    await requests(master, 3)
    assert trace == ["a", "b"] * 3
    assert ["not callable" in record.getMessage() for record in caplog.records] == [True] * 3


async def test_scripts_that_are_loaded_changed_and_unloaded(
    master: Master, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    script = tmp_path / "noting.py"
    text = "import logging\ndef request(flow): logging.info('called {}')\n"
    script.write_text(text.format("first"))
    loader = ScriptLoader()
    master.addons.add(loader)
    await master.addons.trigger_event(hooks.RunningHook())
    await requests(master)
    master.options.update(scripts=[str(script)])
    (loaded,) = loader.addons
    loaded.loadscript()
    await requests(master)
    script.write_text(text.format("second"))
    loaded.loadscript()
    await requests(master)
    master.options.update(scripts=[])
    await requests(master)
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("called")]
    assert said == ["called first", "called second"]


async def test_mitmproxy_s_own_addons_have_the_same_functions_in_the_table() -> None:
    async with running_master() as master:
        master.addons.add(*default_addons.default_addons())
        table = dispatch.HookTable()
        for hook in (HttpRequestHook, HttpResponseHook, hooks.UpdateHook, hooks.RunningHook):
            event = hook.__new__(hook)
            found = table.groups(master.addons, event)
            searched = [
                [function for _, function in master.addons._iter_hooks(addon, event)]
                for addon in master.addons.chain
            ]
            assert [functions for _, functions in found] == [group for group in searched if group]
            assert all(searched[place] == functions for place, functions in found)


async def test_lines_of_the_log_are_events_for_those_who_take_them() -> None:
    """Also for an addon that comes late, and from other threads; for nobody, none is made."""
    said: list[str] = []
    made: list[str] = []

    class Reading:
        def add_log(self, entry: LogEntry) -> None:
            said.append(entry.msg.partition("] ")[2])

    class Counting(LogEntry):
        def __init__(self, msg: str, level: str) -> None:
            made.append(msg)
            super().__init__(msg, level)

    async def say(text: str) -> None:
        logging.getLogger("mitmproxy").error(text)
        await asyncio.sleep(0)

    with Installed(), pytest.MonkeyPatch.context() as patched:
        patched.setattr("mitmproxy.log.LogEntry", Counting)
        async with running_master() as master:  # in here: it takes no lines of another test
            await say("to nobody")
            assert not made
            reading = Reading()
            master.addons.add(reading)
            await say("here")
            await asyncio.to_thread(logging.getLogger("mitmproxy").error, "elsewhere")
            await asyncio.sleep(0)
            master.addons.remove(reading)
            await say("too late")
    assert said == ["here", "elsewhere"]
    assert len(made) == 2


def test_every_hook_carries_what_it_carries_in_mitmproxy() -> None:
    for kind in hooks.all_hooks.values():
        hook = kind.__new__(kind)
        for field in fields(kind):  # type: ignore[arg-type]
            setattr(hook, field.name, object())
        theirs = hook.args()
        with Installed():
            assert hook.args() == hook.args() == theirs


async def test_cancellation_is_not_an_addon_s_error(
    master: Master, caplog: pytest.LogCaptureFixture
) -> None:
    class Waiting:
        async def request(self, flow: object) -> None:
            await asyncio.Event().wait()

    master.addons.add(Waiting())
    work = asyncio.ensure_future(requests(master))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not caplog.records


def test_installed_twice_and_undone() -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(dispatch.install())
        stack.callback(dispatch.install())
        assert AddonManager.trigger_event is not ORIGINAL[0]
    assert AddonManager.trigger_event is ORIGINAL[0]
