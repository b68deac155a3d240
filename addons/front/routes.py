"""Routes: which requests floway takes, as data.

A request is matched by host, method and path. ``host`` None means the base URL: origin-form
requests to floway's own port. Everything that no route names is left alone (forward proxy) or
answered 404 (base URL).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the route table.

    Attributes:
        host: None for the base URL, else the host name of a forward-proxied request.
        method: ``GET``, ``POST``, … or ``*``.
        path: exact path, or a prefix when it ends with ``*``.
        kind: what is asked, in neutral words: ``model`` (a model request), ``model_socket``
            (WebSocket upgrade for model requests), ``models``, ``count`` (how many tokens a
            model request has; never sent), ``passthrough`` (an
            upstream's side endpoint, sent with the account's identity), ``duplex`` (the same, with
            a body that goes on while the answer comes), ``local`` (answered here).
        protocol: client protocol of requests, answers and errors (a front module's name).
        provider: provider's name, or "" for what floway answers itself.
        upstream: path at the provider; "" keeps the client's path.
        note: one line for ``floway routes``.
        native: clients of this route speak the provider's own dialect: an upstream's error is
            given to them as the upstream wrote it, not translated.
    """

    host: str | None
    method: str
    path: str
    kind: str
    protocol: str
    provider: str
    upstream: str = ""
    note: str = ""
    native: bool = False

    def matches(self, method: str, path: str) -> bool:
        """``path`` without its query."""
        if self.method not in ("*", method):
            return False
        if self.path.endswith("*"):
            prefix = self.path[:-1]
            return path.startswith(prefix) and len(path) > len(prefix) and not _climbs(path)
        return path == self.path


def _climbs(path: str) -> bool:
    """Whether a server may take the path for one outside its prefix: it has a ``..`` segment."""
    plain = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/")
    return ".." in plain.replace("\\", "/").split("/")


class RouteTable:
    """Routes by host; the first match wins, exact paths before prefixes."""

    def __init__(self, routes: list[Route]) -> None:
        self.routes = sorted(routes, key=lambda route: route.path.endswith("*"))
        self._by_host: dict[str | None, list[Route]] = {}
        for route in self.routes:
            self._by_host.setdefault(route.host, []).append(route)

    @property
    def hosts(self) -> set[str]:
        """Hosts that are decrypted in forward-proxy mode."""
        return {host for host in self._by_host if host is not None}

    def of_provider(self, provider: str, like: Route) -> Route | None:
        """A provider's route for the same requests as another one's, or None."""
        wanted = (like.host, like.method, like.path, like.kind, like.protocol)
        for route in self._by_host.get(like.host, ()):
            found = (route.host, route.method, route.path, route.kind, route.protocol)
            if route.provider == provider and found == wanted:
                return route
        return None

    def match(self, host: str | None, method: str, path: str, *, upgrade: bool) -> Route | None:
        """The route of a request, or None. ``upgrade``: it asks for a WebSocket."""
        path = path.partition("?")[0]
        for route in self._by_host.get(host, ()):
            if (route.kind == "model_socket") != upgrade:
                continue
            if route.matches(method, path):
                return route
        return None
