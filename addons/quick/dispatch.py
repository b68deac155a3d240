"""mitmproxy's hook dispatch with a table instead of a search.

mitmproxy asks each of its 35 addons for each of the eight hooks of a request whether it has that
hook; measured, that was a fifth of the CPU time of a small request. Here the answers are kept until
an addon comes or goes. Order, error handling and ``AddonHalt`` are mitmproxy's own.

What a hook carries is asked for three times, and each time found by looking through its class;
here the names of its fields are kept, too.

Two events are made only where an addon takes them: ``update``, which follows each hook of a flow,
and ``add_log`` for each line in the log, which mitmproxy has deprecated.

One difference: a hook that an addon gets or loses while it is loaded (an attribute set by hand) is
noticed when the next addon comes or goes.
"""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Callable
from dataclasses import fields
from threading import main_thread
from typing import Any, Final

from mitmproxy import exceptions, hooks
from mitmproxy.addonmanager import AddonManager, safecall
from mitmproxy.flow import Flow
from mitmproxy.log import AddLogHook, LegacyLogEvents, LogEntry

type Group = tuple[int, list[Callable[..., Any]]]
"""Place of an addon in the chain, and its functions for a hook with those of its sub-addons.

An error in one skips the rest of its group.
"""


class HookTable:
    """Which functions of one manager's addons take a hook.

    Attributes:
        version: grows when an addon comes or goes.
    """

    def __init__(self) -> None:
        self._groups: dict[str, list[Group]] = {}
        self._chain: list[Any] = []
        self.version = 0

    def forget(self) -> None:
        """An addon came or went."""
        self._groups.clear()
        self.version += 1

    def groups(self, manager: AddonManager, event: hooks.Hook) -> list[Group]:
        """The functions for ``event``, in mitmproxy's order."""
        if self._chain != manager.chain:
            self._chain = list(manager.chain)
            self._groups.clear()
        found = self._groups.get(event.name)
        if found is None:
            groups = (
                (place, _functions(manager, addon, event))
                for place, addon in enumerate(manager.chain)
            )
            found = self._groups[event.name] = [group for group in groups if group[1]]
        return found


_LOG: Final = AddLogHook(LogEntry("", "debug"))
"""Stands for any line in the log."""

_UPDATE: Final = hooks.UpdateHook([])
"""Stands for any change of flows."""


def _functions(manager: AddonManager, addon: Any, event: hooks.Hook) -> list[Callable[..., Any]]:
    """As mitmproxy finds them; what it fails at is found again at each event, and fails then."""
    functions: list[Callable[..., Any]] = []
    try:
        functions.extend(function for _, function in manager._iter_hooks(addon, event))
    except Exception as error:  # noqa: BLE001 - raised where mitmproxy would raise it
        failure = error

        def fail(*_: Any) -> None:
            raise failure.with_traceback(None)

        functions.append(fail)
    return functions


def install() -> Callable[[], None]:
    """Use the table from now on; the result undoes it."""
    trigger_event, handle_lifecycle = AddonManager.trigger_event, AddonManager.handle_lifecycle
    register, remove = AddonManager.register, AddonManager.remove
    emit, arguments_of = LegacyLogEvents.emit, hooks.Hook.args
    names: dict[type[hooks.Hook], tuple[str, ...]] = {}
    tables: weakref.WeakKeyDictionary[AddonManager, HookTable] = weakref.WeakKeyDictionary()

    def table(manager: AddonManager) -> HookTable:
        found = tables.get(manager)
        if found is None:
            found = tables[manager] = HookTable()
        return found

    async def trigger_from_table(self: AddonManager, event: hooks.Hook) -> None:
        known, chain = table(self), self.chain
        groups, version = known.groups(self, event), known.version
        if not groups:
            return
        arguments = event.args()
        for place, functions in groups:
            try:
                for function in functions:
                    result = function(*arguments)
                    if result is not None and inspect.isawaitable(result):
                        await result
            except exceptions.AddonHalt:
                return
            except Exception:
                with safecall():
                    raise
            if known.version != version:
                await _search(self, chain, place + 1, event)
                return

    async def handle_and_update(self: AddonManager, event: hooks.Hook) -> None:
        (message, *_) = event.args()
        await self.trigger_event(event)
        if isinstance(message, Flow) and table(self).groups(self, _UPDATE):
            await self.trigger_event(hooks.UpdateHook([message]))

    def arguments_by_name(self: hooks.Hook) -> list[Any]:
        known = names.get(type(self))
        if known is None:
            known = names[type(self)] = tuple(field.name for field in fields(self))  # type: ignore[arg-type]
        return [getattr(self, name) for name in known]

    def emit_where_taken(self: LegacyLogEvents, record: logging.LogRecord) -> None:
        manager = self.master.addons
        # The table is for one thread; what others say is made an event in any case.
        if record.thread != main_thread().ident or table(manager).groups(manager, _LOG):
            emit(self, record)

    def register_and_forget(self: AddonManager, addon: Any) -> Any:
        try:
            return register(self, addon)  # type: ignore[no-untyped-call]
        finally:
            table(self).forget()

    def remove_and_forget(self: AddonManager, addon: Any) -> None:
        try:
            remove(self, addon)  # type: ignore[no-untyped-call]
        finally:
            table(self).forget()

    AddonManager.trigger_event = trigger_from_table  # type: ignore[method-assign]
    AddonManager.handle_lifecycle = handle_and_update  # type: ignore[method-assign]
    AddonManager.register = register_and_forget  # type: ignore[method-assign]
    AddonManager.remove = remove_and_forget  # type: ignore[method-assign]
    LegacyLogEvents.emit = emit_where_taken  # type: ignore[method-assign]
    hooks.Hook.args = arguments_by_name  # type: ignore[method-assign]

    def uninstall() -> None:
        AddonManager.trigger_event = trigger_event  # type: ignore[method-assign]
        AddonManager.handle_lifecycle = handle_lifecycle  # type: ignore[method-assign]
        AddonManager.register = register  # type: ignore[method-assign]
        AddonManager.remove = remove  # type: ignore[method-assign]
        LegacyLogEvents.emit = emit  # type: ignore[method-assign]
        hooks.Hook.args = arguments_of  # type: ignore[method-assign]

    return uninstall


async def _search(manager: AddonManager, chain: list[Any], place: int, event: hooks.Hook) -> None:
    """The rest of an event during which an addon came or went, as mitmproxy does it: addons that
    are added to the chain meanwhile are called too."""
    while place < len(chain):
        try:
            with safecall():
                await manager.invoke_addon(chain[place], event)
        except exceptions.AddonHalt:
            return
        place += 1
