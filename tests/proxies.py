"""A real mitmproxy in the test's own event loop, with floway's gateway in front of a fake provider.

Real sockets on both sides; the clients and upstreams are those of the stream's contract test.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from mitmproxy import http, options
from mitmproxy.addons import (
    clientplayback,
    core,
    disable_h2c,
    next_layer,
    proxyserver,
    save,
    tlsconfig,
    update_alt_svc,
)
from mitmproxy.master import Master

from addons.attempts import Witness
from addons.debug.witness import show_attempt
from addons.errors import ClientError
from addons.front.routes import Route
from addons.gateway import Gateway, Service
from addons.providers.contract import Answer, Commit, Hold, NextAccount, Verdict
from addons.settings import Settings
from tests.fakes import FakeProvider, answer_events, wire
from tests.stream.clients import Answer as Told
from tests.stream.clients import Client, Http1Client, Http2Client
from tests.stream.conftest import shut, until
from tests.stream.upstreams import Upstream

HEALTH = Route(None, "GET", "/healthz", "local", "responses", "")


@dataclass
class Noting:
    """An addon that writes down which hooks were called, and with which flows."""

    hooks: list[tuple[str, http.HTTPFlow]] = field(default_factory=list)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.hooks.append(("requestheaders", flow))

    def response(self, flow: http.HTTPFlow) -> None:
        self.hooks.append(("response", flow))

    def error(self, flow: http.HTTPFlow) -> None:
        self.hooks.append(("error", flow))

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self.hooks.append(("websocket_end", flow))

    @property
    def flows(self) -> list[http.HTTPFlow]:
        """Clients' flows, without the copies of failed attempts."""
        found = [flow for name, flow in self.hooks if name == "requestheaders"]
        return [flow for flow in found if "continued_in" not in flow.metadata.get("floway", {})]

    def names(self, flow: http.HTTPFlow) -> list[str]:
        return [name for name, other in self.hooks if other is flow]


class Proxy:
    """mitmproxy with the gateway, listening on a free port.

    Attributes:
        service: what the gateway serves; replace it to change settings.
    """

    def __init__(
        self,
        confdir: Path,
        provider: FakeProvider,
        *,
        addons: Sequence[object] = (),
        more: Sequence[FakeProvider] = (),
        own_ports: Callable[[], frozenset[int]] = frozenset,
        witness: Witness = show_attempt,
        **settings: Any,
    ) -> None:
        self.provider = provider
        self.providers = [provider, *more]
        self.gateway = Gateway(witness)
        self.noting = Noting()
        self.settings = Settings(**settings)
        self.clients: list[Client] = []
        self.port = 0
        self._own_ports = own_ports
        self._confdir = confdir
        self._addons = addons

    async def __aenter__(self) -> Self:
        self._before = asyncio.all_tasks()
        async with AsyncExitStack() as stack:
            stack.callback(self.gateway.done)  # mitmproxy is put back, also if this goes wrong
            await self._start(stack)
            self._running = stack.pop_all()
        return self

    async def _start(self, stack: AsyncExitStack) -> None:
        opts = options.Options(
            confdir=str(self._confdir), listen_host="127.0.0.1", listen_port=0, ssl_insecure=True
        )
        self.master = master = Master(opts)
        master.addons.add(  # those that carry HTTP; all of them take three times as long to start
            core.Core(),
            clientplayback.ClientPlayback(),
            disable_h2c.DisableH2C(),
            proxyserver.Proxyserver(),
            *self._addons,
            self.gateway,
            self.noting,
            next_layer.NextLayer(),
            save.Save(),
            tlsconfig.TlsConfig(),
            update_alt_svc.UpdateAltSvc(),
        )
        opts.update(connection_strategy="lazy")
        stack.push_async_callback(shut, master, asyncio.create_task(master.run()))
        server = self.server = master.addons.get("proxyserver")
        await until(server.listen_addrs, "mitmproxy does not listen")
        self.port = server.listen_addrs()[0][1]
        self.serve()

    def serve(self, **settings: Any) -> None:
        """Put the gateway into service, perhaps with other settings."""
        self.settings = Settings(**settings) if settings else self.settings
        self.gateway.service = Service.of(self.settings, self.providers, [HEALTH], self._own_ports)

    def aim(self, upstream: Upstream) -> None:
        """Plans go to this upstream."""
        self.provider.upstream = ("127.0.0.1", upstream.port)

    async def client(self, kind: str = "h1") -> Client:
        opened = await (Http2Client if kind == "h2" else Http1Client).open(self.port)
        self.clients.append(opened)
        return opened

    @property
    def flow(self) -> http.HTTPFlow:
        """The one flow."""
        (flow,) = self.noting.flows
        return flow

    async def ended(self, count: int = 1) -> None:
        """Wait until this many exchanges are over."""
        await until(lambda: len(self.provider.ends) >= count, lambda: f"{self.provider.calls}")

    async def __aexit__(self, *_: object) -> None:
        async with self._running:
            for client in self.clients:
                await client.close()
            await until(lambda: not self.server.connections, "clients' connections are left")

        def left() -> list[asyncio.Task[object]]:
            known = {*self._before, asyncio.current_task()}
            return [task for task in asyncio.all_tasks() - known if not task.done()]

        await until(lambda: not left(), lambda: f"tasks are left: {left()}")


SSE = [("content-type", "text/event-stream")]
STREAM = wire(answer_events("Hel", "lo"))
BUSY = ClientError(429, "usage_limit_reached", "The limit is reached.", retry_after=60)


def said(**members: Any) -> bytes:
    return json.dumps({"model": "m", "input": "Hi", "stream": True, **members}).encode()


def judge_by_status(answer: Answer) -> Verdict:
    if answer.status is None:
        return NextAccount("transport", 0.0, BUSY)
    if answer.status == 429:
        return NextAccount("limit", 60.0, BUSY)
    return Commit() if b"output" in answer.body or answer.ended != "open" else Hold()


async def ask(
    proxy: Proxy,
    path: str = "/v1/responses",
    body: bytes = b"",
    *,
    kind: str = "h1",
    method: str = "POST",
    **headers: str,
) -> Told:
    client = await proxy.client(kind)
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return await client.ask(path, body, method=method, headers=pairs)


def code(told: Told) -> str:
    found: str = json.loads(told.body)["error"]["code"]
    return found


def expected_errors(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What is logged as an error must be expected: a test takes it off the list."""
    caplog.set_level(logging.INFO)
    expected: list[str] = []
    yield expected
    loud = [
        record.getMessage()
        for phase in ("setup", "call", "teardown")
        for record in caplog.get_records(phase)  # type: ignore[arg-type]
        if record.levelno >= logging.ERROR
    ]
    assert [line for line in loud if not any(line.startswith(word) for word in expected)] == []
    assert all(any(line.startswith(word) for line in loud) for word in expected)


def alive(*kinds: type[Any]) -> list[Any]:
    """The objects of these classes that something other than a cycle holds."""
    gc.collect()
    return [each for each in gc.get_objects() if type(each) in kinds]


def added(before: list[Any], *kinds: type[Any]) -> list[Any]:
    """Those that came since; one of an earlier test may have gone in the meantime."""
    known = {id(each) for each in before}  # which are alive, so no id is another's
    return [each for each in alive(*kinds) if id(each) not in known]
