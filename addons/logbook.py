"""The log of a running floway: mitmproxy's hooks on one side, ``addons/operate/logs`` on the other.

One line for each request at level INFO; what was decided, and why, at DEBUG. It comes after the
gateway in the list of addons: what it sees, the gateway has decided. Nothing in here may disturb a
request.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.termlog import TermLog

from addons.attempts import ExchangeDriver
from addons.debug.description import METADATA
from addons.destinations import is_own
from addons.driver import driver_of
from addons.exchange import Exchange, Usage
from addons.operate import METRICS_PATH, PREFIX
from addons.operate.logs import lines
from addons.operate.logs.mask import KEY_BYTES, Mask, key_of
from addons.operate.logs.records import FIELDS, Guard, Safe
from addons.operate.logs.sinks import JsonLines, LogFile
from addons.settings import Settings

logger = logging.getLogger(__name__)

NOT_OURS: Final = "mitmproxy"
"""Logger of what is said less of, where floway itself says all."""


_FAILED = re.compile(rb'"type"\s*:\s*"(?:error|response\.failed)"')
"""In a server's message: the response has failed. (One that went well has reported its tokens.)"""

_BEGINNING: Final = 300
"""Bytes of a message in which its type stands."""


@dataclass(slots=True)
class _Told:
    """How far an exchange has come.

    Attributes:
        begun: of the request, or of the last message of a WebSocket's client; monotonic seconds.
        first: seconds until the answer began; below 0 while it has not.
        usage: the one that has been told.
    """

    begun: float
    first: float = -1.0
    usage: Usage | None = None


