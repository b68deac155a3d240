"""What installing the stream changes for mitmproxy itself: nothing."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from mitmproxy import http, options
from mitmproxy.io import FlowReader
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import Http1Server, HttpLayer
from mitmproxy.tools.dump import DumpMaster

from addons.driver import is_origin_form
from addons.quick import shortcuts
from addons.stream import AttemptStream, install
from tests.stream.behaviours import break_off, refuse, reset, succeed
from tests.stream.clients import Http1Client
from tests.stream.conftest import OVERSIZED, MakeUpstream, Proxy, running_proxy, shut, until
from tests.stream.drivers import ScriptedGateway, Target, Wishes
from tests.stream.upstreams import Framing


def test_uninstall_restores_everything() -> None:
    def state() -> list[object]:
        return [
            dict(vars(HttpLayer)),
            dict(vars(Http1Server)),
            websocket.Fragmentizer.FRAGMENT_SIZE,
            websocket.WebsocketLayer,
        ]

    before = state()
    uninstall = install(OVERSIZED)
    changed = state()
    uninstall()
    assert changed != before
    assert state() == before


@pytest.mark.parametrize("kind", ["h1", "h2"])
async def test_foreign_flows_are_as_in_mitmproxy(
    confdir: Path, make_upstream: MakeUpstream, kind: str
) -> None:
    """The same requests with and without the stream: the same bytes, hooks and connections."""
    pytest.importorskip("mitmproxy")
    results = []
    for installed in (False, True):
        upstream = await make_upstream("h2" if kind == "h2" else "h1")
        async with running_proxy(confdir, installed=installed) as proxy:
            proxy.aim(upstream)
            framing: Framing = "length"
            upstream.answers(
                succeed(framing=framing),
                refuse(429, b"quota"),
                refuse(503, b"down", "chunked"),
                succeed(b"a" * 100_000, framing="chunked"),
                reset(),
                succeed(),
                break_off(b"output", framing="length", length=100),
            )
            seen = []
            for number in range(7):
                client = await proxy.client("h1")
                assert isinstance(client, Http1Client)
                call = await client.call("/stock", b"x" * number)
                async with call.news:
                    await asyncio.wait_for(call.news.wait_for(lambda c=call: c.over), 5)  # type: ignore[misc]
                seen.append((bytes(client.raw), call.broken))
            await until(lambda g=proxy.gateway: len(g.flows) == 7, "seven flows")  # type: ignore[misc]
            hooks = [name for name, _ in proxy.gateway.hooks]
            requests = [(r.method, r.path, r.body, r.headers) for r in upstream.seen]
            port = str(upstream.port)
            results.append((seen, hooks, str(requests).replace(port, "PORT")))
    assert results[0] == results[1]


@pytest.mark.parametrize("client_kind", ["h1", "h2"])
async def test_flows_can_be_saved(
    confdir: Path, make_upstream: MakeUpstream, tmp_path: Path, client_kind: str
) -> None:
    """``-w``: the addresses are a subclass of tuple, and read back as plain ones."""
    upstream = await make_upstream("h2")
    path = tmp_path / "flows"
    async with running_proxy(confdir, save_stream_file=str(path)) as proxy:
        proxy.aim(upstream, upstream, lanes="ab")
        upstream.answers(refuse(), succeed())
        client = await proxy.client(client_kind)
        assert (await client.ask(body=b"saved")).status == 200
        flow = proxy.gateway.flows[-1]
        copied = flow.copy()
        assert copied.server_conn.address == ("127.0.0.1", upstream.port)
    with path.open("rb") as file:
        (read,) = [f for f in FlowReader(file).stream() if isinstance(f, http.HTTPFlow)]
    assert read.server_conn.address == ("127.0.0.1", upstream.port)
    assert type(read.server_conn.address) is tuple
    assert read.request.headers["x-attempt"] == "2"
    assert read.request.raw_content == b"saved"
    assert read.response is not None
    assert read.response.status_code == 200


@pytest.mark.usefixtures("clock")
async def test_timers_that_fire_late(confdir: Path, make_upstream: MakeUpstream) -> None:
    """Behind the end of their exchange, and while the next one runs on the same connection."""
    upstream = await make_upstream("h1")
    async with running_proxy(confdir) as proxy:
        proxy.aim(upstream)
        proxy.wishes.hold_seconds = 0.03
        for kind in ("h1", "h2"):
            client = await proxy.client(kind)
            for _ in range(3):
                upstream.answers(refuse(), succeed(b"output", b" and", b" more", gap=0.02))
                answer = await client.ask()
                assert (answer.status, answer.body) == (200, b"output and more")


def http_layers(flow: http.HTTPFlow) -> list[HttpLayer]:
    """The layers that carry a flow: in a tunnel there are two."""
    return [
        thing
        for thing in gc.get_objects()
        if isinstance(thing, HttpLayer) and thing.context.client is flow.client_conn
    ]


@pytest.mark.parametrize("upstream_kind", ["h1", "h2"])
async def test_streams_are_forgotten(
    confdir: Path, make_upstream: MakeUpstream, upstream_kind: str
) -> None:
    """A client that stays for long leaves nothing behind for each of its requests."""
    upstream = await make_upstream("h2" if upstream_kind == "h2" else "h1")
    async with running_proxy(confdir) as proxy:
        proxy.aim(upstream)
        client = await proxy.client("h2")
        for number in range(20):
            upstream.answers(refuse(), reset(), succeed())
            call = await client.call(body=b"x")
            await call.head()
            if number % 2:
                await call.leave()
            else:
                await call.answer()
        await until(
            lambda: len([n for n, _ in proxy.gateway.hooks if n in ("response", "error")]) == 20,
            "all are over",
        )
        layers = http_layers(proxy.gateway.flows[-1])
        left = [
            stream
            for layer in layers
            for stream in layer.streams.values()
            if isinstance(stream, AttemptStream) and stream.driver is not None
        ]
        assert layers
        assert not left


@pytest.mark.parametrize("client_kind", ["h1", "h2"])
@pytest.mark.parametrize("upstream_kind", ["h1", "h2"])
async def test_connections_are_forgotten(
    confdir: Path, make_upstream: MakeUpstream, client_kind: str, upstream_kind: str
) -> None:
    """mitmproxy itself remembers every connection for as long as the client stays."""
    upstream = await make_upstream("h2" if upstream_kind == "h2" else "h1")
    async with running_proxy(confdir) as proxy:
        dead = Target("http", 1)
        proxy.wishes.targets = [dead, Target(upstream.scheme, upstream.port)]
        client = await proxy.client(client_kind)
        for _ in range(20):
            upstream.answers(reset(), succeed())
            assert (await client.ask()).status == 200
        layers = http_layers(proxy.gateway.flows[-1])
        assert len(layers) == (2 if client_kind == "h2" else 1)
        assert [layer for layer in layers if len(layer.connections) > 5] == []


@pytest.mark.parametrize("client_kind", ["h1", "h2"])
async def test_flows_are_let_go(
    confdir: Path, make_upstream: MakeUpstream, client_kind: str
) -> None:
    """At once: neither a timer that cannot be stopped keeps them, nor a circle of objects."""
    upstream = await make_upstream("h2")
    async with AsyncExitStack() as stack:
        stack.callback(shortcuts.install())  # mitmproxy's own check leaves frames behind
        gc.disable()
        stack.callback(gc.enable)
        proxy = await stack.enter_async_context(running_proxy(confdir))
        proxy.aim(upstream)
        client = await proxy.client(client_kind)
        for _ in range(5):
            upstream.answers(refuse(), succeed())
            await client.ask()
        gateway = proxy.gateway
        await until(lambda: [n for n, _ in gateway.hooks].count("response") == 5, "five answers")
        flows = [weakref.ref(flow) for flow in gateway.flows]
        gateway.flows.clear()
        gateway.hooks.clear()
        while gateway.drivers:
            del gateway.drivers.pop().flow  # the circle of these is the test's own
        assert sum(flow() is not None for flow in flows) <= 1, "the last one's, at most"


async def test_with_all_of_mitmdumps_addons(confdir: Path, make_upstream: MakeUpstream) -> None:
    upstream = await make_upstream("h1")
    opts = options.Options(confdir=str(confdir), listen_host="127.0.0.1", listen_port=0)
    master = DumpMaster(opts, with_termlog=False, with_dumper=False)
    opts.update(connection_strategy="lazy")
    gateway = ScriptedGateway(Wishes(targets=[Target("http", upstream.port)]))
    master.addons.add(gateway)
    async with AsyncExitStack() as stack:
        stack.callback(install(OVERSIZED))
        stack.push_async_callback(shut, master, asyncio.create_task(master.run()))
        server = master.addons.get("proxyserver")
        await until(server.listen_addrs, "mitmproxy does not listen")
        client = await Http1Client.open(server.listen_addrs()[0][1])
        stack.push_async_callback(client.close)
        upstream.answers(refuse(), succeed())
        answer = await client.ask()
        assert (answer.status, answer.body, answer.broken) == (200, b"output and more", "")
        await client.close()
        await until(lambda: not server.connections, "the client's connection is left")


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/path", True), ("http://example.test/path", False)],
    ids=["base URL", "forward proxy"],
)
async def test_origin_form_is_told_from_a_proxy_request(
    proxy: Proxy, make_upstream: MakeUpstream, target: str, expected: bool
) -> None:
    proxy.aim(await make_upstream("h1"))
    client = await proxy.client("h1")
    assert (await client.ask(target)).status == 200
    assert is_origin_form(proxy.gateway.flows[0]) is expected


async def test_request_in_a_tunnel_is_no_base_url_request(
    proxy: Proxy, make_upstream: MakeUpstream
) -> None:
    proxy.aim(await make_upstream("h1"))
    client = await proxy.client("h2")
    assert (await client.ask()).status == 200
    assert [is_origin_form(flow) for flow in proxy.gateway.flows] == [False]
