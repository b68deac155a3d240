"""The addon that turns mitmproxy options into :class:`~addons.settings.Settings`.

It registers one ``floway_*`` option for each setting, keeps ``settings`` up to date, and gives
mitmproxy's own options the values that floway needs, where the user left the default.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, cast

from mitmproxy import connection, ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import mode_specs
from pydantic.fields import FieldInfo

from addons import settings_layers
from addons.settings import OPTION_PREFIX, Settings, is_loopback

logger = logging.getLogger(__name__)

LISTS: Final = (
    *("client_keys", "control_hosts", "forward_hosts", "upstreams", "accounts", "issuers"),
    *("agent_upstreams", "client_versions", "swap_accounts"),
)
SWITCHES: Final = tuple(n for n, field in Settings.model_fields.items() if field.annotation is bool)

MITMPROXY_DEFAULTS: Final[Mapping[str, object]] = {
    # eager connects to the host that the client named, before a route has said where to go.
    "connection_strategy": "lazy",
    # Nothing to copy from an upstream certificate when no connection is open yet.
    "upstream_cert": False,
    # A reasoning model may be silent for longer than the default of 600 s.
    "tcp_timeout": 3600,
    # floway's log has a line for each request (addons/logbook.py); mitmdump's own would tell the
    # same again, with the whole query.
    "flow_detail": 0,
    # With more detail, mitmdump would print a line for every message of a WebSocket.
    "dumper_filter": "!~websocket",
    # Loopback only; mitmproxy's own default is every interface.
    "listen_host": "127.0.0.1",
}
"""Values for mitmproxy's options where the user left the default.

mitmproxy does not record whether a value was typed or is the default, so the default typed out
(``--set connection_strategy=eager``) is taken for a default.
"""

WATCHED_DEFAULTS: Final[Mapping[str, object]] = {
    # A stream that is not kept can't be looked at.
    "store_streamed_bodies": True,
    # With the comment, where a flow's conversation, account and attempts stand.
    "web_columns": ("icon", "path", "comment", "method", "status", "size", "time"),
}
"""Likewise, where a person looks at the list of flows: in mitmweb and the console."""

QUIET_LOGGERS: Final = ("mitmproxy.proxy.server",)
"""Say a line for every connection; kept to warnings unless mitmproxy's verbosity is changed."""

LIBRARY_LOGGERS: Final = ("httpx", "httpcore", "h2", "hpack", "asyncio")
"""Say a line for every request of floway's own, or every header; kept to warnings."""

OWN_LOGGERS: Final = ("addons", "fingerprints", "replay")


