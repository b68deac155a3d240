"""A real mitmproxy in the test's own event loop, and checks that hold for every test here:

nothing is logged at ERROR, every flow ends in exactly one of ``response`` and ``error``, and no
upstream connection and no task is left once the clients are gone.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from mitmproxy import options
from mitmproxy.addons import (
    core,
    disable_h2c,
    next_layer,
    proxyserver,
    save,
    tlsconfig,
    update_alt_svc,
)
from mitmproxy.master import Master

from addons.quick import dispatch, pump
from addons.stream import install
from tests.stream.behaviours import succeed
from tests.stream.clients import Client, Http1Client, Http2Client
from tests.stream.drivers import ScriptedGateway, Target, Wishes
from tests.stream.upstreams import Kind, Upstream

OVERSIZED = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 8\r\n\r\ntoo much"


class Proxy:
    """mitmproxy with the scripted gateway, listening on a free port."""

    def __init__(self, master: Master, gateway: ScriptedGateway, port: int) -> None:
        self.master = master
        self.gateway = gateway
        self.wishes = gateway.wishes
        self.port = port
        self.clients: list[Client] = []

    async def client(self, kind: str) -> Client:
        opened = await (Http2Client if kind == "h2" else Http1Client).open(self.port)
        self.clients.append(opened)
        return opened

    def aim(self, *upstreams: Upstream, lanes: str = "", http2: bool = True) -> None:
        """Attempts go to these upstreams, each in a lane of its own when ``lanes`` names them."""
        names = list(lanes) or [""] * len(upstreams)
        self.wishes.targets = [
            Target(upstream.scheme, upstream.port, lane, http2)
            for upstream, lane in zip(upstreams, names, strict=True)
        ]

    @property
    def handlers(self) -> dict[object, object]:
        server = self.master.addons.get("proxyserver")
        assert isinstance(server, proxyserver.Proxyserver)
        return dict(server.connections)


def write_certificate(path: Path, *, authority: bool) -> Path:
    """Key and self-signed certificate in one file. (Elliptic: an RSA key takes 30 ms to load.)"""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.stem)])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="session")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitmproxy's configuration directory, with a certificate authority."""
    path = tmp_path_factory.mktemp("mitmproxy")
    write_certificate(path / "mitmproxy-ca.pem", authority=True)
    return path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the upstreams."""
    return write_certificate(
        tmp_path_factory.mktemp("upstream") / "certificate.pem", authority=False
    )


def _is_cut_connection(record: logging.LogRecord) -> bool:
    """asyncio's word on a connection that a test cut, said when its stream is collected."""
    error = record.exc_info[1] if record.exc_info else None
    return record.name == "asyncio" and isinstance(error, ConnectionError)


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A record at ERROR (mitmproxy logs its crashes there) fails the test."""
    caplog.set_level(logging.INFO)
    yield
    loud = [
        record
        for phase in ("setup", "call", "teardown")
        for record in caplog.get_records(phase)  # type: ignore[arg-type]
        if record.levelno >= logging.ERROR or "has crashed" in record.getMessage()
        if not _is_cut_connection(record)
    ]
    assert not loud, "\n".join(
        f"{record.name}: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}"
        for record in loud
    )


@pytest.fixture
async def proxy(confdir: Path, make_upstream: MakeUpstream) -> AsyncIterator[Proxy]:
    """Depends on ``make_upstream``, so that upstreams are looked at when the proxy is gone."""
    async with running_proxy(confdir) as proxy:
        yield proxy


class running_proxy:
    """Context manager: start mitmproxy, stop it, and look at what it leaves behind."""

    def __init__(self, confdir: Path, *, installed: bool = True, **settings: object) -> None:
        self._confdir = confdir
        self._installed = installed
        self._settings = settings

    async def __aenter__(self) -> Proxy:
        self._before = asyncio.all_tasks()
        async with AsyncExitStack() as stack:
            proxy = await self._start(stack)
            self._proxy, self._running = proxy, stack.pop_all()
        return proxy

    async def _start(self, stack: AsyncExitStack) -> Proxy:
        opts = options.Options(
            confdir=str(self._confdir), listen_host="127.0.0.1", listen_port=0, ssl_insecure=True
        )
        master = Master(opts)
        master.addons.add(  # those that carry HTTP; all of them take three times as long to start
            core.Core(),
            proxyserver.Proxyserver(),
            disable_h2c.DisableH2C(),
            next_layer.NextLayer(),
            save.Save(),
            tlsconfig.TlsConfig(),
            update_alt_svc.UpdateAltSvc(),
        )
        gateway = ScriptedGateway(Wishes())
        master.addons.add(gateway)
        opts.update(connection_strategy="lazy", **self._settings)
        if self._installed:  # as the gateway does
            stack.callback(install(OVERSIZED))
            stack.callback(dispatch.install())
            stack.callback(pump.install())
        stack.push_async_callback(shut, master, asyncio.create_task(master.run()))
        server = master.addons.get("proxyserver")
        await until(server.listen_addrs, "mitmproxy does not listen")
        return Proxy(master, gateway, server.listen_addrs()[0][1])

    async def __aexit__(self, *_: object) -> None:
        proxy = self._proxy
        async with self._running:
            for client in proxy.clients:
                await client.close()
            await until(lambda: not proxy.handlers, "clients' connections are left")

        def left() -> list[asyncio.Task[object]]:
            known = {*self._before, asyncio.current_task()}
            return [task for task in asyncio.all_tasks() - known if not task.done()]

        await until(lambda: not left(), lambda: f"tasks are left: {left()}")
        for flow in proxy.gateway.flows:
            names = proxy.gateway.names(flow)
            ends = [name for name in names if name in ("response", "error")]
            assert len(ends) == 1 or flow.request.method == "CONNECT", (flow.request.path, names)


async def shut(master: Master, run: asyncio.Task[None]) -> None:
    """End a mitmproxy that runs."""
    master.shutdown()
    await run


async def until(condition: Callable[[], object], complaint: str | Callable[[], str]) -> None:
    """Wait for a condition that nobody announces."""
    for patience in range(600):
        if condition():
            return
        await asyncio.sleep(0 if patience < 100 else 0.01)
    raise AssertionError(complaint() if callable(complaint) else complaint)


type MakeUpstream = Callable[[Kind], Awaitable[Upstream]]


class Clock:
    """What the deadlines go by; their timers fire at each of many short ticks."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds

    async def ticks(self) -> None:
        """Wait until every timer has fired since the clock was advanced."""
        await asyncio.sleep(0.06)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("addons.deadlines.time", clock)
    monkeypatch.setattr("addons.deadlines.TICK", 0.02)
    return clock


@pytest.fixture
async def make_upstream(certificate: Path) -> AsyncIterator[MakeUpstream]:
    """Start scripted upstreams; at the end no connection to them may be open."""
    made: list[Upstream] = []

    async def make(kind: Kind) -> Upstream:
        context = None
        if kind != "h1":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        upstream = Upstream(kind, context)
        upstream.answers(succeed())
        await upstream.start()
        made.append(upstream)
        return upstream

    yield make
    try:
        for upstream in made:
            await upstream.all_closed()
            assert not upstream.failures, upstream.failures
            for received in upstream.seen:
                assert received.inbox.empty() or received.header("upgrade"), "stray bytes"
    finally:
        for upstream in made:
            await upstream.stop()


COMBINATIONS = [
    pytest.param(client, upstream, id=f"{client}-{upstream}")
    for client in ("h1", "h2")
    for upstream in ("h1", "h2")
]
