"""The upstream's process.

It prints its ports as one line of JSON, then takes one JSON order per line
(``{"deltas": n, "writes": "each" | "one"}``) and answers each with its counters since the last
order. With ``--marker``, see :class:`~replay.bench.upstream.script.Script`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
from typing import Any

from replay.bench.upstream.http1 import Http1Server
from replay.bench.upstream.http2 import Http2Server
from replay.bench.upstream.script import Script


class TlsServer(asyncio.Protocol):
    """Hands a TLS connection to the protocol that ALPN agreed on."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._inner: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        chosen: ssl.SSLObject = transport.get_extra_info("ssl_object")
        http2 = chosen.selected_alpn_protocol() == "h2"
        self._inner = Http2Server(self._script) if http2 else Http1Server(self._script)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        assert self._inner is not None
        self._inner.data_received(data)


async def _serve(marker: str, model: str, certificate: str) -> None:
    script = Script(marker=marker.lower().encode(), model=model)
    script.prepare(2, one_write=True)
    loop = asyncio.get_running_loop()
    servers = {"http1": await loop.create_server(lambda: Http1Server(script), "127.0.0.1", 0)}
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        servers["tls"] = await loop.create_server(
            lambda: TlsServer(script), "127.0.0.1", 0, ssl=context
        )
    _say({name: server.sockets[0].getsockname()[1] for name, server in servers.items()})
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        seen = script.counters()
        script.prepare(order["deltas"], order["writes"] == "one")
        _say(seen)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--marker", default="", help="refuse every second request of sessions with this word"
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--certificate", default="", help="PEM file with key and chain, for TLS")
    options = parser.parse_args()
    asyncio.run(_serve(options.marker, options.model, options.certificate))