class Configuration:
    """Settings for the other addons of the script.

    At start-up a mistake is logged as an error, which makes mitmproxy exit with code 1; later
    (an option changed in mitmweb, say) it is refused with ``OptionsError`` and the old settings
    stay in force.
    """

    name = "floway-configuration"

    def __init__(self) -> None:
        # mitmproxy reads every attribute of an addon that it loads, so none may raise.
        self.loaded = settings_layers.Loaded(Settings.model_construct(), {})
        self.valid = False
        """Whether ``loaded`` is what the user wants. False before the options are read, and after
        a mistake at start-up: then the built-in defaults are there, and mitmproxy exits."""
        self._running = False
        self._changed_levels: dict[str, int] = {}
        self._rebinding: asyncio.Task[None] | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    # --- mitmproxy events ------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        for name, field in Settings.model_fields.items():
            _add_option(loader, name, field)
        watched = ctx.master.addons.get("view") is not None
        defaults = {**MITMPROXY_DEFAULTS, **(WATCHED_DEFAULTS if watched else {})}
        ctx.options.update(
            **{
                name: value
                for name, value in defaults.items()
                if name in ctx.options and not ctx.options.has_changed(name)
            }
        )

    def configure(self, updated: set[str]) -> None:
        ours = any(name.startswith(OPTION_PREFIX) for name in updated)
        if not ours and not updated & {"listen_host", "mode", "termlog_verbosity"}:
            return
        try:
            loaded = settings_layers.load(self._options())
            _check_listeners(loaded.settings)
        except settings_layers.SettingsError as error:
            if self._running:
                raise exceptions.OptionsError(str(error)) from error
            self.valid = False
            for problem in error.problems:
                logger.error("floway: %s", problem)
            return
        for warning in loaded.warnings:
            if warning not in self.loaded.warnings:
                logger.warning("floway: %s", warning)
        self.loaded, self.valid = loaded, True
        self._set_log_levels(loaded.settings)

    def running(self) -> asyncio.Task[None] | None:
        """Returns what is still to be waited for.

        mitmproxy awaits it at start-up. An ``async def`` would do there too, and would break the
        reload of the script, which calls this hook from synchronous code.
        """
        self._running = True
        if not self.valid:
            return None
        self._rebinding = asyncio.create_task(_rebind(), name="floway: rebind listeners")
        return self._rebinding

    def client_connected(self, client: connection.Client) -> None:
        """Without keys, only this machine may connect, whatever the listener is bound to."""
        if self.settings.client_keys:
            return
        local = isinstance(client.proxy_mode, mode_specs.LocalMode)
        if not local and not is_loopback(client.peername[0]):
            client.error = "no client keys are set, so only this machine may connect"
            logger.warning("floway: refused a connection from %s", client.peername[0])

    def done(self) -> None:
        for name, level in self._changed_levels.items():
            logging.getLogger(name).setLevel(level)
        self._changed_levels.clear()

    # --- the parts -------------------------------------------------------------------------------

    def _options(self) -> dict[str, object]:
        """What the user set by mitmproxy option, by setting name."""
        values: dict[str, object] = {}
        for name in Settings.model_fields:
            value = getattr(ctx.options, OPTION_PREFIX + name)
            if name in SWITCHES:
                # `--set floway_sandbox` without a value arrives as None and means true.
                if value != "":
                    values[name] = "true" if value is None else value
            elif value is not None and (name not in LISTS or value):
                values[name] = list(value) if name in LISTS else value
        # mitmproxy keeps options that nobody registered, and says nothing about them.
        for name in ctx.options.deferred:
            if name.startswith(OPTION_PREFIX):
                values[name.removeprefix(OPTION_PREFIX)] = ""  # an unknown name, which load refuses
        return values

    def _set_log_levels(self, settings: Settings) -> None:
        levels = dict.fromkeys(
            OWN_LOGGERS, logging.getLevelNamesMapping()[settings.log_level.upper()]
        )
        levels |= dict.fromkeys(LIBRARY_LOGGERS, logging.WARNING)
        verbosity = "termlog_verbosity"
        if verbosity not in ctx.options or not ctx.options.has_changed(verbosity):
            levels |= dict.fromkeys(QUIET_LOGGERS, logging.WARNING)
        self.done()
        for name, level in levels.items():
            self._changed_levels[name] = logging.getLogger(name).level
            logging.getLogger(name).setLevel(level)


def _add_option(loader: Loader, name: str, field: FieldInfo) -> None:
    """Text options throughout: the model converts, so that messages are the same for all layers.

    An option that was not given is None (a list: empty; a switch: the empty text), so that it does
    not hide the layers below.
    """
    option = OPTION_PREFIX + name
    text = field.description or ""
    optional_text = cast("type", str | None)  # what mitmproxy takes, and its annotation does not
    if name in LISTS:
        loader.add_option(option, Sequence[str], [], text)
    elif name in SWITCHES:
        loader.add_option(option, optional_text, "", f"{text} (true or false)")
    else:
        loader.add_option(option, optional_text, None, text)


def _check_listeners(settings: Settings) -> None:
    """
    Raises:
        SettingsError: other machines could come in without a key.
    """
    for mode in _modes() if ctx.options.server else ():
        if mode.listen_port(ctx.options.listen_port) is not None:
            settings_layers.check_listener(settings, mode.listen_host(ctx.options.listen_host))


def _modes() -> list[mode_specs.ProxyMode]:
    modes = []
    for spec in ctx.options.mode:
        try:
            modes.append(mode_specs.ProxyMode.parse(spec))
        except ValueError:
            logger.debug("mode %r is left to mitmproxy, which refuses it", spec)
    return modes


async def _rebind() -> None:
    """Move listeners that were bound before ``listen_host`` was set.

    A script is loaded while mitmproxy already binds its listeners, so with plain
    ``mitmdump -s addons/floway.py`` they are on every interface by now (seen with 12.2.3).
    """
    proxyserver = ctx.master.addons.get("proxyserver")
    if not isinstance(proxyserver, Proxyserver) or not ctx.options.server:
        return
    misplaced = {
        instance.mode
        for instance in proxyserver.servers
        if is_loopback(instance.mode.listen_host(ctx.options.listen_host))
        and not all(is_loopback(address[0]) for address in instance.listen_addrs)
    }
    if misplaced:
        modes = _modes()
        await proxyserver.servers.update([mode for mode in modes if mode not in misplaced])
        await proxyserver.servers.update(modes)
