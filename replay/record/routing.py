"""A script for mitmdump: whatever a client asks for, it gets from the sandbox.

No connection leaves the machine: every address is replaced before it is connected to, so that
requests stay as the client made them, host and all. A request that was sent to the proxy itself, by
a client which takes it for a gateway, goes there too. ``record_upstream`` holds the ports of the
sandbox, ``PLAIN,TLS``. When the proxy listens, one line is written: ``record: listening on PORT``.
"""

from __future__ import annotations

import sys

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

LOOPBACK = ("127.0.0.1", "localhost")


class Routing:
    """Replaces addresses."""

    def __init__(self) -> None:
        self.plain = self.tls = self.own = 0

    def load(self, loader: Loader) -> None:
        loader.add_option("record_upstream", str, "", "Ports of the sandbox: PLAIN,TLS.")

    def configure(self, updated: set[str]) -> None:
        if "record_upstream" in updated:
            plain, _, tls = ctx.options.record_upstream.partition(",")
            self.plain, self.tls = int(plain), int(tls)

    def running(self) -> None:
        proxy = ctx.master.addons.get("proxyserver")
        assert isinstance(proxy, Proxyserver)
        [self.own] = {address[1] for address in proxy.listen_addrs()}
        sys.stdout.write(f"record: listening on {self.own}\n")
        sys.stdout.flush()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        if request.port == self.own and request.host in LOOPBACK:
            # A connection to itself is one that mitmproxy refuses. The upstream sees the header
            # as it was.
            host = request.host_header
            request.port = self.plain
            request.host_header = host

    def server_connect(self, data: ServerConnectionHookData) -> None:
        data.server.address = ("127.0.0.1", self.tls if data.server.tls else self.plain)


addons = [Routing()]
