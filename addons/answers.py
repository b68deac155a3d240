"""What floway answers itself, whatever the provider."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from mitmproxy import http

from addons.driver import Replan, Step, drive
from addons.errors import ClientError
from addons.front import protocols
from addons.front.routes import RouteTable
from addons.production import Production
from addons.providers.contract import Ended

UNREAD_BYTES = 1024 * 1024
"""Limit of a request body that is read only to be thrown away; a larger one ends the connection."""


class Unsent:
    """Driver of a request that floway answers itself: nothing of it is sent."""

    def __init__(self) -> None:
        self.hold_bytes = 0
        self.hold_seconds = self.header_seconds = 0.0
        self.max_request_bytes = UNREAD_BYTES
        self.lane = ""
        self.http2 = False
        self.production: Production | None = None
        self.extensions = ("", "")

    def judge(self, ended: Ended, body: list[bytes], error: str) -> Step:
        return Step.COMMIT

    async def replan(self, replan: Replan) -> None:
        """Nothing was sent, so nothing comes back."""

    def cut_short(self, message: str) -> bytes:
        return b""

    def refuse_body(self) -> None:
        """The flow has its answer."""

    def leave(self) -> None:
        """Nothing is planned."""


def refuse(flow: http.HTTPFlow, answer: http.Response) -> None:
    """Answer a request in its ``requestheaders``; at most :data:`UNREAD_BYTES` of it are read."""
    flow.response = answer
    drive(flow, Unsent())


def error_response(
    protocol: str, error: ClientError, more: Mapping[str, str] | None = None
) -> http.Response:
    """An error in a client protocol's own form."""
    headers, body = protocols.get(protocol).error(error)
    return http.Response.make(error.status, body, {**headers, **(more or {})})


def no_route(routes: RouteTable, request: http.Request, *, upgrade: bool) -> http.Response:
    """For a base-URL request that no route takes: 404, 405 or 426, and what would do."""
    method, path = request.method, request.path.partition("?")[0]
    same_path = [r for r in routes.routes if r.host is None and r.matches(r.method, path)]
    sockets = [route for route in same_path if route.kind == "model_socket"]
    others = [route for route in same_path if route.kind != "model_socket"]
    if sockets and method == "GET" and not upgrade:
        error = ClientError(
            426, "upgrade_required", f"GET {path} is a WebSocket. POST works without one."
        )
        # Headers of a connection, which HTTP/2 does not have.
        more = {} if request.is_http2 else {"connection": "Upgrade", "upgrade": "websocket"}
        return error_response(sockets[0].protocol, error, more)
    if others and not upgrade:
        methods = ", ".join(sorted({route.method for route in same_path}))
        error = ClientError(
            405, "method_not_allowed", f"{path} takes {methods}, not {method[:40]}."
        )
        return error_response(others[0].protocol, error, {"allow": methods})
    what = "a WebSocket at" if upgrade else method[:40]
    return error_response(
        "responses",
        ClientError(
            404,
            "unknown_path",
            f"floway does not serve {what} {path[:200]}. `floway routes` lists what it serves; "
            "the base URL ends in /v1.",
        ),
    )


def proxy_key_needed() -> http.Response:
    """To a caller of the forward proxy without a client key."""
    challenge = 'Basic realm="floway: a client key as password"'
    return http.Response.make(407, b"", {"proxy-authenticate": challenge})


def starting() -> ClientError:
    """Before the upstreams are known, and after they are gone."""
    return ClientError(503, "starting", "floway is starting or stopping.", retry_after=1)


def unrouted() -> ClientError:
    """To a caller whose request brought the routing down."""
    return ClientError(
        502, "routing_failed", "floway could not route this request; its log says why."
    )


def unreachable(error: str) -> ClientError:
    """No answer came."""
    return ClientError(502, "upstream_unreachable", f"The upstream gave no answer: {error}")


def unjudged(exchange: str) -> ClientError:
    """An answer came, and nobody could tell what it means. ``exchange``: its id."""
    return ClientError(
        502,
        "judge_failed",
        "floway could not tell what the upstream's answer means. The proxy's log says why "
        f"(exchange {exchange}).",
    )


def client_left() -> ClientError:
    """Nobody is told this: whoever asked has gone."""
    return ClientError(499, "client_left", "The client has left.")


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