class Logbook:
    """
    Args:
        settings: those in force.
    """

    name = "floway_logbook"

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self.mask = Mask(secrets.token_bytes(KEY_BYTES))
        self._guard = Guard(lambda text, paths: self.mask.line(text, paths=paths))
        self._used: Settings | None = None
        self._file: LogFile | None = None
        self._undo: list[Callable[[], None]] = []
        self._told: weakref.WeakKeyDictionary[Exchange, _Told] = weakref.WeakKeyDictionary()
        self._complained = False

    # --- mitmproxy events --------------------------------------------------------------------

    def load(self, _loader: Loader) -> None:
        self._guard.install()

    def configure(self, _updated: set[str]) -> None:
        settings, used = self._settings(), self._used
        if settings is used:
            return
        self._used = settings
        if used is None or used.home != settings.home:
            self.mask = Mask(key_of(settings.home))
        for key in settings.client_keys:
            self.mask.know(key.get_secret_value())
        for account in settings.accounts:
            if account.api_key is not None:
                self.mask.know(account.api_key.get_secret_value())
        self.mask.show(_own_paths(settings))
        self._show(settings)
        before = None if used is None else (used.log_path, used.log_file_mb)
        if before != (settings.log_path, settings.log_file_mb):
            self._write(settings)

    def done(self) -> None:
        self._close_file()
        while self._undo:
            self._undo.pop()()
        self._guard.uninstall()

    def request(self, flow: http.HTTPFlow) -> None:
        self._guarded(self._planned, flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._guarded(self._answered, flow)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        self._guarded(self._message, flow)

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.websocket is None:
            self._guarded(self._ended, flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._guarded(self._ended, flow)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self._guarded(self._ended, flow)

    def _guarded(self, work: Callable[[http.HTTPFlow], None], flow: http.HTTPFlow) -> None:
        try:
            work(flow)
        except Exception:
            if not self._complained:
                logger.warning("a request could not be told in the log", exc_info=True)
            self._complained = True

    # --- what is shown -----------------------------------------------------------------------

    def _show(self, settings: Settings) -> None:
        """On the terminal: in the form, and with the detail, that the settings want."""
        while self._undo:
            self._undo.pop()()
        terminal = ctx.master.addons.get("termlog")
        if not isinstance(terminal, TermLog):
            return
        handler = terminal.logger
        if isinstance(handler.file, TextIOWrapper):  # a pipe, as of a service: no line may wait
            handler.file.reconfigure(line_buffering=True)
        if settings.log_format == "json":
            self._undo.append(partial(handler.setFormatter, handler.formatter))
            handler.setFormatter(JsonLines())
        if settings.log_level == "debug" and handler.level > logging.DEBUG:
            # floway's own: mitmproxy's would be many times as much.
            others = logging.getLogger(NOT_OURS)
            self._undo += [
                partial(handler.setLevel, handler.level),
                partial(others.setLevel, others.level),
            ]
            handler.setLevel(logging.DEBUG)
            others.setLevel(logging.INFO)

    def _write(self, settings: Settings) -> None:
        self._close_file()
        if settings.log_path is not None:
            limit = settings.log_file_mb * 1024 * 1024
            self._file = LogFile(settings.log_path, limit, self._complain())
            logging.getLogger().addHandler(self._file.handler)

    def _complain(self) -> Callable[[str], None]:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return logger.warning

        def complain(text: str) -> None:
            loop.call_soon_threadsafe(partial(logger.warning, "%s", text))

        return complain

    def _close_file(self) -> None:
        if self._file is not None:
            logging.getLogger().removeHandler(self._file.handler)
            self._file.close()
            self._file = None

    # --- what is said ------------------------------------------------------------------------

    def _planned(self, flow: http.HTTPFlow) -> None:
        driver = driver_of(flow)
        if not isinstance(driver, ExchangeDriver):
            return
        exchange = driver.exchange
        self._told[exchange] = _Told(exchange.started)
        self.mask.learn(exchange.headers)
        if driver.production is None and flow.response is None:
            self.mask.learn(flow.request.headers.fields)
        if logger.isEnabledFor(logging.DEBUG):
            self._explain(exchange)

    def _explain(self, exchange: Exchange) -> None:
        route, summary = exchange.route, exchange.summary
        account = exchange.attempts[-1].account if exchange.attempts else ""
        told = [f"{exchange.id}: {exchange.method} {exchange.path.partition('?')[0]}"]
        told.append(f"route {route.path} ({route.kind}) of {exchange.provider.name}")
        told.append(f"key of {exchange.principal}")
        if exchange.turn is not None:
            told.append(f"model {exchange.turn.model}")
        if exchange.conversation:
            told.append(f"conversation {exchange.conversation}{_because(summary)}")
        told.append(f"account {account}" if account else "nothing is sent")
        told += [f"{name} {summary[name]}" for name in _EXPLAINED if summary.get(name)]
        fields = {"exchange": exchange.id, "conversation": self.mask.word(exchange.conversation)}
        fields |= {"account": self.mask.word(account)} if account else {}
        logger.debug("%s", "; ".join(told), extra={FIELDS: fields})

    def _answered(self, flow: http.HTTPFlow) -> None:
        driver = driver_of(flow)
        if isinstance(driver, ExchangeDriver):
            told = self._told.get(driver.exchange)
            if told is not None and told.first < 0:
                told.first = time.monotonic() - told.begun

    def _message(self, flow: http.HTTPFlow) -> None:
        driver = driver_of(flow)
        if not isinstance(driver, ExchangeDriver) or flow.websocket is None:
            return
        exchange, messages = driver.exchange, flow.websocket.messages
        told = self._told.get(exchange)
        if told is None or not messages:
            return
        now = time.monotonic()
        if messages[-1].from_client:
            told.begun, told.first = now, -1.0
            return
        if told.first < 0:
            told.first = now - told.begun
        failed = _FAILED.search(messages[-1].content[:_BEGINNING]) is not None
        if not failed and exchange.usage is told.usage:
            return
        usage = None if exchange.usage is told.usage else exchange.usage
        told.usage = exchange.usage
        status = flow.response.status_code if flow.response is not None else 0
        outcome = "failed" if failed else "completed"
        passed = now - told.begun
        self._say(exchange, lines.Ended("response", status, outcome, told.first, passed, usage))

    def _ended(self, flow: http.HTTPFlow) -> None:
        driver = driver_of(flow)
        if not isinstance(driver, ExchangeDriver):
            self._besides(flow)
            return
        exchange = driver.exchange
        told = self._told.pop(exchange, None)
        if told is None:
            return  # told already, or refused before it was read
        status = flow.response.status_code if flow.response is not None else 0
        outcome = exchange.outcome.value if exchange.outcome is not None else "failed"
        passed = time.monotonic() - exchange.started
        if flow.websocket is not None:
            close = f"{outcome} (closed {flow.websocket.close_code})"
            self._say(exchange, lines.Ended("socket", status, close, -1.0, passed, None))
        else:
            usage = exchange.usage
            self._say(exchange, lines.Ended("request", status, outcome, told.first, passed, usage))

    def _say(self, exchange: Exchange, ended: lines.Ended) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        told = lines.fields(exchange, ended, self.mask.word)
        line, more = Safe(lines.text(told)), {FIELDS: told}
        # Without a search for the caller's line, which is this one.
        record = logger.makeRecord(
            logger.name, logging.INFO, __file__, 0, line, (), None, extra=more
        )
        logger.handle(record)

    def _besides(self, flow: http.HTTPFlow) -> None:
        """What is no exchange: an attempt that was not given, a path that nobody serves."""
        described: Any = flow.metadata.get(METADATA)
        if isinstance(described, dict) and "continued_in" in described:
            fields = {"exchange": described["exchange"], "account": described["account"]}
            fields = {name: self.mask.word(str(value)) for name, value in fields.items()}
            logger.debug("%s: %s", described["exchange"], flow.comment, extra={FIELDS: fields})
        elif flow.is_replay or not flow.live:
            return
        elif not is_own(flow):
            logger.debug("%s %s: left alone", flow.request.method, flow.request.pretty_host)
        else:
            path = flow.request.path.partition("?")[0]
            level = logging.DEBUG if path.startswith((PREFIX, METRICS_PATH)) else logging.INFO
            status = flow.response.status_code if flow.response is not None else 0
            logger.log(level, "%s %s · %d", flow.request.method, path, status)


def _own_paths(settings: Settings) -> list[Path]:
    """Paths that the person has set."""
    found = [settings.home, settings.capture, settings.timeline, settings.log_path]
    found += [entry.auth_file for entry in settings.accounts]
    return [Path(each) for each in found if each is not None]


_EXPLAINED: Final = ("profile", "session", "run", "checkpoint", "account_change", "notes", "error")
"""Members of an exchange's summary that say why something was done."""


def _because(summary: dict[str, Any]) -> str:
    sources = summary.get("sources")
    if not isinstance(sources, dict) or not sources:
        return ""
    told = ", ".join(f"{name}: {source}" for name, source in sources.items())
    return f" ({told})"
