"""A plan's request in mitmproxy's form."""

from __future__ import annotations

from mitmproxy import http

from addons.providers.contract import HeaderList, UpstreamRequest


def native_request(request: UpstreamRequest, client: http.Request) -> http.Request:
    """The mitmproxy request of a plan, in the HTTP version in which the client speaks.

    mitmproxy translates between versions by itself; the version decides only in which form it
    expects the host.
    """
    authority = request.authority.encode()
    headers: HeaderList = []
    place, name = 0, b"host"
    for pair in request.headers:
        if pair[0].lower() == b"host":
            place, name = len(headers), pair[0]
        else:
            headers.append(pair)
    if not client.is_http2:
        headers.insert(place, (name, authority))
    made = http.Headers()
    made.fields = tuple(headers)  # pairs of bytes: the constructor would look at each again
    return http.Request(
        request.host,
        request.port,
        request.method.encode(),
        request.scheme.encode(),
        authority if client.is_http2 else b"",
        request.path.encode(),
        b"HTTP/2.0" if client.is_http2 else b"HTTP/1.1",
        made,
        request.body,
        None,
        client.timestamp_start,
        client.timestamp_end,
    )
