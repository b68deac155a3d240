"""What floway answers itself, whatever the provider."""

from __future__ import annotations

import json
from collections.abc import Iterable

from mitmproxy import http

from addons.errors import ClientError
from addons.front import protocols
from addons.front.routes import RouteTable


def no_route(routes: RouteTable, request: http.Request) -> ClientError:
    """For a base-URL request that no route takes: 404, 405 or 426, and what would do."""
    path = request.path.partition("?")[0]
    same_path = [r for r in routes.routes if r.host is None and r.matches(r.method, path)]
    if any(route.kind == "model_socket" for route in same_path) and request.method == "GET":
        return ClientError(
            426, "upgrade_required", f"GET {path} is a WebSocket. POST works without one."
        )
    if same_path:
        methods = sorted({route.method for route in same_path})
        return ClientError(
            405, "method_not_allowed", f"{path} takes {', '.join(methods)}, not {request.method}."
        )
    return ClientError(
        404,
        "unknown_path",
        f"floway does not serve {request.method} {path}. `floway routes` lists what it serves; "
        "the base URL ends in /v1.",
    )


def health(providers: Iterable[str]) -> http.Response:
    """``GET /healthz``."""
    body = {"status": "ok", "providers": sorted(providers)}
    return http.Response.make(200, json.dumps(body), {"content-type": "application/json"})


def oversized_head() -> bytes:
    """The raw HTTP/1.1 answer to a request whose header section does not end."""
    error = ClientError(431, "headers_too_large", "The request's header section is too large.")
    headers, body = protocols.get("responses").error(error)
    lines = [f"{key}: {value}" for key, value in headers.items()]
    head = ["HTTP/1.1 431 Request Header Fields Too Large", *lines, "connection: close"]
    return "\r\n".join([*head, f"content-length: {len(body)}", "", ""]).encode() + body
