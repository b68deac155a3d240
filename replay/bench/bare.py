"""The base line, a mitmproxy script: what an addon that routes and streams must do, no more."""

from __future__ import annotations

from urllib.parse import urlsplit

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.server_hooks import ServerConnectionHookData


class Bare:
    """Sends every request to one upstream and streams the answers."""

    def load(self, loader: Loader) -> None:
        loader.add_option("bench_upstream", str, "", "Base URL of the upstream.")

    def configure(self, updated: set[str]) -> None:
        url = urlsplit(ctx.options.bench_upstream)
        self.scheme, self.host, self.port = url.scheme, url.hostname or "", url.port or 443

    def requestheaders(self, flow: HTTPFlow) -> None:
        flow.request.scheme = self.scheme
        flow.request.host = self.host
        flow.request.port = self.port

    def server_connect(self, data: ServerConnectionHookData) -> None:
        if self.scheme == "https":
            data.server.alpn_offers = [b"h2", b"http/1.1"]

    def responseheaders(self, flow: HTTPFlow) -> None:
        assert flow.response is not None
        flow.response.stream = True
        headers = flow.response.headers
        if not flow.request.is_http2 and "content-length" not in headers:
            # Else an answer of an HTTP/2 upstream ends with the client's connection.
            headers["transfer-encoding"] = "chunked"


addons = [Bare()]
