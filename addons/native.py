"""A plan's request in mitmproxy's form."""

from __future__ import annotations

import copy

from mitmproxy import http

from addons.providers.contract import UpstreamRequest


def native_request(request: UpstreamRequest, client: http.Request) -> http.Request:
    """The mitmproxy request of a plan, in the HTTP version in which the client speaks.

    mitmproxy translates between versions by itself; the version decides only in which form it
    expects the host.
    """
    headers = [(key, value) for key, value in request.headers if key.lower() != b"host"]
    authority = request.authority.encode()
    if not client.is_http2:
        names = [key.lower() for key, _ in request.headers]
        place = names.index(b"host") if b"host" in names else 0
        name = request.headers[place][0] if b"host" in names else b"host"
        headers.insert(place, (name, authority))
    # Shallow copies: the constructor checks each field's type at a tenth of a millisecond.
    native = copy.copy(client)
    native.data = copy.copy(client.data)
    native.data.host = request.host
    native.data.port = request.port
    native.data.method = request.method.encode()
    native.data.scheme = request.scheme.encode()
    native.data.authority = authority if client.is_http2 else b""
    native.data.path = request.path.encode()
    native.data.headers = http.Headers(headers)
    native.data.content = request.body
    native.data.trailers = None
    native.data.http_version = b"HTTP/2.0" if client.is_http2 else b"HTTP/1.1"
    return native
