"""A script for mitmdump: whatever a client asks for, it gets from the sandbox.

No connection leaves the machine: every address is replaced before it is connected to, so that
requests stay as the client made them, host and all. ``record_upstream`` holds the ports of the
sandbox, ``PLAIN,TLS``. When the proxy listens, one line is written: ``record: listening on PORT``.
"""

from __future__ import annotations

import sys

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.server_hooks import ServerConnectionHookData


class Routing:
    """Replaces addresses."""

    def __init__(self) -> None:
        self.plain = self.tls = 0

    def load(self, loader: Loader) -> None:
        loader.add_option("record_upstream", str, "", "Ports of the sandbox: PLAIN,TLS.")

    def configure(self, updated: set[str]) -> None:
        if "record_upstream" in updated:
            plain, _, tls = ctx.options.record_upstream.partition(",")
            self.plain, self.tls = int(plain), int(tls)

    def running(self) -> None:
        proxy = ctx.master.addons.get("proxyserver")
        assert isinstance(proxy, Proxyserver)
        [port] = {address[1] for address in proxy.listen_addrs()}
        sys.stdout.write(f"record: listening on {port}\n")
        sys.stdout.flush()

    def server_connect(self, data: ServerConnectionHookData) -> None:
        data.server.address = ("127.0.0.1", self.tls if data.server.tls else self.plain)


addons = [Routing()]
